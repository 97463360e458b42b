package planner_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

func target(t *testing.T, text string) addr.Target {
	t.Helper()
	tg, err := addr.ParseTarget(text)
	if err != nil {
		t.Fatal(err)
	}
	return tg
}

// flow is an exchange, a queue and a binding, of which a second configuration
// changes the queue's type.
func flow(t *testing.T) (st *story, first, second []desired.Object) {
	t.Helper()
	typ := testType(true)
	e, q := exchange(typ, "events", nil), queue(typ, "jobs", nil)
	b := binding(typ, "jobs", e, q, "a")
	first = []desired.Object{e, q, b}
	return tell(t, typ, first...), first, []desired.Object{e, queue(typ, "jobs", attrs{"type": s("quorum")}), b}
}

func TestTargets(t *testing.T) {
	typ := testType(true)
	e, q, other := exchange(typ, "events", nil), queue(typ, "jobs", nil), queue(typ, "other", nil)
	b := binding(typ, "jobs", e, q, "a")
	want := []desired.Object{e, q, other, b}
	in := newWorld(t, typ).input(want, state.New("mine"))
	in.Only = []addr.Target{target(t, "binding.jobs")}
	p := mustPlan(t, in)
	wantActions(t, p, "+ exchange.events", "+ queue.jobs", "+ binding.jobs")
	if !p.Targeted {
		t.Error("not marked as targeted")
	}
	in.Only, in.Exclude = nil, []addr.Target{target(t, "queue.jobs")}
	wantActions(t, mustPlan(t, in), "+ exchange.events", "+ queue.other")
	in.Exclude = []addr.Target{target(t, "queue.job")}
	_, diags := planned(in)
	wantError(t, diags, "Address names nothing", "-exclude queue.job", `"queue.jobs"`)

	// What was never made is nothing to destroy, be it declared: the workspace leaves that out.
	in.Want, in.Mode, in.Only, in.Exclude = nil, planner.Destroy, []addr.Target{target(t, "queue.other")}, nil
	_, diags = planned(in)
	wantError(t, diags, "Address names nothing", "-target queue.other names nothing that is in the state, so there is nothing of it to destroy.")

	// All that a participant gives rise to is named as one.
	q.Addr = addr.Instance{Owner: "participant.resize", Type: "queue", Key: `["in"]`}
	in = newWorld(t, typ).input([]desired.Object{q}, state.New("mine"))
	in.Only = []addr.Target{target(t, "participant.resiz")}
	_, diags = planned(in)
	wantError(t, diags, "Address names nothing", `Did you mean "participant.resize"?`)
}

// Excluding what would die with a delete excludes the delete.
func TestExcludeProtectsFromAbove(t *testing.T) {
	st, _, second := flow(t)
	in := st.w.input(second, st.prior)
	in.Exclude = []addr.Target{target(t, "binding.jobs")}
	wantActions(t, mustPlan(t, in))
	in = st.w.input(nil, st.prior)
	in.Mode, in.Exclude = planner.Destroy, []addr.Target{target(t, "queue.jobs")}
	wantActions(t, mustPlan(t, in), "- exchange.events", "- binding.jobs")
}

// Targeting a queue that is replaced brings its bindings in: they die with it.
func TestTargetBringsInWhatDies(t *testing.T) {
	st, _, second := flow(t)
	in := st.w.input(second, st.prior)
	in.Only = []addr.Target{target(t, "queue.jobs")}
	wantActions(t, mustPlan(t, in), "- queue.jobs", "+ queue.jobs", "- binding.jobs", "+ binding.jobs")
}

func TestReplaceFlag(t *testing.T) {
	st, first, _ := flow(t)
	in := st.w.input(first, st.prior)
	in.Replace = []addr.Target{target(t, "exchange.events")}
	p := mustPlan(t, in)
	wantActions(t, p, "- exchange.events", "+ exchange.events", "- binding.jobs", "+ binding.jobs")
	if c := p.Summary(); c.Add != 2 || c.Destroy != 2 || c.Replace != 2 {
		t.Errorf("%+v", c)
	}
}

func TestNoDestroy(t *testing.T) {
	st, first, second := flow(t)
	in := st.w.input(first[:1], st.prior)
	in.NoDestroy = true
	p := mustPlan(t, in)
	wantActions(t, p)
	if len(p.Withheld) != 2 || p.Withheld[0].Addr != at("binding.jobs") || p.Withheld[0].Reason != "it is no longer declared" {
		t.Errorf("%+v", p.Withheld)
	}
	in = st.w.input(second, st.prior)
	in.NoDestroy = true
	_, diags := planned(in)
	wantError(t, diags, "Replace refused by -no-destroy", "queue.jobs", "type is fixed")
}

// prevent_destroy is an error at the declaration, and the plan is shown anyway.
func TestPreventDestroy(t *testing.T) {
	st, first, second := flow(t)
	second[1].Lifecycle.PreventDestroy = true
	p, diags := planned(st.w.input(second, st.prior))
	wantError(t, diags, "Object is protected", "queue.jobs would be replaced", "type is fixed", "-exclude queue.jobs")
	if *diags[0].Subject != second[1].Decl {
		t.Errorf("reported at %v", diags[0].Subject)
	}
	wantActions(t, p, "- queue.jobs", "+ queue.jobs", "- binding.jobs", "+ binding.jobs")
	// Also what only goes with something else.
	second[1].Lifecycle.PreventDestroy, second[2].Lifecycle.PreventDestroy = false, true
	_, diags = planned(st.w.input(second, st.prior))
	wantError(t, diags, "Object is protected", "binding.jobs would be replaced")
	first[1].Lifecycle.PreventDestroy = true
	in := st.w.input(first, st.prior)
	in.Mode = planner.Destroy
	_, diags = planned(in)
	wantError(t, diags, "Object is protected", "queue.jobs would be deleted")
}

func TestReplaceTriggeredBy(t *testing.T) {
	typ := testType(true)
	a, b, c := queue(typ, "a", nil), queue(typ, "b", nil), queue(typ, "c", nil)
	b.Lifecycle.ReplaceTriggeredBy, c.Lifecycle.ReplaceTriggeredBy = []addr.Instance{a.Addr}, []addr.Instance{b.Addr}
	st := tell(t, typ, a, b, c)
	wantActions(t, mustPlan(t, st.w.input([]desired.Object{a, b, c}, st.prior)))
	a = queue(typ, "a", attrs{"ttl": cty.NumberIntVal(3)})
	p := mustPlan(t, st.w.input([]desired.Object{a, b, c}, st.prior))
	wantActions(t, p, "~ queue.a", "- queue.b", "+ queue.b", "- queue.c", "+ queue.c")
	if r := step(t, p, "+ queue.c").Reason; r != "queue.b changes, and replace_triggered_by names it" {
		t.Error(r)
	}
}

// A computed value is a hole while its object is made; what holds it changes
// when that object is made anew, and not otherwise.
func TestComputedHoles(t *testing.T) {
	typ := testType(true)
	source := queue(typ, "source", nil)
	user := func(peer cty.Value) desired.Object {
		o := exchange(typ, "user", attrs{"alternate": peer})
		o.After = []addr.Instance{source.Addr}
		o.Holes = []plan.Hole{{Path: "alternate", Addr: &source.Addr, Attr: "serial"}}
		return o
	}
	w := newWorld(t, typ)
	in := w.input([]desired.Object{source, user(cty.UnknownVal(cty.String))}, state.New("mine"))
	p := mustPlan(t, in)
	if h := step(t, p, "+ exchange.user").Holes; len(h) != 1 || h[0].Path != "alternate" || *h[0].Addr != source.Addr {
		t.Fatalf("holes %+v", h)
	}
	needs(t, p, "+ exchange.user", "+ queue.source")
	st := &story{t, w, w.apply(p, in.Prior)}
	st.change(user(s("serial-1")), "alternate", s("serial-1"))
	st.prior.Objects[0].Attrs = encoded(t, typ, "exchange", w.live[w.key("exchange", user(s("")).Value)])
	wantActions(t, mustPlan(t, w.input([]desired.Object{source, user(s("serial-1"))}, st.prior)))
	quorum := queue(typ, "source", attrs{"type": s("quorum")})
	p = mustPlan(t, w.input([]desired.Object{quorum, user(s("serial-1"))}, st.prior))
	wantActions(t, p, "- queue.source", "+ queue.source", "~ exchange.user")
	u := step(t, p, "~ exchange.user")
	if !slices.Equal(u.Changed, []string{"alternate"}) || len(u.Holes) != 1 || !strings.Contains(string(u.After), `"alternate":null`) {
		t.Errorf("%+v %s", u, u.After)
	}
	needs(t, p, "~ exchange.user", "+ queue.source")
}

func TestMoves(t *testing.T) {
	typ := testType(true)
	e, q := exchange(typ, "events", nil), queue(typ, "jobs", nil)
	b := binding(typ, "jobs", e, q, "a")
	st := tell(t, typ, e, q, b)
	at2 := func(o desired.Object, address string) desired.Object {
		o.Addr = at(address)
		return o
	}
	move := func(from, to string) desired.Move { return desired.Move{From: target(t, from), To: target(t, to)} }
	q2 := at2(q, "module.m.queue.work")
	b2 := b
	b2.Within = []addr.Instance{e.Addr, q2.Addr}
	in := st.w.input([]desired.Object{e, q2, b2}, st.prior)
	in.Moves = []desired.Move{move("queue.jobs", "queue.work"), move("queue.work", "module.m.queue.work")}
	p := mustPlan(t, in)
	wantActions(t, p, "* module.m.queue.work", "* binding.jobs")
	if m := p.Moved; len(m) != 1 || m[0].From != q.Addr || m[0].To != q2.Addr || *step(t, p, "* module.m.queue.work").Prev != q.Addr {
		t.Errorf("moved %+v", m)
	}
	if !p.Empty() {
		t.Error("a move counts as a change")
	}
	// A whole module, and then nothing is left to do.
	st.prior = st.w.apply(p, st.prior)
	q3 := at2(q, "module.n.queue.work")
	b3 := b
	b3.Within = []addr.Instance{e.Addr, q3.Addr}
	in = st.w.input([]desired.Object{e, q3, b3}, st.prior)
	in.Moves = []desired.Move{move("module.m", "module.n")}
	p = mustPlan(t, in)
	wantActions(t, p, "* module.n.queue.work", "* binding.jobs")
	st.prior = st.w.apply(p, st.prior)
	wantActions(t, mustPlan(t, st.w.input([]desired.Object{e, q3, b3}, st.prior)))
	// A move to another name is a replace under the new address.
	q4 := object(typ, "queue.late", attrs{"name": s("late")})
	b4 := binding(typ, "jobs", e, q4, "a")
	in = st.w.input([]desired.Object{e, q4, b4}, st.prior)
	in.Moves = []desired.Move{move("module.n.queue.work", "queue.late")}
	p = mustPlan(t, in)
	wantActions(t, p, "- queue.late", "+ queue.late", "- binding.jobs", "+ binding.jobs")
}

func TestMoveConflicts(t *testing.T) {
	typ := testType(true)
	a, b := queue(typ, "a", nil), queue(typ, "b", nil)
	st := tell(t, typ, a, b)
	for _, c := range []struct {
		name    string
		want    []desired.Object
		moves   [][2]string
		summary string
	}{
		{"both to one", []desired.Object{queue(typ, "c", nil)}, [][2]string{{"queue.a", "queue.c"}, {"queue.b", "queue.c"}}, "Two objects under one address"},
		{"onto a recorded one", []desired.Object{b}, [][2]string{{"queue.a", "queue.b"}}, "Two objects under one address"},
		{"still declared", []desired.Object{a, b, queue(typ, "c", nil)}, [][2]string{{"queue.a", "queue.c"}}, "Moved object is still declared"},
		{"circle", []desired.Object{a, b}, [][2]string{{"queue.a", "queue.b"}, {"queue.b", "queue.a"}}, "Moved blocks run in a circle"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := st.w.input(c.want, st.prior)
			for _, m := range c.moves {
				in.Moves = append(in.Moves, desired.Move{From: target(t, m[0]), To: target(t, m[1])})
			}
			p, _, diags := planner.Plan(in)
			if p != nil {
				t.Error("there is a plan")
			}
			wantError(t, diags, c.summary)
		})
	}
}

// Renaming a block without a moved block must not delete what it declares: a
// broker object is its name.
func TestRenamedBlock(t *testing.T) {
	typ := testType(true)
	e, q := exchange(typ, "events", nil), queue(typ, "jobs", nil)
	st := tell(t, typ, e, q, binding(typ, "jobs", e, q, "a"))
	q2 := object(typ, "queue.work", attrs{"name": s("jobs")})
	p := mustPlan(t, st.w.input([]desired.Object{e, q2, binding(typ, "jobs", e, q2, "a")}, st.prior))
	wantActions(t, p, "* queue.work", "* binding.jobs")
	if len(p.Moved) != 1 {
		t.Errorf("moved %+v", p.Moved)
	}
}

func TestForget(t *testing.T) {
	st, first, _ := flow(t)
	in := st.w.input(first[:1], st.prior)
	in.Forget = []addr.Target{target(t, "queue.jobs"), target(t, "binding.jobs")}
	p := mustPlan(t, in)
	wantActions(t, p, ". queue.jobs", ". binding.jobs")
}

func TestGoneAndUndeclared(t *testing.T) {
	st, first, _ := flow(t)
	st.remove(first[1])
	p := mustPlan(t, st.w.input(first[:1], st.prior))
	wantActions(t, p, ". queue.jobs", ". binding.jobs")
}

// Messages at risk are asked for where something is deleted, shown, and block
// without consent; consumers alone do not.
func TestRisk(t *testing.T) {
	st, first, second := flow(t)
	in := st.w.input(second, st.prior)
	_, missing, _ := planner.Plan(in)
	if !slices.Equal(missing.Depth, []addr.Instance{at("queue.jobs")}) {
		t.Fatalf("missing %v", missing)
	}
	in.Live[at("queue.jobs")] = st.w.input(first, st.prior).Live[at("queue.jobs")]
	foreign := binding(st.w.typ, "f", first[0], first[1], "z")
	mine := providers.Object{Type: "binding", Value: first[2].Value}
	theirs := providers.Object{Type: "binding", Value: foreign.Value}
	for _, c := range []struct {
		name   string
		depth  providers.Depth
		blocks bool
	}{
		{"empty", providers.Depth{}, false},
		{"consumers", providers.Depth{Consumers: 3}, false},
		{"ready", providers.Depth{Ready: 1}, true},
		{"unacknowledged", providers.Depth{Unacked: 1}, true},
		{"unknown", providers.Depth{Unknown: true}, true},
		{"our binding", providers.Depth{Collateral: []providers.Object{mine}}, false},
		{"another's binding", providers.Depth{Collateral: []providers.Object{mine, theirs}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			in.AllowLoss = nil
			in.Depth = map[addr.Instance]providers.Depth{at("queue.jobs"): c.depth}
			p, missing, diags := planner.Plan(in)
			if !missing.Empty() || diags.HasErrors() {
				t.Fatal(missing, diags)
			}
			r := step(t, p, "- queue.jobs").Risk
			if r == nil || r.Consumers != c.depth.Consumers || r.Ready != c.depth.Ready || r.Blocks() != c.blocks || len(r.Collateral) != len(c.depth.Collateral) {
				t.Errorf("risk %+v", r)
			}
			if got := len(p.Blocked()) > 0; got != c.blocks {
				t.Errorf("blocked %v", got)
			}
			in.AllowLoss = []addr.Target{target(t, "queue.jobs")}
			if p, _, _ := planner.Plan(in); len(p.Blocked()) != 0 {
				t.Error("blocked in spite of consent")
			}
		})
	}
}

func TestCircleIsShown(t *testing.T) {
	typ := testType(true)
	a, b := exchange(typ, "a", nil), exchange(typ, "b", nil)
	a.After, b.After = []addr.Instance{b.Addr}, []addr.Instance{a.Addr}
	_, diags := planned(newWorld(t, typ).input([]desired.Object{a, b}, state.New("mine")))
	wantError(t, diags, "Dependencies run in a circle", "exchange.a, exchange.b, exchange.a")
}

func TestStateThatCannotBeUsed(t *testing.T) {
	st, first, _ := flow(t)
	lost := *st.prior
	lost.Objects = slices.Clone(lost.Objects)
	for i := range lost.Objects {
		lost.Objects[i].Provider.Name = "old"
	}
	in := st.w.input(first, st.prior)
	in.Prior = &lost
	_, _, diags := planner.Plan(in)
	wantError(t, diags, "Provider is not configured", "broker.old", "state rm")

	newer := *st.prior
	newer.Objects = slices.Clone(newer.Objects)
	newer.Objects[0].SchemaVersion = 7
	in.Prior = &newer
	_, _, diags = planner.Plan(in)
	wantError(t, diags, "State cannot be read", "newer version")

	twice := *st.prior
	twice.Objects = append(slices.Clone(twice.Objects), twice.Objects[0])
	in.Prior = &twice
	_, _, diags = planner.Plan(in)
	wantError(t, diags, "State has an object twice")
}

// A saved plan is refused where what it touches is no longer as planned.
func TestRecheck(t *testing.T) {
	typ := testType(true)
	e, q, gone := exchange(typ, "events", nil), queue(typ, "jobs", nil), queue(typ, "gone", nil)
	b := binding(typ, "jobs", e, q, "a")
	second := []desired.Object{e, queue(typ, "jobs", attrs{"ttl": cty.NumberIntVal(4)}), b, queue(typ, "new", nil)}
	for _, c := range []struct {
		name  string
		do    func(st *story)
		depth providers.Depth
		says  string
	}{
		{name: "as planned"},
		{name: "computed moved", do: func(st *story) { st.change(q, "serial", s("x")) }},
		{name: "elastic moved", do: func(st *story) { st.change(q, "replicas", cty.NumberIntVal(2)) }},
		{name: "untouched changed", do: func(st *story) { st.change(e, "alternate", s("x")) }},
		{name: "touched changed", do: func(st *story) { st.change(q, "ttl", cty.NumberIntVal(9)) }, says: "queue.jobs is no longer as it was when the plan was made: changed outside: ttl"},
		{name: "touched gone", do: func(st *story) { st.remove(q) }, says: "queue.jobs is no longer as it was when the plan was made: it is gone"},
		{name: "name taken", do: func(st *story) { st.w.put("queue", queue(typ, "new", nil).Value, "") }, says: "something has been created"},
		{name: "messages came", depth: providers.Depth{Ready: 2}, says: "it holds 2 messages now"},
		{name: "unknown", depth: providers.Depth{Unknown: true}, says: "cannot be seen"},
		{name: "a binding came", depth: providers.Depth{Collateral: []providers.Object{{Type: "binding", Value: binding(typ, "z", e, gone, "z").Value}}}, says: "is in it now"},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := tell(t, typ, e, q, gone, b)
			p := mustPlan(t, st.w.input(second, st.prior))
			wantActions(t, p, "~ queue.jobs", "- queue.gone", "+ queue.new")
			if c.do != nil {
				c.do(st)
			}
			diags := planner.Recheck(planner.Saved{Plan: p, Live: st.w.refresh(second, st.prior), Types: map[addr.Provider]*providers.Type{main_: typ},
				Depth: map[addr.Instance]providers.Depth{gone.Addr: c.depth}})
			if c.says == "" {
				if diags.HasErrors() {
					t.Error(diags)
				}
				return
			}
			wantError(t, diags, "Saved plan is stale", c.says)
		})
	}
}

// Whatever a plan is, right after it was made it is not stale.
func recheckFresh(t fataler, in planner.Input, p *plan.Plan) {
	t.Helper()
	if ds := planner.Recheck(planner.Saved{Plan: p, Live: in.Live, Types: in.Types, Normalize: in.Normalize}); ds.HasErrors() {
		t.Fatalf("stale at once: %v\n%v", ds, actions(p))
	}
}
