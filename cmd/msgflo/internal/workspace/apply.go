package workspace

import (
	"context"
	"fmt"
	"maps"

	"github.com/google/uuid"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/apply"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/state"
)

// ApplyHooks is what the caller hears and decides while a plan is carried out.
type ApplyHooks struct {
	Events func(plan.Event)
	Stop   <-chan struct{} // closed: no new steps
}

// Applied is what became of a plan.
type Applied struct {
	apply.Result
	Outputs map[string]state.Output // as recorded now
}

// Apply carries the plan out and stores the state. It returns what was done
// with errors too.
func (s *Session) Apply(ctx context.Context, p *Planned, h ApplyHooks) (*Applied, hcl.Diagnostics) {
	out := &Applied{Outputs: s.snap.Outputs}
	if diags := s.able(ctx, p.Plan); diags.HasErrors() {
		return out, diags
	}
	if diags := s.wake(ctx); diags.HasErrors() {
		return out, diags
	}
	if len(p.Plan.Steps) == 0 && !s.unfinished && !s.pending && p.Plan.Empty() {
		return out, nil
	}
	rec, runID, diags := s.begin(ctx, p.Plan)
	if diags.HasErrors() {
		return out, diags
	}
	res, ds := apply.Run(ctx, p.Plan, apply.Deps{
		Open: s.pool.Open, Decl: s.pool.decls(), Types: p.Types, Recorder: rec, RunID: runID, Parallelism: s.w.o.Parallelism,
		Events: h.Events, Stop: h.Stop, BeforeStep: s.stillLocked,
		Secrets: func(a addr.Instance) (cty.Value, error) { return p.secret(a) },
	})
	out.Result = res
	diags = append(diags, ds...)
	diags = append(diags, diag.At(rec.Close(), hcl.Range{})...)
	next := apply.Fold(s.snap, res.Outcomes)
	diags = append(diags, s.after(ctx, p, next, res, out)...)
	s.unfinished = true // there is an intent to forget once the state is stored
	return out, append(diags, s.save(ctx, next)...)
}

// begin stores the intent. A state directory that cannot be written is found
// here, before the first change to a broker.
func (s *Session) begin(ctx context.Context, pl *plan.Plan) (state.Recorder, string, hcl.Diagnostics) {
	if s.unfinished || s.pending || len(pl.Moved) > 0 {
		// What an earlier run left is stored first: its intent gives way to this
		// run's, which has no steps for what was found to be ours already. So are
		// new addresses: a run that is cut short between two that take each other's
		// would forget one.
		next := *apply.Readdress(s.snap, pl.Moved)
		if ds := s.save(ctx, &next); ds.HasErrors() {
			return nil, "", ds
		}
	}
	doc := *pl
	doc.Serial = s.snap.Serial
	doc.Sources = nil // the intent is about objects, not about how they were written
	b, err := plan.Encode(&doc)
	if err != nil {
		return nil, "", diag.At(err, hcl.Range{})
	}
	id := uuid.NewString()
	rec, err := s.store.Begin(ctx, state.Intent{ID: id, Lineage: s.snap.Lineage, Serial: s.snap.Serial, Plan: b})
	if err != nil {
		return nil, "", hcl.Diagnostics{diag.Error(hcl.Range{}, "State cannot be written",
			fmt.Sprintf("Before the first change to a broker msgflo stores what it is about to do beside %s, and that failed: %s. Nothing was changed.", s.store.Describe(), err))}
	}
	return rec, id, nil
}

func (s *Session) stillLocked() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Check()
}

func (p *Planned) secret(a addr.Instance) (cty.Value, error) {
	v, ok := p.secrets[a]
	if !ok {
		return cty.NilVal, fmt.Errorf("%s is not in the configuration that the plan was made from", a)
	}
	return v, nil
}

// after evaluates what is only known once the objects are there: outputs,
// postconditions and checks.
func (s *Session) after(ctx context.Context, p *Planned, next *state.Snapshot, res apply.Result, out *Applied) hcl.Diagnostics {
	if p.Plan.Targeted || p.Plan.Mode == modeNames[planner.RefreshOnly] {
		return nil
	}
	whole := res.Failed+res.Skipped == 0
	var wanted map[string]desired.Output // none is left by a destroy
	var diags hcl.Diagnostics
	if p.Plan.Mode != modeNames[planner.Destroy] {
		wanted, diags = s.afterNormal(ctx, p, next, whole)
	} else if !whole {
		return nil
	}
	outs, err := recordOutputs(s.snap.Outputs, wanted)
	if err != nil {
		return append(diags, diag.At(err, hcl.Range{})...)
	}
	next.Outputs = outs
	out.Outputs = outs
	return diags
}

func (s *Session) afterNormal(ctx context.Context, p *Planned, next *state.Snapshot, whole bool) (map[string]desired.Output, hcl.Diagnostics) {
	wanted := p.Desired.Outputs
	var diags hcl.Diagnostics
	read := newReader(next, s.w.Types())
	env := s.w.env()
	env.Data, env.Computed = maps.Clone(p.data), read.value
	if outputsOpen(wanted) {
		r, ds := desired.Build(s.w.module, env)
		if diags = errorsOnly(ds); r != nil {
			wanted = r.Outputs
		}
	}
	if !whole {
		return wanted, diags
	}
	return wanted, append(diags, s.judge(ctx, p, read)...)
}

// judge evaluates postconditions and checks on what is recorded, which is what
// is live.
func (s *Session) judge(ctx context.Context, p *Planned, read *reader) hcl.Diagnostics {
	if !judgedAfter(s.w.module) {
		return nil
	}
	env := s.w.env()
	env.Data, env.Computed = maps.Clone(p.data), read.value
	var diags hcl.Diagnostics
	live := read.all(func(a addr.Instance) bool { _, ok := p.secrets[a]; return ok })
	if qs := desired.CheckQueries(s.w.module, env, live); len(qs) > 0 {
		answers, ds := s.readChecks(ctx, qs)
		diags = append(diags, ds...)
		maps.Copy(env.Data, answers)
	}
	return append(diags, desired.CheckAfter(s.w.module, env, live)...)
}

// judgedAfter reports whether a module or one that it calls has postconditions
// or checks, for which everything would have to be evaluated once more.
func judgedAfter(m *config.Module) bool {
	if len(m.Checks) > 0 {
		return true
	}
	for _, rs := range []map[string]*config.Resource{m.Resources, m.Data} {
		for _, r := range rs {
			if len(r.Lifecycle.Postconditions) > 0 {
				return true
			}
		}
	}
	for _, c := range m.Calls {
		if c.Module != nil && judgedAfter(c.Module) {
			return true
		}
	}
	return false
}

func outputsOpen(outs map[string]desired.Output) bool {
	for _, o := range outs {
		if !o.Value.IsWhollyKnown() {
			return true
		}
	}
	return false
}

func errorsOnly(ds hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, d := range ds {
		if d.Severity == hcl.DiagError {
			out = append(out, d)
		}
	}
	return out
}
