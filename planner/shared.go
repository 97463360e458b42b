package planner

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
)

// share decides about a shared object that was found and not recorded: it is
// adopted, whoever marked it, and brought to what is wanted in place.
func (p *planning) share(i *item, found cty.Value, ds []difference) {
	i.differsIn(ds)
	if len(i.forceNew) > 0 {
		p.report(p.sharedFixed(i, found))
		return
	}
	i.owned, i.base, i.from = false, found, present
	if i.do, i.why = plan.Adopt, "it exists, and is shared by all who use the broker"; len(ds) > 0 {
		i.do, i.why = plan.Update, "it is shared by all who use the broker, and differs"
	}
}

// sharedFixed is the error about a shared object that only a replace could
// make what is wanted: others use it, so nobody deletes it.
func (p *planning) sharedFixed(i *item, found cty.Value) *hcl.Diagnostic {
	var fixed []difference
	if found != cty.NilVal && !found.IsNull() {
		for _, d := range p.differences(i, i.want.Value, found) {
			if d.forceNew {
				fixed = append(fixed, d)
			}
		}
	}
	if len(fixed) == 0 {
		return diag.Error(i.want.Decl, "Shared object cannot be replaced",
			fmt.Sprintf("%s is shared by all who use %s, so it is never deleted and cannot be replaced. Take it out of -replace and replace_triggered_by.", i.at, i.want.Provider))
	}
	return diag.Error(i.want.Decl, "Shared object differs",
		fmt.Sprintf("%s is a %s that all who use %s share. It is there already, and what differs is fixed at creation:%s\n"+
			"It is never deleted by msgflo. If nothing needs it as it is, delete it by hand, and apply makes it anew; else use another broker or vhost.",
			i.at, i.at.Type, i.want.Provider, p.listed(i, found, fixed)))
}
