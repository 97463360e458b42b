package plan

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

// An EventKind says what happened to a step.
type EventKind string

// What a view hears while a plan is carried out.
const (
	Started   EventKind = "start"
	Progress  EventKind = "progress"
	Completed EventKind = "complete"
	Failed    EventKind = "errored"
	Skipped   EventKind = "skipped" // not run: what it needs failed, or the run was interrupted
)

// An Event is one thing that happened while a plan is carried out. Events of
// one step come in order; those of different steps interleave.
type Event struct {
	Kind        EventKind
	Step        *Step
	Elapsed     time.Duration
	Done, Total int64           // Progress only
	Text        string          // Progress only: what goes on, for people
	Diags       hcl.Diagnostics // Failed only
}
