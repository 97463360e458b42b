package workspace

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
)

// Import plans to take one live object over as it is: nothing changes on a
// broker, and the next plan shows what differs from its declaration.
func (s *Session) Import(ctx context.Context, at addr.Instance, id string) (*Planned, hcl.Diagnostics) {
	if _, ok := s.snap.Index()[at]; ok {
		return nil, hcl.Diagnostics{diag.Error(hcl.Range{}, "Already managed",
			fmt.Sprintf("%s is recorded in the state already. To record another live object at this address, forget it first with `msgflo state rm`.", diag.Escape(at.String())))}
	}
	p, diags := s.Plan(ctx, PlanOptions{Only: []addr.Target{{Instance: at}}, Import: map[addr.Instance]string{at: id}})
	if diags.HasErrors() {
		return nil, diags
	}
	st, err := p.takeover(at)
	if err != nil {
		return nil, append(diags, diag.At(err, hcl.Range{})...)
	}
	p.Plan.Steps, p.Plan.Outputs, p.Plan.Drift = []plan.Step{st}, nil, nil
	return p, diags
}

// takeover makes of the steps planned for an imported object the one that
// records it as it is live.
func (p *Planned) takeover(at addr.Instance) (plan.Step, error) {
	var st *plan.Step
	for i := range p.Plan.Steps {
		if s := &p.Plan.Steps[i]; s.Addr == at && s.Action != plan.Delete {
			st = s
		}
	}
	live := p.Live[at].Value
	if st == nil || live == cty.NilVal || live.IsNull() {
		return plan.Step{}, fmt.Errorf("there is nothing at %s to import", at)
	}
	form := recorded.Of(p.Types[st.Provider].Resources[at.Type])
	after, err := form.Encode(live, form.Further(st.Sensitive))
	if err != nil {
		return plan.Step{}, err
	}
	one := *st
	one.ID, one.Action, one.Before, one.After = plan.ID(plan.Adopt, at), plan.Adopt, after, after
	one.Holes, one.Changed, one.ForceNew, one.Risk, one.Needs = nil, nil, nil, nil, nil
	one.Record.Owned, one.Imported = true, true
	return one, nil
}
