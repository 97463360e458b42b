// Package attr reads attributes of evaluated blocks and of objects: what is
// unset, unknown, marked or not there at all is never a panic.
//
// It imports go-cty only.
package attr

import (
	"sort"

	"github.com/zclconf/go-cty/cty"
)

// Of is an attribute of an object value, or a null where the value has none:
// values of data sources and of older states may lack attributes.
func Of(v cty.Value, name string) cty.Value {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	a, _ := v.GetAttr(name).Unmark()
	return a
}

// Given reports whether a value is there and known as a whole.
func Given(v cty.Value) bool { return v != cty.NilVal && v.IsKnown() && !v.IsNull() }

// Text is a text attribute, "" where unset, unknown or no text.
func Text(v cty.Value, name string) string { return String(Of(v, name)) }

// String is a text, "" where unset, unknown or no text.
func String(v cty.Value) string {
	if !Given(v) || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

// Bool is a boolean attribute, or what counts where it is unset.
func Bool(v cty.Value, name string, unset bool) bool {
	a := Of(v, name)
	if !Given(a) || a.Type() != cty.Bool {
		return unset
	}
	return a.True()
}

// Strings are the texts of a list, set or tuple, sorted where order means
// nothing (a set).
func Strings(v cty.Value) []string {
	out := []string{}
	if !Given(v) || !v.CanIterateElements() {
		return out
	}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		out = append(out, String(e))
	}
	if v.Type().IsSetType() {
		sort.Strings(out)
	}
	return out
}
