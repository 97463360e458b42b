package planner

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/dag"
	"github.com/msgflo/msgflo/planner/desired"
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

// sameObjects finds objects whose block was renamed without a moved block: one
// address is no longer declared, another one is new, and both name the same
// live object. A broker object is its name, so it is the same one; deleting the
// old address would delete what the new one declares.
func (p *planning) sameObjects(moved map[addr.Instance]addr.Instance) {
	isRecorded := make([]bool, len(p.in.Want))
	news, olds := len(p.in.Want), 0
	for i := range p.in.Prior.Objects {
		if k, ok := p.declared[p.today(p.in.Prior.Objects[i].Addr, moved)]; ok {
			isRecorded[k] = true
			news--
		} else {
			olds++
		}
	}
	if news <= 0 || olds == 0 || p.in.Mode != Normal {
		return
	}
	fresh := map[string]addr.Instance{}
	for i := range p.in.Want {
		w := &p.in.Want[i]
		if s := p.schemaOf(w.Provider, w.Type); s != nil && !isRecorded[i] {
			if id := s.Identity(w.Value); id != "" {
				fresh[w.Provider.String()+" "+w.Type+" "+id] = w.Addr
			}
		}
	}
	for i := range p.in.Prior.Objects {
		o := &p.in.Prior.Objects[i]
		if _, ok := moved[o.Addr]; ok || p.isDeclared(o.Addr) {
			continue
		}
		s := p.schemaOf(o.Provider, o.Addr.Type)
		if s == nil {
			continue
		}
		v, ok := p.decode(o, s)
		if !ok {
			continue
		}
		key := o.Provider.String() + " " + o.Addr.Type + " " + s.Identity(v)
		if to, ok := fresh[key]; ok {
			moved[o.Addr] = to
			delete(fresh, key)
		}
	}
}
