package value

import (
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/providers"
)

// IsDefault tells whether a decoded value is what the attribute has where
// nothing is written.
func IsDefault(v any, a *providers.Attr) bool {
	if a.Default == cty.NilVal || a.Default.IsNull() || !a.Default.IsWhollyKnown() {
		return false
	}
	raw, err := ctyjson.Marshal(a.Default, a.Default.Type())
	return err == nil && Equal(v, parse(raw))
}
