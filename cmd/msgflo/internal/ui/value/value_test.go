package value

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

func TestDecodeUnwraps(t *testing.T) {
	s := &providers.Schema{Attrs: []providers.Attr{
		{Name: "args", Type: cty.DynamicPseudoType},
		{Name: "maps", Type: cty.Map(cty.DynamicPseudoType)},
		{Name: "plain", Type: cty.Object(map[string]cty.Type{"value": cty.String, "type": cty.String})},
		{Name: "block", Attrs: []providers.Attr{{Name: "any", Type: cty.DynamicPseudoType}}},
	}}
	// What a user writes may itself look like a wrapping.
	inner := cty.ObjectVal(map[string]cty.Value{"value": cty.NumberIntVal(1), "type": cty.StringVal("number")})
	v := cty.ObjectVal(map[string]cty.Value{
		"args":  inner,
		"maps":  cty.MapVal(map[string]cty.Value{"k": cty.StringVal("v")}),
		"plain": cty.ObjectVal(map[string]cty.Value{"value": cty.StringVal("x"), "type": cty.StringVal("string")}),
		"block": cty.ObjectVal(map[string]cty.Value{"any": cty.TupleVal([]cty.Value{cty.True})}),
	})
	raw, err := ctyjson.Marshal(v, s.ImpliedType())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"args":  map[string]any{"value": json.Number("1"), "type": "number"},
		"maps":  map[string]any{"k": "v"},
		"plain": map[string]any{"value": "x", "type": "string"},
		"block": map[string]any{"any": []any{true}},
	}
	if got := Decode(raw, s); !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v from %s", got, raw)
	}
	got := Decode(json.RawMessage(`{"a":{"value":{"k":1},"type":["object",{"k":"number"}]},"b":{"value":1,"type":"quorum"}}`), nil)
	if !reflect.DeepEqual(got, map[string]any{"a": map[string]any{"k": json.Number("1")}, "b": map[string]any{"value": json.Number("1"), "type": "quorum"}}) {
		t.Errorf("without a schema: %#v", got)
	}
	for _, bad := range []string{``, `null`, `{`, `[1]`, `"x"`, `{"a":`} {
		if got := Decode(json.RawMessage(bad), s); got != nil {
			t.Errorf("%q became %v", bad, got)
		}
	}
}

func TestMask(t *testing.T) {
	for _, c := range []struct{ path, in, want string }{
		{`password`, `{"password":"p","user":"u"}`, `{ password = (sensitive value), user = "u" }`},
		{`password`, `{"password":null}`, `{ password = null }`},
		{`a.b`, `{"a":{"b":1,"c":2}}`, `{ a = { b = (sensitive value), c = 2 } }`},
		{`a["b"]`, `{"a":{"b":1,"c":2}}`, `{ a = { b = (sensitive value), c = 2 } }`},
		{`a.x.y`, `{"a":{"x.y":1,"x":2}}`, `{ a = { x = (sensitive value), "x.y" = (sensitive value) } }`},
		{`a["x.y"]`, `{"a":{"x.y":1,"x":2}}`, `{ a = { x = 2, "x.y" = (sensitive value) } }`},
		{`a[1]`, `{"a":["p","q"]}`, `{ a = ["p", (sensitive value)] }`},
		{`a[…].b`, `{"a":[{"b":1},{"b":2,"c":3}]}`, `{ a = [{ b = (sensitive value) }, { b = (sensitive value), c = 3 }] }`},
		{`a[…]`, `{"a":{"k":1}}`, `{ a = { k = (sensitive value) } }`},
		{`a.b.c`, `{"a":{"b":"all of it"}}`, `{ a = { b = (sensitive value) } }`},
		{`a`, `{"a":{"b":1},"ab":2}`, `{ a = (sensitive value), ab = 2 }`},
	} {
		if got := Inline(Mask(parse(json.RawMessage(c.in)), NewPaths(c.path))); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.path, c.in, got, c.want)
		}
	}
}

func TestPut(t *testing.T) {
	for _, c := range []struct{ in, path, want string }{
		{`null`, `password`, `{ password = (sensitive value) }`},
		{`{"a":null}`, `a.b["c.d"]`, `{ a = { b = { "c.d" = (sensitive value) } } }`},
		{`{"a":{"x.y":1}}`, `a.x.y`, `{ a = { "x.y" = (sensitive value) } }`},
		{`{"a":[1,2]}`, `a[1]`, `{ a = [1, (sensitive value)] }`},
		{`{"a":[1,2]}`, `a[9].b`, `{ a = (sensitive value) }`},
		{`{"a":1}`, `a.b`, `{ a = { b = (sensitive value) } }`},
	} {
		if got := Inline(Put(parse(json.RawMessage(c.in)), c.path, Secret{})); got != c.want {
			t.Errorf("%s at %s: %s, want %s", c.in, c.path, got, c.want)
		}
	}
	var none map[string]any
	if got := Inline(Put(none, "a", Unknown{})); got != `{ a = (known after apply) }` {
		t.Error(got)
	}
}

// tree draws a decoded value and the paths to all its leaves.
func tree(t *rapid.T, depth int, at cty.Path, leaves map[string]cty.Path) any {
	kind := rapid.IntRange(0, 3).Draw(t, "kind")
	if depth == 0 || kind < 2 {
		s := "leaf-" + strconv.Itoa(len(leaves))
		leaves[s] = append(cty.Path{}, at...)
		return s
	}
	n := rapid.IntRange(1, 3).Draw(t, "n")
	if kind == 2 {
		l := make([]any, n)
		for i := range l {
			l[i] = tree(t, depth-1, append(at, cty.IndexStep{Key: cty.NumberIntVal(int64(i))}), leaves)
		}
		return l
	}
	m := map[string]any{}
	for range n {
		k := rapid.SampledFrom([]string{"a", "a.b", "b", "x-y", `q"q`, "é", "[0]", "a[0]", ""}).Draw(t, "key")
		if _, twice := m[k]; twice {
			continue
		}
		var step cty.PathStep = cty.GetAttrStep{Name: k}
		if rapid.Bool().Draw(t, "index") {
			step = cty.IndexStep{Key: cty.StringVal(k)}
		}
		m[k] = tree(t, depth-1, append(at, step), leaves)
	}
	return m
}

// Whatever the shape and however the path was written, a value named secret is
// in no rendering, neither whole nor in a difference.
func TestSecretsNeverShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leaves := map[string]cty.Path{}
		root := map[string]any{"r": tree(t, 3, cty.Path{cty.GetAttrStep{Name: "r"}}, leaves)}
		var names []string
		for s := range leaves {
			names = append(names, s)
		}
		if len(names) == 0 {
			return
		}
		secret := "leaf-" + strconv.Itoa(rapid.IntRange(0, len(names)-1).Draw(t, "secret"))
		path := diag.FormatPath(leaves[secret])
		raw, _ := json.Marshal(root)
		masked, _ := Mask(Decode(raw, nil), NewPaths(path)).(map[string]any)
		changed := json.RawMessage(strings.ReplaceAll(string(raw), "leaf-", "new-leaf-"))
		other, _ := Mask(Decode(changed, nil), NewPaths(path)).(map[string]any)
		shown := Inline(masked) + Text(masked)
		for _, l := range Object(masked, nil, Assign) {
			shown += "\n" + l.String()
		}
		lines, _ := Diff{Sep: Colon}.Lines(masked, other)
		for _, l := range lines {
			shown += "\n" + l.String()
		}
		if strings.Contains(shown, secret+`"`) {
			t.Fatalf("%s is at %s and shown:\n%s", secret, path, shown)
		}
	})
}

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		before, after string
		only          []string
		want          string
	}{
		{`{"a":1,"b":2}`, `{"a":1,"b":3}`, nil, `~ b: 2 → 3`},
		{`{"a":1,"b":2}`, `{"a":9,"b":3}`, []string{"b"}, `~ b: 2 → 3`},
		{`{"a":{"x":1,"y":2}}`, `{"a":{"x":1,"z":2}}`, nil, "~ a:\n  - y: 2\n  + z: 2"},
		{`{"a":{"x":1,"y":2}}`, `{"a":{"x":2,"y":3}}`, []string{`a["x"]`}, "~ a:\n  ~ x: 1 → 2"},
		{`{"a":null}`, `{"a":{}}`, nil, ``},
		{`{"l":[1,2,3]}`, `{"l":[1,4,3]}`, nil, "~ l:\n    1\n  - 2\n  + 4\n    3"},
		{`{"a":1}`, `{"a":"1"}`, nil, `~ a: 1 → "1"`},
		{`{"a":{"k":1}}`, `{"a":"t"}`, nil, `~ a: { k = 1 } → "t"`},
	} {
		d := Diff{Only: NewPaths(c.only...), Sep: Colon}
		lines, _ := d.Lines(Decode(json.RawMessage(c.before), nil), Decode(json.RawMessage(c.after), nil))
		var out []string
		for _, l := range lines {
			sign := " "
			if l.Sign != 0 {
				sign = string(l.Sign)
			}
			text := l.Text
			if l.Old != "" {
				text = l.Old + " → " + text
			}
			out = append(out, strings.Repeat("  ", l.Depth)+sign+" "+l.Key+text)
		}
		if got := strings.Join(out, "\n"); got != c.want {
			t.Errorf("%s to %s:\n%s\nwant:\n%s", c.before, c.after, got, c.want)
		}
	}
}

func TestAnUnchangedSecretIsNotAChange(t *testing.T) {
	before := map[string]any{"password": nil, "tags": "a"}
	after := map[string]any{"password": Secret{}, "tags": "b"}
	for _, only := range []Paths{nil, NewPaths("tags")} {
		lines, _ := Diff{Only: only, Sep: Colon}.Lines(before, after)
		if len(lines) != 1 || lines[0].Path != "tags" {
			t.Errorf("only %v: %v", only, lines)
		}
	}
	if lines, _ := (Diff{Only: NewPaths("password"), Sep: Colon}).Lines(before, after); len(lines) != 1 || lines[0].Text != SecretText {
		t.Errorf("a changed secret is not mentioned: %v", lines)
	}
}

// FuzzLiteral: any JSON renders without panic and without a character that a
// terminal obeys, and the literal reads back as the same value.
func FuzzLiteral(f *testing.F) {
	for _, s := range []string{`{"a":[1,"x\u001b[0m",null,true],"for":{"null":1e5}}`, `"line\nline"`, `"${x} %{y} $${z}"`, `"\u202e"`,
		`"{\"a\":[1,2]}"`, `[[[[]]]]`, `{"":""}`, `-0.5`, `"\ud83d\ude00"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if depth(s) > 60 {
			return // the HCL parser this compares with is recursive
		}
		v := parse(json.RawMessage(s))
		lit := Literal(v, 2)
		for line := range strings.SplitSeq(lit+"\n"+Text(v), "\n") {
			if diag.EscapeText(line) != line || strings.Contains(line, "\x1b") {
				t.Fatalf("%q renders as %q", s, line)
			}
		}
		Object(map[string]any{"v": v}, nil, Colon)
		Diff{Sep: Colon}.Lines(map[string]any{"v": v}, map[string]any{"v": []any{v, "x"}})
		if !json.Valid([]byte(s)) {
			return
		}
		if got := Inline(evaluate(t, lit)); !same(got, Inline(v)) {
			t.Fatalf("%s renders as\n%s\nwhich reads as\n%s", s, lit, got)
		}
	})
}

func depth(s string) int { return strings.Count(s, "[") + strings.Count(s, "{") }

func evaluate(t *testing.T, lit string) any {
	e, diags := hclsyntax.ParseExpression([]byte("(\n"+lit+"\n)"), "", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%v in:\n%s", diags, lit)
	}
	v, diags := e.Value(&hcl.EvalContext{Functions: map[string]function.Function{"jsonencode": stdlib.JSONEncodeFunc}})
	if diags.HasErrors() {
		t.Fatalf("%v in:\n%s", diags, lit)
	}
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatal(err)
	}
	return parse(raw)
}

// same leaves out how numbers are spelt (1e5, 100000) and how cty normalises
// text (NFC).
func same(a, b string) bool {
	plain := func(s string) bool {
		return !strings.ContainsFunc(s, func(r rune) bool { return r > 126 || r >= '0' && r <= '9' })
	}
	return a == b || !plain(a) || !plain(b)
}

func TestPathsSplit(t *testing.T) {
	if got := Steps(`a["b.c"][0].d`); !reflect.DeepEqual(got, []any{"a", "b.c", 0, "d"}) {
		t.Errorf("%#v", got)
	}
}

func FuzzPaths(f *testing.F) {
	f.Add(`a["b.c"][0].d`, `{"a":{"b.c":[{"d":1}]}}`)
	f.Add(`[`, `[1]`)
	f.Add(`.`, `{"":1}`)
	f.Fuzz(func(t *testing.T, path, doc string) {
		Steps(path)
		Mask(parse(json.RawMessage(doc)), NewPaths(path))
		Put(parse(json.RawMessage(doc)), path, Secret{})
	})
}
