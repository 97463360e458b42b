package providers_test

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
)

// TestIdentity: what names the same object has the same identity, however it
// is written; what does not, has not.
func TestIdentity(t *testing.T) {
	s := &providers.Schema{Attrs: []providers.Attr{
		{Name: "name", Type: cty.String, Identity: true},
		{Name: "arguments", Type: cty.DynamicPseudoType, Identity: true},
		{Name: "other", Type: cty.String},
	}}
	id := func(arguments cty.Value) string {
		return s.Identity(cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("n"), "arguments": arguments, "other": cty.UnknownVal(cty.String)}))
	}
	number, text := cty.NumberIntVal(5), cty.StringVal("5")
	parsed, err := cty.ParseNumberVal("0.5e1")
	if err != nil {
		t.Fatal(err)
	}
	object := func(k string, v cty.Value) cty.Value { return cty.ObjectVal(map[string]cty.Value{k: v}) }
	groups := [][]cty.Value{
		{cty.NullVal(cty.DynamicPseudoType), cty.EmptyObjectVal, cty.MapValEmpty(cty.String), cty.EmptyTupleVal, object("a", cty.NullVal(cty.String)), cty.EmptyObjectVal.Mark("m")},
		{object("a", number), cty.MapVal(map[string]cty.Value{"a": number}), object("a", parsed), object("a", number.Mark("secret"))},
		{object("a", text)},
		{object("b", text)},
		{object("a", cty.True)},
		{object("a", cty.TupleVal([]cty.Value{text})), object("a", cty.ListVal([]cty.Value{text}))},
		{object("a", cty.TupleVal([]cty.Value{cty.NullVal(cty.String), text}))},
		{object("a|b", text), cty.MapVal(map[string]cty.Value{"a|b": text})},
	}
	seen := map[string]int{}
	for i, g := range groups {
		for _, v := range g {
			if at, ok := seen[id(v)]; ok && at != i {
				t.Errorf("%#v has the identity of %#v", v, groups[at][0])
			} else if !ok && id(v) != id(g[0]) {
				t.Errorf("%#v and %#v differ: %s, %s", v, g[0], id(v), id(g[0]))
			}
			seen[id(v)] = i
		}
	}
}
