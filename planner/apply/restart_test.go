package apply_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/apply"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// changes is a provider that keeps what it is told to do.
type changes struct {
	providers.Provider
	got  []providers.Change
	err  error
	tell func(providers.Change)
}

func (c *changes) Apply(_ context.Context, ch providers.Change) (cty.Value, error) {
	c.got = append(c.got, ch)
	if c.tell != nil {
		c.tell(ch)
	}
	if c.err != nil {
		return ch.Before, c.err
	}
	return ch.After, nil
}

// A restart is a change from what is to what is wanted, as an update is, and
// what is recorded after it is the same.
func TestRestartIsAnUpdate(t *testing.T) {
	var recorded []state.Object
	for _, a := range []plan.Action{plan.Update, plan.Restart} {
		b := newBench(t)
		c := &changes{}
		b.deps.Open = func(addr.Provider) (providers.Provider, error) { return c, nil }
		st := b.step(a, provA, "user", "ann", map[string]cty.Value{"password": cty.NullVal(cty.String)})
		st.Record.Hashes = map[string]string{"password": "hash"}
		r, diags := b.run(context.Background(), st)
		if diags.HasErrors() || counts(r) != "1/0/0" || len(c.got) != 1 || c.got[0].Before.IsNull() || c.got[0].After.IsNull() {
			t.Fatalf("%s: %s %v %+v", a, counts(r), diags, c.got)
		}
		recorded = append(recorded, *b.rec.got[0].Object)
	}
	if recorded[0].Hashes["password"] != "hash" || recorded[1].Hashes["password"] != "hash" {
		t.Errorf("hashes %v, %v", recorded[0].Hashes, recorded[1].Hashes)
	}
}

// A restart whose end nobody saw: its secret may have arrived.
func TestRecoverRestart(t *testing.T) {
	b := newBench(t)
	st := b.step(plan.Restart, provA, "user", "ann", map[string]cty.Value{})
	st.Holes = []plan.Hole{{Path: "password", Secret: true}}
	prior := snapshot()
	prior.Objects = []state.Object{{Addr: st.Addr, Provider: provA, Attrs: st.Before, Hashes: map[string]string{"password": "old"}}}
	got, _ := apply.Recover(prior, &plan.Plan{Lineage: "l", Steps: []plan.Step{st}}, nil)
	if h := got.Objects[0].Hashes["password"]; h == "old" || h == "" {
		t.Errorf("its hash is still %q", h)
	}
}

func TestSharedIsPassedOn(t *testing.T) {
	b := newBench(t)
	c := &changes{}
	b.deps.Open = func(addr.Provider) (providers.Provider, error) { return c, nil }
	st := b.step(plan.Create, provA, "queue", "fbp", nil)
	st.Shared = true
	if r, diags := b.run(context.Background(), st, b.step(plan.Create, provA, "queue", "own", nil, string(st.ID))); counts(r) != "2/0/0" {
		t.Fatal(diags)
	}
	if !c.got[0].Shared || c.got[1].Shared {
		t.Errorf("%+v", c.got)
	}
}

// The last lines of a log arrive as lines, and get no full stop.
func TestDetailKeepsItsLines(t *testing.T) {
	b := newBench(t)
	c := &changes{err: errors.New("resize is not ready\n  Error: ECONNREFUSED\n  at \x1b[31mmain")}
	b.deps.Open = func(addr.Provider) (providers.Provider, error) { return c, nil }
	_, diags := b.run(context.Background(), b.step(plan.Restart, provA, "user", "ann", map[string]cty.Value{}))
	if len(diags) != 1 || diags[0].Severity != hcl.DiagError || diags[0].Summary != "Object not restarted" {
		t.Fatal(diags)
	}
	if want := "resize is not ready\n  Error: ECONNREFUSED\n  at \\x1b[31mmain"; !strings.HasSuffix(diags[0].Detail, want) {
		t.Errorf("%q", diags[0].Detail)
	}
}

// What a provider says meanwhile is an event of its step, and what it warns of is
// reported where the step's object is declared; neither makes the step fail.
func TestSaidAndWarned(t *testing.T) {
	b := newBench(t)
	c := &changes{tell: func(ch providers.Change) {
		ch.Say("it ended; starting it again")
		ch.Warn("Announced otherwise", "in, not out")
	}}
	b.deps.Open = func(addr.Provider) (providers.Provider, error) { return c, nil }
	var said []string
	b.deps.Events = func(e plan.Event) {
		if e.Kind == plan.Progress {
			said = append(said, string(e.Step.ID)+": "+e.Text)
		}
	}
	st := b.step(plan.Create, provA, "queue", "q", nil)
	r, diags := b.run(context.Background(), st)
	if counts(r) != "1/0/0" || len(said) != 1 || said[0] != "+ queue.q: it ended; starting it again" {
		t.Errorf("%s %q", counts(r), said)
	}
	if len(diags) != 1 || diags[0].Severity != hcl.DiagWarning || diags[0].Summary != "Announced otherwise" || *diags[0].Subject != st.Decl {
		t.Errorf("%v", diags)
	}
}

// A launcher of this machine has no block: that it is lost is told at the object.
func TestLostWithoutABlock(t *testing.T) {
	b := newBench(t)
	b.deps.Decl = nil
	c := &changes{err: &providers.ConnectionError{Headline: "Agent unreachable", Detail: "no folder"}}
	b.deps.Open = func(addr.Provider) (providers.Provider, error) { return c, nil }
	st := b.step(plan.Create, provA, "queue", "q", nil)
	if _, diags := b.run(context.Background(), st); len(diags) != 1 || *diags[0].Subject != st.Decl {
		t.Errorf("%v", diags)
	}
}
