package planner

import (
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
)

// decide says of every item what becomes of it: first each by itself, then
// what follows from one for another.
func (p *planning) decide() {
	p.diags = p.diags[:p.fixed]
	p.strange, p.withheld = foreign{}, nil
	for n := range p.items {
		it := &p.items[n]
		*it = item{at: it.at, prev: it.prev, want: it.want, prior: it.prior, sch: it.sch, old: it.old,
			live: it.live, is: it.is, inUse: it.inUse, was: it.was, readdressed: it.readdressed}
		it.owned = it.prior != nil && it.prior.Owned
	}
	p.away()
	for n := range p.items {
		if it := &p.items[n]; it.prior != nil && it.want != nil && p.in.Mode != Destroy {
			p.differ(it)
		}
	}
	p.hold()
	for n := range p.items {
		if it := &p.items[n]; it.inUse {
			p.alone(it)
		}
	}
	if p.in.Mode != RefreshOnly {
		p.cascade()
	}
	p.strange.report(p)
	for n := range p.items {
		if it := &p.items[n]; it.inUse || it.do != 0 || it.goes {
			p.remember(it)
		}
	}
}

// away finds objects that are absent without that being drift: so their
// provider says, or they are within one that is (fact 8).
func (p *planning) away() {
	if p.in.Mode == Destroy {
		return
	}
	var work []int
	for n := range p.items {
		if it := &p.items[n]; it.prior != nil && it.is == absent && it.live.Note != "" {
			it.away = it.live.Note
			work = append(work, n)
		}
	}
	for len(work) > 0 {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		for _, c := range p.inside[n] {
			if it := &p.items[c]; it.is == absent && it.away == "" {
				it.away = fmt.Sprintf("%s is not present now", p.items[n].at)
				work = append(work, c)
			}
		}
	}
}

// alone decides about one item as if there were no other.
func (p *planning) alone(i *item) {
	switch {
	case i.want == nil || p.in.Mode == Destroy:
		p.unwanted(i)
	case i.prior == nil:
		if p.in.Mode == Normal {
			p.unrecorded(i, i.live, i.is)
		}
	default:
		p.both(i)
	}
}

// unwanted decides about what is in state and not declared (or to be
// destroyed).
func (p *planning) unwanted(i *item) {
	if i.prior == nil {
		return
	}
	switch {
	case i.is == absent && i.away != "" && p.in.Mode == RefreshOnly:
	case i.is == absent:
		i.gone = i.away == ""
		i.forget("it is gone already: deleted outside msgflo")
		if i.away != "" {
			i.why = "it is not present now: " + i.away
		}
	case p.in.Mode == RefreshOnly:
	case !i.prior.Owned:
		i.forget("it was only adopted, or is shared, so it is left in place")
	case p.in.Mode == Normal && p.isTwin(i):
		i.forget("it is recorded under another address, too, and stays there")
	case i.want == nil && matches(p.in.Forget, i):
		i.forget("a removed block says to leave it in place")
	case p.in.NoDestroy:
		why := "it is no longer declared"
		if p.in.Mode == Destroy {
			why = "-no-destroy was given"
		}
		p.withheld = append(p.withheld, plan.Withheld{Addr: i.at, Reason: why})
	case p.in.Mode == Destroy:
		i.goes, i.whyGoes = true, "all that is ours is destroyed"
	default:
		i.goes, i.whyGoes = true, "it is no longer declared"
	}
}

func (i *item) forget(why string) { i.do, i.why = plan.Forget, why }

// both decides about what is declared and in state.
func (p *planning) both(i *item) {
	i.owned = (i.prior.Owned || i.ours()) && !i.shared()
	switch {
	case p.in.Mode == RefreshOnly:
		if i.is == absent && i.away == "" {
			i.gone = true
			i.forget("deleted outside msgflo")
		}
	case i.renamed:
		p.rename(i)
	case i.is == absent && i.away != "":
	case i.is == absent:
		i.gone = true
		i.create("deleted outside msgflo")
	case len(i.forceNew) > 0:
		p.replace(i, fixedAtCreation(i.forceNew))
	case matches(p.in.Replace, i):
		p.replace(i, "-replace asks for it")
	case len(i.changed) > 0:
		i.do, i.base, i.from = plan.Update, i.value(), i.is
		if i.is == present {
			i.why = i.live.Note
		}
	}
}

// differ compares the wanted object with the existing one, or, where that
// cannot be seen, with the recorded one.
func (p *planning) differ(i *item) {
	elsewhere := i.prior.Provider != i.want.Provider
	next := i.live.Next != nil && (i.prev == i.at || p.identityMoved(i))
	if next || elsewhere {
		i.renamed = true
	}
	v := i.value()
	if elsewhere || v == cty.NilVal || v.IsNull() || i.is == absent {
		if !next && !elsewhere && i.is == absent && i.was != cty.NilVal && i.sch.Identity(i.was) != i.sch.Identity(i.want.Value) {
			i.renamed = true
		}
		return
	}
	ds := p.differences(i, i.want.Value, v)
	i.differsIn(ds)
	i.renamed = i.renamed || slices.ContainsFunc(ds, func(d difference) bool { return d.identity })
}

// differsIn notes what has to change, and what of that is fixed at creation.
func (i *item) differsIn(ds []difference) {
	i.changed, i.forceNew = nil, nil
	for _, d := range ds {
		i.changed = append(i.changed, d.path)
		if d.forceNew {
			i.forceNew = append(i.forceNew, d.path)
		}
	}
}

// identityMoved reports whether an object that has a new address has another
// name on its broker, too.
func (p *planning) identityMoved(i *item) bool {
	v := i.value()
	if v == cty.NilVal || v.IsNull() {
		v, _ = p.decode(i.prior, i.old)
	}
	return i.prior.Provider == i.want.Provider && v != cty.NilVal && i.sch.Identity(v) != i.sch.Identity(i.want.Value)
}

// differences compares in normal form where the values differ as they stand,
// and leaves out what the declaration ignores.
func (p *planning) differences(i *item, want, is cty.Value) []difference {
	ds := compare(i.sch.Attrs, want, is, i.live.HashEqual)
	if len(ds) > 0 && p.in.Normalize != nil {
		at := i.want.Provider
		ds = compare(i.sch.Attrs, p.in.Normalize(at, i.at.Type, want), p.in.Normalize(at, i.at.Type, is), i.live.HashEqual)
	}
	lc := &i.want.Lifecycle
	if lc.IgnoreAll {
		return nil
	}
	if len(lc.IgnoreChanges) == 0 {
		return ds
	}
	out := ds[:0]
	for _, d := range ds {
		if !covers(lc.IgnoreChanges, d.path) {
			out = append(out, d)
		}
	}
	return out
}

func (i *item) create(why string) {
	i.do, i.base, i.from, i.why, i.owned = plan.Create, cty.NilVal, absent, why, !i.shared()
}

// replace deletes what exists and creates it anew. What was only adopted is
// not ours to delete.
func (p *planning) replace(i *item, why string) {
	if i.goes || i.refused {
		return
	}
	switch i.refused = true; {
	case i.shared():
		p.report(p.sharedFixed(i, i.value()))
		return
	case !i.ours():
		p.report(p.notOurs(i, why))
		return
	case p.in.NoDestroy:
		p.report(diag.Error(i.want.Decl, "Replace refused by -no-destroy",
			fmt.Sprintf("%s must be replaced (%s), and a replace deletes it first, which -no-destroy forbids. Leave -no-destroy out, or undo the change.", i.at, why)))
		return
	}
	i.refused = false
	found := i.takesOver()
	i.goes, i.whyGoes, i.swap = true, why, false
	if !found {
		i.create(why)
	}
}

// takesOver reports whether the wanted name is another than the existing
// object's and was found in use, by something that is ours or becomes so.
func (i *item) takesOver() bool {
	return i.renamed && !i.swap && (i.do == plan.Adopt || i.do == plan.Update)
}

// rename decides about an address that is to name another live object than
// it did.
func (p *planning) rename(i *item) {
	next := Live{Value: cty.NullVal(i.sch.typ)}
	if i.live.Next != nil {
		next = *i.live.Next
	}
	why := "it gets another name, and a broker object is its name"
	if i.prior.Provider != i.want.Provider {
		why = fmt.Sprintf("it moves from %s to %s", i.prior.Provider, i.want.Provider)
	} else if len(i.changed) > 0 {
		why = fixedAtCreation(i.forceNew)
	}
	if i.is == absent || i.shared() { // what is shared stays where it was
		p.unrecorded(i, next, seen(next.Value))
		if i.do == plan.Create {
			i.why = why
		}
		return
	}
	if p.canSwap(i, next) {
		i.do, i.base, i.from, i.swap = plan.Update, i.value(), i.is, true
		i.why = "the new one is made before the old one goes"
		return
	}
	was := i.owned
	p.unrecorded(i, next, seen(next.Value))
	i.owned = i.owned || was && i.do == plan.Create
	p.replace(i, why)
}

// canSwap reports whether one update can lead from the old identity to the
// new one: nobody else holds the new one, or wants the old one.
func (p *planning) canSwap(i *item, next Live) bool {
	if !i.sch.Swap || i.prior.Provider != i.want.Provider || i.is != present || !i.ours() {
		return false
	}
	old, new := p.nameOf(i, i.value()), p.nameOf(i, i.want.Value)
	_, holdsNew := p.held[new]
	return !p.claimed[old] && !holdsNew && seen(next.Value) != present
}
