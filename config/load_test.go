package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what the txtar tests get as what they want")

const testVersion = "0.3.0-dev"

// TestLoad runs testdata/*.txtar: the files of a configuration, then "want",
// the module or the diagnostics.
func TestLoad(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no test files", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files, want := map[string][]byte{}, ""
			var keep []txtar.File
			for _, f := range ar.Files {
				if f.Name == "want" {
					want = string(f.Data)
					continue
				}
				keep = append(keep, f)
				files[f.Name] = f.Data
			}
			got := outcome(files)
			if *update {
				ar.Files = append(keep, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(path, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func outcome(files map[string][]byte) string {
	m, diags := Load(".", Options{Types: testTypes(), Version: testVersion, Sources: files})
	var b strings.Builder
	b.WriteString(diagnosticsText(m, diags))
	if !diags.HasErrors() {
		dump(&b, "", m)
	}
	return b.String()
}

// diagnosticsText is what people see, snippets included.
func diagnosticsText(m *Module, diags hcl.Diagnostics) string {
	var files map[string]*hcl.File
	if m != nil {
		files = m.AllFiles()
	}
	var b bytes.Buffer
	if err := hcl.NewDiagnosticTextWriter(&b, files, 100, false).WriteDiagnostics(diags); err != nil {
		return err.Error()
	}
	return b.String()
}

func dump(b *strings.Builder, in string, m *Module) {
	line := func(format string, args ...any) { fmt.Fprintf(b, in+format+"\n", args...) }
	src := func(e hcl.Expression) string {
		if e == nil {
			return "-"
		}
		f := m.Files[e.Range().Filename]
		return string(e.Range().SliceBytes(f.Bytes))
	}
	attrs := func(as map[string]*hcl.Attribute) string {
		var out []string
		for _, a := range sortedValues(as) {
			out = append(out, a.Name+"="+src(a.Expr))
		}
		return strings.Join(out, " ")
	}
	conditions := func(what string, cs []Condition) {
		for _, c := range cs {
			line("  %s %s: %s", what, src(c.Condition), src(c.ErrorMessage))
		}
	}
	line("module path=%v dir=%s", m.Path, m.Dir)
	if s := m.Settings; s.Decl != (hcl.Range{}) {
		line("settings version=%q marks=%v", s.RequiredVersion, s.OwnershipMarks)
		if s.Backend != nil {
			line("  backend %s %s", s.Backend.Type, attrs(s.Backend.Attrs))
		}
	}
	for _, v := range sortedValues(m.Variables) {
		line("variable %s %s default=%#v sensitive=%v nullable=%v ephemeral=%v %q", v.Name, v.Type.FriendlyName(), v.Default, v.Sensitive, v.Nullable, v.Ephemeral, v.Description)
		conditions("validation", v.Validations)
	}
	for _, l := range sortedValues(m.Locals) {
		line("local %s %s", l.Name, src(l.Expr))
	}
	for _, o := range sortedValues(m.Outputs) {
		line("output %s %s sensitive=%v ephemeral=%v %q %s", o.Name, src(o.Value), o.Sensitive, o.Ephemeral, o.Description, traversals(o.DependsOn))
		conditions("precondition", o.Preconditions)
	}
	var blocks func(in string, bs []*Block)
	blocks = func(in string, bs []*Block) {
		for _, n := range bs {
			dyn := ""
			if n.Dynamic != nil {
				dyn = fmt.Sprintf(" for_each=%s iterator=%s", src(n.Dynamic.ForEach), n.Dynamic.Iterator)
			}
			if n.Label != "" {
				dyn += fmt.Sprintf(" %q", n.Label)
			}
			line("%s%s%s { %s }", in, n.Name, dyn, attrs(n.Attrs))
			blocks(in+"  ", n.Blocks)
		}
	}
	for _, br := range sortedValues(m.Brokers) {
		line("broker %s %s", br.Name, attrs(br.Attrs))
		blocks("  ", br.Blocks)
	}
	for _, l := range sortedValues(m.Launchers) {
		line("launcher %s %s type=%s %s", l.Kind, l.Name, l.Type.Name, attrs(l.Attrs))
		blocks("  ", l.Blocks)
	}
	for _, c := range sortedValues(m.Components) {
		line("component %s %s", c.Name, attrs(c.Attrs))
		blocks("  ", c.Blocks)
	}
	resource := func(r *Resource) {
		line("%s count=%s for_each=%s broker=%s depends_on=%s %s", r.Key(), src(r.Count), src(r.ForEach), src(r.Broker), traversals(r.DependsOn), attrs(r.Attrs))
		if r.Launcher != nil || r.In != "" {
			line("  launcher=%s in=%q", src(r.Launcher), r.In)
		}
		blocks("  ", r.Blocks)
		if r.Graph != nil {
			graph(line, src, r.Graph)
		}
		if l := r.Lifecycle; l.Decl != (hcl.Range{}) {
			line("  lifecycle prevent=%s ignore=%q all=%v adopt=%s", src(l.PreventDestroy), l.IgnoreChanges, l.IgnoreAll, src(l.Adopt))
			for _, e := range l.ReplaceTriggeredBy {
				line("  replaced by %s", src(e))
			}
			conditions("precondition", l.Preconditions)
			conditions("postcondition", l.Postconditions)
		}
	}
	for _, r := range sortedValues(m.Data) {
		resource(r)
	}
	for _, r := range sortedValues(m.Resources) {
		resource(r)
	}
	for _, mv := range m.Moved {
		line("moved %s -> %s", mv.From, mv.To)
	}
	for _, r := range m.Removed {
		line("removed %s destroy=%v", r.From, r.Destroy)
	}
	for _, i := range m.Imports {
		line("import %s %s for_each=%s", src(i.To), src(i.ID), src(i.ForEach))
	}
	for _, c := range m.Checks {
		line("check %s", c.Name)
		conditions("assert", c.Asserts)
		if c.Data != nil {
			resource(c.Data)
		}
	}
	for _, c := range sortedValues(m.Calls) {
		line("call %s %s count=%s for_each=%s depends_on=%s %s", c.Name, c.Source, src(c.Count), src(c.ForEach), traversals(c.DependsOn), attrs(c.Args))
		if c.Module != nil {
			dump(b, in+"    ", c.Module)
		}
	}
}

func graph(line func(string, ...any), src func(hcl.Expression) string, g *Graph) {
	for _, e := range g.Edges {
		from, to := e.From, e.To
		if e.FromExpr != nil {
			from, to = src(e.FromExpr), src(e.ToExpr)
		}
		line("  edge %s -> %s delivery=%s dead_letter=%s", from, to, src(e.Delivery), src(e.DeadLetter))
	}
	for _, i := range g.Initials {
		line("  initial %s %s", i.To, src(i.Data))
	}
	for _, e := range g.Exports {
		line("  export out=%v %s %s", e.Out, e.Name, src(e.End))
	}
}

func traversals(ts []hcl.Traversal) string {
	var out []string
	for _, t := range ts {
		out = append(out, traversalText(t))
	}
	return fmt.Sprint(out)
}
