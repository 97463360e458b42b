// Package apply carries a plan out: steps in parallel as its graph allows,
// every outcome recorded before the next step that needs it begins.
package apply

import (
	"context"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// Deps is what carrying out needs from outside.
type Deps struct {
	Open  func(addr.Provider) (providers.Provider, error) // opened once by the caller, who closes it
	Types map[addr.Provider]*providers.Type
	Decl  map[addr.Provider]hcl.Range // broker blocks, where a lost connection is reported; may be nil
	// Secrets gives the full wanted value of an object, its secret holes
	// filled; asked only for steps that have such holes.
	Secrets     func(addr.Instance) (cty.Value, error)
	Recorder    state.Recorder
	RunID       string
	Parallelism int              // default 32
	Events      func(plan.Event) // called from one goroutine; may be nil
	// Stop, once closed, lets running steps finish and starts no new ones. ctx
	// cancelled means stop now.
	Stop <-chan struct{}
	// BeforeStep is asked before every step; an error (a lost lock) stops the run.
	BeforeStep func() error
}

// Result is what became of a plan.
type Result struct {
	Outcomes              []state.Outcome // in the order recorded
	Done, Failed, Skipped int
	Interrupted           bool
	// Unknown are objects whose creation has an outcome that nobody could tell (a
	// connection lost, a stop in the middle). While there are any the caller keeps
	// the intent (no Store.End), so that the next run recognises them as ours.
	Unknown []addr.Instance
}

// Run carries out p. Diagnostics point at each failed step's declaration.
func Run(ctx context.Context, p *plan.Plan, d Deps) (Result, hcl.Diagnostics) {
	panic("contract only")
}
