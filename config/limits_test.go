package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is too deep, too large, too many or no file is a diagnostic.
func TestLimits(t *testing.T) {
	deep := strings.Repeat("(", 100_000)
	nested := map[string][]byte{"a.flo.hcl": []byte("module \"a\" {\n  source = \"./m0\"\n}\n")}
	for i := range 20 { // two calls a level: a million modules
		nested[fmt.Sprintf("m%d/a.flo.hcl", i)] = fmt.Appendf(nil, "module \"a\" {\n  source = \"../m%d\"\n}\nmodule \"b\" {\n  source = \"../m%d\"\n}\n", i+1, i+1)
	}
	nested["m20/a.flo.hcl"] = []byte("locals {\n  x = 1\n}\n")
	for name, c := range map[string]struct {
		files map[string][]byte
		want  string
	}{
		"native":      {map[string][]byte{"a.flo.hcl": []byte("locals {\n  a = " + deep + "\n}\n")}, "Nested too deeply"},
		"json":        {map[string][]byte{"a.flo.json": []byte(strings.Repeat("[", 100_000))}, "Nested too deeply"},
		"template":    {map[string][]byte{"a.flo.json": []byte(`{"locals": {"a": "${` + deep + `"}}`)}, "Nested too deeply"},
		"type":        {map[string][]byte{"a.flo.json": []byte(`{"variable": {"a": {"type": "` + deep + `"}}}`)}, "Nested too deeply"},
		"large":       {map[string][]byte{"a.flo.hcl": make([]byte, maxSource+1)}, "larger than 16 MiB"},
		"many":        {nested, "Too many modules"},
		"none":        {map[string][]byte{"a.txt": nil}, "No configuration files"},
		"alike":       {map[string][]byte{"a.tf": nil}, `It has "a.tf"`},
		"by its name": {map[string][]byte{"a.flo.hcl": nil, "b.flo.hcl.json": nil}, `"b.flo.hcl.json" is no configuration by its name`},
		"no modules":  {map[string][]byte{}, "Directory not readable"},
	} {
		_, diags := Load(".", Options{Types: testTypes(), Sources: c.files})
		if !diags.HasErrors() || !strings.Contains(diags.Error(), c.want) {
			t.Errorf("%s: %v", name, diags)
		}
	}
}

func TestLoadDirectory(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"root/main.flo.hcl": "module \"up\" {\n  source = \"../shared\"\n}\n", "root/.hidden.flo.hcl": "nonsense",
		"root/main.flo.hcl~": "nonsense", "root/x.flovars.hcl": "a = 1\n", "shared/s.flo.hcl": "user \"u\" {\n  password = \"S3CRET\"\n}\n",
		"bad/a.flo.hcl": "locals {\n}\n",
	})
	root := filepath.Join(dir, "root")
	m, diags := Load(root, Options{Types: testTypes()})
	if diags.HasErrors() || m.Calls["up"].Module.Resources["user.u"] == nil || m.Dir != root {
		t.Fatal(m, diags)
	}
	sources, cut := m.EmbeddedSources(root)
	if len(sources) != 2 || fmt.Sprint(cut) != "[../shared/s.flo.hcl]" {
		t.Errorf("%v, cut %v", sources, cut)
	}
	// As a plan file is applied: the paths that Load would have opened.
	opened := map[string][]byte{}
	for rel, text := range sources {
		opened[filepath.Join(root, rel)] = []byte(text)
	}
	if _, diags := Load(root, Options{Types: testTypes(), Sources: opened}); diags.HasErrors() {
		t.Error(diags)
	}
	// What cannot be read is named; the rest is still checked.
	if err := os.Symlink("nowhere", filepath.Join(dir, "bad/b.flo.hcl")); err != nil {
		t.Fatal(err)
	}
	if _, diags := Load(filepath.Join(dir, "bad"), Options{}); !strings.Contains(diags.Error(), "File not readable") {
		t.Error(diags)
	}
	if m, diags := Load(filepath.Join(dir, "none"), Options{}); m != nil || !strings.Contains(diags.Error(), "no such file") {
		t.Error(m, diags)
	}
}
