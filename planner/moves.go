package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/dag"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// moved returns the new address of every recorded object that a moved block
// takes elsewhere. Blocks chain: what one brings to an address, the next may
// take on.
func (p *planning) moved() map[addr.Instance]addr.Instance {
	out := map[addr.Instance]addr.Instance{}
	if len(p.in.Moves) == 0 || !p.acyclicMoves() {
		return out
	}
	taken := map[addr.Instance]addr.Instance{} // new address -> old
	for i := range p.in.Prior.Objects {
		from := p.in.Prior.Objects[i].Addr
		if to := follow(p.in.Moves, from); to != from {
			out[from] = to
		}
	}
	for i := range p.in.Prior.Objects {
		from := p.in.Prior.Objects[i].Addr
		to, moves := out[from]
		if !moves {
			to = from
		}
		if other, clash := taken[to]; clash {
			p.report(diag.Error(p.decl(to), "Two objects under one address",
				fmt.Sprintf("State has both %s and %s, and the moved blocks lead both to %s. Remove or change one of the moved blocks, or take one object out of the state with `msgflo state rm`.", other, from, to)))
			delete(out, from)
			continue
		}
		taken[to] = from
		if moves && p.isDeclared(from) {
			p.report(diag.Error(p.decl(from), "Moved object is still declared",
				fmt.Sprintf("A moved block says that %s is now %s, but %s is still declared, too. Remove the moved block, or rename the declaration.", from, to, from)))
			delete(out, from)
		}
	}
	return out
}

func follow(moves []desired.Move, at addr.Instance) addr.Instance {
	for range moves {
		next := at
		for _, m := range moves {
			if to, ok := moveOne(m, at); ok && to != at {
				next = to
				break
			}
		}
		if next == at {
			return at
		}
		at = next
	}
	return at
}

// moveOne applies one moved block to one address.
func moveOne(m desired.Move, at addr.Instance) (addr.Instance, bool) {
	if !m.From.Matches(at) {
		return at, false
	}
	from, to := m.From.Instance, m.To.Instance
	out := at
	switch {
	case from.Type == "" && from.Owner == "": // a module, with all in it
		out.Module = to.Module + at.Module[len(from.Module):]
	case from.Type == "": // all of a participant or graph
		out.Module, out.Owner = to.Module, to.Owner+at.Owner[len(from.Owner):]
	default:
		out = to
		if from.Key == "" && to.Key == "" {
			out.Key = at.Key
		}
	}
	return out, true
}

func (p *planning) acyclicMoves() bool {
	n := make([]int, len(p.in.Moves))
	from := map[addr.Target][]int{}
	for i := range n {
		n[i] = i
		from[p.in.Moves[i].From] = append(from[p.in.Moves[i].From], i)
	}
	circle := dag.Circle(n, func(i int) []int { return from[p.in.Moves[i].To] })
	if circle == nil {
		return true
	}
	var text strings.Builder
	for _, i := range circle {
		text.WriteString(p.in.Moves[i].From.String() + " to ")
	}
	p.report(diag.Error(hcl.Range{}, "Moved blocks run in a circle",
		fmt.Sprintf("They lead from %s%s, so no object would ever arrive. Remove one of them.", text.String(), p.in.Moves[circle[0]].From)))
	return false
}

// Moves returns the new address of every recorded object that has another one
// now: because a moved block says so, or because it is found wanted elsewhere
// under the name that it has on its broker. Of in only Want, Prior, Types, Live and Moves
// are used; what is wrong with them Plan reports.
func Moves(in Input) map[addr.Instance]addr.Instance {
	p := &planning{in: in, schemas: map[*providers.Schema]*schema{}}
	p.declare()
	moved := p.moved()
	p.sameObjects(moved)
	return moved
}

// sameObjects finds recorded objects that are wanted under another address
// than theirs, without a moved block. A broker object is its name, so it is the
// same one: deleting what the old address has would delete what the new one
// declares. A block was renamed, an element was taken out of a counted list, or what several
// edges share stands under another of them.
//
// What is recorded where such an object arrives, and is wanted nowhere, takes the
// address that becomes free at the other end, so that every recorded object
// has exactly one.
func (p *planning) sameObjects(moved map[addr.Instance]addr.Instance) {
	if p.in.Mode != Normal {
		return
	}
	loose, homeless := p.parted(moved)
	if len(loose) == 0 || len(homeless) == 0 {
		return
	}
	came := map[addr.Instance]addr.Instance{} // new address -> old
	var left []addr.Instance                  // loose ones that nobody wants
	for _, o := range loose {
		called := p.recordedName(o)
		to, ok := homeless[called]
		if !ok {
			left = append(left, o.Addr)
			continue
		}
		delete(homeless, called)
		moved[o.Addr], came[to] = to, o.Addr
	}
	for _, at := range left {
		from, ok := came[at]
		if !ok {
			continue // nothing arrives there
		}
		for {
			next, more := came[from]
			if !more {
				break
			}
			from = next
		}
		moved[at] = from
	}
}

// parted are the recorded objects that do not have the name that is wanted at
// their address, in address order, and the addresses, by name, at which what
// is wanted is not what is recorded. What a moved block brought stays there.
func (p *planning) parted(moved map[addr.Instance]addr.Instance) (loose []*state.Object, homeless map[name]addr.Instance) {
	settled := make([]bool, len(p.in.Want))
	free := len(p.in.Want)
	for i := range p.in.Prior.Objects {
		o := &p.in.Prior.Objects[i]
		to, byBlock := moved[o.Addr]
		if !byBlock {
			to = o.Addr
		}
		k, ok := p.declared[to]
		switch {
		case ok && (byBlock || p.keepsName(o, &p.in.Want[k])):
			settled[k] = true
			free--
		case !byBlock:
			loose = append(loose, o)
		}
	}
	if free <= 0 || len(loose) == 0 {
		return nil, nil
	}
	slices.SortFunc(loose, func(a, b *state.Object) int { return a.Addr.Compare(b.Addr) })
	homeless = make(map[name]addr.Instance, free)
	for i := range p.in.Want {
		w := &p.in.Want[i]
		if s := p.schemaOf(w.Provider, w.Type); s != nil && !settled[i] {
			if id := s.Identity(w.Value); id != "" {
				homeless[name{w.Provider, w.Type, id}] = w.Addr
			}
		}
	}
	return loose, homeless
}

// keepsName reports whether what is recorded at an address is the object that
// is wanted there.
func (p *planning) keepsName(o *state.Object, w *desired.Object) bool {
	if l, read := p.in.Live[o.Addr]; read {
		return l.Next == nil
	}
	s := p.schemaOf(o.Provider, o.Addr.Type)
	if s == nil || o.Provider != w.Provider {
		return o.Provider == w.Provider
	}
	same, err := s.form.SameIdentity(o.SchemaVersion, o.Attrs, w.Value)
	return same || err != nil
}

// recordedName is what a recorded object is called on its broker, nothing
// where that cannot be read; then it is reported.
func (p *planning) recordedName(o *state.Object) name {
	s := p.schemaOf(o.Provider, o.Addr.Type)
	if s == nil {
		return name{}
	}
	v, ok := p.decode(o, s)
	if !ok {
		return name{}
	}
	return name{o.Provider, o.Addr.Type, s.Identity(v)}
}
