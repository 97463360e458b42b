package desired

import "github.com/msgflo/msgflo/planner/dag"

// acyclic reports circles among the relations and leaves out soft ones that
// would close one.
func (e *evaluator) acyclic(all []*instance, rel []related) bool {
	g := graph{e: e, groups: map[dep]int{}, base: make([][]int, len(all))}
	for n := range all {
		for _, t := range rel[n].within {
			g.base[n] = append(g.base[n], t.id)
		}
		for _, d := range rel[n].hard {
			nodes := g.node(d) // first: it may grow g.base
			g.base[n] = append(g.base[n], nodes...)
		}
	}
	soft := make([][]int, len(g.base)) // of the groups too, which have none
	for n := range all {
		for _, t := range rel[n].soft {
			soft[n] = append(soft[n], t.id)
		}
	}
	nodes := make([]int, len(g.base))
	for n := range nodes {
		nodes[n] = n
	}
	if !e.noCircle(all, nodes, g.base) {
		return false
	}
	kept := make(map[[2]int]bool)
	for n, ts := range dag.Layer(g.base, soft) {
		if n < len(all) {
			for _, t := range ts {
				kept[[2]int{n, t}] = true
			}
		}
	}
	for n := range all {
		in := rel[n].soft
		rel[n].soft = in[:0]
		for _, t := range in {
			if kept[[2]int{n, t.id}] {
				rel[n].soft = append(rel[n].soft, t)
			}
		}
	}
	return true
}

// noCircle reports every circle that shares nothing with one reported before:
// the needs of those are taken out.
func (e *evaluator) noCircle(all []*instance, nodes []int, needs [][]int) bool {
	none := true
	for {
		c := dag.Circle(nodes, func(n int) []int { return needs[n] })
		if c == nil {
			return none
		}
		none = false
		e.reportCircle(all, c)
		for _, n := range c {
			needs[n] = nil
		}
	}
}

// A graph numbers instances and groups of them.
type graph struct {
	e      *evaluator
	groups map[dep]int
	base   [][]int
}

// node is the node of a dependency; a group gets one, with an edge to each member.
func (g *graph) node(d dep) []int {
	if d.inst != nil && !d.inst.block.lowers() {
		if d.inst.object == nil {
			return nil
		}
		return []int{d.inst.id}
	}
	if n, ok := g.groups[d]; ok {
		return []int{n}
	}
	n := len(g.base)
	g.groups[d] = n
	var to []int
	for _, i := range g.e.instancesOf(d) {
		if i.object != nil {
			to = append(to, i.id)
		}
	}
	g.base = append(g.base, to)
	return []int{n}
}

func (e *evaluator) reportCircle(all []*instance, circle []int) {
	var names []string
	at := -1
	for _, n := range circle {
		if n < len(all) {
			names = append(names, all[n].label())
			if at < 0 || all[n].addr.Less(all[at].addr) {
				at = n
			}
		}
	}
	if len(names) == 0 {
		return
	}
	// Begin with the least address, so that the text is always the same.
	for k := range names {
		if names[k] == all[at].label() {
			names = append(names[k:len(names):len(names)], names[:k]...)
			break
		}
	}
	e.report(circleError(append(names, names[0]), all[at].decl()))
}
