package planner

import (
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/providers/attr"
)

// opened is layer 5. The permission that goes may be that of the login which
// this run deletes with; whose it is no plan knows, and the order costs nothing.
func (l *linking) opened() {
	type place struct {
		provider  addr.Provider
		attribute string
		value     string
	}
	openers, others := map[place][]int{}, map[place][]int{}
	attributes := map[string]bool{}
	for n := range l.items {
		if it := &l.items[n]; l.dSteps[n] >= 0 && it.old.Opens != "" {
			attributes[it.old.Opens] = true
			at := place{it.provider(), it.old.Opens, attr.Text(it.value(), it.old.Opens)}
			openers[at] = append(openers[at], l.dSteps[n])
		}
	}
	if len(openers) == 0 {
		return
	}
	for n := range l.items {
		it := &l.items[n]
		if l.dSteps[n] < 0 || it.old.Opens != "" {
			continue
		}
		for a := range attributes {
			at := place{it.provider(), a, attr.Text(it.value(), a)}
			if at.value != "" && openers[at] != nil {
				others[at] = append(others[at], l.dSteps[n])
			}
		}
	}
	for at, ds := range openers {
		l.before(others[at], ds)
	}
}
