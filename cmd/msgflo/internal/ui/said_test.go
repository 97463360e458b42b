package ui

import (
	"bytes"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/uitest"
	"github.com/msgflo/msgflo/planner/plan"
)

// What a provider says of a step is told at once, by its address, in either view, and
// a process counts no messages.
func TestWhatIsSaidMeanwhile(t *testing.T) {
	p := &plan.Plan{Steps: []plan.Step{uitest.Step(plan.Create, "process.work", "", "{}")}}
	said := plan.Event{Kind: plan.Progress, Step: &p.Steps[0], Text: "work[0] ended\x1b[2J; starting it again in 2s"}
	var out bytes.Buffer
	h := &hand{now: clock()}
	v := NewHuman(Terminal{Out: &out, Err: &out}, Options{Now: h.read})
	v.Begin(p)
	v.Event(plan.Event{Kind: plan.Started, Step: &p.Steps[0]})
	v.Event(plan.Event{Kind: plan.Progress, Step: &p.Steps[0], Done: 1, Total: 3})
	v.Event(said)
	v.Tick(h.add(stillAfter))
	for _, want := range []string{`process.work: work[0] ended\x1b[2J; starting it again in 2s` + "\n", "1 of 3 replicas\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
	out.Reset()
	j := NewJSON(Terminal{Out: &out}, options())
	j.Begin(p)
	j.Event(said)
	if !strings.Contains(out.String(), `"@message":"process.work: work[0] ended\u001b[2J; starting it again in 2s"`) || !strings.Contains(out.String(), `"type":"apply_progress"`) {
		t.Errorf("%s", out.String())
	}
}
