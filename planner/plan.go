package planner

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// Plan compares want, state and live objects, and returns the plan that leads
// from what is to what shall be, what it still needs to know before that plan
// is final, and what is wrong. The plan is returned with errors, too, so that
// it can be shown; only where the input itself makes no sense is it nil.
//
// Its graph is acyclic for every pair of configurations: see link. The order
// of Want and of Prior.Objects is irrelevant.
func Plan(in Input) (*plan.Plan, Missing, hcl.Diagnostics) {
	p := &planning{in: in, schemas: map[*providers.Schema]*schema{}}
	if !p.gather() {
		return nil, Missing{}, p.diags
	}
	p.scope()
	for {
		p.decide()
		if !p.withdraw() {
			break
		}
	}
	p.guard()
	out := p.document()
	p.link(out)
	missing := p.measure(out)
	p.sortDiags()
	return out, missing, p.diags
}

// A planning is one run of Plan.
type planning struct {
	in       Input
	schemas  map[*providers.Schema]*schema
	items    []item // in address order
	index    map[addr.Instance]int
	declared map[addr.Instance]int // positions in Want
	inside   [][]int               // items recorded within this one
	wants    [][]int               // items that want to be within it
	excluded map[int]bool
	held     map[name]int  // who gives up a name: see hold
	claimed  map[name]bool // names that somebody takes
	kept     map[name]bool // names of what stays as it is called, once somebody asked: see isTwin
	strange  foreign
	withheld []plan.Withheld
	moves    []plan.Moved
	dSteps   []int // the delete step of each item, or -1
	kSteps   []int // its other step, or -1
	diags    hcl.Diagnostics
	fixed    int // diagnostics of gather and scope; those of decide follow
}

func (p *planning) report(d *hcl.Diagnostic) { p.diags = append(p.diags, d) }

// decl is where an object is declared; zero where it is not.
func (p *planning) decl(at addr.Instance) hcl.Range {
	if i, ok := p.declared[at]; ok {
		return p.in.Want[i].Decl
	}
	return hcl.Range{}
}

func (p *planning) isDeclared(at addr.Instance) bool { _, ok := p.declared[at]; return ok }

// schemaOf returns nil where provider or type are not known.
func (p *planning) schemaOf(at addr.Provider, typ string) *schema {
	t := p.in.Types[at]
	if t == nil || t.Resources[typ] == nil {
		return nil
	}
	s := t.Resources[typ]
	if p.schemas[s] == nil {
		p.schemas[s] = newSchema(s)
	}
	return p.schemas[s]
}

// gather makes one item of every address that is declared or recorded.
func (p *planning) gather() bool {
	n := len(p.in.Want)
	p.declare()
	moved := p.moved()
	p.sameObjects(moved)
	if p.diags.HasErrors() {
		return false
	}
	items := make([]item, 0, max(n, len(p.in.Prior.Objects)))
	for i := range p.in.Want {
		w := &p.in.Want[i]
		items = append(items, item{at: w.Addr, prev: w.Addr, want: w, sch: p.schemaOf(w.Provider, w.Type)})
	}
	p.arrange(p.addRecorded(items, moved))
	for i := range p.items {
		p.look(&p.items[i])
	}
	p.relate(moved)
	return !p.diags.HasErrors()
}

// declare indexes what is wanted.
func (p *planning) declare() {
	p.declared = make(map[addr.Instance]int, len(p.in.Want))
	for i := range p.in.Want {
		w := &p.in.Want[i]
		if k, twice := p.declared[w.Addr]; twice {
			p.report(diag.Error(w.Decl, "Declared twice", fmt.Sprintf("%s is declared here and at %s.", w.Addr, p.in.Want[k].Decl)))
		}
		p.declared[w.Addr] = i
	}
}

// arrange brings the items into address order and indexes them.
func (p *planning) arrange(items []item) {
	perm := make([]int, len(items))
	for i := range perm {
		perm[i] = i
	}
	slices.SortFunc(perm, func(a, b int) int { return items[a].at.Compare(items[b].at) })
	p.items = make([]item, len(items))
	p.index = make(map[addr.Instance]int, len(items))
	for n, i := range perm {
		p.items[n] = items[i]
		p.index[items[i].at] = n
		if n > 0 && p.items[n].at == p.items[n-1].at {
			p.report(diag.Error(p.decl(p.items[n].at), "State has an object twice",
				fmt.Sprintf("State names %s twice, which no version of msgflo writes. Restore the state from its backup.", p.items[n].at)))
		}
	}
}

func (p *planning) addRecorded(items []item, moved map[addr.Instance]addr.Instance) []item {
	for i := range p.in.Prior.Objects {
		o := &p.in.Prior.Objects[i]
		to := p.today(o.Addr, moved)
		if to != o.Addr {
			p.moves = append(p.moves, plan.Moved{From: o.Addr, To: to})
		}
		k, ok := p.declared[to]
		if !ok || items[k].prior != nil {
			k = len(items)
			items = append(items, item{at: to})
		}
		it := &items[k]
		it.prior, it.prev = o, o.Addr
		it.old = p.schemaOf(o.Provider, o.Addr.Type)
		if it.sch == nil {
			it.sch = it.old
		}
	}
	slices.SortFunc(p.moves, func(a, b plan.Moved) int { return a.To.Compare(b.To) })
	return items
}

// today is the address that a recorded one has now.
func (p *planning) today(a addr.Instance, moved map[addr.Instance]addr.Instance) addr.Instance {
	if len(moved) > 0 {
		if to, ok := moved[a]; ok {
			return to
		}
	}
	return a
}

// readdressed is a recorded object whose relations name addresses of today: the
// object itself where they do already.
func readdressed(o *state.Object, moved map[addr.Instance]addr.Instance) *state.Object {
	old := func(a addr.Instance) bool { _, ok := moved[a]; return ok }
	if len(moved) == 0 || !slices.ContainsFunc(o.Within, old) && !slices.ContainsFunc(o.After, old) {
		return o
	}
	c := *o
	edit := state.Relink(moved, nil)
	c.Within, c.After = edit(o.Within), edit(o.After)
	return &c
}

// look finds what exists at an address now.
func (p *planning) look(i *item) {
	if i.old == nil {
		i.old = i.sch
	}
	if i.sch == nil || i.prior != nil && p.schemaOf(i.prior.Provider, i.at.Type) == nil {
		p.report(p.noSchema(i))
		return
	}
	l := p.liveOf(i)
	i.live = l
	i.is = seen(l.Value)
	if i.prior != nil && i.is != present {
		i.was, _ = p.decode(i.prior, i.old)
	}
}

// liveOf is what was read of an item: of its recorded object, where it has
// one, with what is at the wanted name as Next where that is another. At either
// address another object may be recorded, which has moved away.
func (p *planning) liveOf(i *item) Live {
	l := p.in.Live[i.at]
	if i.prior != nil && i.prev == i.at {
		return l
	}
	next := l
	if l.Next != nil {
		next = *l.Next
		next.HashEqual = l.HashEqual
	}
	if i.prior == nil || i.want != nil && p.isThere(i, next) {
		return next
	}
	l, l.HashEqual, l.Next = p.in.Live[i.prev], next.HashEqual, nil
	if i.want != nil {
		l.Next = &next
	}
	return l
}

// isThere reports whether what was read under the wanted name of an item that
// moved is the object that is recorded. It tells more than what was read under the old
// address: secrets can only be compared with wanted ones.
func (p *planning) isThere(i *item, next Live) bool {
	if next.Value == cty.NilVal || i.prior.Provider != i.want.Provider {
		return false
	}
	same, err := i.old.form.SameIdentity(i.prior.SchemaVersion, i.prior.Attrs, i.want.Value)
	return same && err == nil
}

func seen(v cty.Value) presence {
	switch {
	case v == cty.NilVal:
		return unseen
	case v.IsNull():
		return absent
	case !v.IsKnown():
		return unseen
	}
	return present
}

func (p *planning) noSchema(i *item) *hcl.Diagnostic {
	at := i.provider()
	if i.sch == nil && i.want != nil {
		at = i.want.Provider
	}
	if p.in.Types[at] == nil {
		return diag.Error(p.decl(i.at), "Provider is not configured",
			fmt.Sprintf("State has %s on %s, and the configuration no longer declares %s, so its objects cannot be reached. "+
				"Declare it again until they are gone, or take the object out of the state with `msgflo state rm`.", i.at, at, at))
	}
	return diag.Error(p.decl(i.at), "Unknown type of object",
		fmt.Sprintf("%s is of a type that %s does not have: %s is of kind %s.", i.at, at, at, p.in.Types[at].Name))
}

// decode reads the recorded value of an object.
func (p *planning) decode(o *state.Object, s *schema) (cty.Value, bool) {
	v, err := s.form.Decode(o.SchemaVersion, o.Attrs)
	if err != nil {
		p.report(diag.Error(p.decl(o.Addr), "State cannot be read",
			fmt.Sprintf("What state has of %s cannot be used: %s. Restore the state from its backup, or take the object out of it with `msgflo state rm` and import it.", o.Addr, err)))
		return cty.NilVal, false
	}
	return v, true
}

// relate indexes who is within whom, and brings recorded relations to the
// addresses of today.
func (p *planning) relate(moved map[addr.Instance]addr.Instance) {
	p.inside, p.wants = make([][]int, len(p.items)), make([][]int, len(p.items))
	for n := range p.items {
		it := &p.items[n]
		if it.prior != nil {
			if r := readdressed(it.prior, moved); r != it.prior {
				it.prior, it.readdressed = r, true
			}
			for _, a := range it.prior.Within {
				if m, ok := p.index[a]; ok && m != n {
					p.inside[m] = append(p.inside[m], n)
				}
			}
		}
		if it.want != nil {
			for _, a := range it.want.Within {
				if m, ok := p.index[a]; ok && m != n {
					p.wants[m] = append(p.wants[m], n)
				}
			}
		}
	}
}

// sortDiags puts errors and warnings in the order of their declarations, so
// that they do not depend on the order of the input.
func (p *planning) sortDiags() {
	slices.SortStableFunc(p.diags, func(a, b *hcl.Diagnostic) int {
		if c := cmp.Compare(a.Severity, b.Severity); c != 0 {
			return c
		}
		x, y := hcl.Range{}, hcl.Range{}
		if a.Subject != nil {
			x = *a.Subject
		}
		if b.Subject != nil {
			y = *b.Subject
		}
		return cmp.Or(cmp.Compare(x.Filename, y.Filename), cmp.Compare(x.Start.Byte, y.Start.Byte), cmp.Compare(a.Detail, b.Detail))
	})
}
