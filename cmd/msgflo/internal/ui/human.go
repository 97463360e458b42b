package ui

import (
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/state"
)

// HumanView writes for people: plans and progress to Out, diagnostics to Err.
type HumanView struct {
	mu   sync.Mutex
	term Terminal
	opt  Options
	out  *printer
	errs *printer
	run  progress
}

// NewHuman returns the view for people.
func NewHuman(t Terminal, o Options) *HumanView {
	return &HumanView{term: t, opt: o, out: newPrinter(t.Out, t.Color), errs: newPrinter(t.Err, t.Color)}
}

var _ View = (*HumanView)(nil)

// Version tells people nothing: they ran the command.
func (v *HumanView) Version(string) {}

// Plan shows what is meant to be done.
func (v *HumanView) Plan(p *plan.Plan) {
	v.mu.Lock()
	defer v.mu.Unlock()
	pp := &planPrinter{printer: v.out, plan: p, changes: change.Merge(p), schemas: v.opt.Schemas, concise: v.opt.Concise}
	pp.all()
	v.out.flush()
}

// Begin says that the plan is now carried out.
func (v *HumanView) Begin(p *plan.Plan) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.run = progress{total: len(p.Steps), many: len(p.Steps) > manySteps && !v.opt.Verbose,
		began: v.opt.now(), running: map[plan.StepID]*running{}}
}

// Event shows one thing that happened to a step.
func (v *HumanView) Event(e plan.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.run.event(v, e)
	v.out.flush()
}

// Tick mentions steps that take long, and how far the run is.
func (v *HumanView) Tick(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.run.tick(v, now)
	v.out.flush()
}

// Summary closes an apply.
func (v *HumanView) Summary(end Ending) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.run.wipe(v)
	v.out.line()
	v.out.line(v.run.tally.sentence(end, v.out.pal))
	v.out.flush()
}

// Outputs shows output values: `name = value`, as HCL.
func (v *HumanView) Outputs(outs map[string]state.Output) {
	if len(outs) == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.out.line()
	v.out.line(v.out.pal.with(v.out.pal.bold, "Outputs:"))
	v.out.line()
	v.out.text(OutputsText(outs))
	v.out.flush()
}

// Diagnostics shows errors and warnings with the source they point at.
func (v *HumanView) Diagnostics(ds hcl.Diagnostics, files map[string]*hcl.File) {
	if len(ds) == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.run.wipe(v)
	v.out.flush()
	if err := writeDiagnostics(v.errs.w, ds, files, v.term.Width, v.term.Color, v.opt.CompactWarnings); err != nil && v.errs.err == nil {
		v.errs.err = err
	}
	v.errs.flush()
}

// Err is the first error of writing.
func (v *HumanView) Err() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.out.err != nil {
		return v.out.err
	}
	return v.errs.err
}
