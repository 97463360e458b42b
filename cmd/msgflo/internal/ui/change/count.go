package change

import (
	"strconv"
	"strings"

	"github.com/msgflo/msgflo/planner/plan"
)

// Counts are the numbers of a plan's last line. A replace counts as one to add
// and one to destroy.
type Counts struct {
	Add, Change, Migrate, Destroy, Adopt, Import, Forget int
	Replace                                              int   // of Add and Destroy
	Restart                                              int   // of Change
	Messages                                             int64 // at risk
	Unknown                                              bool  // some broker could not say how many
}

// Count counts a plan's changes.
func Count(cs []Change) Counts {
	var n Counts
	for i := range cs {
		c := &cs[i]
		if c.Step.Imported {
			n.Import++
		}
		n.action(c.Action, c.Step.Imported)
		if r := c.Risk(); r != nil && c.Action != plan.Migrate {
			n.Messages += r.Ready + r.Unacked
			n.Unknown = n.Unknown || r.Unknown
		}
	}
	return n
}

// Step counts a step that was carried out.
func (n *Counts) Step(s *plan.Step) {
	if s.Imported {
		n.Import++
	}
	n.action(s.Action, s.Imported)
}

func (n *Counts) action(a plan.Action, imported bool) {
	switch a {
	case plan.Create:
		n.Add++
	case plan.Update:
		n.Change++
	case plan.Delete:
		n.Destroy++
	case plan.Replace:
		n.Add++
		n.Destroy++
		n.Replace++
	case plan.Migrate:
		n.Migrate++
	case plan.Restart:
		n.Change++
		n.Restart++
	case plan.Adopt:
		if !imported {
			n.Adopt++
		}
	case plan.Forget:
		n.Forget++
	}
}

// Line is the plan's last line: "Plan: 3 to add, 1 to change, 1 to migrate, 0
// to destroy, 2 to adopt. 0 messages at risk."
func (n Counts) Line() string {
	parts := []string{
		strconv.Itoa(n.Add) + " to add",
		strconv.Itoa(n.Change) + " to change" + n.Restarts(),
	}
	if n.Migrate > 0 {
		parts = append(parts, strconv.Itoa(n.Migrate)+" to migrate")
	}
	parts = append(parts, strconv.Itoa(n.Destroy)+" to destroy")
	return "Plan: " + strings.Join(append(parts, n.Quiet()...), ", ") + ". " + n.AtRisk() + "."
}

// Restarts says how many of the changes restart a process: " (1 by restart)".
func (n Counts) Restarts() string {
	if n.Restart == 0 {
		return ""
	}
	return " (" + Number(int64(n.Restart)) + " by restart)"
}

// Quiet are the parts that change nothing on a broker: "2 to adopt".
func (n Counts) Quiet() []string {
	var parts []string
	for _, o := range []struct {
		n    int
		word string
	}{{n.Import, "import"}, {n.Adopt, "adopt"}, {n.Forget, "forget"}} {
		if o.n > 0 {
			parts = append(parts, strconv.Itoa(o.n)+" to "+o.word)
		}
	}
	return parts
}

// AtRisk says how many messages may be lost.
func (n Counts) AtRisk() string {
	switch {
	case n.Unknown && n.Messages == 0:
		return "An unknown number of messages at risk"
	case n.Unknown:
		return "At least " + Plural(n.Messages, "message") + " at risk"
	}
	return Plural(n.Messages, "message") + " at risk"
}

// Number writes a count with a thin gap between thousands: 18 204.
func Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// Plural writes a count and its noun.
func Plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Number(n) + " " + noun + "s"
}

// RiskText is what a change endangers, in a line: "18 204 messages ready, 12
// unacknowledged, 3 consumers". Empty where nothing.
func RiskText(r *plan.Risk) string {
	if r == nil {
		return ""
	}
	var parts []string
	if r.Unknown {
		parts = append(parts, "messages unknown: the broker could not say")
	}
	if r.Ready > 0 || r.Unacked > 0 {
		parts = append(parts, Plural(r.Ready, "message")+" ready")
	}
	if r.Unacked > 0 {
		parts = append(parts, Number(r.Unacked)+" unacknowledged")
	}
	if r.Consumers > 0 {
		parts = append(parts, Plural(r.Consumers, "consumer"))
	}
	return strings.Join(parts, ", ")
}
