package workspace

import (
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
)

// RecordOnly turns the steps that take an imported object over into ones that
// only record it as it is now: `import` changes nothing on a broker, and the
// next plan shows what differs.
func RecordOnly(p *plan.Plan, at addr.Instance) {
	var kept []plan.Step
	for _, st := range p.Steps {
		if st.Addr != at || !st.Imported || st.Action == plan.Delete {
			continue
		}
		if st.Action != plan.Adopt {
			st.ID = plan.ID(plan.Adopt, st.Addr)
			st.Action, st.After, st.Holes = plan.Adopt, st.Before, nil
		}
		st.Needs, st.Changed, st.ForceNew, st.Risk = nil, nil, nil, nil
		kept = append(kept, st)
	}
	p.Steps = kept
	p.Outputs = nil
}
