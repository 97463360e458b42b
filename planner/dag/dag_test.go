package dag

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestOrderAndCircle(t *testing.T) {
	for _, c := range []struct {
		name          string
		needs         map[string][]string
		order, circle []string
	}{
		{"needs first", map[string][]string{"a": {"c"}, "c": {"b"}}, []string{"b", "c", "a", "d"}, nil},
		{"order kept", nil, []string{"a", "b", "c", "d"}, nil},
		{"unknown needs", map[string][]string{"a": {"x"}}, []string{"a", "b", "c", "d"}, nil},
		{"itself", map[string][]string{"b": {"b"}}, nil, []string{"b"}},
		{"circle without its tail", map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": {"b"}}, nil, []string{"b", "c", "d"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			nodes := []string{"a", "b", "c", "d"}
			needs := func(n string) []string { return c.needs[n] }
			order, circle := Order(nodes, needs)
			if !slices.Equal(order, c.order) || !slices.Equal(circle, c.circle) {
				t.Errorf("order %v, circle %v", order, circle)
			}
			if !slices.Equal(Circle(nodes, needs), c.circle) {
				t.Error("Circle disagrees with Order")
			}
		})
	}
}

func TestDeepChain(t *testing.T) {
	const n = 200_000
	nodes := make([]int, n)
	edges := make([][]int, n)
	for i := range nodes {
		nodes[i] = i
		if i+1 < n {
			edges[i] = []int{i + 1}
		}
	}
	order, circle := Order(nodes, func(i int) []int { return edges[i] })
	if circle != nil || order[0] != n-1 || order[n-1] != 0 {
		t.Fatalf("circle %v, order begins %v", circle, order[:1])
	}
	if c := Components(edges); c[0] == c[n-1] {
		t.Fatal("a chain is one component")
	}
}

func graphs(t *rapid.T, n int, name string) [][]int {
	g := make([][]int, n)
	for i := range g {
		g[i] = rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, min(n, 3), rapid.ID[int]).Draw(t, name)
	}
	return g
}

// TestComponents compares with the definition.
func TestComponents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := graphs(t, rapid.IntRange(1, 9).Draw(t, "n"), "edges")
		next := func(i int) []int { return g[i] }
		comp := Components(g)
		for i := range g {
			from := Reach([]int{i}, next)
			for j := range g {
				both := from[j] && Reach([]int{j}, next)[i]
				if both != (comp[i] == comp[j]) {
					t.Fatalf("%v: nodes %d and %d: %v", g, i, j, comp)
				}
			}
		}
	})
}

// TestLayer: never a circle, nothing of the base lost, and no extra edge left
// out that lies on no circle.
func TestLayer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "n")
		base := graphs(t, n, "base")
		for i := range base {
			base[i] = slices.DeleteFunc(base[i], func(j int) bool { return j >= i })
		}
		extra := graphs(t, n, "extra")
		nodes := make([]int, n)
		before := make([][]int, n)
		for i := range nodes {
			nodes[i], before[i] = i, slices.Clone(base[i])
		}
		got := Layer(base, extra)
		if c := Circle(nodes, func(i int) []int { return got[i] }); c != nil {
			t.Fatalf("circle %v in %v", c, got)
		}
		all := func(i int) []int { return append(slices.Clone(before[i]), extra[i]...) }
		for i := range nodes {
			for _, j := range before[i] {
				if !slices.Contains(got[i], j) {
					t.Fatalf("lost %d -> %d", i, j)
				}
			}
			for _, j := range extra[i] {
				if onCircle := Reach([]int{j}, all)[i]; !onCircle && !slices.Contains(got[i], j) {
					t.Fatalf("left out %d -> %d", i, j)
				}
			}
		}
	})
}
