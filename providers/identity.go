package providers

import (
	"fmt"
	"strconv"

	"github.com/zclconf/go-cty/cty"
)

// appendIdentity writes a value in a form that keeps types apart: strings are
// quoted, numbers are not, collections are in key order. A collection with nothing
// in it is the same as none, and so is an element that is null: `arguments = {}`
// names the binding that has no arguments.
func appendIdentity(b []byte, v cty.Value) []byte {
	v, _ = v.Unmark()
	b = append(b, '|')
	switch {
	case v.IsNull():
		return append(b, '-')
	case !v.IsKnown():
		return append(b, '?')
	case v.Type() == cty.String:
		return strconv.AppendQuote(b, v.AsString())
	case v.Type() == cty.Number:
		return append(b, v.AsBigFloat().Text('g', -1)...)
	case v.Type() == cty.Bool:
		return strconv.AppendBool(b, v.True())
	case v.CanIterateElements():
		return appendElements(b, v)
	}
	return fmt.Appendf(b, "%#v", v)
}

func appendElements(b []byte, v cty.Value) []byte {
	start := len(b)
	b = append(b, '{')
	list := v.Type().IsListType() || v.Type().IsTupleType() // whose elements count by their place
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if e.IsNull() && !list {
			continue
		}
		b = appendIdentity(b, k)
		b = appendIdentity(b, e)
	}
	if len(b) == start+1 {
		return append(b[:start], '-')
	}
	return append(b, '}')
}
