package flow_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/msgflo/msgflo/planner/desired/flow"
)

var update = flag.Bool("update", false, "write what is lowered into testdata/*.txtar")

// TestGolden lowers the systems of testdata/*.txtar: each file NAME.flow
// becomes NAME.txt, its objects and relations, or what is wrong with it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no test data", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range ar.Files {
		want[f.Name] = string(f.Data)
	}
	out := &txtar.Archive{Comment: ar.Comment}
	for _, f := range ar.Files {
		name, ok := strings.CutSuffix(f.Name, ".flow")
		if !ok {
			continue
		}
		s := system(t, string(f.Data))
		low, diags := flow.Lower(s)
		got := dump(s, low, diags)
		check(t, s, low, diags)
		out.Files = append(out.Files, f, txtar.File{Name: name + ".txt", Data: []byte(got)})
		if !*update && got != want[name+".txt"] {
			t.Errorf("%s: got\n%s\nwant\n%s", f.Name, got, want[name+".txt"])
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(out), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
