package apply

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
)

// A graph is a plan's Needs by position, both ways.
type graph struct {
	needs  []int   // how many steps each still waits for
	needed [][]int // which wait for it
}

// newGraph refuses a plan that names steps it does not have, names one twice, or goes
// in a circle. The planner makes no such plan; a file may have been edited.
func newGraph(p *plan.Plan) (*graph, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	bad := func(s *plan.Step, format string, args ...any) {
		diags = append(diags, diag.Error(s.Decl, "Plan cannot be carried out",
			fmt.Sprintf(format, args...)+" The plan file was edited, or this is a fault in msgflo; make a new plan."))
	}
	at := make(map[plan.StepID]int, len(p.Steps))
	for i := range p.Steps {
		if _, twice := at[p.Steps[i].ID]; twice {
			bad(&p.Steps[i], "The step %q is there twice.", string(p.Steps[i].ID))
		}
		at[p.Steps[i].ID] = i
	}
	g := &graph{needs: make([]int, len(p.Steps)), needed: make([][]int, len(p.Steps))}
	for i := range p.Steps {
		for _, id := range p.Steps[i].Needs {
			n, ok := at[id]
			if !ok {
				bad(&p.Steps[i], "The step %q needs %q, which is not in the plan.", string(p.Steps[i].ID), string(id))
				continue
			}
			g.needs[i]++
			g.needed[n] = append(g.needed[n], i)
		}
	}
	if circle := g.circle(); len(circle) > 0 && !diags.HasErrors() {
		var names []string
		for _, i := range circle {
			names = append(names, diag.Escape(string(p.Steps[i].ID)))
		}
		bad(&p.Steps[circle[0]], "These steps need each other in a circle, or need one that does: %s.", strings.Join(names, ", "))
	}
	return g, diags
}

// circle returns steps that can never run, at most ten.
func (g *graph) circle() []int {
	left := append([]int(nil), g.needs...)
	var queue []int
	for i, n := range left {
		if n == 0 {
			queue = append(queue, i)
		}
	}
	for k := 0; k < len(queue); k++ {
		for _, j := range g.needed[queue[k]] {
			if left[j]--; left[j] == 0 {
				queue = append(queue, j)
			}
		}
	}
	var out []int
	for i, n := range left {
		if n > 0 && len(out) < 10 {
			out = append(out, i)
		}
	}
	return out
}

// check refuses steps that cannot or must not be carried out, before the first
// one is.
func check(p *plan.Plan, d Deps) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i := range p.Steps {
		s := &p.Steps[i]
		t := d.Types[s.Provider]
		switch {
		case s.Action == plan.Forget:
		case t == nil:
			diags = append(diags, diag.Error(s.Decl, "Broker not declared",
				fmt.Sprintf("The plan changes %s on %s, which no block declares.", s.Addr, s.Provider)))
		case t.Resources[s.Addr.Type] == nil:
			diags = append(diags, diag.Error(s.Decl, "Unsupported object",
				fmt.Sprintf("%s has no objects of type %q, so %s cannot be there.", s.Provider, s.Addr.Type, s.Addr)))
		case s.Risk.Blocks():
			diags = append(diags, diag.Error(s.Decl, "Messages or unmanaged objects at risk",
				fmt.Sprintf("To %s %s would lose what nobody agreed to lose. Plan again and read what is at risk; -allow-message-loss %s is the consent.", s.Action, s.Addr, s.Addr)))
		}
		switch s.Action {
		case plan.Create, plan.Update, plan.Restart, plan.Delete, plan.Adopt, plan.Record, plan.Forget:
		default:
			diags = append(diags, diag.Error(s.Decl, "Plan cannot be carried out",
				fmt.Sprintf("This version of msgflo cannot %s an object, as the plan wants for %s.", s.Action, s.Addr)))
		}
	}
	return diags
}
