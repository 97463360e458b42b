package ui

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/diagram"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/tfjson"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/uitest"
	"github.com/msgflo/msgflo/planner/plan"
)

var update = flag.Bool("update", false, "write the golden files")

func clock() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func options() Options { return Options{Schemas: uitest.Schemas, Now: clock} }

// views shows a plan in every form.
func views(t *testing.T, p *plan.Plan) []txtar.File {
	t.Helper()
	var files []txtar.File
	add := func(name string, f func(b *bytes.Buffer) error) {
		var b bytes.Buffer
		if err := f(&b); err != nil {
			t.Fatal(err)
		}
		files = append(files, txtar.File{Name: name, Data: b.Bytes()})
	}
	add("human", func(b *bytes.Buffer) error {
		v := NewHuman(Terminal{Out: b, Err: b}, options())
		v.Plan(p)
		return v.Err()
	})
	add("concise", func(b *bytes.Buffer) error {
		o := options()
		o.Concise = true
		v := NewHuman(Terminal{Out: b, Err: b}, o)
		v.Plan(p)
		return v.Err()
	})
	add("markdown", func(b *bytes.Buffer) error { return Markdown(b, p, options()) })
	add("lines", func(b *bytes.Buffer) error {
		v := NewJSON(Terminal{Out: b, Err: b}, options())
		v.Plan(p)
		return v.Err()
	})
	add("dot", func(b *bytes.Buffer) error { return diagram.Dot(b, diagram.Drawing{}.WithPlan(p)) })
	add("mermaid", func(b *bytes.Buffer) error { return diagram.Mermaid(b, diagram.Drawing{}.WithPlan(p)) })
	add("document", func(b *bytes.Buffer) error {
		doc, err := tfjson.Encode(tfjson.NewPlan(p, tfjson.PlanOptions{Version: "0.1.0", Schemas: uitest.Schemas, Now: clock()}))
		b.Write(doc)
		return err
	})
	return files
}

func TestPlans(t *testing.T) {
	for name, p := range uitest.Plans() {
		t.Run(name, func(t *testing.T) {
			golden(t, name, views(t, p))
		})
	}
}

func TestState(t *testing.T) {
	s := uitest.State()
	var text, list, doc, dot bytes.Buffer
	if err := ShowState(&text, s, uitest.Schemas, false); err != nil {
		t.Fatal(err)
	}
	if err := ListState(&list, s.Objects); err != nil {
		t.Fatal(err)
	}
	if err := diagram.Dot(&dot, diagram.FromState(s)); err != nil {
		t.Fatal(err)
	}
	b, err := tfjson.Encode(tfjson.NewState(s, tfjson.StateOptions{Version: "0.1.0", Schemas: uitest.Schemas}))
	if err != nil {
		t.Fatal(err)
	}
	doc.Write(b)
	golden(t, "state", []txtar.File{{Name: "text", Data: text.Bytes()}, {Name: "list", Data: list.Bytes()},
		{Name: "dot", Data: dot.Bytes()}, {Name: "document", Data: doc.Bytes()}})
}

// golden compares with testdata/NAME.txtar; no state or plan here may ever
// show the word leak.
func golden(t *testing.T, name string, files []txtar.File) {
	t.Helper()
	got := txtar.Format(&txtar.Archive{Files: files})
	if strings.Contains(string(got), "leak") {
		t.Errorf("a secret is shown:\n%s", got)
	}
	path := filepath.Join("testdata", name+".txtar")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w, g := txtar.Parse(want), txtar.Parse(got)
	for i, f := range g.Files {
		if i >= len(w.Files) || string(w.Files[i].Data) != string(f.Data) {
			t.Errorf("%s of %s differs from the golden file (go test -update); got:\n%s", f.Name, name, f.Data)
		}
	}
}
