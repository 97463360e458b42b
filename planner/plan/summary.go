package plan

import (
	"fmt"

	"github.com/msgflo/msgflo/config/addr"
)

// Counts says how many objects a plan does what with, as Terraform counts: a
// replace is one to add and one to destroy.
type Counts struct {
	Add, Change, Destroy  int
	Replace               int // those that are in Add and in Destroy
	Migrate               int
	Restart               int   // those of Change that restart a process
	Adopt, Forget, Import int   // Import: those of Adopt and Change that were imported
	Drifted               int   // changed or gone outside
	Messages              int64 // at risk without consent
}

// Summary counts what the plan does.
func (p *Plan) Summary() Counts {
	var c Counts
	deleted := map[addr.Instance]bool{}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Action == Delete {
			deleted[s.Addr] = true
			c.Destroy++
			if s.Risk.Blocks() {
				c.Messages += s.Risk.Ready + s.Risk.Unacked
			}
		}
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Imported {
			c.Import++
		}
		switch s.Action {
		case Create:
			c.Add++
			if deleted[s.Addr] {
				c.Replace++
			}
		case Update:
			c.Change++
		case Migrate:
			c.Migrate++
		case Restart:
			c.Change++
			c.Restart++
		case Adopt:
			c.Adopt++
		case Forget:
			c.Forget++
		}
	}
	for i := range p.Drift {
		if p.Drift[i].Note == "" {
			c.Drifted++
		}
	}
	return c
}

// A StaleError says that a saved plan was made from another state.
type StaleError struct{ Problem string }

func (e *StaleError) Error() string { return e.Problem + "; make a new plan" }

// Summary is the error's headline.
func (e *StaleError) Summary() string { return "Saved plan is stale" }

// Stale says whether the state has moved since the plan was made; then the
// error is a *StaleError.
func Stale(p *Plan, lineage string, serial uint64) error {
	switch {
	case p.Lineage != lineage:
		return &StaleError{fmt.Sprintf("the plan was made from a state of lineage %q, and the state here is of lineage %q: it belongs to another configuration or workspace", p.Lineage, lineage)}
	case p.Serial != serial:
		return &StaleError{fmt.Sprintf("the plan was made from serial %d of the state, and the state is at serial %d now: another run has changed it since", p.Serial, serial)}
	}
	return nil
}
