// Package dag has the few words about graphs that planning and carrying out
// need: an order in which needs come first, circles, strongly connected
// components, reachability, and layering edges of falling importance without
// ever closing a circle. Every function takes time linear in nodes and edges
// and answers the same for the same input. It imports the standard library only.
package dag

// Order returns the nodes so that each stands after all that it needs; among
// themselves they keep their order as far as that allows. Needs outside nodes
// are passed over. If needs run in a circle it returns nil and that circle:
// each node needs the next, the last the first.
func Order[K comparable](nodes []K, needs func(K) []K) (order, circle []K) {
	const (
		unseen = iota
		open
		done
	)
	type frame struct {
		node K
		rest []K
	}
	mark := make(map[K]int8, len(nodes))
	known := make(map[K]bool, len(nodes))
	for _, n := range nodes {
		known[n] = true
	}
	order = make([]K, 0, len(nodes))
	// The walk keeps its own stack: a chain may be as long as a configuration.
	var stack []frame
	for _, root := range nodes {
		if mark[root] != unseen {
			continue
		}
		mark[root] = open
		stack = append(stack[:0], frame{root, needs(root)})
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(top.rest) == 0 {
				mark[top.node] = done
				order = append(order, top.node)
				stack = stack[:len(stack)-1]
				continue
			}
			next := top.rest[0]
			top.rest = top.rest[1:]
			if !known[next] {
				continue
			}
			switch mark[next] {
			case unseen:
				mark[next] = open
				stack = append(stack, frame{next, needs(next)})
			case open:
				for i := range stack {
					if len(circle) > 0 || stack[i].node == next {
						circle = append(circle, stack[i].node)
					}
				}
				return nil, circle
			}
		}
	}
	return order, nil
}

// Circle returns one circle of needs, or nil.
func Circle[K comparable](nodes []K, needs func(K) []K) []K {
	_, circle := Order(nodes, needs)
	return circle
}

// Reach returns all that can be reached from the given nodes, themselves
// included.
func Reach[K comparable](from []K, next func(K) []K) map[K]bool {
	seen := make(map[K]bool, len(from))
	work := make([]K, 0, len(from))
	push := func(ks []K) {
		for _, k := range ks {
			if !seen[k] {
				seen[k] = true
				work = append(work, k)
			}
		}
	}
	push(from)
	for len(work) > 0 {
		k := work[len(work)-1]
		work = work[:len(work)-1]
		push(next(k))
	}
	return seen
}
