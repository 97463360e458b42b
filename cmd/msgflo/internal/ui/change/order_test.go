package change

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestPlaces: without circles every edge leads upward; with some, each owner
// has a place of its own all the same.
func TestPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "owners")
		circles := rapid.Bool().Draw(t, "circles")
		name := func(i int) owner { return owner{owner: fmt.Sprintf("participant.p%02d", (i*7)%13)} } // order is not the names'
		next := map[owner]map[owner]bool{}
		for range rapid.IntRange(0, 25).Draw(t, "edges") {
			a, b := rapid.IntRange(0, n-1).Draw(t, "from"), rapid.IntRange(0, n-1).Draw(t, "to")
			if a == b || a > b && !circles {
				continue
			}
			if next[name(a)] == nil {
				next[name(a)] = map[owner]bool{}
			}
			next[name(a)][name(b)] = true
		}
		place := places(next)
		used := map[int]owner{}
		for o, p := range place {
			if other, taken := used[p]; taken {
				t.Fatalf("%v and %v have the place %d", o, other, p)
			}
			used[p] = o
		}
		for a, to := range next {
			for b := range to {
				if !circles && place[a] >= place[b] {
					t.Fatalf("%v is at %d, and sends to %v at %d", a, place[a], b, place[b])
				}
			}
		}
	})
}
