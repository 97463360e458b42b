package ui

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/uitest"
	"github.com/msgflo/msgflo/planner/plan"
)

// A slow start says what it waits for.
func TestSlowStart(t *testing.T) {
	for when, want := range map[string]string{
		"announced": "still waiting until it announces itself (12.0s)",
		"consuming": "still waiting until it consumes from its queues (12.0s)",
		"started":   "still starting… (12.0s)",
	} {
		var b bytes.Buffer
		v := NewHuman(Terminal{Out: &b, Err: &b}, options())
		s := uitest.Starting("resize", when)
		v.Begin(&plan.Plan{Steps: []plan.Step{s}})
		v.Event(plan.Event{Kind: plan.Started, Step: &s})
		v.Tick(clock().Add(12 * time.Second))
		v.Event(plan.Event{Kind: plan.Completed, Step: &s, Elapsed: 13 * time.Second})
		got := b.String()
		for _, line := range []string{"starting…\n", want + "\n", "started (13.0s)\n"} {
			if !strings.Contains(got, "participant.resize.process: "+line) {
				t.Errorf("%s: no line %q in:\n%s", when, line, got)
			}
		}
	}
}
