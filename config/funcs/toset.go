package funcs

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// toCollection is the standard conversion with a short way for a tuple whose
// elements are all of one primitive type, which is what `[for …]` makes: the
// general way unifies the types of every pair of elements, half a second for
// 5 000 of them.
func toCollection(general function.Function, wrap func(cty.Type) cty.Type, build func([]cty.Value) cty.Value) function.Function {
	return function.New(&function.Spec{
		Description: general.Description(),
		Params: []function.Parameter{{
			Name: "v", Type: cty.DynamicPseudoType,
			AllowNull: true, AllowMarked: true, AllowDynamicType: true,
		}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if ety, ok := uniform(args[0]); ok {
				return wrap(ety), nil
			}
			return general.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if _, ok := uniform(args[0]); ok {
				return build(args[0].AsValueSlice()), nil
			}
			return general.Call(args)
		},
	})
}

// uniform finds the one primitive type of an unmarked tuple's elements.
func uniform(v cty.Value) (cty.Type, bool) {
	ty := v.Type()
	if v.IsMarked() || !ty.IsTupleType() || v.IsNull() || !v.IsKnown() || ty.Length() == 0 {
		return cty.NilType, false
	}
	etys := ty.TupleElementTypes()
	if !etys[0].IsPrimitiveType() {
		return cty.NilType, false
	}
	for _, t := range etys[1:] {
		if t != etys[0] {
			return cty.NilType, false
		}
	}
	return etys[0], true
}

func toSet() function.Function {
	return toCollection(stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)), cty.Set, cty.SetVal)
}

func toList() function.Function {
	return toCollection(stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)), cty.List, cty.ListVal)
}
