package config

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/tools/txtar"
)

// Whatever the files hold, Load returns, its diagnostics can be shown, and
// what it accepts can be embedded and loaded again.
func FuzzLoad(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range paths {
		ar, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		var seed [3][]byte
		for _, file := range ar.Files {
			switch {
			case file.Name == "want":
			case filepath.Ext(file.Name) == ".json":
				seed[1] = file.Data
			case seed[0] == nil:
				seed[0] = file.Data
			default:
				seed[2] = file.Data
			}
		}
		f.Add(seed[0], seed[1], seed[2])
	}
	for _, p := range secretPlaces {
		f.Add([]byte(p), []byte{}, []byte(childModule))
	}
	types := testTypes()
	f.Fuzz(func(t *testing.T, native, json, child []byte) {
		files := map[string][]byte{"a.flo.hcl": native, "m/m.flo.hcl": child}
		if len(json) > 0 {
			files["b.flo.json"] = json
		}
		o := Options{Types: types, Version: testVersion, Sources: files}
		m, diags := Load(".", o)
		var b bytes.Buffer
		if err := hcl.NewDiagnosticTextWriter(&b, m.AllFiles(), 80, false).WriteDiagnostics(diags); err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsAny(b.Bytes(), "\x00\x1b\x07\x7f") {
			t.Fatalf("control characters reach the terminal: %q", b.String())
		}
		embedded, _ := m.EmbeddedSources(".")
		for path, text := range embedded {
			if _, err := RestoreCut([]byte(text), files[path]); err != nil && !diags.HasErrors() {
				t.Fatalf("%s: %v\n%s\nfrom\n%s", path, err, text, files[path])
			}
		}
		if diags.HasErrors() {
			return
		}
		o.Sources = map[string][]byte{}
		for path, text := range embedded {
			o.Sources[path] = []byte(text)
		}
		if m, again := Load(".", o); again.HasErrors() {
			t.Fatalf("does not load again:\n%s\nfrom\n%s", diagnosticsText(m, again), native)
		}
	})
}

// What Format makes of a file that parses still parses.
func FuzzFormat(f *testing.F) {
	f.Add([]byte("graph \"g\" {\n  edge \"a.out\"   \"b.in\" {}\nedge \"b.out\" \"c.in\" { delivery=\"roundrobin\" }\n}\n"))
	f.Add([]byte("a=1\nqueue \"x\" {\n  a = <<EOT\nx\nEOT\n}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		out, diags := Format(src, "x.flo.hcl")
		if diags.HasErrors() {
			return
		}
		if _, diags := Format(out, "x.flo.hcl"); diags.HasErrors() {
			t.Fatalf("%q became %q: %v", src, out, diags)
		}
	})
}
