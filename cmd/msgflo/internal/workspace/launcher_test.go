package workspace

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/fake"
	"github.com/msgflo/msgflo/state"
)

// A launcher of a test: widgets in a world, behind a process of ours.
type launcher struct {
	providers.Provider
	env   providers.Env
	woken *[]string
	err   error
}

func (l *launcher) Wake(context.Context) error {
	*l.woken = append(*l.woken, l.env.Config.GetAttr("note").AsString())
	return l.err
}

// launcherType has one setting, with a default, and one more that must be
// written where required is set.
func launcherType(w *fake.World, woken *[]string, required bool, err error) *providers.Type {
	t := w.Type()
	t.Name, t.Schemes, t.Launcher = "test", nil, true
	open := t.Open
	t.Config = providers.Schema{Attrs: []providers.Attr{
		{Name: "note", Type: cty.String, Default: cty.StringVal("by default")},
		{Name: "address", Type: cty.String, Required: required},
	}}
	t.Open = func(ctx context.Context, env providers.Env) (providers.Provider, error) {
		p, e := open(ctx, providers.Env{Config: cty.ObjectVal(map[string]cty.Value{"url": cty.StringVal("fake://x")}), Lineage: env.Lineage})
		return &launcher{p, env, woken, err}, e
	}
	return t
}

var here = addr.Provider{Kind: "launcher.test", Name: "here"}

// recordedOn begins a session on a directory whose configuration is empty and
// whose state has a widget on the launcher.
func recordedOn(t *testing.T, w *fake.World, typ *providers.Type) *Session {
	t.Helper()
	ctx, dir := context.Background(), t.TempDir()
	ws := &Workspace{o: Options{Dir: dir, Types: []*providers.Type{typ}, Version: "1.0.0"}}
	if err := os.WriteFile(filepath.Join(dir, "main.flo.hcl"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m, diags := config.Load(dir, config.Options{Types: ws.o.Types, Version: "1.0.0"})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	ws.module = m
	s, diags := ws.Begin(ctx, "test")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	t.Cleanup(func() { s.Close() })
	if err := w.Put("widget", map[string]cty.Value{"name": cty.StringVal("a"), "vhost": cty.StringVal("/")}); err != nil {
		t.Fatal(err)
	}
	next := *s.snap
	next.Objects = []state.Object{{Addr: addr.Instance{Type: "widget", Name: "a"}, Provider: here, ProviderType: "test", Owned: true,
		Attrs: []byte(`{"id":"w-1","label":null,"name":"a","peer":null,"replicas":1,"size":1,"vhost":"/"}`)}}
	if diags := s.save(ctx, &next); diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

// A launcher that nothing declares is opened with its defaults, so that what
// runs there can be destroyed; and woken first.
func TestUndeclaredLauncher(t *testing.T) {
	w, woken := fake.NewWorld(), []string{}
	s := recordedOn(t, w, launcherType(w, &woken, false, nil))
	p, diags := s.Plan(context.Background(), PlanOptions{Mode: planner.Destroy})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if len(woken) > 0 {
		t.Error("a plan wakes")
	}
	var seen []string
	_, diags = s.Apply(context.Background(), p, ApplyHooks{Events: func(e plan.Event) { seen = append(seen, string(e.Kind)+" "+strings.Join(woken, ",")) }})
	if diags.HasErrors() || len(s.snap.Objects) > 0 {
		t.Fatalf("%v, left %v", diags, s.snap.Objects)
	}
	if len(seen) == 0 || !strings.HasSuffix(seen[0], " by default") || len(woken) != 1 {
		t.Errorf("woken %q, events %q", woken, seen)
	}
	if slices.ContainsFunc(w.Objects(), func(o providers.Object) bool { return o.Type == "widget" }) {
		t.Error("it is still there")
	}
}

// Also where there is nothing to do; and where waking fails nothing is done.
func TestWakeWithoutSteps(t *testing.T) {
	w, woken := fake.NewWorld(), []string{}
	s := recordedOn(t, w, launcherType(w, &woken, false, errors.New("no agent can be started")))
	p := &Planned{Plan: &plan.Plan{Lineage: s.snap.Lineage, Serial: s.snap.Serial}, Types: s.types()}
	_, diags := s.Apply(context.Background(), p, ApplyHooks{})
	if len(woken) != 1 || !diags.HasErrors() || !strings.Contains(diags[0].Detail, "No agent can be started") {
		t.Errorf("woken %q: %v", woken, diags)
	}
}

// One that cannot do without a setting needs its block.
func TestLauncherThatNeedsItsBlock(t *testing.T) {
	w, woken := fake.NewWorld(), []string{}
	s := recordedOn(t, w, launcherType(w, &woken, true, nil))
	_, diags := s.Plan(context.Background(), PlanOptions{Mode: planner.Destroy})
	if !diags.HasErrors() || !strings.Contains(diags.Error(), "not declared any more") {
		t.Errorf("%v", diags)
	}
}
