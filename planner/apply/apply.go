// Package apply carries a plan out: steps in parallel as its graph allows,
// every outcome recorded before the next step that needs it begins. It
// evaluates nothing and decides nothing: what is not in the plan is not done.
//
// It imports planner/plan, planner/recorded and the floors below; it opens no
// provider and knows no store but the Recorder it is given.
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
	// Open gives the provider, opened once by the caller, who closes it. It is
	// called once a provider that has something to change.
	Open  func(addr.Provider) (providers.Provider, error)
	Types map[addr.Provider]*providers.Type
	Decl  map[addr.Provider]hcl.Range // broker blocks, where a lost connection is reported; may be nil
	// Secrets gives the full wanted value of an object, its secret holes
	// filled; asked only for steps that have such holes, from several goroutines.
	Secrets     func(addr.Instance) (cty.Value, error)
	Recorder    state.Recorder
	RunID       string
	Parallelism int              // default 32
	Events      func(plan.Event) // called from one goroutine; may be nil
	// Stop, once closed, lets running steps finish and starts no new ones. ctx
	// cancelled means stop now.
	Stop <-chan struct{}
	// BeforeStep is asked before every step, from several goroutines; an error (a
	// lost lock) stops the run. May be nil.
	BeforeStep func() error
}

// Result is what became of a plan.
type Result struct {
	Outcomes              []state.Outcome // in the order recorded
	Done, Failed, Skipped int
	Interrupted           bool // Stop or ctx ended the run before its last step
	// Unknown are objects whose creation nobody could tell the outcome of (a
	// connection lost, a stop in the middle). Their outcomes are Pending: Fold
	// keeps them in the state as such, and the next refresh looks for them.
	Unknown []addr.Instance
}

const defaultParallelism = 32

// Run carries out p. A failed step fails what needs it, the rest goes on; a
// lost connection ends that provider's steps with one diagnostic. Diagnostics
// point at each failed step's declaration. A plan that cannot be carried out
// at all (its graph is broken, a step needs consent and has none) is refused
// before its first step.
func Run(ctx context.Context, p *plan.Plan, d Deps) (Result, hcl.Diagnostics) {
	g, diags := newGraph(p)
	if diags = append(diags, check(p, d)...); diags.HasErrors() {
		return Result{Skipped: len(p.Steps)}, diags
	}
	if d.Parallelism <= 0 {
		d.Parallelism = defaultParallelism
	}
	if d.Events == nil {
		d.Events = func(plan.Event) {}
	}
	r := newRun(p, g, newStepper(p, d), d)
	r.loop(ctx)
	return r.result, r.diagnostics()
}
