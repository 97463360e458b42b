package apply_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/fake"
)

// foreign puts things into a world that nobody may touch.
func foreign(t tester) *fake.World {
	w := fake.NewWorld()
	for _, o := range []struct {
		typ   string
		attrs map[string]cty.Value
	}{
		{"exchange", map[string]cty.Value{"name": str("fe")}},
		{"queue", map[string]cty.Value{"name": str("fq")}},
		{"binding", map[string]cty.Value{"source": str("fe"), "destination": str("fq")}},
		{"user", map[string]cty.Value{"name": str("fu"), "password": str("x")}},
		{"widget", map[string]cty.Value{"name": str("fw")}},
		{"policy", map[string]cty.Value{"name": str("common"), "pattern": str("^fbp$")}},
	} {
		if err := w.Put(o.typ, o.attrs); err != nil {
			t.Fatalf("%v", err)
		}
	}
	if err := w.Fill("/", "fq", 7); err != nil {
		t.Fatalf("%v", err)
	}
	return w
}

// inventory is what a world has, by type and identity.
func inventory(w *fake.World) map[string]providers.Object {
	out := map[string]providers.Object{}
	res := w.Type().Resources
	for _, o := range w.Objects() {
		out[o.Type+" "+res[o.Type].Identity(o.Value)] = o
	}
	return out
}

// converged checks that the world has what is wanted, as wanted, and what was
// there before, and nothing else; that state says so; that the next plan is empty.
func converged(e *engine, cfg declared, before map[string]providers.Object) {
	e.t.Helper()
	now := inventory(e.world)
	res := e.types[main_].Resources
	want := cfg.objects(e.snap, e.types[main_])
	owned := map[addr.Instance]bool{}
	for i := range want {
		o := &want[i]
		id := idOf(e.types, o)
		owned[o.Addr] = !o.Lifecycle.Shared
		got, ok := now[id]
		if !ok {
			e.t.Fatalf("%s is not there: %s", o.Addr, id)
		}
		delete(now, id)
		if o.Lifecycle.Shared {
			e.common[id] = true
			if got.Owner != "" {
				e.t.Fatalf("%s is shared, and marked as that of %q", o.Addr, got.Owner)
			}
		}
		sameAs(e.t, o.Addr.String(), res[o.Type], fake.Normalize(o.Type, o.Value), fake.Normalize(o.Type, got.Value))
		if o.Type == "user" {
			want := ""
			if v := o.Value.GetAttr("password"); !v.IsNull() {
				want = v.AsString()
			}
			if is := e.world.Password(o.Value.GetAttr("name").AsString()); is != want {
				e.t.Fatalf("the password of %s is %q, want %q", o.Addr, is, want)
			}
		}
	}
	e.untouched(before, inventory(e.world), now)
	if len(e.snap.Objects) != len(want) || len(e.snap.Pending) > 0 {
		e.t.Fatalf("state has %d objects and %d pending, want %d:\n%s", len(e.snap.Objects), len(e.snap.Pending), len(want), encode(e.t, e.snap))
	}
	for _, o := range e.snap.Objects {
		if o.Owned != owned[o.Addr] {
			e.t.Fatalf("%s is ours: %v", o.Addr, o.Owned)
		}
	}
	again := e.run(cfg, options{})
	if again.diags.HasErrors() || len(again.plan.Steps) > 0 || !again.plan.Empty() {
		e.t.Fatalf("the next plan is not empty: %s %v", steps(again.plan), again.diags)
	}
}

func sameAs(t tester, what string, s *providers.Schema, want, got cty.Value) {
	t.Helper()
	for i := range s.Attrs {
		a := &s.Attrs[i]
		w, g := want.GetAttr(a.Name), got.GetAttr(a.Name)
		if a.Computed || a.WriteOnly {
			continue
		}
		if !w.IsKnown() || !w.RawEquals(g) {
			t.Fatalf("%s: %s is %#v, want %#v", what, a.Name, g, w)
		}
	}
}

// untouched checks that what was there before is as it was, that nothing is
// left over beside it, and that what is shared stays, whoever made it.
func (e *engine) untouched(before, now, beside map[string]providers.Object) {
	e.t.Helper()
	for id, seen := range e.common {
		if _, ok := now[id]; seen && !ok {
			e.t.Fatalf("%s is gone, and is shared", id)
		}
	}
	for id, o := range before {
		_, shared := e.common[id]
		if n, ok := now[id]; !ok {
			e.t.Fatalf("%s is gone, and was not ours", id)
		} else if !shared && !n.Value.RawEquals(o.Value) {
			e.t.Fatalf("%s was changed, and is not ours", id)
		}
	}
	for id := range beside {
		_, shared := e.common[id]
		if _, ok := before[id]; !ok && !shared {
			e.t.Fatalf("%s is left over", id)
		}
	}
}

// destroyed takes all down and checks that nothing of it is left.
func (e *engine) destroyed(before map[string]providers.Object) {
	e.t.Helper()
	e.ok(e.run(nil, options{mode: planner.Destroy, consent: true}))
	now := inventory(e.world)
	e.untouched(before, now, now)
	if len(e.snap.Objects)+len(e.snap.Pending) > 0 {
		e.t.Fatalf("state remembers what was destroyed:\n%s", encode(e.t, e.snap))
	}
}

func steps(p *plan.Plan) string {
	if p == nil {
		return "no plan"
	}
	var b bytes.Buffer
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "\n  %s (%s) %v needs %v", s.ID, s.Reason, s.Changed, s.Needs)
	}
	return b.String()
}

func (e *engine) ok(r ran) {
	e.t.Helper()
	if r.diags.HasErrors() || r.blocked || r.result.Failed+r.result.Skipped > 0 {
		e.t.Fatalf("the run failed (blocked %v): %v%s", r.blocked, r.diags, steps(r.plan))
	}
}

// Any sequence of configurations is reached, one by one, and can be taken
// down again, whatever the parallelism.
func sequences(t *testing.T, parallelism int) {
	rapid.Check(t, func(t *rapid.T) {
		w := foreign(t)
		before := inventory(w)
		e := newEngine(t, w, parallelism)
		for i := range rapid.IntRange(1, 3).Draw(t, "configurations") {
			cfg := drawConfig(t, fmt.Sprintf("%d: ", i))
			r := e.run(cfg, options{consent: true})
			e.ok(r)
			converged(e, cfg, before)
			for j := range e.snap.Objects {
				if o := &e.snap.Objects[j]; o.Addr.Type == "queue" && rapid.Bool().Draw(t, "fill") {
					fill(e, o.Attrs)
				}
			}
		}
		e.destroyed(before)
	})
}

func TestSequences(t *testing.T)         { sequences(t, 1) }
func TestSequencesParallel(t *testing.T) { sequences(t, 8) }

func fill(e *engine, attrs []byte) {
	var at struct{ Vhost, Name string }
	unmarshal(e.t, attrs, &at)
	if err := e.world.Fill(at.Vhost, at.Name, 3); err != nil {
		e.t.Fatalf("%v", err)
	}
}

// The order of declarations changes nothing but where a diagnostic points.
func TestOrderIsIrrelevant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := newEngine(t, foreign(t), 1)
		e.ok(e.run(drawConfig(t, "first "), options{consent: true}))
		cfg := drawConfig(t, "second ")
		plans := map[string]bool{}
		for range 2 {
			snap, may := e.load()
			c, diags := e.compare(t.Context(), cfg, options{consent: true}, snap, may)
			if diags.HasErrors() {
				t.Fatalf("%v", diags)
			}
			for i := range c.plan.Steps {
				c.plan.Steps[i].Decl.Start.Line, c.plan.Steps[i].Decl.End.Line = 0, 0
			}
			b, _ := e.saved(c.plan)
			plans[string(b)] = true
			cfg = rapid.Permutation(cfg).Draw(t, "order")
		}
		if len(plans) != 1 {
			t.Fatalf("another order, another plan")
		}
	})
}

// Without consent no message is lost, whatever happens: the plan is blocked,
// or the broker's own guard refuses at the moment.
func TestMessages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := foreign(t)
		e := newEngine(t, w, 4)
		e.ok(e.run(drawConfig(t, "first "), options{}))
		late := rapid.Bool().Draw(t, "after the plan")
		queues := func() {
			for j := range e.snap.Objects {
				if o := &e.snap.Objects[j]; o.Addr.Type == "queue" {
					fill(e, o.Attrs)
				}
			}
		}
		if !late {
			queues()
		}
		snap, may := e.load()
		c, diags := e.compare(t.Context(), drawConfig(t, "second "), options{}, snap, may)
		if late {
			queues()
		}
		if !diags.HasErrors() && len(c.plan.Blocked()) == 0 {
			e.carryOut(c, snap)
		}
		if n := w.LostMessages(); n > 0 {
			t.Fatalf("%d messages lost%s", n, steps(c.plan))
		}
	})
}
