package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
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

func variables(names ...string) map[string]*Variable {
	m := map[string]*Variable{}
	for _, n := range names {
		m[n] = &Variable{Name: n, Type: cty.String}
	}
	return m
}

// Each place sets the letters from its own on: the value of a letter is that of
// the last place that gives it.
func TestVariablePrecedence(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"msgflo.flovars.hcl":       "b = \"file\"\nc = \"file\"\nd = \"file\"\ne = \"file\"\nf = \"file\"\ng = \"file\"\n",
		"msgflo.flovars.json":      `{"c": "json", "d": "json", "e": "json", "f": "json", "g": "json"}`,
		"a.auto.flovars.hcl":       "d = \"auto a\"\ne = \"auto a\"\nf = \"auto a\"\ng = \"auto a\"\n",
		"b.auto.flovars.json":      `{"e": "auto b", "f": "auto b", "g": "auto b"}`,
		".hidden.auto.flovars.hcl": "a = \"hidden\"\n",
		"other.flovars.hcl":        "a = \"not read\"\n",
		"x/given.flovars.hcl":      "f = \"given\"\ng = \"given\"\n",
	})
	environ := []string{"A=b", "MSGFLO_VAR_a=env", "MSGFLO_VAR_b=env", "MSGFLO_VAR_unknown=x", "MSGFLO_VAR_h=k=v"}
	given := VarArg{File: true, Text: filepath.Join(dir, "x/given.flovars.hcl")}
	for _, c := range []struct {
		args []VarArg
		want string
	}{
		{nil, "a=env b=file c=json d=auto a e=auto b f=auto b g=auto b h=k=v"},
		{[]VarArg{given, {Text: "g=arg=1"}}, "a=env b=file c=json d=auto a e=auto b f=given g=arg=1 h=k=v"},
		{[]VarArg{{Text: "g=arg"}, given}, "a=env b=file c=json d=auto a e=auto b f=given g=given h=k=v"},
		{[]VarArg{{Text: "a="}, {Text: "b = spaced"}}, "a= b= spaced c=json d=auto a e=auto b f=auto b g=auto b h=k=v"},
	} {
		vars, files, diags := LoadVars(dir, c.args, environ, variables("a", "b", "c", "d", "e", "f", "g", "h", "i"))
		if len(diags) > 0 {
			t.Fatal(diags)
		}
		var got []string
		for _, name := range sortedKeys(vars) {
			v := vars[name]
			got = append(got, name+"="+v.Value.AsString())
			if v.Raw != (v.Decl.Filename == "") || !v.Raw && (files[v.Source] == nil || v.Decl.Filename != v.Source) {
				t.Errorf("%s: %+v", name, v)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("got  %s\nwant %s", s, c.want)
		}
	}
}

// In a JSON file of values nothing is a template, as in Terraform: a generated
// password may hold any characters.
func TestJSONValuesAreLiteral(t *testing.T) {
	dir := writeFiles(t, map[string]string{"a.auto.flovars.json": `{"env": "a${b}%{ if", "list": ["${upper(\"x\")}"]}`})
	vars, _, diags := LoadVars(dir, nil, nil, variables("env", "list"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if got := vars["env"].Value.AsString(); got != "a${b}%{ if" {
		t.Error(got)
	}
	if got := vars["list"].Value.Index(cty.NumberIntVal(0)).AsString(); got != `${upper("x")}` {
		t.Error(got)
	}
}

func TestVariableMistakes(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"msgflo.flovars.hcl": "evn = \"x\"\nenv = upper(\"x\")\nlist = var.x\nvariable \"x\" {\n}\n",
		"bad.flovars.hcl":    "env = \n",
		"deep.flovars.hcl":   "env = " + strings.Repeat("[", 5000),
		"list.flovars.json":  "[1]",
	})
	path := func(n string) VarArg { return VarArg{File: true, Text: filepath.Join(dir, n)} }
	vars, files, diags := LoadVars(dir, []VarArg{
		path("bad.flovars.hcl"), path("deep.flovars.hcl"), path("list.flovars.json"), path("missing.flovars.hcl"), path("."),
		{Text: "s3cret"}, {Text: "=s3cret"}, {Text: "evn=s3cret"},
	}, nil, variables("env", "list"))
	text := ""
	for _, d := range diags {
		text += d.Summary + ": " + d.Detail + "\n"
	}
	for _, want := range []string{
		`The configuration has no variable "evn". Did you mean "env"?`, "Function calls not allowed", "cannot refer to anything",
		"Block in a variable file", "Expected the start of an expression", "Nested too deeply", "no such file", "not a regular file",
		"-var takes NAME=VALUE", `-var: The configuration has no variable "evn"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "s3cret") {
		t.Errorf("a value is shown:\n%s", text)
	}
	if len(vars) > 0 || len(files) != 4 {
		t.Errorf("%d values, %d files", len(vars), len(files))
	}
	_, _, diags = LoadVars(dir, nil, nil, variables("evn", "env", "list"))
	if !diags.HasErrors() {
		t.Error("errors gone with the warning")
	}
	if vars, _, diags := LoadVars(filepath.Join(dir, "none"), nil, nil, nil); len(vars)+len(diags) > 0 {
		t.Error(vars, diags)
	}
}

func TestFormat(t *testing.T) {
	for src, want := range map[string]string{
		"queue \"a\" {\nname=\"x\"\n   type   = \"y\"\n}\n": "queue \"a\" {\n  name = \"x\"\n  type = \"y\"\n}\n",
		"\xef\xbb\xbfa=1\n": "a = 1\n",
		"":                  "",
	} {
		got, diags := Format([]byte(src), "x.flo.hcl")
		if diags.HasErrors() || string(got) != want {
			t.Errorf("%q became %q %v", src, got, diags)
		}
		if again, _ := Format(got, "x.flo.hcl"); string(again) != string(got) {
			t.Errorf("%q is not stable", got)
		}
	}
	for _, src := range []string{"a = ", "a = \x00", "a = " + strings.Repeat("(", 100_000), strings.Repeat("x", maxSource+1)} {
		if got, diags := Format([]byte(src), "x.flo.hcl"); !diags.HasErrors() || string(got) != src {
			t.Errorf("%.20q: %v", src, diags)
		}
	}
}

func TestFormatFiles(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"b.flo.hcl": "", "a.flovars.hcl": "", "c.auto.flovars.hcl": "", "d.flo.json": "", "e.hcl": "", ".f.flo.hcl": "",
		"sub/g.flo.hcl": "", "sub/.git/h.flo.hcl": "",
	})
	for recursive, want := range map[bool]string{false: "a.flovars.hcl b.flo.hcl c.auto.flovars.hcl", true: "a.flovars.hcl b.flo.hcl c.auto.flovars.hcl sub/g.flo.hcl"} {
		paths, err := FormatFiles(dir, recursive)
		if err != nil {
			t.Fatal(err)
		}
		for i := range paths {
			paths[i], _ = filepath.Rel(dir, paths[i])
		}
		if got := strings.Join(paths, " "); got != want {
			t.Errorf("recursive %v: %s", recursive, got)
		}
	}
	if _, err := FormatFiles(filepath.Join(dir, "none"), false); err == nil {
		t.Error("no error for a missing directory")
	}
	if _, err := FormatFiles(filepath.Join(dir, "b.flo.hcl"), false); err == nil {
		t.Error("no error for a file")
	}
}
