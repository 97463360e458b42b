package workspace

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// Edit changes the recorded state by hand: the function gets a copy and says
// whether anything changed.
func (s *Session) Edit(ctx context.Context, change func(*state.Snapshot) (bool, error)) hcl.Diagnostics {
	next := *s.snap
	next.Objects = append([]state.Object(nil), s.snap.Objects...)
	changed, err := change(&next)
	if err != nil {
		return diag.At(err, hcl.Range{})
	}
	if !changed {
		return nil
	}
	return s.save(ctx, &next)
}

// Push replaces the stored state by one that was pulled, edited or kept from a
// failed save. Unless forced, it must be of the same lineage and not older.
func (s *Session) Push(ctx context.Context, pushed *state.Snapshot, force bool) hcl.Diagnostics {
	if s.snap.Serial > 0 && !force {
		if err := state.CheckPush(s.snap, pushed); err != nil {
			return diag.At(err, hcl.Range{})
		}
	}
	next := *pushed
	return s.save(ctx, &next)
}

// ForceUnlock frees a lock by its id. It needs no lock of its own.
func (w *Workspace) ForceUnlock(ctx context.Context, id string) hcl.Diagnostics {
	store, diags := w.Store()
	if diags.HasErrors() {
		return diags
	}
	return append(diags, diag.At(store.ForceUnlock(ctx, id), hcl.Range{})...)
}

// Read loads the stored state without a lock, for commands that only look.
// Nothing stored is an empty snapshot.
func (w *Workspace) Read(ctx context.Context) (*state.Snapshot, hcl.Diagnostics) {
	store, diags := w.Store()
	if diags.HasErrors() {
		return nil, diags
	}
	s := &Session{w: w, store: store}
	if err := s.load(ctx); err != nil {
		return nil, append(diags, diag.At(err, hcl.Range{})...)
	}
	if s.snap.Serial == 0 && len(s.snap.Objects) == 0 {
		s.snap.Lineage = ""
	}
	return s.snap, diags
}

// Ping checks that every declared broker answers; say gets a line for each.
func (s *Session) Ping(ctx context.Context, say func(addr.Provider, string)) hcl.Diagnostics {
	res, _, diags := s.build(ctx)
	if diags.HasErrors() {
		return diags
	}
	for _, a := range sortedProviders(res.Providers) {
		pr, err := s.pool.Open(a)
		if err != nil {
			diags = append(diags, diag.At(err, s.pool.decl(a))...)
			continue
		}
		p, ok := pr.(providers.Pinger)
		if !ok {
			say(a, fmt.Sprintf("%s needs no connection", a))
			continue
		}
		line, err := p.Ping(ctx)
		if err != nil {
			diags = append(diags, diag.At(err, s.pool.decl(a))...)
			continue
		}
		say(a, line)
	}
	return diags
}
