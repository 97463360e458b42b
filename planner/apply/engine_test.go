package apply_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/apply"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/planner/refresh"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/fake"
	"github.com/msgflo/msgflo/state"
)

var main_ = addr.Provider{Kind: "broker", Name: "main"}

// declared is what is written, as desired.Build would lower it.
type declared interface {
	objects(prior *state.Snapshot, t *providers.Type) []desired.Object
}

// tester is what *testing.T and *rapid.T share.
type tester interface {
	Helper()
	Fatalf(string, ...any)
	Logf(string, ...any)
}

// An engine is what outlives a run: the broker, the stored state, the intent
// and the journal. A killed run leaves them as they were at that moment.
type engine struct {
	t           tester
	world       *fake.World
	types       map[addr.Provider]*providers.Type
	parallelism int
	runs        int

	// common are the shared objects that were ever wanted, by type and identity;
	// true once they were seen to be there.
	common map[string]bool

	snap   *state.Snapshot
	intent []byte
	mu     sync.Mutex
	log    [][]byte // the journal
}

func newEngine(t tester, w *fake.World, parallelism int) *engine {
	return &engine{t: t, world: w, types: map[addr.Provider]*providers.Type{main_: w.Type()},
		parallelism: parallelism, common: map[string]bool{}, snap: state.New("lineage-1")}
}

// Record is the journal: what a dead process writes is lost.
func (e *engine) Record(_ context.Context, o state.Outcome) error {
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.world.Killed() {
		return errKilled
	}
	e.log = append(e.log, b)
	return nil
}

func (e *engine) Close() error { return nil }

var errKilled = errors.New("killed")

// options of one run.
type options struct {
	mode    planner.Mode
	consent bool // to every loss
}

// outcome of one run.
type ran struct {
	plan    *plan.Plan
	result  apply.Result
	diags   hcl.Diagnostics
	killed  bool
	blocked bool
}

// compared is a plan with what it was made from.
type compared struct {
	plan *plan.Plan
	want []desired.Object
	open func(addr.Provider) (providers.Provider, error)
}

// load is what a run finds: the state, with an unfinished run's outcomes.
func (e *engine) load() (*state.Snapshot, map[addr.Instance]bool) {
	snap := clone(e.t, e.snap)
	if e.intent == nil {
		return snap, nil
	}
	p, err := plan.Decode(e.intent)
	if err != nil {
		e.t.Fatalf("the intent: %v", err)
	}
	var outcomes []state.Outcome
	for _, b := range e.log {
		var o state.Outcome
		if err := json.Unmarshal(b, &o); err != nil {
			e.t.Fatalf("the journal: %v", err)
		}
		outcomes = append(outcomes, o)
	}
	next, may := apply.Recover(snap, p, outcomes)
	again, _ := apply.Recover(apply.Fold(snap, outcomes), p, outcomes)
	if a, b := encode(e.t, next), encode(e.t, again); !bytes.Equal(a, b) {
		e.t.Fatalf("folding twice differs:\n%s\n%s", a, b)
	}
	return next, may
}

func encode(t tester, s *state.Snapshot) []byte {
	b, err := state.Encode(s)
	if err != nil {
		t.Fatalf("state: %v", err)
	}
	if bytes.Contains(b, []byte(password)) {
		t.Fatalf("the state holds a secret:\n%s", b)
	}
	return b
}

func clone(t tester, s *state.Snapshot) *state.Snapshot {
	var out state.Snapshot
	if err := json.Unmarshal(encode(t, s), &out); err != nil {
		t.Fatalf("state: %v", err)
	}
	return &out
}

// compare is refresh and plan, until nothing is missing.
func (e *engine) compare(ctx context.Context, cfg declared, o options, snap *state.Snapshot, may map[addr.Instance]bool) (compared, hcl.Diagnostics) {
	p, err := e.types[main_].Open(ctx, providers.Env{Lineage: snap.Lineage, Marks: true,
		Config: cty.ObjectVal(map[string]cty.Value{"url": cty.StringVal("fake://main")})})
	if err != nil {
		e.t.Fatalf("open: %v", err)
	}
	c := compared{open: func(addr.Provider) (providers.Provider, error) { return p, nil }}
	if o.mode == planner.Normal {
		c.want = cfg.objects(snap, e.types[main_])
		e.share(c.want)
	}
	live, diags := refresh.Live(ctx, refresh.Request{Want: c.want, Prior: snap, Open: c.open, Types: e.types, AcceptEmpty: o.mode == planner.RefreshOnly})
	if diags.HasErrors() {
		return c, diags
	}
	in := planner.Input{Want: c.want, Prior: snap, Live: live, Types: e.types, Mode: o.mode, Intent: may,
		Normalize: func(_ addr.Provider, typ string, v cty.Value) cty.Value { return fake.Normalize(typ, v) },
		Depth:     map[addr.Instance]providers.Depth{}}
	if o.consent {
		in.AllowLoss = everything(snap, c.want)
	}
	for range 10 {
		out, missing, ds := planner.Plan(in)
		if ds.HasErrors() || missing.Empty() {
			c.plan = out
			return c, ds
		}
		if err := e.measure(ctx, p, missing, live, in.Depth); err != nil {
			return c, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: err.Error()}}
		}
	}
	e.t.Fatalf("the plan always misses something")
	return c, nil
}

// share takes note of shared objects, which nobody counts afterwards.
func (e *engine) share(want []desired.Object) {
	for i := range want {
		if o := &want[i]; o.Lifecycle.Shared {
			if id := idOf(e.types, o); !e.common[id] {
				e.common[id] = false
			}
		}
	}
}

// idOf is what an object is called on its broker.
func idOf(types map[addr.Provider]*providers.Type, o *desired.Object) string {
	return o.Type + " " + types[o.Provider].Resources[o.Type].Identity(o.Value)
}

// noneLost: what is wanted under any address is deleted only to be made anew at
// that very one. A delete under one address and a create under another of the same
// live object would race, and lose what is in it.
func noneLost(t tester, c compared, types map[addr.Provider]*providers.Type) {
	t.Helper()
	wanted := map[string]*desired.Object{}
	for i := range c.want {
		wanted[idOf(types, &c.want[i])] = &c.want[i]
	}
	for i := range c.plan.Steps {
		st := &c.plan.Steps[i]
		if st.Action != plan.Delete {
			continue
		}
		s := types[st.Provider].Resources[st.Addr.Type]
		v, err := recorded.Decode(s, st.SchemaVersion, st.Before)
		if err != nil {
			t.Fatalf("%v", err)
		}
		o := wanted[st.Addr.Type+" "+s.Identity(v)]
		if o != nil && (o.Addr != st.Addr || o.Lifecycle.Shared) {
			t.Fatalf("%s deletes what %s wants%s", st.ID, o.Addr, steps(c.plan))
		}
	}
}

func (e *engine) measure(ctx context.Context, p providers.Provider, m planner.Missing, live map[addr.Instance]planner.Live, into map[addr.Instance]providers.Depth) error {
	var qs []providers.Query
	for _, a := range m.Depth {
		qs = append(qs, providers.Query{Type: a.Type, Value: live[a].Value})
	}
	ds, err := p.(providers.Meter).Depth(ctx, qs)
	if err != nil {
		return err
	}
	for i, a := range m.Depth {
		into[a] = ds[i]
	}
	return nil
}

func everything(snap *state.Snapshot, want []desired.Object) []addr.Target {
	var out []addr.Target
	for i := range snap.Objects {
		out = append(out, addr.Target{Instance: snap.Objects[i].Addr})
	}
	for i := range want {
		out = append(out, addr.Target{Instance: want[i].Addr})
	}
	return out
}

// run is one `msgflo apply`.
func (e *engine) run(cfg declared, o options) ran {
	e.t.Helper()
	ctx := context.Background()
	snap, may := e.load()
	c, diags := e.compare(ctx, cfg, o, snap, may)
	r := ran{plan: c.plan, diags: diags, killed: e.world.Killed()}
	if diags.HasErrors() || r.killed {
		return r
	}
	out := e.carryOut(c, snap)
	out.plan = c.plan
	return out
}

// carryOut is a run from the plan on.
func (e *engine) carryOut(c compared, snap *state.Snapshot) ran {
	e.t.Helper()
	r := ran{plan: c.plan}
	noneLost(e.t, c, e.types)
	doc, p := e.saved(c.plan)
	if len(p.Blocked()) > 0 {
		r.blocked = true
		return r
	}
	snap = apply.Readdress(snap, c.plan.Moved)
	e.snap = clone(e.t, snap)
	e.runs++
	e.intent, e.log = doc, nil
	events := newEvents(e.t, p)
	var steps atomic.Int64
	r.result, r.diags = apply.Run(context.Background(), p, apply.Deps{
		Open: c.open, Types: e.types, Recorder: e, RunID: fmt.Sprint("run-", e.runs), Parallelism: e.parallelism,
		Secrets: func(a addr.Instance) (cty.Value, error) {
			for i := range c.want {
				if c.want[i].Addr == a {
					return c.want[i].Value, nil
				}
			}
			return cty.NilVal, fmt.Errorf("%s is not wanted", a)
		},
		Events:     events.hear,
		BeforeStep: func() error { steps.Add(1); return nil },
	})
	if r.killed = e.world.Killed(); r.killed {
		return r
	}
	events.finish(r.result, int(steps.Load()))
	for _, d := range r.diags {
		if strings.Contains(d.Summary+d.Detail, password) {
			e.t.Fatalf("a diagnostic holds a secret: %s", d.Detail)
		}
	}
	e.snap = clone(e.t, apply.Fold(snap, r.result.Outcomes))
	e.snap.Serial++
	e.intent, e.log = nil, nil
	return r
}

// saved is the plan as its file has it.
func (e *engine) saved(p *plan.Plan) ([]byte, *plan.Plan) {
	e.t.Helper()
	b, err := plan.Encode(p)
	if err != nil {
		e.t.Fatalf("encoding the plan: %v", err)
	}
	if bytes.Contains(b, []byte(password)) {
		e.t.Fatalf("the plan holds a secret")
	}
	back, err := plan.Decode(b)
	if err != nil {
		e.t.Fatalf("decoding the plan: %v", err)
	}
	again, err := plan.Encode(back)
	if err != nil || !bytes.Equal(b, again) {
		e.t.Fatalf("the plan does not survive its file (%v)", err)
	}
	return b, back
}

// events checks what a view hears: every step once, in order, in step with the graph.
type events struct {
	t     tester
	p     *plan.Plan
	state map[plan.StepID]plan.EventKind
	count map[plan.EventKind]int
}

func newEvents(t tester, p *plan.Plan) *events {
	return &events{t, p, map[plan.StepID]plan.EventKind{}, map[plan.EventKind]int{}}
}

func (v *events) hear(e plan.Event) {
	was := v.state[e.Step.ID]
	var ok bool
	switch e.Kind {
	case plan.Started:
		ok = was == ""
		for _, n := range e.Step.Needs {
			ok = ok && v.state[n] == plan.Completed
		}
	case plan.Skipped:
		ok = was == ""
	default:
		ok = was == plan.Started
	}
	if !ok {
		v.t.Fatalf("%s: %q after %q", e.Step.ID, e.Kind, was)
	}
	v.state[e.Step.ID] = e.Kind
	v.count[e.Kind]++
}

func (v *events) finish(r apply.Result, begun int) {
	v.t.Helper()
	if v.count[plan.Completed] != r.Done || v.count[plan.Failed] != r.Failed || v.count[plan.Skipped] != r.Skipped ||
		r.Done+r.Failed+r.Skipped != len(v.p.Steps) || begun != r.Done+r.Failed {
		v.t.Fatalf("%d steps, %d begun, result %d/%d/%d, events %v", len(v.p.Steps), begun, r.Done, r.Failed, r.Skipped, v.count)
	}
}

func unmarshal(t tester, b []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%v", err)
	}
}
