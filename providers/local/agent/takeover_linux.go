package agent

import (
	"slices"
	"sync"
	"time"

	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// takeOver makes true what the journal says: what is to run and runs is adopted,
// what is to run and does not is started, what runs and is not to is stopped.
func (a *Agent) takeOver() error {
	var entries, wants []control.Entry
	var runs []control.Run
	a.book.with(func(l *control.Ledger, _ map[string]control.Secret) {
		d := l.Dump()
		entries, wants, runs = d.Entries, d.Wants, d.Runs
	})
	for _, e := range entries {
		if e.Kind == control.Process {
			a.remember(e)
		}
	}
	for _, w := range wants { // a put that nobody finished: what was before it is true
		if err := a.book.note(control.Record{Op: control.OpUnwant, Key: w.Key}); err != nil {
			return err
		}
	}
	final := a.takeRuns(runs)
	if err := a.endStrangers(); err != nil {
		return err
	}
	a.opts.Fault("adopted")
	for _, ro := range a.roles {
		ro.fill(final)
	}
	for _, e := range entries {
		if e.Kind != control.Process {
			a.resume(e)
		}
	}
	return nil
}

// remember makes the role of an entry, without its processes. A program that is not
// there any more is found when it is started.
func (a *Agent) remember(e control.Entry) {
	ro := &role{agent: a, key: e.Key, entry: &e}
	p, err := a.program(e, a.book.secret(e.Secret))
	if err != nil {
		a.log.Warn("cannot be started", "role", e.Name, "error", err)
	}
	if p == nil {
		p = &program{}
	}
	ro.prog = p
	a.roles[e.Key] = ro
}

// takeRuns adopts or ends what an earlier agent started, and returns what is
// not to be started again.
func (a *Agent) takeRuns(runs []control.Run) map[control.Key]map[int]control.Run {
	final := map[control.Key]map[int]control.Run{}
	// Of two starts of one replica (an agent died while it replaced one), the
	// one that was ready stays.
	slices.SortStableFunc(runs, func(x, y control.Run) int { return boolean(y.Ready) - boolean(x.Ready) })
	var adopting sync.WaitGroup
	found := make([]*proc, len(runs))
	for i, run := range runs {
		if run.Final != "" {
			if run.Boot == a.boot {
				if final[run.Key] == nil {
					final[run.Key] = map[int]control.Run{}
				}
				final[run.Key][run.Index] = run
			}
			continue
		}
		adopting.Go(func() {
			pr, err := a.adopt(a.ctx, run)
			switch {
			case err != nil:
				a.log.Error("what an earlier agent started cannot be taken over", "role", run.Key.Name, "error", err)
			case pr == nil && a.ctx.Err() == nil:
				a.forgetRun(run, "", "")
			}
			found[i] = pr
		})
	}
	adopting.Wait()
	ending := map[control.Key]*sync.WaitGroup{}
	for i, pr := range found {
		if pr != nil {
			a.settle(runs[i], pr, ending)
		}
	}
	for k, e := range ending {
		a.work.Go(func() {
			e.Wait()
			<-a.op(k)
		})
	}
	return final
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// settle gives an adopted process to its role, or ends it if that has no place
// for it.
func (a *Agent) settle(run control.Run, pr *proc, ending map[control.Key]*sync.WaitGroup) {
	ro := a.roles[run.Key]
	if ro != nil {
		e, p := ro.now()
		if !e.Held && !pr.stopping() && p.sum == run.Sum && slices.Contains(ro.missing(p.spec.Replicas), run.Index) {
			r := ro.replica(run.Index, p)
			r.runs(pr)
			ro.add(r)
			a.work.Go(func() { r.supervise(pr, nil, 0) })
			return
		}
	}
	how := launch.Stop{Signal: "SIGTERM", Timeout: 30 * time.Second}
	if ro != nil {
		how = ro.stop()
	}
	end := func() {
		if err := pr.stop(a.ctx, how); err == nil {
			a.forgetRun(run, "", "")
		}
	}
	if ro != nil {
		ro.settling.Go(end) // what takes its place waits for it
		return
	}
	// A put of that key waits: it must not start a replica while another of the same ends.
	if ending[run.Key] == nil {
		ending[run.Key] = &sync.WaitGroup{}
		a.op(run.Key) <- struct{}{} // nobody has it: no request is let in yet
	}
	ending[run.Key].Go(end)
}

// fill starts the replicas that are missing, but for those that have ended for
// good.
func (ro *role) fill(final map[control.Key]map[int]control.Run) {
	e, p := ro.now()
	if e.Held {
		return
	}
	for _, i := range ro.missing(p.spec.Replicas) {
		r := ro.replica(i, p)
		ro.add(r)
		if was, ok := final[ro.key][i]; ok && was.Sum == p.sum {
			r.set(was.Final, was.Reason)
			r.decide(nil)
			close(r.ended)
			continue
		}
		ro.agent.work.Go(func() {
			ro.settling.Wait()
			r.supervise(nil, nil, 0)
		})
	}
}

// endStrangers ends what runs from a start that the journal does not know: an
// earlier journal was lost. Folders of what does not run are removed.
func (a *Agent) endStrangers() error {
	known := map[string]bool{}
	a.book.with(func(l *control.Ledger, _ map[string]control.Secret) {
		for n := range l.Runs {
			known[n] = true
		}
	})
	names, err := a.book.procs()
	if err != nil {
		return err
	}
	for _, n := range names {
		if known[n] {
			continue
		}
		if pr, err := a.adopt(a.ctx, control.Run{Nonce: n, Boot: a.boot}); err != nil {
			return err
		} else if pr != nil {
			a.log.Warn("a process that nobody knows is ended", "pid", pr.status.Child.PID)
			if err := pr.stop(a.ctx, launch.Stop{Signal: "SIGTERM", Timeout: 5 * time.Second}); err != nil {
				return err
			}
		}
		a.book.dropProc(n)
	}
	return nil
}
