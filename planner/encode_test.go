package planner

import (
	"testing"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/providers"
)

func values(depth int) *rapid.Generator[cty.Value] {
	return rapid.Custom(func(t *rapid.T) cty.Value {
		switch n := rapid.IntRange(0, 7).Draw(t, "kind"); {
		case n == 0:
			return cty.NullVal(cty.DynamicPseudoType)
		case n == 1:
			return cty.BoolVal(rapid.Bool().Draw(t, "bool"))
		case n == 2:
			return cty.NumberIntVal(rapid.Int64().Draw(t, "int"))
		case n == 3:
			return cty.NumberFloatVal(rapid.Float64Range(-1e12, 1e12).Draw(t, "float"))
		case n < 6 || depth == 0:
			return cty.StringVal(rapid.String().Draw(t, "text"))
		case n == 6:
			return cty.TupleVal(rapid.SliceOfN(values(depth-1), 0, 3).Draw(t, "tuple"))
		}
		return cty.ObjectVal(rapid.MapOfN(rapid.String(), values(depth-1), 0, 3).Draw(t, "object"))
	})
}

// TestEncode: what is written is what go-cty would write, and what was
// written says of the object what the object says.
func TestEncode(t *testing.T) {
	sch := newSchema(&providers.Schema{Attrs: []providers.Attr{
		{Name: "text", Type: cty.String}, {Name: "number", Type: cty.Number}, {Name: "flag", Type: cty.Bool},
		{Name: "open", Type: cty.DynamicPseudoType}, {Name: "tags", Type: cty.Set(cty.String)}, {Name: "map", Type: cty.Map(cty.Number)},
	}})
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.MapOfN(rapid.String(), rapid.Int64(), 1, 3).Draw(t, "map")
		numbers, tags := map[string]cty.Value{}, []cty.Value{}
		for k, n := range texts {
			numbers[k] = cty.NumberIntVal(n)
			tags = append(tags, cty.StringVal(k))
		}
		v := cty.ObjectVal(map[string]cty.Value{
			"text": cty.StringVal(rapid.String().Draw(t, "text")), "number": cty.NumberFloatVal(rapid.Float64Range(-1e9, 1e9).Draw(t, "number")),
			"flag": cty.BoolVal(rapid.Bool().Draw(t, "flag")), "open": values(2).Draw(t, "open"),
			"tags": cty.SetVal(tags), "map": cty.MapVal(numbers),
		})
		want, err := ctyjson.Marshal(v, sch.typ)
		if err != nil {
			t.Fatal(err)
		}
		got := encode(sch, v, nil)
		if string(got) != string(want) {
			t.Fatalf("wrote %s, not %s", got, want)
		}
		m := v.AsValueMap()
		for name := range m {
			other := v.AsValueMap()
			other[name] = values(1).Draw(t, "other")
			if name != "open" && !other[name].Type().Equals(m[name].Type()) || other[name].RawEquals(m[name]) {
				continue
			}
			if sch.form.Says(got, cty.ObjectVal(other)) && other[name].Type().IsPrimitiveType() {
				t.Fatalf("%s says that %s is %#v", got, name, other[name])
			}
		}
	})
}

// What is common must be recognised without decoding, or plans get slow.
func TestSaysRecognises(t *testing.T) {
	sch := newSchema(&providers.Schema{Attrs: []providers.Attr{
		{Name: "name", Type: cty.String}, {Name: "ttl", Type: cty.Number}, {Name: "durable", Type: cty.Bool}, {Name: "none", Type: cty.String},
		{Name: "arguments", Type: cty.DynamicPseudoType}, {Name: "tags", Type: cty.Set(cty.String)}, {Name: "password", Type: cty.String, WriteOnly: true},
		{Name: "limits", Attrs: []providers.Attr{{Name: "length", Type: cty.Number}}},
	}})
	v := cty.ObjectVal(map[string]cty.Value{
		"name": cty.StringVal("a \"b\" <é>\n"), "ttl": cty.NumberIntVal(-60000), "durable": cty.True, "none": cty.NullVal(cty.String),
		"arguments": cty.ObjectVal(map[string]cty.Value{"x-max": cty.NumberIntVal(5), "x-t": cty.StringVal("q")}),
		"tags":      cty.SetVal([]cty.Value{cty.StringVal("b"), cty.StringVal("a")}), "password": cty.StringVal("p"),
		"limits": cty.ObjectVal(map[string]cty.Value{"length": cty.NumberFloatVal(1.5)}),
	})
	raw := encode(sch, v, []cty.Path{cty.GetAttrPath("password")})
	if !sch.form.Says(raw, v) {
		t.Errorf("not recognised: %s", raw)
	}
}

func FuzzSays(f *testing.F) {
	sch := newSchema(&providers.Schema{Attrs: []providers.Attr{{Name: "a", Type: cty.String}, {Name: "b", Type: cty.DynamicPseudoType}, {Name: "c", Type: cty.List(cty.Number)}}})
	v := cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("x\"y"), "b": cty.ObjectVal(map[string]cty.Value{"k": cty.True}), "c": cty.ListVal([]cty.Value{cty.NumberIntVal(1)})})
	f.Add([]byte(encode(sch, v, nil)))
	f.Add([]byte(`{"a":"x`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !sch.form.Says(raw, v) {
			return
		}
		got, err := ctyjson.Unmarshal(raw, sch.typ)
		if err == nil && !got.GetAttr("a").RawEquals(v.GetAttr("a")) {
			t.Fatalf("%s says %#v", raw, got)
		}
	})
}
