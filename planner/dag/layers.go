package dag

// Components numbers the strongly connected components of a graph on the
// nodes 0 … len(edges)-1: two nodes have one number exactly if each can be
// reached from the other. (Tarjan, SIAM J. Comput. 1 (1972), with a stack of its own.)
func Components(edges [][]int) []int {
	t := tarjan{
		edges: edges,
		comp:  make([]int, len(edges)),
		seen:  make([]int, len(edges)),
		low:   make([]int, len(edges)),
	}
	for i := range t.comp {
		t.comp[i] = -1
	}
	for root := range edges {
		if t.seen[root] == 0 {
			t.walk(root)
		}
	}
	return t.comp
}

type tarjan struct {
	edges           [][]int
	comp, seen, low []int // seen counts from 1, 0 is unseen
	clock, count    int
	path            []int // nodes without a component yet
	stack           []visit
}

type visit struct{ node, edge int }

func (t *tarjan) enter(n int) {
	t.clock++
	t.seen[n], t.low[n] = t.clock, t.clock
	t.path = append(t.path, n)
	t.stack = append(t.stack, visit{n, 0})
}

func (t *tarjan) walk(root int) {
	t.enter(root)
	for len(t.stack) > 0 {
		v := &t.stack[len(t.stack)-1]
		if v.edge < len(t.edges[v.node]) {
			m := t.edges[v.node][v.edge]
			v.edge++
			if t.seen[m] == 0 {
				t.enter(m)
			} else if t.comp[m] < 0 {
				t.low[v.node] = min(t.low[v.node], t.seen[m])
			}
			continue
		}
		t.leave(v.node)
	}
}

func (t *tarjan) leave(n int) {
	t.stack = t.stack[:len(t.stack)-1]
	if len(t.stack) > 0 {
		up := t.stack[len(t.stack)-1].node
		t.low[up] = min(t.low[up], t.low[n])
	}
	if t.low[n] != t.seen[n] {
		return
	}
	for {
		m := t.path[len(t.path)-1]
		t.path = t.path[:len(t.path)-1]
		t.comp[m] = t.count
		if m == n {
			break
		}
	}
	t.count++
}

// Layer adds edges to an acyclic graph and leaves out those that would take
// part in a circle. The result is acyclic: it is a part of base and extra
// together, so a circle in it would lie within one strongly connected component
// of those; but within a component no extra edge is kept, and base has no circle.
// Base is changed and returned.
func Layer(base, extra [][]int) [][]int {
	all := make([][]int, len(base))
	for n := range base {
		all[n] = append(append(all[n], base[n]...), extra[n]...)
	}
	comp := Components(all)
	for n, ms := range extra {
		for _, m := range ms {
			if comp[n] != comp[m] {
				base[n] = append(base[n], m)
			}
		}
	}
	return base
}
