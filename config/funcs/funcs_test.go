package funcs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// cases are expressions with what they must be equal to, or, after "error: ",
// a part of the message. Every function stands in one at least.
var cases = []struct{ expr, want string }{
	{`abs(-2)`, `2`}, {`ceil(1.2)`, `2`}, {`floor(-1.2)`, `-2`}, {`log(8, 2)`, `3`}, {`max(1, 3, 2)`, `3`}, {`min(1, 3)`, `1`},
	{`parseint("ff", 16)`, `255`}, {`parseint("x", 10)`, `error: cannot parse`}, {`pow(2, 10)`, `1024`}, {`signum(-7)`, `-1`},
	{`sum([1, 2.5])`, `3.5`}, {`sum(["1", 2])`, `3`}, {`sum([])`, `error: empty`}, {`sum(["x"])`, `error: number`}, {`sum(toset([1, 2]))`, `3`},
	{`sum({})`, `error: list`},

	{`chomp("a\r\n\n")`, `"a"`}, {`endswith("abc", "bc")`, `true`}, {`startswith("abc", "bc")`, `false`}, {`strcontains("abc", "b")`, `true`},
	{`format("%s-%03d-%q", "a", 7, "b")`, `"a-007-\"b\""`}, {`format("%d", "x")`, `error: `}, {`formatlist("%s!", ["a", "b"])`, `["a!", "b!"]`},
	{`indent(2, "a\nb")`, `"a\n  b"`}, {`join("-", ["a", "b"])`, `"a-b"`}, {`lower("AB")`, `"ab"`}, {`upper("ab")`, `"AB"`},
	{`regex("[a-z]+", "12ab")`, `"ab"`}, {`regex("(?P<a>\\d)", "x1")`, `{a = "1"}`}, {`regex("z", "a")`, `error: `}, {`regexall("[ab]", "abc")`, `["a", "b"]`},
	{`replace("a.b.c", ".", "-")`, `"a-b-c"`}, {`replace("a1b22", "/[0-9]+/", "#")`, `"a#b#"`}, {`replace("ab", "/(a)(b)/", "$2$1")`, `"ba"`},
	{`replace("a", "/(/", "")`, `error: `}, {`replace("/", "/", "x")`, `"x"`},
	{`split(",", "a,b")`, `["a", "b"]`}, {`strrev("abc")`, `"cba"`}, {`substr("hello", 1, 3)`, `"ell"`}, {`substr("hello", -2, -1)`, `"lo"`},
	{`title("a b")`, `"A B"`}, {`trim("xaxx", "x")`, `"a"`}, {`trimprefix("abc", "a")`, `"bc"`}, {`trimsuffix("abc", "c")`, `"ab"`}, {`trimspace(" a\n")`, `"a"`},

	{`alltrue([true, true])`, `true`}, {`alltrue([])`, `true`}, {`alltrue([true, null])`, `false`}, {`alltrue(["true", "false"])`, `false`},
	{`anytrue([])`, `false`}, {`anytrue([false, true])`, `true`}, {`anytrue([null, false])`, `false`},
	{`chunklist([1, 2, 3], 2)`, `[[1, 2], [3]]`}, {`coalesce("", null, "a")`, `"a"`}, {`coalesce(null, 0)`, `0`}, {`coalesce("", null)`, `error: every argument`},
	{`coalesce("a", 1)`, `"a"`}, {`coalesce([], {})`, `error: `}, {`coalescelist([], [1])`, `[1]`}, {`compact(["a", "", null, "b"])`, `["a", "b"]`},
	{`concat([1], [2, 3])`, `[1, 2, 3]`}, {`contains(["a"], "a")`, `true`}, {`contains(["a"], "b")`, `false`}, {`distinct([1, 2, 1])`, `[1, 2]`},
	{`element(["a", "b"], 3)`, `"b"`}, {`flatten([[1], [[2, 3]], []])`, `[1, 2, 3]`},
	{`index(["a", "b"], "b")`, `1`}, {`index(["a"], "x")`, `error: does not hold`}, {`index(toset(["a"]), "a")`, `error: no order`}, {`index({}, 1)`, `error: list`},
	{`keys({b = 1, a = 2})`, `["a", "b"]`}, {`values({b = 1, a = 2})`, `[2, 1]`},
	{`length("añ👩‍👩‍👧")`, `3`}, {`length([1, 2])`, `2`}, {`length({a = 1})`, `1`}, {`length(toset(["a", "a"]))`, `1`}, {`length(tomap({a = "b"}))`, `1`},
	{`length(1)`, `error: must be a list`}, {`length(null)`, `error: `},
	{`lookup({a = 1}, "a")`, `1`}, {`lookup({a = 1}, "b", 2)`, `2`}, {`lookup({a = 1}, "b")`, `error: no such key`}, {`lookup(tomap({a = "1"}), "b", "x")`, `"x"`},
	{`lookup(tomap({a = "1"}), "a", "x")`, `"1"`}, {`lookup(tomap({a = "1"}), "b")`, `error: no such key`}, {`lookup({}, "a", 1, 2)`, `error: at most one default`},
	{`lookup([], "a")`, `error: map or an object`}, {`lookup(tomap({a = 1}), "b", "x")`, `error: type of the map`},
	{`matchkeys(["a", "b", "c"], ["x", "y", "x"], ["x"])`, `["a", "c"]`}, {`matchkeys(["a"], ["x"], ["y"])`, `[]`}, {`matchkeys(["a"], [], ["y"])`, `error: each value`},
	{`merge({a = 1, b = 1}, {b = 2})`, `{a = 1, b = 2}`}, {`one([])`, `null`}, {`one(["a"])`, `"a"`}, {`one(toset(["a"]))`, `"a"`}, {`one([1, 2])`, `error: has 2`},
	{`one("a")`, `error: list`}, {`one(tolist([1, 2]))`, `error: has 2`},
	{`range(3)`, `[0, 1, 2]`}, {`range(1, 10, 4)`, `[1, 5, 9]`}, {`range(100000)`, `error: `}, {`reverse([1, 2])`, `[2, 1]`},
	{`setintersection(["a", "b"], ["b"])`, `["b"]`}, {`setproduct(["a"], [1, 2])`, `[["a", 1], ["a", 2]]`}, {`setsubtract(["a", "b"], ["b"])`, `["a"]`},
	{`setunion(["a"], ["b"])`, `["a", "b"]`}, {`slice([1, 2, 3], 1, 2)`, `[2]`}, {`slice([1], 0, 5)`, `error: `}, {`sort(["b", "a"])`, `["a", "b"]`},
	{`transpose({a = ["x", "y"], b = ["x"]})`, `{x = ["a", "b"], y = ["a"]}`}, {`transpose({})`, `{}`}, {`zipmap(["a", "b"], [1, 2])`, `{a = 1, b = 2}`},

	{`base64encode("é")`, `"w6k="`}, {`base64decode("w6k=")`, `"é"`}, {`base64decode("s3cret!")`, `error: not Base64`}, {`base64decode("/w==")`, `error: not UTF-8`},
	{`csvdecode("a,b\n1,2\n")`, `[{a = "1", b = "2"}]`}, {`jsonencode({a = [1, null, true]})`, `"{\"a\":[1,null,true]}"`}, {`jsondecode("{\"a\": [1]}")`, `{a = [1]}`},
	{`jsondecode("{")`, `error: `}, {`jsondecode(join("", [for i in range(1024): "["]))`, `error: levels deep`}, {`jsondecode(null)`, `error: `},
	{`yamldecode("a: [1, x]\nb: true")`, `{a = [1, "x"], b = true}`}, {`yamldecode(join("", [for i in range(1024): "["]))`, `error: levels deep`},
	{`yamlencode({a = 1})`, "\"\\\"a\\\": 1\\n\""}, {`sha256("")`, `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`},
	{`urlencode("a b/@")`, `"a+b%2F%40"`},

	{`formatdate("YYYY-MM-DD", "2024-02-03T04:05:06Z")`, `"2024-02-03"`}, {`timeadd("2024-02-03T04:05:06Z", "1h")`, `"2024-02-03T05:05:06Z"`},
	{`formatdate("YYYY", "today")`, `error: `},

	{`tobool("true")`, `true`}, {`tobool("yes")`, `error: `}, {`tolist(["a", 1])`, `["a", "1"]`}, {`tomap({a = 1})["a"]`, `1`}, {`tonumber("7")`, `7`},
	{`toset(["b", "a", "b"])`, `["a", "b"]`}, {`tostring(1.5)`, `"1.5"`},
	{`can(1 + "x")`, `false`}, {`can(1)`, `true`}, {`try({}.a, "b")`, `"b"`}, {`try({}.a)`, `error: `},
	{`nonsensitive(sensitive("a"))`, `"a"`}, {`nonsensitive("a")`, `"a"`}, {`issensitive(sensitive("a"))`, `true`}, {`issensitive("a")`, `false`},
	{`nonsensitive(upper(sensitive("a")))`, `"A"`}, {`issensitive(length(sensitive("a")))`, `true`}, {`issensitive(lookup(sensitive({a = 1}), "a"))`, `true`},
	{`issensitive(coalesce(sensitive(""), "b"))`, `false`}, {`issensitive(jsondecode(sensitive("1")))`, `true`},

	{`file("a.txt")`, `"hello\n"`}, {`file("none")`, `error: no such file`}, {`file("sub")`, `error: not a regular file`}, {`file("bin")`, `error: not UTF-8`}, {`file("big")`, `error: larger than`},
	{`file(sensitive("none"))`, `error: `},
	{`fileexists("a.txt")`, `true`}, {`fileexists("none")`, `false`}, {`fileexists("sub")`, `error: not a regular`},
	{`fileset(".", "**/*.txt")`, `["a.txt", "sub/b.txt"]`}, {`fileset("sub", "*.x")`, `[]`}, {`fileset(".", "[")`, `error: no file pattern`},
	{`filesha256("a.txt")`, `"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"`}, {`filesha256("none")`, `error: no such file`},
	{`templatefile("t.tpl", {name = "x", list = [1, 2]})`, `"hi X: 1 2 hello\n"`}, {`templatefile("t.tpl", {name = "x"})`, `error: "list"`},
	{`templatefile("one.tpl", {v = [1]})`, `[1]`}, {`templatefile("self.tpl", {})`, `error: templatefile`}, {`templatefile("deep.tpl", {})`, `error: levels deep`},
	{`templatefile("bad.tpl", {})`, `error: end of the file`}, {`templatefile("t.tpl", [])`, `error: must be an object`}, {`templatefile("t.tpl", {"a b" = 1})`, `error: cannot be a template's variable`},
	{`basename("a/b.txt")`, `"b.txt"`}, {`dirname("a/b.txt")`, `"a"`}, {`basename(abspath("x/../y"))`, `"y"`}, {`startswith(abspath("y"), "/")`, `true`},
	{`env("SET")`, `"value"`}, {`env("EMPTY")`, `""`}, {`env("UNSET")`, `error: "UNSET" is not set`}, {`env("UNSET", "d")`, `"d"`}, {`env("UNSET", null)`, `null`},
	{`env("SET", "a", "b")`, `error: at most one default`}, {`env("BINARY")`, `error: not UTF-8`},
}

func testDir(t testing.TB) string {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.txt": "hello\n", "sub/b.txt": "", "bin": "\xff", "big": strings.Repeat("x", maxFile+1),
		"t.tpl":   "hi ${upper(name)}: %{ for x in list }${x} %{ endfor }${file(\"a.txt\")}",
		"one.tpl": "${v}", "self.tpl": "${templatefile(\"self.tpl\", {})}", "deep.tpl": strings.Repeat("${[", 2000), "bad.tpl": "${",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func environ(name string) (string, bool) {
	v, ok := map[string]string{"SET": "value", "EMPTY": "", "BINARY": "\xff"}[name]
	return v, ok
}

func TestFunctions(t *testing.T) {
	ctx := &hcl.EvalContext{Functions: Functions(testDir(t), environ)}
	called := map[string]bool{}
	for _, c := range cases {
		got, diags := eval(c.expr, ctx, called)
		if part, ok := strings.CutPrefix(c.want, "error: "); ok {
			if !diags.HasErrors() || !strings.Contains(strings.ToLower(diags.Error()), strings.ToLower(part)) {
				t.Errorf("%s: %#v, %v; want an error with %q", c.expr, got, diags, part)
			}
			if strings.Contains(diags.Error(), "s3cret") {
				t.Errorf("%s: the error shows its argument: %v", c.expr, diags)
			}
			continue
		}
		want, wantDiags := eval(c.want, ctx, map[string]bool{})
		if diags.HasErrors() || wantDiags.HasErrors() {
			t.Errorf("%s: %v %v", c.expr, diags, wantDiags)
			continue
		}
		if !same(got, want) {
			t.Errorf("%s: %#v, want %#v", c.expr, got, want)
		}
	}
	for _, name := range Names() {
		if !called[name] {
			t.Errorf("no case for %s", name)
		}
	}
}

func eval(src string, ctx *hcl.EvalContext, called map[string]bool) (cty.Value, hcl.Diagnostics) {
	e, diags := hclsyntax.ParseExpression([]byte(src), "test", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		if c, ok := n.(*hclsyntax.FunctionCallExpr); ok {
			called[c.Name] = true
		}
		return nil
	})
	return e.Value(ctx)
}

// same compares what is written as a tuple or object with lists, sets and maps.
func same(got, want cty.Value) bool {
	got, _ = got.Unmark()
	switch {
	case got.IsNull() || want.IsNull():
		return got.IsNull() && want.IsNull()
	case !got.CanIterateElements() || !want.CanIterateElements():
		return got.RawEquals(want)
	case got.LengthInt() != want.LengthInt():
		return false
	}
	a, b := got.ElementIterator(), want.ElementIterator()
	for a.Next() && b.Next() {
		ka, va := a.Element()
		kb, vb := b.Element()
		if !got.Type().IsSetType() && !ka.RawEquals(kb) || !same(va, vb) {
			return false
		}
	}
	return true
}

// Whatever is not known yet stays so, and never panics.
func TestUnknownArguments(t *testing.T) {
	ctx := &hcl.EvalContext{
		Functions: Functions(t.TempDir(), environ),
		Variables: map[string]cty.Value{
			"any": cty.DynamicVal, "str": cty.UnknownVal(cty.String), "list": cty.UnknownVal(cty.List(cty.String)),
			"part": cty.ListVal([]cty.Value{cty.UnknownVal(cty.Bool), cty.True}),
		},
	}
	for _, src := range []string{
		`length(any)`, `length(list)`, `length(str)`, `sum(any)`, `index(list, "a")`, `index([str], "a")`, `lookup(any, "a")`, `lookup({a = 1}, str)`, `lookup({}, "a", any)`,
		`one(list)`, `one(any)`, `coalesce(str, "a")`, `coalesce(any, 1)`, `alltrue(part)`, `anytrue(any)`, `matchkeys(list, ["a"], ["a"])`, `transpose({a = list})`,
		`jsondecode(str)`, `yamldecode(str)`, `file(str)`, `env(str)`, `templatefile(str, {})`, `templatefile("x", any)`, `replace(str, "a", "b")`, `base64decode(str)`,
		`issensitive(str)`, `fileset(str, "*")`, `urlencode(any)`,
	} {
		v, diags := eval(src, ctx, map[string]bool{})
		if diags.HasErrors() || v.IsKnown() {
			t.Errorf("%s: %#v %v", src, v, diags)
		}
	}
	if v, _ := eval(`anytrue(part)`, ctx, map[string]bool{}); v.IsKnown() == false || !v.True() {
		t.Errorf("one true is enough: %#v", v)
	}
}

// Terraform's functions that are not pure are not here.
func TestNothingImpure(t *testing.T) {
	fs := Functions("", environ)
	for _, name := range []string{"timestamp", "plantimestamp", "uuid", "bcrypt", "rsadecrypt"} {
		if _, ok := fs[name]; ok {
			t.Error(name)
		}
	}
}

// No expression that parses makes a function panic.
func FuzzEval(f *testing.F) {
	for _, c := range cases {
		f.Add(c.expr)
	}
	ctx := &hcl.EvalContext{Functions: Functions(f.TempDir(), environ)}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 300 || strings.Count(s, "for") > 2 || strings.Count(s, "range") > 2 || strings.Contains(s, "setproduct") {
			return // an expression may well be asked to make something huge
		}
		e, diags := hclsyntax.ParseExpression([]byte(s), "fuzz", hcl.InitialPos)
		if !diags.HasErrors() {
			e.Value(ctx)
		}
	})
}
