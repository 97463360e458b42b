package cli

import (
	"context"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/diagram"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/planner/plan"
)

// drawing is the configuration's objects, coloured by a plan if there is one.
func (k *work) drawing(ctx context.Context, p *plan.Plan) (diagram.Drawing, error) {
	objs, foreign, diags := k.w.Declared(ctx)
	if err := k.report(diags); err != nil {
		return diagram.Drawing{}, err
	}
	var d diagram.Drawing
	for _, o := range objs {
		d.Objects = append(d.Objects, diagram.Object{Addr: o.Addr, Provider: o.Provider, Value: o.Value, Sensitive: o.Sensitive, After: o.Related})
	}
	for _, r := range foreign {
		d.Foreign = append(d.Foreign, diagram.Party{Broker: r.Broker.Name, Module: r.Module, Owner: r.Owner, Role: r.Name,
			In: drawnPorts(r.Inports), Out: drawnPorts(r.Outports)})
	}
	if p != nil {
		d = d.WithPlan(p)
	}
	return d, nil
}

func drawnPorts(ps []workspace.Port) []diagram.Port {
	var out []diagram.Port
	for _, p := range ps {
		out = append(out, diagram.Port{ID: p.ID, Carrier: p.Queue})
	}
	return out
}
