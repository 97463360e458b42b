package routes

import (
	"cmp"
	"slices"

	"github.com/msgflo/msgflo/planner/dag"
)

// A Hop is a route of some lineage.
type Hop struct {
	Route
	Lineage string
}

// Loops finds routes that lead back to themselves: a message there would go
// round for ever. Each loop is told once, as the hops in the order that a message
// takes them; the last leads to the first. Dots: . and / are the same to the broker.
func Loops(hops []Hop, dots bool) [][]Hop {
	x := Index[int]{Dots: dots}
	for i, h := range hops {
		x.Add(h.From, i)
	}
	next := make([][]int, len(hops))
	for i, h := range hops {
		x.Each(h.To, func(n int) { next[i] = append(next[i], n) })
	}
	group := dag.Components(next)
	rounds := map[int][]int{}
	for i := range hops {
		if slices.ContainsFunc(next[i], func(n int) bool { return group[n] == group[i] }) {
			rounds[group[i]] = append(rounds[group[i]], i)
		}
	}
	var out [][]Hop
	for _, members := range rounds {
		slices.SortFunc(members, func(a, b int) int { return order(hops[a], hops[b]) })
		var loop []Hop
		for _, i := range circle(members, next) {
			loop = append(loop, hops[i])
		}
		out = append(out, loop)
	}
	slices.SortFunc(out, func(a, b []Hop) int { return order(a[0], b[0]) })
	return out
}

func order(a, b Hop) int { return cmp.Or(compare(a.Route, b.Route), cmp.Compare(a.Lineage, b.Lineage)) }

// circle is the shortest way from the first member back to it; there is one,
// since all lead to each other.
func circle(members []int, next [][]int) []int {
	first := members[0]
	came := map[int]int{}
	for queue := []int{first}; len(queue) > 0; queue = queue[1:] {
		for _, n := range next[queue[0]] {
			if _, seen := came[n]; !seen {
				came[n] = queue[0]
				queue = append(queue, n)
			}
		}
	}
	way := []int{first}
	for at := came[first]; at != first; at = came[at] {
		way = append(way, at)
	}
	slices.Reverse(way[1:])
	return way
}
