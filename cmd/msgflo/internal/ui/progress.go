package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
)

const (
	// manySteps is the number of steps above which a line a step tells nobody
	// anything: a counter is shown, and only what fails or takes long is named.
	manySteps = 50
	// stillAfter is how often a running step is mentioned; Terraform's rhythm.
	stillAfter = 10 * time.Second
	// countEvery is how often the counter is written where it cannot be
	// written over, rewriteEvery where it can.
	countEvery   = 5 * time.Second
	rewriteEvery = 100 * time.Millisecond
)

// progress is how far an apply is, as people are told.
type progress struct {
	total     int
	many      bool
	began     time.Time
	lastCount time.Time
	onLine    bool // the cursor stands behind a counter that may be written over
	running   map[plan.StepID]*running
	tally     tally
}

type running struct {
	step        *plan.Step
	since, told time.Time
	done, total int64
}

func (r *progress) event(v *HumanView, e plan.Event) {
	if e.Step == nil {
		return
	}
	if r.running == nil {
		r.running = map[plan.StepID]*running{}
	}
	now := v.opt.now()
	switch e.Kind {
	case plan.Started:
		r.running[e.Step.ID] = &running{step: e.Step, since: now, told: now}
		r.say(v, e.Step, verbsTo(e.Step).Doing+"…")
	case plan.Progress:
		s := r.running[e.Step.ID]
		switch {
		case e.Text != "":
			r.say(v, e.Step, diag.Escape(e.Text))
		case s != nil:
			s.done, s.total = e.Done, e.Total
		}
	case plan.Completed:
		delete(r.running, e.Step.ID)
		r.tally.completed(e.Step)
		r.say(v, e.Step, verbsTo(e.Step).Did+" ("+duration(e.Elapsed)+")")
	case plan.Failed:
		delete(r.running, e.Step.ID)
		r.tally.failed++
		r.always(v, e.Step, v.out.pal.with(v.out.pal.red, verbsTo(e.Step).Doing+" failed")+" ("+duration(e.Elapsed)+")")
	case plan.Skipped:
		r.tally.skipped++
		r.say(v, e.Step, v.out.pal.with(v.out.pal.faint, "not "+verbsTo(e.Step).Did))
	}
	r.counter(v, now)
}

// say writes a line a step, unless there are many or only the state changes.
func (r *progress) say(v *HumanView, s *plan.Step, what string) {
	if r.many && s.Action != plan.Migrate && s.Action != plan.Restart || s.Action == plan.Record {
		return
	}
	r.always(v, s, what)
}

func (r *progress) always(v *HumanView, s *plan.Step, what string) {
	r.wipe(v)
	v.out.line(v.out.pal.with(v.out.pal.bold, diag.Escape(s.Addr.String())+":"), " ", what)
}

func (r *progress) tick(v *HumanView, now time.Time) {
	var late []*running
	for _, s := range r.running {
		if now.Sub(s.told) >= stillAfter && s.step.Action != plan.Record {
			late = append(late, s)
		}
	}
	slices.SortFunc(late, func(a, b *running) int { return strings.Compare(string(a.step.ID), string(b.step.ID)) })
	for i, s := range late {
		s.told = now
		if r.many && i >= 3 { // a broker that hangs makes all of them late
			continue
		}
		what := "still " + waitingFor(s.step) + " (" + duration(now.Sub(s.since).Truncate(time.Second)) + ")"
		if s.total > 0 {
			unit := "message"
			if s.step.Addr.Type == processType {
				unit = "replica"
			}
			what += fmt.Sprintf(" %s of %s", change.Number(s.done), change.Plural(s.total, unit))
		}
		r.always(v, s.step, what)
	}
	r.counter(v, now)
}

// counter tells how far a run of many steps is: on a terminal one line that is
// written over, elsewhere a line now and then.
func (r *progress) counter(v *HumanView, now time.Time) {
	if !r.many || r.tally.all() == 0 {
		return
	}
	every := countEvery
	if v.term.Rewrite {
		every = rewriteEvery
	}
	last := r.tally.all() >= r.total
	if r.lastCount.IsZero() && !v.term.Rewrite {
		r.lastCount = r.began
	}
	if now.Sub(r.lastCount) < every && !last {
		return
	}
	r.lastCount = now
	s := fmt.Sprintf("%s of %s", change.Number(int64(r.tally.done+r.tally.failed)), change.Plural(int64(r.total), "step"))
	if r.tally.failed > 0 {
		s += fmt.Sprintf(", %s failed", change.Number(int64(r.tally.failed)))
	}
	s += " (" + duration(now.Sub(r.began)) + ")"
	if v.term.Rewrite {
		v.out.text("\r\x1b[K", s)
		r.onLine = true
		return
	}
	v.out.line(s)
}

// wipe clears the counter before another line is written in its place.
func (r *progress) wipe(v *HumanView) {
	if r.onLine {
		v.out.text("\r\x1b[K")
		r.onLine = false
	}
}

// duration is written with a tenth of a second below a minute.
func duration(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", max(0, d.Seconds()))
	}
	return d.Round(time.Second).String()
}

// verbsOf are an action's verbs; verbsTo are those of a step, which may be a process.
func verbsOf(a plan.Action) Verbs {
	switch a {
	case plan.Create:
		return Verbs{"creating", "created"}
	case plan.Update:
		return Verbs{"updating", "updated"}
	case plan.Delete:
		return Verbs{"destroying", "destroyed"}
	case plan.Adopt:
		return Verbs{"adopting", "adopted"}
	case plan.Migrate:
		return Verbs{"migrating", "migrated"}
	case plan.Restart:
		return Verbs{"restarting", "restarted"}
	case plan.Forget:
		return Verbs{"forgetting", "forgotten"}
	case plan.Record:
		return Verbs{"recording", "recorded"}
	}
	return Verbs{"changing", "changed"}
}

// A tally counts what was done.
type tally struct {
	counts                change.Counts
	done, failed, skipped int
}

func (t *tally) completed(s *plan.Step) {
	t.done++
	t.counts.Step(s)
}

func (t *tally) all() int {
	return t.done + t.failed + t.skipped
}

// sentence is the last line of an apply.
func (t *tally) sentence(end Ending, pal *palette) string {
	word := "Apply"
	if end.Destroy {
		word = "Destroy"
	}
	c := t.counts
	head := pal.with(pal.green, word+" complete:")
	switch {
	case end.Interrupted:
		head = pal.with(pal.yellow, word+" interrupted:")
	case end.Failed || t.failed > 0:
		head = pal.with(pal.red, word+" incomplete:")
	}
	var parts []string
	part := func(n int, done string, always bool) {
		if n > 0 || always {
			parts = append(parts, change.Number(int64(n))+" "+done)
		}
	}
	part(c.Add, "added", !end.Destroy)
	part(c.Change, "changed"+c.Restarts(), !end.Destroy)
	part(c.Migrate, "migrated", false)
	part(c.Destroy, "destroyed", true)
	part(c.Import, "imported", false)
	part(c.Adopt, "adopted", false)
	part(c.Forget, "forgotten", false)
	part(t.failed, "failed", false)
	part(t.skipped, "not run", false)
	s := head + " " + strings.Join(parts, ", ") + "."
	if end.Interrupted || end.Failed || t.failed > 0 {
		s += " What was done is recorded; run the same command again to go on."
	}
	return s
}
