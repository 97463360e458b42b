package recorded_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
)

func schema() *providers.Schema {
	return &providers.Schema{Version: 2,
		Upgrade: func(from int, b []byte) ([]byte, error) {
			return []byte(strings.Replace(string(b), `"title"`, `"name"`, 1)), nil
		},
		Attrs: []providers.Attr{
			{Name: "vhost", Type: cty.String, Identity: true},
			{Name: "name", Type: cty.String, Identity: true},
			{Name: "match", Type: cty.DynamicPseudoType, Identity: true},
			{Name: "id", Type: cty.String, Computed: true},
			{Name: "machine", Type: cty.String, Computed: true, ReadOnly: true},
			{Name: "size", Type: cty.Number},
			{Name: "password", Type: cty.String, WriteOnly: true, Sensitive: []cty.Path{{}}},
			{Name: "arguments", Type: cty.Map(cty.String)},
			{Name: "link", Attrs: []providers.Attr{
				{Name: "uri", Type: cty.String, Sensitive: []cty.Path{{}}},
				{Name: "token", Type: cty.String, WriteOnly: true},
				{Name: "hops", Type: cty.List(cty.String)},
			}},
		}}
}

func full() cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"vhost": cty.StringVal("/"), "name": cty.StringVal("n"), "match": cty.NullVal(cty.DynamicPseudoType), "id": cty.UnknownVal(cty.String), "machine": cty.StringVal("host/1"), "size": cty.NumberIntVal(3),
		"password": cty.StringVal("geheim"),
		"arguments": cty.MapVal(map[string]cty.Value{
			"x-a": cty.StringVal("1"), "x-secret": cty.StringVal("geheim"),
		}),
		"link": cty.ObjectVal(map[string]cty.Value{
			"uri": cty.StringVal("amqp://u:geheim@h"), "token": cty.StringVal("t"), "hops": cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("geheim")}),
		}),
	})
}

func TestEncodeHoldsNoSecret(t *testing.T) {
	f := recorded.Of(schema())
	b, err := f.Encode(full(), []string{`arguments["x-secret"]`, "link.hops[1]", "password", "link.none", `arguments["none"]`})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"arguments":{"x-a":"1","x-secret":null},"id":null,"link":{"hops":["a",null],"token":"t","uri":null},"machine":"host/1","match":null,"name":"n","password":null,"size":3,"vhost":"/"}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	if got := f.Further([]string{"password", "link.uri", "size"}); len(got) != 1 || got[0] != "size" {
		t.Errorf("further than the schema's: %v", got)
	}
	back, err := f.Decode(2, b)
	if err != nil || !back.GetAttr("password").IsNull() || !back.GetAttr("size").RawEquals(cty.NumberIntVal(3)) {
		t.Errorf("read back: %#v, %v", back, err)
	}
}

func TestDecode(t *testing.T) {
	f := recorded.Of(schema())
	old := json.RawMessage(`{"arguments":null,"id":null,"link":null,"machine":null,"match":null,"title":"n","password":null,"size":3,"vhost":"/"}`)
	if v, err := f.Decode(1, old); err != nil || v.GetAttr("name").AsString() != "n" {
		t.Errorf("of an older version: %#v, %v", v, err)
	}
	if v, err := f.Decode(2, nil); err != nil || !v.IsNull() {
		t.Errorf("absent: %#v, %v", v, err)
	}
	for name, c := range map[string]struct {
		version int
		raw     string
	}{"newer": {3, `{}`}, "not of the type": {2, `{"size":"geheim"}`}, "no JSON": {2, `{"geheim`}} {
		if _, err := f.Decode(c.version, json.RawMessage(c.raw)); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := schema()
	s.Upgrade = nil
	if _, err := recorded.Of(s).Decode(1, old); err == nil {
		t.Error("nothing leads from version 1 to 2, and no error")
	}
}

func TestLike(t *testing.T) {
	f := recorded.Of(schema())
	set := func(path string, v cty.Value) cty.Value {
		p, err := recorded.ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		out, err := recorded.Set(full(), p, v)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		name string
		live cty.Value
		want bool
	}{
		{"itself", full(), true},
		{"another size", set("size", cty.NumberIntVal(4)), false},
		{"no size to be seen", set("size", cty.UnknownVal(cty.Number)), true},
		{"a computed id", set("id", cty.StringVal("i")), true},
		{"another password", set("password", cty.StringVal("x")), true},
		{"another secret within", set("link.uri", cty.StringVal("x")), true},
		{"another part of the block", set("link.hops[0]", cty.StringVal("b")), false},
		{"a secret argument", set(`arguments["x-secret"]`, cty.StringVal("x")), true},
		{"another argument", set(`arguments["x-a"]`, cty.StringVal("x")), false},
		{"absent", f.Null(), false},
	} {
		if got := f.Like(c.live, full(), []string{`arguments["x-secret"]`}, nil); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	first := func(v cty.Value) cty.Value { return full() }
	if !f.Like(set("size", cty.NumberIntVal(4)), full(), nil, first) {
		t.Error("the normal form is not asked for")
	}
}

func TestSameIdentity(t *testing.T) {
	f := recorded.Of(schema())
	raw, err := f.Encode(full(), nil)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := recorded.Set(full(), cty.GetAttrPath("name"), cty.StringVal("m"))
	old := json.RawMessage(strings.Replace(string(raw), `"name"`, `"title"`, 1))
	for _, c := range []struct {
		name    string
		version int
		raw     json.RawMessage
		want    cty.Value
		same    bool
	}{
		{"same", 2, raw, full(), true},
		{"other name", 2, raw, other, false},
		{"other match", 2, matching(t, raw, `{"value":{"k":1},"type":["object",{"k":"number"}]}`), full(), false},
		{"older, same", 1, old, full(), true},
		{"older, other", 1, old, other, false},
	} {
		if same, err := f.SameIdentity(c.version, c.raw, c.want); err != nil || same != c.same {
			t.Errorf("%s: %v, %v", c.name, same, err)
		}
	}
	if _, err := f.SameIdentity(2, json.RawMessage(`{"vhost":{}}`), full()); err == nil {
		t.Error("nonsense has an identity")
	}
}

func matching(t *testing.T, raw json.RawMessage, match string) json.RawMessage {
	t.Helper()
	out, ok := recorded.RawSet(raw, "match", json.RawMessage(match))
	if !ok {
		t.Fatal("not set")
	}
	return out
}

func TestRaw(t *testing.T) {
	raw, err := recorded.Of(schema()).Encode(full(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"size", "link.hops[1]", `arguments["x-a"]`, "link.uri"} {
		out, ok := recorded.RawSet(raw, path, json.RawMessage(`"new"`))
		if !ok {
			t.Fatalf("%s is not set", path)
		}
		if part, ok := recorded.RawAt(out, path); !ok || string(part) != `"new"` {
			t.Errorf("%s is %s", path, part)
		}
	}
	for _, path := range []string{"none", "link.hops[2]", "size.x", "size[0]", "link.hops.x", ""} {
		if _, ok := recorded.RawSet(raw, path, json.RawMessage(`1`)); ok {
			t.Errorf("%s is set", path)
		}
		if _, ok := recorded.RawAt(raw, path); ok {
			t.Errorf("%s is there", path)
		}
	}
}

func TestWriteOnly(t *testing.T) {
	var got []string
	for _, p := range recorded.Of(schema()).WriteOnly {
		got = append(got, diag.FormatPath(p))
	}
	if strings.Join(got, " ") != "password link.token" {
		t.Error(got)
	}
	if string(recorded.Secret(cty.StringVal("s"))) != "s" || recorded.Secret(cty.NullVal(cty.String)) != nil ||
		recorded.Secret(cty.UnknownVal(cty.String)) != nil || string(recorded.Secret(cty.True)) != "true" {
		t.Error("what is hashed of a secret")
	}
}

// Paths survive being written and read.
func TestPaths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := cty.GetAttrPath(rapid.StringMatching(`[a-z][a-z0-9_-]{0,5}`).Draw(t, "root"))
		for range rapid.IntRange(0, 3).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				p = p.GetAttr(rapid.StringMatching(`[a-z][a-z0-9_-]{0,5}`).Draw(t, "name"))
			case 1:
				p = p.Index(cty.StringVal(rapid.String().Draw(t, "key")))
			default:
				p = p.Index(cty.NumberIntVal(rapid.Int64Range(0, 1000).Draw(t, "index")))
			}
		}
		back, err := recorded.ParsePath(diag.FormatPath(p))
		if err != nil || !back.Equals(p) {
			t.Fatalf("%s: %v, %v", diag.FormatPath(p), back, err)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{`a.b["c"][0]`, `a[`, `["x"`, `a..b`, `a.`, `[1e9999999]`, `a["\u0000"]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := recorded.ParsePath(s)
		if err != nil {
			return
		}
		if _, err := recorded.ParsePath(diag.FormatPath(p)); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
	})
}

// What looks at parts of a recorded value says what decoding all of it says.
func FuzzParts(f *testing.F) {
	form := recorded.Of(schema())
	good, err := form.Encode(full(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("/", "n", "host/1", []byte(good))
	f.Add("a\"b", "\\", "", []byte(`{"arguments":{"name":"x","vhost":{}}}`))
	f.Add("é", "<&>", "\n", []byte(`{"machine":null}`))
	f.Fuzz(func(t *testing.T, vhost, name, machine string, raw []byte) {
		want, err := recorded.Set(full(), cty.GetAttrPath("name"), cty.StringVal(name))
		if err != nil {
			t.Fatal(err)
		}
		want, _ = recorded.Set(want, cty.GetAttrPath("vhost"), cty.StringVal(vhost))
		want, _ = recorded.Set(want, cty.GetAttrPath("machine"), cty.StringVal(machine))
		its, err := form.Encode(want, nil)
		if err != nil {
			t.Fatal(err)
		}
		var indented bytes.Buffer
		_ = json.Indent(&indented, its, "", "  ")
		for _, b := range [][]byte{its, indented.Bytes(), good, raw} {
			v, err := form.Decode(2, b)
			if err != nil || v.IsNull() || len(b) == 0 || !json.Valid(b) || twice(b) {
				_, _ = form.SameIdentity(2, b, want) // no panic
				_, _ = form.Facts(2, b)
				continue
			}
			same, err := form.SameIdentity(2, b, want)
			if err != nil || same != (form.Schema.Identity(v) == form.Schema.Identity(want)) {
				t.Fatalf("%s: same %v, %v", b, same, err)
			}
			facts, err := form.Facts(2, b)
			if err != nil || !facts.GetAttr("machine").RawEquals(v.GetAttr("machine")) || !facts.Type().Equals(v.Type()) {
				t.Fatalf("%s: facts %#v, %v", b, facts, err)
			}
		}
	})
}

// twice reports whether some object names a key more than once, which nobody writes.
func twice(b []byte) bool {
	return jsontext.NewDecoder(bytes.NewReader(b)).SkipValue() != nil
}

// The quick decoder says what go-cty says, of whatever there is to decode.
func FuzzDecode(f *testing.F) {
	form := recorded.Of(schema())
	good, err := form.Encode(full(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(good))
	for _, s := range []string{`{}`, `null`, ` null `, `{"name":1}`, `{"size":"3"}`, `{"size":1e3}`, `{"name":"a","name":"b"}`, `{"none":1}`, string(good) + "x", "\"\\ud800\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 || bytes.ContainsAny(b, "eE") && bytes.Contains(b, []byte("99999")) {
			return // a number of a million digits is slow to compare
		}
		got, err := form.Decode(2, b)
		want, err2 := ctyjson.Unmarshal(b, form.Type)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("%q: %v, go-cty: %v", b, err, err2)
		}
		if err == nil && !got.RawEquals(want) {
			t.Fatalf("%q: %#v, go-cty: %#v", b, got, want)
		}
	})
}
