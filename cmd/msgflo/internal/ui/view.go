package ui

import (
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/state"
)

// A View shows what a command does. Its methods may be called from several
// goroutines. Errors of writing are kept and given by Err, so that a reader
// that went away (`| head`) does not stop an apply half way.
type View interface {
	// Version says who speaks; people are not told.
	Version(version string)
	// Plan shows what is meant to be done.
	Plan(p *plan.Plan)
	// Begin says that the plan is now carried out.
	Begin(p *plan.Plan)
	// Event shows one thing that happened to a step.
	Event(e plan.Event)
	// Tick lets long-running steps be mentioned; see Ticking.
	Tick(now time.Time)
	// Diagnostics shows errors and warnings with the source they point at.
	Diagnostics(ds hcl.Diagnostics, files map[string]*hcl.File)
	// Outputs shows output values after apply.
	Outputs(outs map[string]state.Output)
	// Summary closes an apply: what was done, counted from the events.
	Summary(end Ending)
	// Err is the first error of writing.
	Err() error
}

// An Ending says how an apply ended.
type Ending struct {
	Destroy     bool // it was `destroy`
	Failed      bool // some step failed, or the run could not go on
	Interrupted bool // Ctrl-C or a timeout
}

// Options are what both views take.
type Options struct {
	Schemas         change.Schemas // nil: attributes are shown by name order
	Now             func() time.Time
	Concise         bool // one line an object
	Verbose         bool // a line an event however many there are
	CompactWarnings bool // warnings by their summaries
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// Ticking calls the view's Tick every second until stop is called; stop waits
// for the last call to end.
func Ticking(v View) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-t.C:
				v.Tick(now)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
