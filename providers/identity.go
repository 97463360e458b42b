package providers

import (
	"fmt"
	"strconv"

	"github.com/zclconf/go-cty/cty"
)

// appendIdentity writes a value in a form that keeps types apart: strings are
// quoted, numbers are not, collections are in key order.
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
		b = append(b, '{')
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			b = appendIdentity(b, k)
			b = appendIdentity(b, e)
		}
		return append(b, '}')
	}
	return fmt.Appendf(b, "%#v", v)
}
