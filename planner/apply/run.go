package apply

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
)

// A run is the state of carrying out, all of it touched by one goroutine: the
// loop. Workers get a step's position and report back.
type run struct {
	p      *plan.Plan
	g      *graph
	steps  *stepper
	d      Deps
	result Result

	queue   []int // ready to run, from head on
	head    int
	settled []bool // run or skipped
	started []time.Time
	running int
	lost    map[addr.Provider]bool
	stopped bool  // nothing new is started
	fatal   error // why, where it is no interruption: the lock or the disk

	work    chan int
	reports chan report
	closed  chan struct{} // ends late Progress calls of a provider

	failures []failure // and warnings
}

// A report is what a worker says: progress, a warning, or the end of a step.
type report struct {
	step        int
	end         *verdict // nil: progress, or warning
	done, total int64
	text        string
	warning     *hcl.Diagnostic
}

type failure struct {
	step  int // -1: a provider's
	diags hcl.Diagnostics
}

func newRun(p *plan.Plan, g *graph, s *stepper, d Deps) *run {
	r := &run{
		p: p, g: g, steps: s, d: d,
		settled: make([]bool, len(p.Steps)), started: make([]time.Time, len(p.Steps)), lost: map[addr.Provider]bool{},
		work: make(chan int), reports: make(chan report, d.Parallelism), closed: make(chan struct{}),
	}
	for i, n := range g.needs {
		if n == 0 {
			r.queue = append(r.queue, i)
		}
	}
	return r
}

// loop hands out steps until nothing runs and nothing can be started.
func (r *run) loop(ctx context.Context) {
	var workers sync.WaitGroup
	for range min(r.d.Parallelism, len(r.p.Steps)) {
		workers.Go(func() { r.worker(ctx) })
	}
	stop, cancelled := r.d.Stop, ctx.Done()
	for {
		next, work := r.next()
		if work == nil && r.running == 0 {
			break
		}
		select {
		case <-stop:
			stop = nil
			r.interrupt()
			continue
		case <-cancelled:
			cancelled = nil
			r.interrupt()
			continue
		default:
		}
		select {
		case work <- next:
			r.head++
			r.running++
			r.started[next] = time.Now()
			r.event(plan.Started, next, nil)
		case rep := <-r.reports:
			r.hear(rep)
		case <-stop:
			stop = nil
			r.interrupt()
		case <-cancelled:
			cancelled = nil
			r.interrupt()
		}
	}
	close(r.work)
	close(r.closed)
	workers.Wait()
	r.leftOver()
}

func (r *run) worker(ctx context.Context) {
	for i := range r.work {
		v := r.steps.run(ctx, i, func(rep report) {
			rep.step = i
			select {
			case r.reports <- rep:
			case <-r.closed:
			}
		})
		r.reports <- report{step: i, end: &v}
	}
}

// next is the next step to start and where to send it: a nil channel where
// there is none now.
func (r *run) next() (int, chan int) {
	for !r.stopped && r.head < len(r.queue) {
		i := r.queue[r.head]
		s := &r.p.Steps[i]
		if !r.settled[i] && (!r.lost[s.Provider] || !s.Action.Changes()) {
			return i, r.work
		}
		r.head++
		r.skip(i)
	}
	return 0, nil
}

func (r *run) interrupt() {
	r.stopped, r.result.Interrupted = true, true
}

func (r *run) hear(rep report) {
	switch {
	case rep.warning != nil:
		r.failures = append(r.failures, failure{rep.step, hcl.Diagnostics{rep.warning}})
		return
	case rep.end == nil:
		if !r.settled[rep.step] {
			r.d.Events(plan.Event{Kind: plan.Progress, Step: &r.p.Steps[rep.step], Done: rep.done, Total: rep.total, Text: rep.text,
				Elapsed: time.Since(r.started[rep.step])})
		}
		return
	}
	r.running--
	r.settled[rep.step] = true
	r.end(rep.step, rep.end)
}

// end settles a step and lets those go on that waited for it.
func (r *run) end(i int, v *verdict) {
	s := &r.p.Steps[i]
	if v.outcome != nil {
		r.result.Outcomes = append(r.result.Outcomes, *v.outcome)
		if v.outcome.Pending {
			r.result.Unknown = append(r.result.Unknown, s.Addr)
		}
	}
	if v.fatal != nil {
		r.stopped = true
		if r.fatal == nil {
			r.fatal = v.fatal
			r.failures = append(r.failures, failure{-1, diag.At(v.fatal, hcl.Range{})})
		}
	}
	if v.ok {
		r.result.Done++
		r.event(plan.Completed, i, nil)
		for _, j := range r.g.needed[i] {
			if r.g.needs[j]--; r.g.needs[j] == 0 {
				r.queue = append(r.queue, j)
			}
		}
		return
	}
	if v.lost != nil {
		v.diags = r.lose(s, v.lost)
	} else if len(v.diags) > 0 {
		r.failures = append(r.failures, failure{i, v.diags})
	}
	r.result.Failed++
	r.event(plan.Failed, i, v.diags)
	for _, j := range r.g.needed[i] {
		r.skip(j)
	}
}

// lose ends the steps on a step's provider. The first loss is reported, at the
// provider's block, or, of one that has none (this machine's launcher), at the step's object.
func (r *run) lose(s *plan.Step, err error) hcl.Diagnostics {
	p := s.Provider
	if r.lost[p] {
		return nil
	}
	r.lost[p] = true
	at := r.d.Decl[p]
	if at.Filename == "" {
		at = s.Decl
	}
	ds := diag.At(err, at)
	for _, d := range ds {
		d.Detail = diag.EscapeText(d.Detail) + " The remaining steps on " + p.String() + " were not run; what was done is recorded, and the next run goes on from there."
	}
	r.failures = append(r.failures, failure{-1, ds})
	return ds
}

// skip settles a step that is not to run, and all that need it.
func (r *run) skip(i int) {
	todo := []int{i}
	for len(todo) > 0 {
		i, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if r.settled[i] {
			continue
		}
		r.settled[i] = true
		r.result.Skipped++
		r.event(plan.Skipped, i, nil)
		todo = append(todo, r.g.needed[i]...)
	}
}

// leftOver skips what was never started.
func (r *run) leftOver() {
	before := r.result.Skipped
	for i := range r.p.Steps {
		r.skip(i)
	}
	// A signal that came when all was done interrupted nothing.
	if r.result.Skipped == before && r.result.Failed == 0 {
		r.result.Interrupted = false
	}
}

func (r *run) event(k plan.EventKind, i int, ds hcl.Diagnostics) {
	e := plan.Event{Kind: k, Step: &r.p.Steps[i], Diags: ds}
	if !r.started[i].IsZero() {
		e.Elapsed = time.Since(r.started[i])
	}
	r.d.Events(e)
}

// diagnostics are in the order of the plan, those of whole providers first.
func (r *run) diagnostics() hcl.Diagnostics {
	slices.SortStableFunc(r.failures, func(a, b failure) int { return a.step - b.step })
	var out hcl.Diagnostics
	for _, f := range r.failures {
		out = append(out, f.diags...)
	}
	return out
}
