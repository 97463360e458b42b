package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/dag"
	"github.com/msgflo/msgflo/planner/plan"
)

// link writes the execution graph into the steps. Every address x has at most
// one delete D(x) and one other step K(x). Edges come in layers of falling importance:
//
//  1. K(x) needs K(y) where x wants y (within, after, a computed value); K(x) needs
//     D(x); K(x) needs D(y) where x takes y's name, or goes by itself with y.
//  2. D(y) needs D(x) where x is recorded within y.
//  3. D(y) needs D(x) where x is recorded after y.
//  4. D(y) needs K(x) where x is recorded within or after y and no longer wants it, and
//     where x is bound in the place of y: bind before unbind.
//  5. D(y) needs D(x) where y gives access to where x is.
//
// Why there is no circle, whatever the two configurations are: in layer 1
// deletes need nothing, and the wanted relations have no circle (checked here), so it
// has none. Each further layer goes through dag.Layer, which keeps exactly those
// of its edges that lie on no circle of that layer together with the ones below. So the recorded
// relations may even contradict each other (they may, after a run that was cut
// short) and an end that is replaced switches bind-before-unbind off by itself: the new binding
// needs the new end, that the old end's delete, and that the old binding's.
func (p *planning) link(out *plan.Plan) {
	n := len(out.Steps)
	if n == 0 || !p.wantsAcyclic() {
		return
	}
	l := &linking{planning: p, steps: out.Steps, base: make([][]int, n)}
	l.firm()
	for _, layer := range []func(){l.recordedWithin, l.recordedAfter, l.soft, l.opened} {
		l.extra = make([][]int, n)
		layer()
		l.base = dag.Layer(l.base, l.extra)
	}
	for i := range out.Steps {
		out.Steps[i].Needs = l.ids(l.base[i])
	}
}

type linking struct {
	*planning
	steps       []plan.Step
	base, extra [][]int
}

func (l *linking) ids(needs []int) []plan.StepID {
	if len(needs) == 0 {
		return nil
	}
	slices.Sort(needs)
	needs = slices.Compact(needs)
	out := make([]plan.StepID, len(needs))
	for i, n := range needs {
		out[i] = l.steps[n].ID
	}
	return out
}

// wantsAcyclic reports a circle in what is declared; a configuration that has
// one should not come this far.
func (p *planning) wantsAcyclic() bool {
	nodes := make([]int, 0, len(p.items))
	for n := range p.items {
		if p.items[n].want != nil {
			nodes = append(nodes, n)
		}
	}
	if p.in.Mode != Normal {
		return true
	}
	circle := dag.Circle(nodes, p.needs)
	if circle == nil {
		return true
	}
	names := make([]string, 0, len(circle)+1)
	for _, n := range append(circle, circle[0]) {
		names = append(names, p.items[n].at.String())
	}
	p.report(diag.Error(p.decl(p.items[circle[0]].at), "Dependencies run in a circle",
		fmt.Sprintf("Each of these needs the next: %s. Take one of the references or depends_on entries away.", strings.Join(names, ", "))))
	return false
}

// made is the step of an item that makes or changes the live object, or -1.
func (l *linking) made(n int) int {
	switch l.items[n].do {
	case plan.Create, plan.Update:
		return l.kSteps[n]
	}
	return -1
}

// firm is layer 1.
func (l *linking) firm() {
	for n := range l.items {
		it := &l.items[n]
		k := l.kSteps[n]
		if k < 0 || it.want == nil || it.do == plan.Forget || l.in.Mode != Normal {
			continue
		}
		add := func(on int) {
			if on >= 0 && on != k {
				l.base[k] = append(l.base[k], on)
			}
		}
		for _, m := range l.needs(n) {
			if m != n {
				add(l.made(m))
			}
		}
		add(l.dSteps[n])
		if m := l.leaver(it); m >= 0 {
			add(l.dSteps[m])
		}
		if it.reborn {
			for _, m := range l.inside[n] {
				add(l.dSteps[m])
			}
		}
	}
}

func (l *linking) recordedWithin() {
	l.deletes(func(it *item) []addr.Instance { return it.prior.Within })
}

func (l *linking) recordedAfter() {
	l.deletes(func(it *item) []addr.Instance { return it.prior.After })
}

// deletes lets what is deleted wait for the deletes of what stands on it.
func (l *linking) deletes(on func(*item) []addr.Instance) {
	for n := range l.items {
		d := l.dSteps[n]
		if d < 0 || l.items[n].prior == nil {
			continue
		}
		l.indexed(on(&l.items[n]), func(m int) {
			if e := l.dSteps[m]; e >= 0 && m != n {
				l.extra[e] = append(l.extra[e], d)
			}
		})
	}
}

// soft is layer 4.
func (l *linking) soft() {
	for n := range l.items {
		it := &l.items[n]
		if it.prior == nil || it.want == nil || it.goes || it.do != plan.Update {
			continue
		}
		for _, list := range [][]addr.Instance{it.prior.Within, it.prior.After} {
			l.indexed(list, func(m int) {
				at := l.items[m].at
				if e := l.dSteps[m]; e >= 0 && !slices.Contains(it.want.Within, at) && !slices.Contains(it.want.After, at) {
					l.extra[e] = append(l.extra[e], l.kSteps[n])
				}
			})
		}
	}
	l.bindBeforeUnbind()
}

// bindBeforeUnbind: where objects of one type that nothing is within share an
// end, those that are made come before those that go for good, so that
// no message is lost in between.
func (l *linking) bindBeforeUnbind() {
	for n := range l.items {
		var old, new map[string][]int
		for _, c := range l.inside[n] {
			it := &l.items[c]
			if l.dSteps[c] >= 0 && it.do != plan.Create && len(l.inside[c]) == 0 {
				old = with(old, it.at.Type, l.dSteps[c])
			}
		}
		if old == nil {
			continue
		}
		for _, c := range l.wants[n] {
			it := &l.items[c]
			if it.do == plan.Create && len(l.inside[c]) == 0 && len(l.wants[c]) == 0 {
				new = with(new, it.at.Type, l.kSteps[c])
			}
		}
		for typ, ds := range old {
			l.before(new[typ], ds)
		}
	}
}

func with(m map[string][]int, k string, v int) map[string][]int {
	if m == nil {
		m = map[string][]int{}
	}
	m[k] = append(m[k], v)
	return m
}

// before lets every one of ds wait for all of ks. Where that were too many
// edges, the first of ds waits for all and the others for it.
func (l *linking) before(ks, ds []int) {
	const most = 16
	if len(ks) == 0 {
		return
	}
	if len(ks)*len(ds) <= most*(len(ks)+len(ds)) {
		for _, d := range ds {
			l.extra[d] = append(l.extra[d], ks...)
		}
		return
	}
	l.extra[ds[0]] = append(l.extra[ds[0]], ks...)
	for _, d := range ds[1:] {
		l.extra[d] = append(l.extra[d], ds[0])
	}
}
