package funcs

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// mark is a type of its own, so that no other package's mark equals Sensitive.
type mark string

// Sensitive is the cty mark of a value that must not be shown. It is
// comparable and is put on with cty.Value.Mark.
const Sensitive = mark("sensitive")

func anyArgument(name string) function.Parameter {
	return function.Parameter{
		Name: name, Type: cty.DynamicPseudoType,
		AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true,
	}
}

func sensitive() function.Function {
	return function.New(&function.Spec{
		Description: "Marks a value as secret: it is shown nowhere.",
		Params:      []function.Parameter{anyArgument("value")},
		Type:        func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl:        func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0].Mark(Sensitive), nil },
	})
}

// nonsensitive takes the mark away at the top of the value only, as Terraform
// does: secrets inside a collection stay secret.
func nonsensitive() function.Function {
	return function.New(&function.Spec{
		Description: "Allows a value that was derived from a secret to be shown.",
		Params:      []function.Parameter{anyArgument("value")},
		Type:        func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, marks := args[0].Unmark()
			delete(marks, Sensitive)
			return v.WithMarks(marks), nil
		},
	})
}

func isSensitive() function.Function {
	return function.New(&function.Spec{
		Description: "Reports whether a value is marked as secret.",
		Params:      []function.Parameter{anyArgument("value")},
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			switch {
			case args[0].HasMark(Sensitive):
				return cty.True, nil
			case !args[0].IsKnown():
				// What is not known yet may turn out to be secret.
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.False, nil
		},
	})
}
