package desired

import (
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/msgflo/msgflo/config/diag"
)

// converted is convert.Convert with a short way for what needs none.
func converted(v cty.Value, ty cty.Type) (cty.Value, error) {
	if ty == cty.DynamicPseudoType {
		return v, nil
	}
	if ty.IsPrimitiveType() && v.Type().IsPrimitiveType() && v.Type().Equals(ty) {
		return v, nil
	}
	return convert.Convert(v, ty)
}

// pathText is an error's text with the place inside the value that it is about.
func pathText(err error) string {
	var pe cty.PathError
	if errors.As(err, &pe) && len(pe.Path) > 0 {
		return diag.FormatPath(pe.Path) + ": " + err.Error()
	}
	return err.Error()
}
