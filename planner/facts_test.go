package planner_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

type attrs = map[string]cty.Value

// A story is a broker, a configuration that was applied to it, and what
// happens next.
type story struct {
	t     *testing.T
	w     *world
	prior *state.Snapshot
}

func tell(t *testing.T, typ *providers.Type, objects ...desired.Object) *story {
	t.Helper()
	st := &story{t: t, w: newWorld(t, typ), prior: state.New("mine")}
	st.apply(objects...)
	return st
}

func (st *story) apply(objects ...desired.Object) {
	st.t.Helper()
	st.prior = st.w.apply(mustPlan(st.t, st.w.input(objects, st.prior)), st.prior)
}

func queue(typ *providers.Type, label string, a attrs) desired.Object {
	return object(typ, "queue."+label, named(label, a))
}

func exchange(typ *providers.Type, label string, a attrs) desired.Object {
	return object(typ, "exchange."+label, named(label, a))
}

func named(label string, a attrs) attrs {
	all := attrs{"name": s(label)}
	maps.Copy(all, a)
	return all
}

func binding(typ *providers.Type, label string, e, q desired.Object, key string) desired.Object {
	b := object(typ, "binding."+label, attrs{"source": e.Value.GetAttr("name"), "destination": q.Value.GetAttr("name"), "key": s(key)})
	b.Within = []addr.Instance{e.Addr, q.Addr}
	return b
}

// change changes the live object behind our back.
func (st *story) change(o desired.Object, name string, v cty.Value) {
	k := st.w.key(o.Type, o.Value)
	m := st.w.live[k].AsValueMap()
	m[name] = v
	st.w.live[k] = cty.ObjectVal(m)
}

func (st *story) remove(o desired.Object) { st.w.remove(st.w.key(o.Type, o.Value)) }

func step(t *testing.T, p *plan.Plan, id string) *plan.Step {
	t.Helper()
	i := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return string(s.ID) == id })
	if i < 0 {
		t.Fatalf("no step %q in %q", id, actions(p))
	}
	return &p.Steps[i]
}

func wantActions(t *testing.T, p *plan.Plan, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := actions(p); !slices.Equal(got, want) {
		t.Errorf("steps %q, want %q", got, want)
	}
}

func wantError(t *testing.T, diags hcl.Diagnostics, summary string, words ...string) {
	t.Helper()
	for _, d := range diags {
		if d.Severity != hcl.DiagError || d.Summary != summary {
			continue
		}
		for _, w := range words {
			if !strings.Contains(d.Detail, w) {
				t.Errorf("%q does not say %q:\n%s", summary, w, d.Detail)
			}
		}
		return
	}
	t.Errorf("no error %q in %v", summary, diags)
}

func needs(t *testing.T, p *plan.Plan, id, on string) {
	t.Helper()
	if !slices.Contains(step(t, p, id).Needs, plan.StepID(on)) {
		t.Errorf("%s needs %v, not %s", id, step(t, p, id).Needs, on)
	}
}

func needsNot(t *testing.T, p *plan.Plan, id, on string) {
	t.Helper()
	if slices.Contains(step(t, p, id).Needs, plan.StepID(on)) {
		t.Errorf("%s needs %s", id, on)
	}
}

// Fact 1: what is within an object that goes is deleted first and made again
// after, in the same plan.
func TestReplacedQueueTakesItsBindings(t *testing.T) {
	typ := testType(true)
	e, q := exchange(typ, "events", nil), queue(typ, "jobs", nil)
	b := binding(typ, "jobs", e, q, "a")
	st := tell(t, typ, e, q, b)
	p := mustPlan(t, st.w.input([]desired.Object{e, queue(typ, "jobs", attrs{"type": s("quorum")}), b}, st.prior))
	wantActions(t, p, "- binding.jobs", "- queue.jobs", "+ queue.jobs", "+ binding.jobs")
	needs(t, p, "- queue.jobs", "- binding.jobs")
	needs(t, p, "+ queue.jobs", "- queue.jobs")
	needs(t, p, "+ binding.jobs", "+ queue.jobs")
	if r := step(t, p, "- queue.jobs").Reason; r != "its type is fixed at creation" {
		t.Errorf("reason %q", r)
	}
	if r := step(t, p, "+ binding.jobs").Reason; r != "queue.jobs is replaced, and it goes with it" {
		t.Errorf("reason %q", r)
	}
	if s := step(t, p, "+ queue.jobs"); !slices.Equal(s.ForceNew, []string{"type"}) {
		t.Errorf("force new %q", s.ForceNew)
	}
}

// What gives access to a place outlives what is deleted there: the login may
// need it.
func TestAccessGoesLast(t *testing.T) {
	typ := testType(true)
	typ.Resources["exchange"].Opens = "type"
	a, b, q := exchange(typ, "a", nil), exchange(typ, "b", nil), queue(typ, "jobs", nil)
	elsewhere := queue(typ, "other", attrs{"type": s("quorum")})
	st := tell(t, typ, a, b, q, elsewhere)
	p := mustPlan(t, st.w.input(nil, st.prior))
	needs(t, p, "- exchange.a", "- queue.jobs")
	needs(t, p, "- exchange.b", "- queue.jobs")
	needsNot(t, p, "- exchange.a", "- queue.other")
	// An order that is there already comes first.
	q.Within = []addr.Instance{a.Addr}
	a.Within = nil
	st = tell(t, typ, a, q)
	needs(t, mustPlan(t, st.w.input(nil, st.prior)), "- exchange.a", "- queue.jobs")
	a.Within, q.Within = []addr.Instance{q.Addr}, nil
	st = tell(t, typ, a, q)
	p = mustPlan(t, st.w.input(nil, st.prior))
	needs(t, p, "- queue.jobs", "- exchange.a")
	needsNot(t, p, "- exchange.a", "- queue.jobs")
}

// A queue deleted by hand took its bindings along: both come back, and both
// are named as drift.
func TestDeletedByHand(t *testing.T) {
	typ := testType(true)
	e, q := exchange(typ, "events", nil), queue(typ, "jobs", nil)
	b := binding(typ, "jobs", e, q, "a")
	st := tell(t, typ, e, q, b)
	st.remove(q)
	p := mustPlan(t, st.w.input([]desired.Object{e, q, b}, st.prior))
	wantActions(t, p, "+ queue.jobs", "+ binding.jobs")
	if len(p.Drift) != 2 || !p.Drift[0].Gone || !step(t, p, "+ queue.jobs").Drift {
		t.Errorf("drift %+v", p.Drift)
	}
	if r := step(t, p, "+ queue.jobs").Reason; r != "deleted outside msgflo" {
		t.Errorf("reason %q", r)
	}
	// Where only the binding's provider could not see it, it comes back just the same.
	in := st.w.input([]desired.Object{e, q, b}, st.prior)
	in.Live[b.Addr] = planner.Live{Value: cty.UnknownVal(b.Value.Type())}
	wantActions(t, mustPlan(t, in), "+ queue.jobs", "+ binding.jobs")
}

// An auto_delete exchange goes with its last binding, so it is made again when
// that one is replaced; with a second binding it stays.
func TestAutoDeleteExchange(t *testing.T) {
	typ := testType(false)
	e, q := exchange(typ, "tmp", attrs{"auto_delete": cty.True}), queue(typ, "jobs", nil)
	b := binding(typ, "jobs", e, q, "a")
	st := tell(t, typ, e, q, b)
	other := queue(typ, "jobs", attrs{"type": s("quorum")})
	p := mustPlan(t, st.w.input([]desired.Object{e, other, b}, st.prior))
	wantActions(t, p, "- binding.jobs", "- queue.jobs", "+ queue.jobs", "+ exchange.tmp", "+ binding.jobs")
	needs(t, p, "+ exchange.tmp", "- binding.jobs")

	q2 := queue(typ, "more", nil)
	b2 := binding(typ, "more", e, q2, "a")
	st = tell(t, typ, e, q, b, q2, b2)
	p = mustPlan(t, st.w.input([]desired.Object{e, other, b, q2, b2}, st.prior))
	wantActions(t, p, "- binding.jobs", "- queue.jobs", "+ queue.jobs", "+ binding.jobs")
}

// Fact 2: the delete of B waits for a change of A only where A no longer wants B.
func TestDeleteWaitsForWhoLeaves(t *testing.T) {
	typ := testType(true)
	x, y := exchange(typ, "x", nil), exchange(typ, "y", nil)
	user := func(alternate desired.Object) desired.Object {
		o := exchange(typ, "main", attrs{"alternate": alternate.Value.GetAttr("name")})
		o.After = []addr.Instance{alternate.Addr}
		return o
	}
	st := tell(t, typ, x, y, user(x))
	p := mustPlan(t, st.w.input([]desired.Object{y, user(y)}, st.prior))
	wantActions(t, p, "- exchange.x", "~ exchange.main")
	needs(t, p, "- exchange.x", "~ exchange.main")
	// Still wanted: the replace of B does not wait for A.
	p = mustPlan(t, st.w.input([]desired.Object{exchange(typ, "x", attrs{"type": s("fanout")}), y, user(x)}, st.prior))
	wantActions(t, p, "- exchange.x", "+ exchange.x")
}

// Bind before unbind, unless an end is being replaced.
func TestBindBeforeUnbind(t *testing.T) {
	typ := testType(false)
	e, q := exchange(typ, "events", nil), queue(typ, "jobs", nil)
	st := tell(t, typ, e, q, binding(typ, "old", e, q, "a"))
	p := mustPlan(t, st.w.input([]desired.Object{e, q, binding(typ, "new", e, q, "b")}, st.prior))
	wantActions(t, p, "- binding.old", "+ binding.new")
	needs(t, p, "- binding.old", "+ binding.new")
	quorum := queue(typ, "jobs", attrs{"type": s("quorum")})
	p = mustPlan(t, st.w.input([]desired.Object{e, quorum, binding(typ, "new", e, quorum, "b")}, st.prior))
	needs(t, p, "- queue.jobs", "- binding.old")
	needsNot(t, p, "- binding.old", "+ binding.new")
}

// A binding that gets another key is bound anew before it is unbound, in one
// step; not where its end is replaced, nor where another binding has that key.
func TestSwap(t *testing.T) {
	typ := testType(true)
	e, q := exchange(typ, "events", nil), queue(typ, "jobs", nil)
	st := tell(t, typ, e, q, binding(typ, "one", e, q, "a"), binding(typ, "two", e, q, "b"))
	p := mustPlan(t, st.w.input([]desired.Object{e, q, binding(typ, "one", e, q, "c"), binding(typ, "two", e, q, "b")}, st.prior))
	wantActions(t, p, "~ binding.one")
	p = mustPlan(t, st.w.input([]desired.Object{e, q, binding(typ, "one", e, q, "b"), binding(typ, "two", e, q, "a")}, st.prior))
	wantActions(t, p, "* binding.one", "* binding.two")
	quorum := queue(typ, "jobs", attrs{"type": s("quorum")})
	p = mustPlan(t, st.w.input([]desired.Object{e, quorum, binding(typ, "one", e, quorum, "c"), binding(typ, "two", e, quorum, "b")}, st.prior))
	wantActions(t, p, "- binding.one", "+ binding.one", "- binding.two", "+ binding.two", "- queue.jobs", "+ queue.jobs")
}

// Fact 3: a change of relations alone is a step, and no change.
func TestRelationsAloneAreRecorded(t *testing.T) {
	typ := testType(true)
	e, q := exchange(typ, "events", nil), queue(typ, "jobs", nil)
	st := tell(t, typ, e, q)
	q.After = []addr.Instance{e.Addr}
	p := mustPlan(t, st.w.input([]desired.Object{e, q}, st.prior))
	wantActions(t, p, "* queue.jobs")
	if !p.Empty() || p.Unchanged != 2 {
		t.Errorf("empty %v, unchanged %d", p.Empty(), p.Unchanged)
	}
	if r := step(t, p, "* queue.jobs").Record; !slices.Equal(r.After, []addr.Instance{e.Addr}) || !r.Owned {
		t.Errorf("records %+v", r)
	}
}

// Fact 5, case by case.
func TestOwnership(t *testing.T) {
	typ := testType(true)
	plainQ, quorum := queue(typ, "jobs", nil), queue(typ, "jobs", attrs{"type": s("quorum")})
	longer := queue(typ, "jobs", attrs{"ttl": cty.NumberIntVal(5)})
	with := func(o desired.Object, adopt, imported string) desired.Object {
		o.Lifecycle.Adopt, o.ImportID = adopt, imported
		return o
	}
	for _, c := range []struct {
		name   string
		want   desired.Object
		owner  string // mark on the live object, which is plainQ
		intent bool
		steps  []string
		owned  bool
		err    string
		says   []string
	}{
		{name: "equal is adopted and kept", want: plainQ, steps: []string{"= queue.jobs"}},
		{name: "equal, own", want: with(plainQ, "own", ""), steps: []string{"= queue.jobs"}, owned: true},
		{name: "equal, refuse", want: with(plainQ, "refuse", ""), err: "Object exists already", says: []string{"refuse"}},
		{name: "equal, imported", want: with(plainQ, "", "jobs"), steps: []string{"= queue.jobs"}, owned: true},
		{name: "equal, interrupted run", want: plainQ, intent: true, steps: []string{"= queue.jobs"}, owned: true},
		{name: "equal, our mark", want: plainQ, owner: "mine", steps: []string{"= queue.jobs"}, owned: true},
		{name: "different", want: longer, err: "Object exists and differs", says: []string{"ttl", "nothing there", "5 declared", `adopt = "own"`, "`msgflo import queue.jobs jobs"}},
		{name: "different, own", want: with(longer, "own", ""), steps: []string{"~ queue.jobs"}, owned: true},
		{name: "different, imported", want: with(longer, "", "jobs"), steps: []string{"~ queue.jobs"}, owned: true},
		{name: "different, our mark", want: longer, owner: "mine", steps: []string{"~ queue.jobs"}, owned: true},
		{name: "fixed, keep", want: with(quorum, "keep", ""), err: "Object exists and differs", says: []string{`"classic" there`, `"quorum" declared`}},
		{name: "fixed, own", want: with(quorum, "own", ""), steps: []string{"- queue.jobs", "+ queue.jobs"}, owned: true},
		{name: "another's mark, empty state", want: plainQ, owner: "theirs", err: "State lost?", says: []string{"theirs", "1 of the declared", "state push"}},
		{name: "another's mark, keep written", want: with(plainQ, "keep", ""), owner: "theirs", steps: []string{"= queue.jobs"}},
		{name: "another's mark, own written", want: with(plainQ, "own", ""), owner: "theirs", steps: []string{"= queue.jobs"}, owned: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, typ)
			w.put("queue", plainQ.Value, c.owner)
			in := w.input([]desired.Object{c.want}, state.New("mine"))
			in.Intent = map[addr.Instance]bool{c.want.Addr: c.intent}
			p, diags := planned(in)
			if c.err != "" {
				wantError(t, diags, c.err, c.says...)
				return
			}
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			wantActions(t, p, c.steps...)
			last := p.Steps[len(p.Steps)-1]
			if last.Record.Owned != c.owned || last.Record.Keep == c.owned {
				t.Errorf("records %+v", last.Record)
			}
			if p.Empty() != (last.Action == plan.Adopt) {
				t.Errorf("empty: %v", p.Empty())
			}
		})
	}
}

func TestNothingToImport(t *testing.T) {
	typ := testType(true)
	q := queue(typ, "jobs", nil)
	q.ImportID = "jobs@/"
	_, diags := planned(newWorld(t, typ).input([]desired.Object{q}, state.New("mine")))
	wantError(t, diags, "Nothing to import", "jobs@/", "queue.jobs")
}

// An import takes over what its ID names, or nothing.
func TestImportOfAnother(t *testing.T) {
	for id, refused := range map[string]bool{"jobs": false, "jbos": true, "": false} {
		typ := testType(true)
		w, q := newWorld(t, typ), queue(typ, "jobs", nil)
		w.put("queue", q.Value, "")
		q.ImportID = id
		p, diags := planned(w.input([]desired.Object{q}, state.New("mine")))
		if refused {
			wantError(t, diags, "Import of another object", `"jbos"`, `"jobs"`)
		} else if diags.HasErrors() || len(p.Steps) != 1 {
			t.Errorf("%q: %d steps, %v", id, len(p.Steps), diags)
		}
	}
}

// Who copied a configuration with a server of its own, and runs both, reads what to change.
func TestStateLostOrCopied(t *testing.T) {
	typ := testType(true)
	for _, c := range []struct {
		within addr.Instance
		says   bool
	}{
		{addr.Instance{Owner: "broker.main", Type: "server"}, true},
		{addr.Instance{Type: "queue", Name: "other"}, false},
	} {
		w, q := newWorld(t, typ), queue(typ, "jobs", nil)
		w.put("queue", q.Value, "theirs")
		q.Within = []addr.Instance{c.within}
		_, diags := planned(w.input([]desired.Object{q}, state.New("mine")))
		wantError(t, diags, "State lost?")
		if says := strings.Contains(diags.Error(), "broker.main.server has to listen elsewhere"); says != c.says {
			t.Errorf("within %s: %v", c.within, diags)
		}
	}
}

// A second run with a state that has objects adopts what others marked, but a
// lost state with many objects is one error.
func TestStateLost(t *testing.T) {
	typ := testType(true)
	w := newWorld(t, typ)
	var want []desired.Object
	for i := range 5 {
		q := queue(typ, fmt.Sprintf("q%d", i), nil)
		w.put("queue", q.Value, "old-lineage")
		want = append(want, q)
	}
	p, diags := planned(w.input(want, state.New("mine")))
	if len(diags) != 1 || len(p.Steps) != 0 {
		t.Fatalf("%v %v", diags, actions(p))
	}
	wantError(t, diags, "State lost?", "5 of the declared", "old-lineage")
	later := state.New("mine")
	later.Serial = 1
	if p := mustPlan(t, w.input(want, later)); len(p.Steps) != 5 || !p.Empty() {
		t.Errorf("%v", actions(p))
	}
}

// Adopted objects are updated in place, never replaced or deleted.
func TestAdopted(t *testing.T) {
	typ := testType(true)
	q := queue(typ, "jobs", nil)
	w := newWorld(t, typ)
	w.put("queue", q.Value, "")
	st := &story{t, w, state.New("mine")}
	st.apply(q)
	wantActions(t, mustPlan(t, w.input([]desired.Object{queue(typ, "jobs", attrs{"ttl": cty.NumberIntVal(1)})}, st.prior)), "~ queue.jobs")
	p := mustPlan(t, w.input(nil, st.prior))
	wantActions(t, p, ". queue.jobs")
	if !p.Empty() {
		t.Error("a forget counts as a change")
	}
	destroy := w.input(nil, st.prior)
	destroy.Mode = planner.Destroy
	wantActions(t, mustPlan(t, destroy), ". queue.jobs")
	quorum := queue(typ, "jobs", attrs{"type": s("quorum")})
	_, diags := planned(w.input([]desired.Object{quorum}, st.prior))
	wantError(t, diags, "Adopted object cannot be replaced", `adopt = "own"`, "type is fixed")
	quorum.Lifecycle.Adopt = "own"
	wantActions(t, mustPlan(t, w.input([]desired.Object{quorum}, st.prior)), "- queue.jobs", "+ queue.jobs")
	own := q
	own.Lifecycle.Adopt = "own"
	p = mustPlan(t, w.input([]desired.Object{own}, st.prior))
	wantActions(t, p, "* queue.jobs")
	if r := p.Steps[0].Record; !r.Owned || r.Keep {
		t.Errorf("records %+v", r)
	}
}

// An adopted binding dies with its replaced queue whatever we do: it is made
// again, and the delete asks for consent.
func TestAdoptedInsideReplaced(t *testing.T) {
	typ := testType(true)
	e, q := exchange(typ, "events", nil), queue(typ, "jobs", nil)
	b := binding(typ, "jobs", e, q, "a")
	st := tell(t, typ, e, q)
	st.w.put("binding", b.Value, "")
	st.apply(e, q, b)
	in := st.w.input([]desired.Object{e, queue(typ, "jobs", attrs{"type": s("quorum")}), b}, st.prior)
	p := mustPlan(t, in)
	wantActions(t, p, "- queue.jobs", "+ queue.jobs", "+ binding.jobs")
	d := step(t, p, "- queue.jobs")
	if !d.Risk.Blocks() || len(d.Risk.Collateral) != 1 || d.Risk.Collateral[0].Type != "binding" {
		t.Errorf("risk %+v", d.Risk)
	}
	in.AllowLoss = []addr.Target{{Instance: q.Addr}}
	if p = mustPlan(t, in); len(p.Blocked()) != 0 {
		t.Error("blocked in spite of consent")
	}
}

// Fact 8: what is not present now is neither drift nor made again, nor is what
// was in it; unless something new needs it.
func TestNotPresentNow(t *testing.T) {
	typ := testType(true)
	e, q := exchange(typ, "events", nil), queue(typ, "jobs", nil)
	b := binding(typ, "jobs", e, q, "a")
	st := tell(t, typ, e, q, b)
	st.remove(q)
	transient := func(want ...desired.Object) planner.Input {
		in := st.w.input(want, st.prior)
		l := in.Live[q.Addr]
		l.Note = "the queue is auto-delete"
		in.Live[q.Addr] = l
		return in
	}
	p := mustPlan(t, transient(e, q, b))
	wantActions(t, p)
	if len(p.Drift) != 2 || p.Drift[1].Note != "the queue is auto-delete" || p.Summary().Drifted != 0 {
		t.Errorf("drift %+v", p.Drift)
	}
	p = mustPlan(t, transient(e, q, b, binding(typ, "two", e, q, "b")))
	wantActions(t, p, "+ queue.jobs", "+ binding.jobs", "+ binding.two")
	needs(t, p, "+ binding.two", "+ queue.jobs")
}

// Drift is named, repaired where it is not as declared, and recorded where it is.
func TestDrift(t *testing.T) {
	typ := testType(true)
	q := queue(typ, "jobs", attrs{"ttl": cty.NumberIntVal(1), "arguments": cty.ObjectVal(attrs{"x-max": cty.NumberIntVal(1)})})
	st := tell(t, typ, q)
	st.change(q, "ttl", cty.NumberIntVal(9))
	st.change(q, "arguments", cty.ObjectVal(attrs{"x-max": cty.NumberIntVal(2), "x-other": s("y")}))
	p := mustPlan(t, st.w.input([]desired.Object{q}, st.prior))
	wantActions(t, p, "~ queue.jobs")
	paths := []string{`arguments["x-max"]`, `arguments["x-other"]`, "ttl"}
	slices.Sort(p.Drift[0].Changed)
	if s := step(t, p, "~ queue.jobs"); !s.Drift || !slices.Equal(p.Drift[0].Changed, paths) {
		t.Errorf("drift %+v, %+v", p.Drift, s)
	}
	as := queue(typ, "jobs", attrs{"ttl": cty.NumberIntVal(9), "arguments": cty.ObjectVal(attrs{"x-max": cty.NumberIntVal(2), "x-other": s("y")})})
	wantActions(t, mustPlan(t, st.w.input([]desired.Object{as}, st.prior)), "* queue.jobs")
	only := st.w.input([]desired.Object{q}, st.prior)
	only.Mode = planner.RefreshOnly
	p = mustPlan(t, only)
	wantActions(t, p, "* queue.jobs")
	if !strings.Contains(string(p.Steps[0].After), `"ttl":9`) {
		t.Errorf("records %s", p.Steps[0].After)
	}
	st.remove(q)
	only = st.w.input([]desired.Object{q}, st.prior)
	only.Mode = planner.RefreshOnly
	wantActions(t, mustPlan(t, only), ". queue.jobs")
}

// What is left out of the comparison, and what an update then asks for.
func TestCompare(t *testing.T) {
	typ := testType(true)
	base := attrs{"ttl": cty.NumberIntVal(1), "limits": cty.ObjectVal(attrs{"length": cty.NumberIntVal(1), "bytes": cty.NumberIntVal(2)}),
		"arguments": cty.ObjectVal(attrs{"a": s("1"), "b": s("2")})}
	q := queue(typ, "jobs", base)
	for _, c := range []struct {
		name    string
		change  attrs // live
		ignore  []string
		changed []string
		after   string
	}{
		{name: "elastic", change: attrs{"replicas": cty.NumberIntVal(7)}},
		{name: "computed", change: attrs{"serial": s("other")}},
		{name: "not observed", change: attrs{"ttl": cty.UnknownVal(cty.Number)}},
		{name: "ignored", change: attrs{"ttl": cty.NumberIntVal(9)}, ignore: []string{"ttl"}},
		{name: "in a block", change: attrs{"limits": cty.ObjectVal(attrs{"length": cty.NumberIntVal(1), "bytes": cty.NumberIntVal(3)})}, changed: []string{"limits.bytes"}},
		{name: "block gone", change: attrs{"limits": cty.NullVal(q.Value.GetAttr("limits").Type())}, changed: []string{"limits.bytes", "limits.length"}},
		{name: "leaf of arguments", change: attrs{"arguments": cty.ObjectVal(attrs{"a": s("1"), "b": s("3"), "c": s("4")})}, changed: []string{`arguments["b"]`, `arguments["c"]`}},
		{name: "one leaf ignored", change: attrs{"arguments": cty.ObjectVal(attrs{"a": s("9"), "b": s("3")})}, ignore: []string{`arguments["b"]`},
			changed: []string{`arguments["a"]`}, after: `{"a":"1","b":"3"}`},
		{name: "ignored by name", change: attrs{"limits": cty.ObjectVal(attrs{"length": cty.NumberIntVal(5), "bytes": cty.NumberIntVal(6)})}, ignore: []string{"limits.bytes"},
			changed: []string{"limits.length"}, after: `{"bytes":6,"length":1}`},
		{name: "update keeps what is elastic", change: attrs{"ttl": cty.NumberIntVal(3), "replicas": cty.NumberIntVal(7)}, changed: []string{"ttl"}, after: `"replicas":7`},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := tell(t, typ, q)
			for k, v := range c.change {
				st.change(q, k, v)
			}
			want := q
			want.Lifecycle.IgnoreChanges = c.ignore
			p := mustPlan(t, st.w.input([]desired.Object{want}, st.prior))
			if !p.Empty() != (c.changed != nil) {
				t.Fatalf("steps %v", actions(p))
			}
			if c.changed == nil {
				return
			}
			u := step(t, p, "~ queue.jobs")
			if !slices.Equal(u.Changed, c.changed) || !strings.Contains(string(u.After), c.after) {
				t.Errorf("changed %q, after %s", u.Changed, u.After)
			}
		})
	}
}

func TestNormalForm(t *testing.T) {
	typ := testType(true)
	q := queue(typ, "jobs", nil)
	st := tell(t, typ, q)
	st.change(q, "arguments", cty.EmptyObjectVal)
	in := st.w.input([]desired.Object{q}, st.prior)
	in.Normalize = func(_ addr.Provider, _ string, v cty.Value) cty.Value {
		m := v.AsValueMap()
		if a := m["arguments"]; a.IsNull() {
			m["arguments"] = cty.EmptyObjectVal
		}
		return cty.ObjectVal(m)
	}
	wantActions(t, mustPlan(t, in))
}

// Secrets stand in no document, whatever the plan does.
func TestSecrets(t *testing.T) {
	typ := testType(true)
	user := func(pw, token, tags string) desired.Object {
		o := object(typ, "user.app", attrs{"name": s("app"), "password": s(pw), "token": s(token), "tags": s(tags)})
		o.Sensitive = []cty.Path{cty.GetAttrPath("tags")}
		return o
	}
	w := newWorld(t, typ)
	in := w.input([]desired.Object{user("geheim-1", "geheim-2", "geheim-3")}, state.New("mine"))
	p := mustPlan(t, in)
	c := step(t, p, "+ user.app")
	want := []plan.Hole{{Path: "password", Secret: true}, {Path: "token", Secret: true}, {Path: "tags", Secret: true}}
	if !slices.Equal(c.Holes, want) || !slices.Equal(c.Sensitive, []string{"password", "tags", "token"}) {
		t.Errorf("holes %v, sensitive %v", c.Holes, c.Sensitive)
	}
	st := &story{t, w, w.apply(p, in.Prior)}
	st.prior.Objects[0].Hashes = map[string]string{"password": "$argon2id$x"}
	st.w.put("user", user("", "geheim-2", "geheim-3").Value, "")
	st.change(user("", "", ""), "password", cty.UnknownVal(cty.String))
	for _, equal := range []bool{true, false} {
		in := w.input([]desired.Object{user("geheim-4", "geheim-2", "geheim-3")}, st.prior)
		l := in.Live[at("user.app")]
		l.HashEqual = map[string]bool{"password": equal}
		in.Live[at("user.app")] = l
		p := mustPlan(t, in)
		if equal {
			wantActions(t, p)
			continue
		}
		if u := step(t, p, "~ user.app"); !slices.Equal(u.Changed, []string{"password"}) || u.Record.Hashes["password"] == "" {
			t.Errorf("%+v", u)
		}
	}
	st.change(user("", "", ""), "token", s("geheim-5"))
	st.change(user("", "", ""), "tags", s("geheim-6"))
	p = mustPlan(t, w.input([]desired.Object{user("geheim-1", "geheim-2", "geheim-3")}, st.prior))
	text, err := json.Marshal(p)
	if err != nil || strings.Contains(string(text), "geheim") {
		t.Errorf("%s", text)
	}
	// Nor in an error about what is in the way.
	_, diags := planned(w.input([]desired.Object{user("geheim-7", "geheim-8", "geheim-9")}, &state.Snapshot{Lineage: "x", Serial: 3}))
	wantError(t, diags, "Object exists and differs", "token", "(sensitive)")
	if strings.Contains(diags.Error(), "geheim") || strings.Contains(diags[0].Detail, "geheim") {
		t.Error(diags)
	}
}
