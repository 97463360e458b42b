package funcs

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// length counts characters (grapheme clusters) of a string, elements of
// anything else.
func length() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{
			Name: "value", Type: cty.DynamicPseudoType,
			AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
		}},
		Type: func(args []cty.Value) (cty.Type, error) {
			t := args[0].Type()
			if t == cty.String || t == cty.DynamicPseudoType || t.IsCollectionType() || t.IsTupleType() || t.IsObjectType() {
				return cty.Number, nil
			}
			return cty.NilType, function.NewArgErrorf(0, "it must be a list, a set, a map, an object or a string")
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, marks := args[0].Unmark()
			switch t := v.Type(); {
			case t == cty.DynamicPseudoType:
				return cty.UnknownVal(cty.Number).WithMarks(marks), nil
			case t.IsTupleType():
				return cty.NumberIntVal(int64(t.Length())).WithMarks(marks), nil
			case t.IsObjectType():
				return cty.NumberIntVal(int64(len(t.AttributeTypes()))).WithMarks(marks), nil
			case t == cty.String:
				n, err := stdlib.Strlen(v)
				return n.WithMarks(marks), err
			}
			return v.Length().WithMarks(marks), nil
		},
	})
}

// sequence is a parameter for a list, set or tuple.
func sequence(name string) function.Parameter {
	return function.Parameter{Name: name, Type: cty.DynamicPseudoType}
}

func elementsOf(v cty.Value, arg int) ([]cty.Value, error) {
	if !v.Type().IsListType() && !v.Type().IsSetType() && !v.Type().IsTupleType() {
		return nil, function.NewArgErrorf(arg, "it must be a list, a set or a tuple, not %s", v.Type().FriendlyName())
	}
	return v.AsValueSlice(), nil
}

func sum() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{sequence("list")},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			vs, err := elementsOf(args[0], 0)
			if err != nil {
				return cty.NilVal, err
			}
			if len(vs) == 0 {
				return cty.NilVal, function.NewArgErrorf(0, "an empty list has no sum")
			}
			total := cty.Zero
			for _, v := range vs {
				n, err := convert.Convert(v, cty.Number)
				if err != nil || n.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "every element must be a number")
				}
				total = total.Add(n)
			}
			return total, nil
		},
	})
}

// index finds a value in a list. (The standard library's function of that
// name is the [ ] operator.)
func index() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{sequence("list"), {Name: "value", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if args[0].Type().IsSetType() {
				return cty.NilVal, function.NewArgErrorf(0, "a set has no order; give a list")
			}
			vs, err := elementsOf(args[0], 0)
			if err != nil {
				return cty.NilVal, err
			}
			for i, v := range vs {
				eq, err := stdlib.Equal(v, args[1])
				if err != nil {
					return cty.NilVal, err
				}
				if !eq.IsKnown() {
					return cty.UnknownVal(cty.Number), nil
				}
				if eq.True() {
					return cty.NumberIntVal(int64(i)), nil
				}
			}
			return cty.NilVal, errors.New("the list does not hold the value")
		},
	})
}

// lookup has an optional default, unlike the standard library's.
func lookup() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "map", Type: cty.DynamicPseudoType, AllowMarked: true},
			{Name: "key", Type: cty.String, AllowMarked: true},
		},
		VarParam: &function.Parameter{
			Name: "default", Type: cty.DynamicPseudoType,
			AllowUnknown: true, AllowDynamicType: true, AllowNull: true, AllowMarked: true,
		},
		Type: func(args []cty.Value) (cty.Type, error) {
			if len(args) > 3 {
				return cty.NilType, fmt.Errorf("lookup takes a map, a key and at most one default, not %d arguments", len(args))
			}
			return lookupType(args)
		},
		Impl: func(args []cty.Value, result cty.Type) (cty.Value, error) {
			m, marks := args[0].Unmark()
			k, keyMarks := args[1].Unmark()
			key := k.AsString()
			switch {
			case m.Type().IsObjectType() && m.Type().HasAttribute(key):
				return m.GetAttr(key).WithMarks(marks, keyMarks), nil
			case m.Type().IsMapType() && m.HasIndex(k).True():
				v, err := convert.Convert(m.Index(k), result)
				return v.WithMarks(marks, keyMarks), err
			case len(args) == 3:
				v, err := convert.Convert(args[2], result)
				return v.WithMarks(marks, keyMarks), err
			}
			return cty.NilVal, errors.New("the map has no such key, and lookup was given no default")
		},
	})
}

func lookupType(args []cty.Value) (cty.Type, error) {
	t := args[0].Type()
	switch {
	case t.IsObjectType():
		k, _ := args[1].Unmark()
		if !k.IsKnown() {
			return cty.DynamicPseudoType, nil
		}
		if t.HasAttribute(k.AsString()) {
			return t.AttributeType(k.AsString()), nil
		}
		if len(args) == 3 {
			return args[2].Type(), nil
		}
		return cty.DynamicPseudoType, nil
	case t.IsMapType():
		if len(args) == 3 {
			if _, err := convert.Convert(args[2], t.ElementType()); err != nil {
				return cty.NilType, function.NewArgErrorf(2, "the default must have the type of the map's elements, %s", t.ElementType().FriendlyName())
			}
		}
		return t.ElementType(), nil
	}
	return cty.NilType, function.NewArgErrorf(0, "it must be a map or an object, not %s", t.FriendlyName())
}

func one() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{sequence("list")},
		Type: func(args []cty.Value) (cty.Type, error) {
			t := args[0].Type()
			switch {
			case t.IsListType() || t.IsSetType():
				return t.ElementType(), nil
			case t.IsTupleType() && t.Length() == 0:
				return cty.DynamicPseudoType, nil
			case t.IsTupleType() && t.Length() == 1:
				return t.TupleElementType(0), nil
			case t.IsTupleType():
				return cty.NilType, function.NewArgErrorf(0, "it must have one element or none, and has %d", t.Length())
			}
			return cty.NilType, function.NewArgErrorf(0, "it must be a list, a set or a tuple, not %s", t.FriendlyName())
		},
		Impl: func(args []cty.Value, result cty.Type) (cty.Value, error) {
			vs := args[0].AsValueSlice()
			switch len(vs) {
			case 0:
				return cty.NullVal(result), nil
			case 1:
				return vs[0], nil
			}
			return cty.NilVal, function.NewArgErrorf(0, "it must have one element or none, and has %d", len(vs))
		},
	})
}

// coalesce passes over empty strings as well as nulls, as Terraform's does.
func coalesce() function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{
			Name: "vals", Type: cty.DynamicPseudoType,
			AllowUnknown: true, AllowDynamicType: true, AllowNull: true, AllowMarked: true,
		},
		Type: func(args []cty.Value) (cty.Type, error) {
			types := make([]cty.Type, len(args))
			for i, a := range args {
				types[i] = a.Type()
			}
			t, _ := convert.UnifyUnsafe(types)
			if t == cty.NilType {
				return cty.NilType, errors.New("all arguments must have one type")
			}
			return t, nil
		},
		Impl: func(args []cty.Value, result cty.Type) (cty.Value, error) {
			for _, a := range args {
				if a.IsNull() {
					continue
				}
				v, err := convert.Convert(a, result)
				if err != nil {
					return cty.NilVal, err
				}
				if !v.IsKnown() {
					return cty.UnknownVal(result).WithSameMarks(v), nil
				}
				if bare, _ := v.Unmark(); result == cty.String && bare.AsString() == "" {
					continue
				}
				return v, nil
			}
			return cty.NilVal, errors.New("every argument is null or an empty string")
		},
	})
}

func allTrue() function.Function { return fold(true) }
func anyTrue() function.Function { return fold(false) }

// fold is alltrue (unit true) or anytrue (unit false): the first element that
// differs from the unit decides, a null counts as false.
func fold(unit bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			unknown := false
			for _, v := range args[0].AsValueSlice() {
				if !v.IsKnown() {
					unknown = true
					continue
				}
				if b := !v.IsNull() && v.True(); b != unit {
					return cty.BoolVal(b), nil
				}
			}
			if unknown {
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(unit), nil
		},
	})
}

// matchKeys picks those values whose key, at the same index, is wanted.
func matchKeys() function.Function {
	list := cty.List(cty.DynamicPseudoType)
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "values", Type: list}, {Name: "keys", Type: list}, {Name: "searchset", Type: list}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if t, _ := convert.UnifyUnsafe([]cty.Type{args[1].Type(), args[2].Type()}); t == cty.NilType {
				return cty.NilType, errors.New("keys and searchset must be of one type")
			}
			return args[0].Type(), nil
		},
		Impl: func(args []cty.Value, result cty.Type) (cty.Value, error) {
			values, keys, wanted := args[0].AsValueSlice(), args[1].AsValueSlice(), args[2].AsValueSlice()
			if len(values) != len(keys) {
				return cty.NilVal, fmt.Errorf("there are %d values and %d keys; each value needs one key", len(values), len(keys))
			}
			var out []cty.Value
			for i, k := range keys {
				hit := slices.ContainsFunc(wanted, func(w cty.Value) bool {
					eq, err := stdlib.Equal(k, w)
					return err == nil && eq.IsKnown() && eq.True()
				})
				if hit {
					out = append(out, values[i])
				}
			}
			if len(out) == 0 {
				return cty.ListValEmpty(result.ElementType()), nil
			}
			return cty.ListVal(out), nil
		},
	})
}

// transpose turns a map of lists of strings round.
func transpose() function.Function {
	t := cty.Map(cty.List(cty.String))
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "values", Type: t}},
		Type:   function.StaticReturnType(t),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(t), nil
			}
			out := map[string][]cty.Value{}
			for it := args[0].ElementIterator(); it.Next(); {
				k, list := it.Element()
				if list.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "a list in the map is null")
				}
				for _, v := range list.AsValueSlice() {
					if v.IsNull() {
						return cty.NilVal, function.NewArgErrorf(0, "a string in the map is null")
					}
					out[v.AsString()] = append(out[v.AsString()], k)
				}
			}
			if len(out) == 0 {
				return cty.MapValEmpty(cty.List(cty.String)), nil
			}
			lists := make(map[string]cty.Value, len(out))
			for _, k := range slices.Sorted(maps.Keys(out)) {
				lists[k] = cty.ListVal(out[k])
			}
			return cty.MapVal(lists), nil
		},
	})
}
