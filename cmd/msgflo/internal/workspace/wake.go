package workspace

import (
	"context"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
)

// wake brings back the processes of ours that stand behind recorded objects
// (see providers.Waker), also where the plan has nothing to do there.
func (s *Session) wake(ctx context.Context) hcl.Diagnostics {
	behind := map[addr.Provider]bool{}
	for i := range s.snap.Objects {
		behind[s.snap.Objects[i].Provider] = true
	}
	var diags hcl.Diagnostics
	for _, a := range sortedProviders(behind) {
		pr, err := s.pool.Open(a)
		if err != nil {
			continue // reading it, or a step that needs it, says so
		}
		if w, ok := pr.(providers.Waker); ok {
			diags = append(diags, diag.At(w.Wake(ctx), s.pool.decl(a))...)
		}
	}
	return diags
}

// able asks those that a plan has changes for whether any can be made (see
// providers.Checker): one diagnostic each, at the first object.
func (s *Session) able(ctx context.Context, pl *plan.Plan) hcl.Diagnostics {
	first := map[addr.Provider]hcl.Range{}
	for i := range pl.Steps {
		st := &pl.Steps[i]
		if at, has := first[st.Provider]; st.Action.Changes() && (!has || at.Filename == "") {
			first[st.Provider] = st.Decl
		}
	}
	var diags hcl.Diagnostics
	for _, a := range sortedProviders(first) {
		pr, err := s.pool.Open(a)
		if err != nil {
			continue // the first step says so
		}
		if c, ok := pr.(providers.Checker); ok {
			diags = append(diags, diag.At(c.Check(ctx), first[a])...)
		}
	}
	return diags
}
