package workspace

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/refresh"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// OpenSaved opens the workspace of a saved plan: the configuration embedded in
// it, not what stands in the directory now. Only what is secret comes from the
// directory, the variables and the environment of today.
func OpenSaved(o Options, p *plan.Plan) (*Workspace, hcl.Diagnostics) {
	w := &Workspace{o: o}
	sources, diags := restore(o.Dir, p)
	if diags.HasErrors() {
		return w, diags
	}
	m, ds := config.Load(o.Dir, config.Options{Types: o.Types, Version: o.Version, Sources: sources})
	diags = append(diags, ds...)
	w.module = m
	if m == nil || diags.HasErrors() {
		return w, diags
	}
	return w, append(diags, w.savedVars(p)...)
}

// restore gives the embedded sources their cut-out secrets back, from the
// files they were cut from; a file that says something else now is an error.
func restore(dir string, p *plan.Plan) (map[string][]byte, hcl.Diagnostics) {
	out := map[string][]byte{}
	var diags hcl.Diagnostics
	for rel, text := range p.Sources {
		path := filepath.Join(dir, filepath.FromSlash(rel))
		b := []byte(text)
		if slices.Contains(p.Cut, rel) {
			original, err := os.ReadFile(path)
			if err == nil {
				b, err = config.RestoreCut(b, original)
			}
			if err != nil {
				diags = append(diags, diag.Error(hcl.Range{}, "Secrets of the plan not found",
					fmt.Sprintf("The plan was made from %s, which holds secrets that a plan file never contains, so that file is needed unchanged: %s. Make a new plan, or run apply where the plan was made.", rel, err)))
				continue
			}
		}
		out[path] = b
	}
	return out, diags
}

// Saved prepares a saved plan for Apply: it refuses if the state has moved, or
// if a live object that the plan touches is no longer as planned.
func (s *Session) Saved(ctx context.Context, p *plan.Plan) (*Planned, hcl.Diagnostics) {
	if s.snap.Serial == 0 && !s.unfinished {
		// Nothing is stored yet: the lineage is the one that the plan began.
		s.snap.Lineage = p.Lineage
		s.pool.lineage = p.Lineage
	}
	if err := plan.Stale(p, s.snap.Lineage, s.snap.Serial); err != nil {
		return nil, diag.At(err, hcl.Range{})
	}
	if s.carried != p.Carries { // made after the run was cut short, a plan knows what that run did
		return nil, hcl.Diagnostics{diag.Error(hcl.Range{}, "Saved plan is stale",
			"Since the plan was made a run was cut short, and what it left is not part of the plan. Run plan again, or apply without a plan file to carry the interrupted run on.")}
	}
	res, data, diags := s.build(ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	diags = append(diags, s.w.Orphans(ctx, s.snap.Lineage)...)
	out := &Planned{Plan: p, Desired: res, Types: s.types(), secrets: values(res.Objects), data: data}
	touched := map[addr.Instance]bool{}
	for i := range p.Steps {
		touched[p.Steps[i].Addr] = true
		if p.Steps[i].Prev != nil {
			touched[*p.Steps[i].Prev] = true
		}
	}
	want := res.Objects
	if p.Mode == modeNames[planner.Destroy] {
		want = nil
	}
	prior := onlyRecorded(s.snap, touched)
	live, ds := refresh.Live(ctx, refresh.Request{
		Want: only(want, touched), Prior: prior, Moves: res.Moves, Open: s.pool.Open, Types: out.Types,
		Decl: s.pool.decls(), AcceptEmpty: true,
	})
	diags = append(diags, ds...)
	if diags.HasErrors() {
		return nil, diags
	}
	s.settled(prior)
	out.Live = live
	depth := map[addr.Instance]providers.Depth{}
	if ds := s.measure(ctx, out, meterable(p, live), depth); ds.HasErrors() {
		return nil, append(diags, ds...)
	}
	return out, append(diags, planner.Recheck(planner.Saved{
		Plan: p, Live: live, Depth: depth, Types: out.Types, Normalize: s.normalizer(),
	})...)
}

// meterable are the steps whose risk the plan measured and which still live.
func meterable(p *plan.Plan, live map[addr.Instance]planner.Live) []addr.Instance {
	var out []addr.Instance
	for i := range p.Steps {
		at := p.Steps[i].PriorAddr()
		if l, ok := live[at]; p.Steps[i].Risk != nil && ok && l.Value != cty.NilVal && !l.Value.IsNull() {
			out = append(out, at)
		}
	}
	return out
}

// settled takes over what refresh made of pending objects.
func (s *Session) settled(partial *state.Snapshot) {
	known := s.snap.Index()
	for _, o := range partial.Objects {
		if _, ok := known[o.Addr]; !ok {
			s.snap.Objects = append(s.snap.Objects, o)
		}
	}
	s.snap.Pending = partial.Pending
	s.snap.Sort()
}

func only(objs []desired.Object, keep map[addr.Instance]bool) []desired.Object {
	var out []desired.Object
	for _, o := range objs {
		if keep[o.Addr] {
			out = append(out, o)
		}
	}
	return out
}

func onlyRecorded(s *state.Snapshot, keep map[addr.Instance]bool) *state.Snapshot {
	c := *s
	c.Objects = nil
	for _, o := range s.Objects {
		if keep[o.Addr] {
			c.Objects = append(c.Objects, o)
		}
	}
	return &c
}
