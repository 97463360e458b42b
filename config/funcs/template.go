package funcs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/msgflo/msgflo/config/nesting"
)

// templateFile renders a file with the given variables. The template calls
// the same functions but itself, so it always ends.
func templateFile(baseDir string, table map[string]function.Function) function.Function {
	delete(table, "templatefile")
	render := func(args []cty.Value) (cty.Value, error) {
		path, vars := args[0].AsString(), args[1]
		expr, err := parseTemplate(baseDir, path)
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		given, err := templateVars(vars)
		if err != nil {
			return cty.NilVal, err
		}
		for _, t := range expr.Variables() {
			if _, ok := given[t.RootName()]; !ok {
				return cty.NilVal, function.NewArgErrorf(1, "%q uses %q (line %d), which is not among the variables given to templatefile", path, t.RootName(), t.SourceRange().Start.Line)
			}
		}
		v, diags := expr.Value(&hcl.EvalContext{Variables: given, Functions: table})
		if diags.HasErrors() {
			return cty.NilVal, fault(diags)
		}
		return v, nil
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "path", Type: cty.String},
			{Name: "vars", Type: cty.DynamicPseudoType},
		},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() || !args[1].IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			// A template of a single interpolation has that value's type.
			v, err := render(args)
			if err != nil {
				return cty.DynamicPseudoType, err
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return render(args) },
	})
}

func templateVars(v cty.Value) (map[string]cty.Value, error) {
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		return nil, function.NewArgErrorf(1, "the variables must be an object, not %s", t.FriendlyName())
	}
	vars := v.AsValueMap()
	for name := range vars {
		if !hclsyntax.ValidIdentifier(name) {
			return nil, function.NewArgErrorf(1, "%q cannot be a template's variable: a name starts with a letter, followed by letters, digits, '_' and '-'", name)
		}
	}
	return vars, nil
}

func parseTemplate(baseDir, path string) (hclsyntax.Expression, error) {
	src, err := readText(baseDir, path)
	if err != nil {
		return nil, err
	}
	if deep := nesting.Check([]byte(src), path, hcl.InitialPos, nesting.Template); deep != nil {
		return nil, fmt.Errorf("%q, line %d: %w", path, deep.Range.Start.Line, deep)
	}
	expr, diags := hclsyntax.ParseTemplate([]byte(src), path, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fault(diags)
	}
	return expr, nil
}

// fault is what is wrong with a template as an error, whose text has no full
// stop: the diagnostic that quotes it adds one.
func fault(diags hcl.Diagnostics) error {
	return errors.New(strings.TrimSuffix(diags.Error(), "."))
}
