package desired_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"golang.org/x/tools/txtar"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/providers"
)

var update = flag.Bool("update", false, "write what the txtar tests get as what they want")

// secretWord is what every secret in the tests contains. It must never be in
// a diagnostic.
const secretWord = "hunter2"

// TestBuild runs testdata/*.txtar, and testdata/participants/*.txtar with the
// real schemas of brokers: the files of a configuration; optional
// "validate" for Env.AllowMissing,
// "secret", what a password_command prints; "vars" and "env" (NAME=VALUE lines), "data" (ID = HCL object), "computed" and
// "live" (ADDRESS = HCL object); then "want", what Build and CheckAfter say.
func TestBuild(t *testing.T) {
	paths, err := txtarSeeds()
	if err != nil || len(paths) == 0 {
		t.Fatal("no test files", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			path, err := filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			keep := ar.Files[:0:0]
			for _, f := range ar.Files {
				if f.Name == "want" {
					want = string(f.Data)
				} else {
					keep = append(keep, f)
				}
			}
			types := testTypes()
			if filepath.Base(filepath.Dir(path)) == "participants" {
				types = realTypes()
			}
			got := outcome(t, types, keep)
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

func txtarSeeds() ([]string, error) {
	plain, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		return nil, err
	}
	more, err := filepath.Glob("testdata/participants/*.txtar")
	return append(plain, more...), err
}

func outcome(t *testing.T, types []*providers.Type, files []txtar.File) string {
	t.Helper()
	sources, special := map[string][]byte{}, map[string]string{}
	moved := false
	for _, f := range files {
		if name, ok := strings.CutPrefix(f.Name, "disk/"); ok {
			if !moved {
				t.Chdir(t.TempDir()) // so that no path of this machine is in a message
				moved = true
			}
			full := filepath.FromSlash(name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o700), os.WriteFile(full, f.Data, 0o600)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if strings.HasSuffix(f.Name, ".hcl") || strings.HasSuffix(f.Name, ".json") {
			sources[f.Name] = f.Data
		} else {
			special[f.Name] = string(f.Data)
		}
	}
	m, diags := config.Load(".", config.Options{Types: types, Version: "0.3.0", Sources: sources})
	if diags.HasErrors() {
		t.Fatalf("loading: %s", text(m, diags))
	}
	env := desired.Env{Types: types, Dir: ".", Vars: map[string]config.Var{}, Data: map[string]cty.Value{}}
	_, env.AllowMissing = special["validate"]
	if command, ok := special["secret"]; ok {
		env.Secret = func(words []string) (string, error) { return strings.TrimSpace(command), secretError(words) }
	}
	for k, v := range lines(special["vars"], "=") {
		env.Vars[k] = config.Var{Value: cty.StringVal(v), Raw: true, Source: "-var"}
	}
	environ := lines(special["env"], "=")
	env.Environ = func(k string) (string, bool) { v, ok := environ[k]; return v, ok }
	for id, src := range lines(special["data"], " = ") {
		env.Data[id] = value(t, src)
	}
	computed := map[addr.Instance]cty.Value{}
	env.Computed = func(a addr.Instance) cty.Value { return computed[a] }
	for id, src := range lines(special["computed"], " = ") {
		computed[address(t, id)] = value(t, src)
	}
	r, diags := desired.Build(m, env)
	out := dump(r) + text(m, diags)
	if types[0].Name == "rabbitmq" && diags.HasErrors() && types[0].Lint != nil {
		out = text(m, diags) // with the real schemas: what else there is says nothing then
	}
	if _, ok := special["live"]; ok {
		live := map[addr.Instance]cty.Value{}
		for id, src := range lines(special["live"], " = ") {
			live[address(t, id)] = value(t, src)
		}
		out += "after:\n"
		for _, q := range desired.CheckQueries(m, env, live) {
			out += query(q)
		}
		out += text(m, desired.CheckAfter(m, env, live))
	}
	for _, d := range diags {
		if strings.Contains(d.Detail+d.Summary, secretWord) {
			t.Errorf("a secret in a diagnostic: %s", d.Detail)
		}
	}
	written := false // in the sources, then it may show where a line of them does
	for _, src := range sources {
		written = written || bytes.Contains(src, []byte(secretWord))
	}
	if shown := text(m, diags); !written && strings.Contains(shown, secretWord) {
		t.Errorf("a secret is shown: %s", shown)
	}
	return out
}

// secretError is how a password command fails whose first word is false.
func secretError(words []string) error {
	if len(words) > 0 && words[0] == "false" {
		return &providers.ConnectionError{Headline: "No password", Detail: "the broker's password_command \"false\" failed", Err: errors.New("exit status 1")}
	}
	return nil
}

func lines(s, sep string) map[string]string {
	out := map[string]string{}
	for l := range strings.SplitSeq(s, "\n") {
		if k, v, ok := strings.Cut(l, sep); ok {
			out[k] = v
		}
	}
	return out
}

func value(t *testing.T, src string) cty.Value {
	t.Helper()
	x, diags := hclsyntax.ParseExpression([]byte(src), "test", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	v, diags := x.Value(nil)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return v
}

func address(t *testing.T, s string) addr.Instance {
	t.Helper()
	a, err := addr.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// dump writes a result for people, unset attributes left out.
func dump(r *desired.Result) string {
	var b strings.Builder
	for i := range r.Objects {
		o := &r.Objects[i]
		fmt.Fprintf(&b, "%s on %s\n", o.Addr, o.Provider)
		ty := o.Value.Type().AttributeTypes()
		names := make([]string, 0, len(ty))
		for n := range ty {
			names = append(names, n)
		}
		sort.Strings(names)
		for _, n := range names {
			if v := o.Value.GetAttr(n); !v.IsNull() {
				fmt.Fprintf(&b, "  %s = %s\n", n, show(v))
			}
		}
		list(&b, "within", o.Within)
		list(&b, "after", o.After)
		list(&b, "replace with", o.Lifecycle.ReplaceTriggeredBy)
		for _, p := range o.Sensitive {
			fmt.Fprintf(&b, "  sensitive: %s\n", diag.FormatPath(p))
		}
		for _, h := range o.Holes {
			fmt.Fprintf(&b, "  hole: %s from %s.%s\n", h.Path, h.Addr, h.Attr)
		}
		l := o.Lifecycle
		if l.Shared {
			b.WriteString("  shared\n")
		}
		if l.PreventDestroy || l.IgnoreAll || len(l.IgnoreChanges) > 0 || l.Adopt != "" {
			fmt.Fprintf(&b, "  lifecycle: prevent=%v ignore=%v%v adopt=%q\n", l.PreventDestroy, l.IgnoreAll, l.IgnoreChanges, l.Adopt)
		}
		if o.ImportID != "" {
			fmt.Fprintf(&b, "  import: %s\n", o.ImportID)
		}
	}
	for _, q := range r.Queries {
		b.WriteString(query(q))
	}
	for _, m := range r.Moves {
		fmt.Fprintf(&b, "moved %s to %s\n", m.From, m.To)
	}
	for _, f := range r.Forget {
		fmt.Fprintf(&b, "forget %s\n", f)
	}
	names := make([]string, 0, len(r.Outputs))
	for n := range r.Outputs {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		o := r.Outputs[n]
		if o.Sensitive {
			fmt.Fprintf(&b, "output %s is sensitive\n", n)
			continue
		}
		fmt.Fprintf(&b, "output %s = %s\n", n, show(o.Value))
	}
	return b.String()
}

func query(q desired.DataQuery) string {
	return fmt.Sprintf("query %s on %s for %s after %v\n", q.ID, q.Provider, show(q.Value), q.After)
}

func list(b *strings.Builder, word string, as []addr.Instance) {
	for _, a := range as {
		fmt.Fprintf(b, "  %s: %s\n", word, a)
	}
}

func show(v cty.Value) string {
	if !v.IsWhollyKnown() {
		return "?"
	}
	j, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return err.Error()
	}
	var out bytes.Buffer
	if json.Compact(&out, j) != nil {
		return string(j)
	}
	return out.String()
}

// text writes diagnostics as people see them.
func text(m *config.Module, diags hcl.Diagnostics) string {
	var b bytes.Buffer
	files := map[string]*hcl.File{}
	collect(m, files)
	w := hcl.NewDiagnosticTextWriter(&b, files, 0, false)
	if err := w.WriteDiagnostics(diags); err != nil {
		return err.Error()
	}
	return b.String()
}

func collect(m *config.Module, files map[string]*hcl.File) {
	if m == nil {
		return
	}
	maps.Copy(files, m.Files)
	for _, c := range m.Calls {
		collect(c.Module, files)
	}
}
