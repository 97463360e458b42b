package agent

import (
	"testing"

	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// TestAdoptedWasReady: what was ready under an earlier agent is so from the
// moment in which it is adopted; nobody sees it start again.
func TestAdoptedWasReady(t *testing.T) {
	for ready, want := range map[bool]launch.State{false: launch.Starting, true: launch.Running} {
		var r replica
		r.runs(&proc{run: control.Run{Ready: ready}})
		if got := r.status().State; got != want {
			t.Errorf("ready %t: %s, want %s", ready, got, want)
		}
	}
}
