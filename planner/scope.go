package planner

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/dag"
)

// scope marks the items that the run may change: those targeted and what they
// need, without those excluded and what needs them.
func (p *planning) scope() {
	p.excluded = map[int]bool{}
	p.mustMatch("-target", p.in.Only)
	p.mustMatch("-exclude", p.in.Exclude)
	p.mustMatch("-replace", p.in.Replace)
	p.mustMatch("-allow-message-loss", p.in.AllowLoss)
	for i := range p.items {
		p.items[i].inUse = true
	}
	if len(p.in.Only) > 0 {
		in := dag.Reach(p.matching(p.in.Only), p.needs)
		for i := range p.items {
			p.items[i].inUse = in[i]
		}
	}
	if len(p.in.Exclude) > 0 {
		p.exclude(p.matching(p.in.Exclude))
	}
	p.fixed = len(p.diags)
}

// needs are the items that a wanted one needs; of one that goes, those
// recorded within it, which go first.
func (p *planning) needs(n int) []int {
	it := &p.items[n]
	if it.want == nil || p.in.Mode == Destroy {
		return p.inside[n]
	}
	var out []int
	for _, list := range [][]addr.Instance{it.want.Within, it.want.After} {
		for _, a := range list {
			if m, ok := p.index[a]; ok {
				out = append(out, m)
			}
		}
	}
	for _, h := range it.want.Holes {
		if h.Addr == nil {
			continue
		}
		if m, ok := p.index[*h.Addr]; ok {
			out = append(out, m)
		}
	}
	return out
}

// exclude takes items out of the run, and all that needs them.
func (p *planning) exclude(from []int) {
	users := make([][]int, len(p.items))
	for n := range p.items {
		for _, m := range p.needs(n) {
			users[m] = append(users[m], n)
		}
	}
	for n := range dag.Reach(from, func(n int) []int { return users[n] }) {
		p.excluded[n] = true
		p.items[n].inUse = false
	}
}

func matches(targets []addr.Target, i *item) bool {
	for _, t := range targets {
		if t.Matches(i.at) || i.prev != i.at && t.Matches(i.prev) {
			return true
		}
	}
	return false
}

func (p *planning) matching(targets []addr.Target) []int {
	var out []int
	for i := range p.items {
		if matches(targets, &p.items[i]) {
			out = append(out, i)
		}
	}
	return out
}

// mustMatch reports targets that name nothing, most likely misspelt.
func (p *planning) mustMatch(flag string, targets []addr.Target) {
	nothing := "names nothing that is declared or in the state."
	if p.in.Mode == Destroy { // what is declared does not count: it may never have been made
		nothing = "names nothing that is in the state, so there is nothing of it to destroy."
	}
	for _, t := range targets {
		if len(p.matching([]addr.Target{t})) > 0 {
			continue
		}
		known := make([]string, 0, len(p.items))
		for i := range p.items {
			at := p.items[i].at
			known = append(known, at.String())
			if at.Owner != "" { // -target participant.resize is all of it
				known = append(known, addr.Instance{Module: at.Module, Owner: at.Owner}.String())
			}
		}
		p.report(diag.Error(hcl.Range{}, "Address names nothing",
			fmt.Sprintf("%s %s %s%s", flag, t, nothing, diag.DidYouMean(t.String(), known))))
	}
}

// withdraw finds excluded objects that die with something this plan would
// delete: what they are in is then out of the run, too. It reports whether
// anything was withdrawn, so that all has to be decided anew.
func (p *planning) withdraw() bool {
	if len(p.excluded) == 0 {
		return false
	}
	var more []int
	for n := range p.items {
		it := &p.items[n]
		if !it.goes && !it.dragged || p.excluded[n] {
			continue
		}
		if dies := func(c int) bool { return p.excluded[c] && p.items[c].is != absent }; slices.ContainsFunc(p.inside[n], dies) ||
			slices.ContainsFunc(p.wants[n], dies) {
			more = append(more, n)
		}
	}
	if len(more) == 0 {
		return false
	}
	p.exclude(more)
	return true
}
