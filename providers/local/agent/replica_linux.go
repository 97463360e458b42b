package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// A replica keeps one process of a role running until it is told to stop, or
// has failed.
type replica struct {
	role  *role
	index int
	quit  func()          // asks it to stop
	asked <-chan struct{} // closed when it was
	ended chan struct{}   // closed when it does nothing more
	first chan struct{}   // closed when it was ready for the first time, or will never be
	since time.Time
	said  chan<- string // what who waits for it should know meanwhile; nil: nobody waits

	mu   sync.Mutex
	prog *program
	st   launch.Replica
	fate *control.Error // under first: why it will never be ready
	left *remains       // under ended: it was to stop and something of it still runs
	once sync.Once
}

func (ro *role) replica(index int, p *program) *replica {
	ctx, cancel := context.WithCancel(context.Background())
	return &replica{
		role: ro, index: index, prog: p, quit: cancel, asked: ctx.Done(), since: ro.agent.opts.Now(),
		ended: make(chan struct{}), first: make(chan struct{}),
		st: launch.Replica{Index: index, State: launch.Starting, Log: ro.agent.place.Log(p.spec.Broker, p.spec.Role, index)},
	}
}

func (r *replica) program() *program {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.prog
}

func (r *replica) status() launch.Replica {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.st
}

func (r *replica) set(state launch.State, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.st.State, r.st.Reason = state, why
	if state != launch.Starting && state != launch.Running && state != launch.Stopping {
		r.st.PID = 0
	}
}

// decide says how the first start went, once.
func (r *replica) decide(e *control.Error) {
	r.once.Do(func() {
		r.fate = e
		close(r.first)
	})
}

// remains are of a process that outlived SIGKILL.
type remains struct {
	proc *proc
	err  error
}

// undead says that something of a stopped replica still runs. What has ended
// since is noted.
func (r *replica) undead() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == nil {
		return nil
	}
	select {
	case <-r.left.proc.ended:
		r.role.agent.forgetRun(r.left.proc.run, "", "")
		r.left = nil
		return nil
	default:
		return r.left.err
	}
}

// An outcome is how one start of a replica ended.
type outcome struct {
	stopped bool   // it was asked to
	left    bool   // the agent leaves; the process runs on
	well    bool   // exit status 0
	never   bool   // it was not ready in time
	refused bool   // it could not be started
	why     string // for people
	ran     time.Duration
	run     control.Run
}

// supervise starts the replica, again and again as its policy says. A trial must be ready
// until its time is up, else it is over for good. An adopted process is taken as it is.
func (r *replica) supervise(adopted *proc, g *gate, trial time.Duration) {
	a := r.role.agent
	defer close(r.ended)
	defer func() {
		if !r.isDecided() {
			r.decide(r.error("Participant stopped", "was stopped before it was ready"))
		}
	}()
	var past restarts
	var until time.Time
	if trial > 0 {
		until = time.Now().Add(trial)
	}
	for {
		o := r.attend(adopted, g, until)
		adopted, g = nil, nil
		if r.isReady() {
			until = time.Time{}
		}
		if o.left {
			return
		}
		if o.stopped {
			if r.left == nil {
				a.forgetRun(o.run, "", "")
			}
			r.set(launch.Stopped, "")
			return
		}
		v := past.next(r.program().spec.Restart, a.opts.Now(), o.well, o.ran, a.opts.Rand())
		trying := !until.IsZero()
		switch {
		case o.never, trying && o.refused:
			v = verdict{state: launch.Failed}
		case trying && o.well && v.again && r.program().spec.Restart.Policy != "always":
			v = verdict{state: launch.Stopped}
		case trying && v.again && time.Now().Add(v.after).After(until):
			v = verdict{state: launch.Failed, why: fmt.Sprintf("another start would be too late to be ready within %s", trial)}
		}
		if !v.again {
			r.giveUp(o, v)
			return
		}
		if o.run.Nonce != "" {
			a.forgetRun(o.run, "", "")
		}
		if trying {
			r.tell(fmt.Sprintf("ended (%s); starting it again in %s", o.why, v.after.Round(100*time.Millisecond)))
		}
		r.set(launch.Waiting, o.why)
		a.log.Info("ended, is started again", "role", r.role.key.Name, "index", r.index, "why", o.why, "after", v.after)
		if !r.wait(v.after) {
			r.set(launch.Stopped, "")
			return
		}
		r.mu.Lock()
		r.st.Restarts++
		r.mu.Unlock()
	}
}

// tell says to who waits how it goes. If that one is slow, it is not said: nothing
// here waits for a terminal.
func (r *replica) tell(text string) {
	select {
	case r.said <- fmt.Sprintf("%s[%d] %s", diag.Escape(r.program().spec.Role), r.index, text):
	default:
	}
}

// wait pauses between two starts; false if it was told to stop, or the agent
// leaves.
func (r *replica) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.asked:
	case <-r.role.agent.ctx.Done():
	}
	return false
}

func (r *replica) isDecided() bool {
	select {
	case <-r.first:
		return true
	default:
		return false
	}
}

func (r *replica) isReady() bool { return r.isDecided() && r.fate == nil }

// giveUp leaves the replica as the verdict says, and says why.
func (r *replica) giveUp(o outcome, v verdict) {
	why := o.why
	if v.why != "" {
		why += "; " + v.why
	}
	if o.run.Nonce != "" {
		r.role.agent.forgetRun(o.run, v.state, why)
	}
	r.set(v.state, why)
	r.role.agent.log.Warn("is not started again", "role", r.role.key.Name, "index", r.index, "why", why)
	switch {
	case o.refused:
		r.decide(r.error("Participant cannot be started", "cannot be started: "+why))
	case o.never:
		r.decide(r.error("Participant not ready", "was "+why))
	default:
		r.decide(r.error("Participant not ready", "ended before it was ready: "+why+" ("+what(r.program().spec.Ready)+")"))
	}
}

// error is a failure as a person reads it: the role, what happened, and what
// it last said.
func (r *replica) error(summary, what string) *control.Error {
	s := r.program().spec
	text := fmt.Sprintf("Participant %s on broker %q %s", quoted(s.Role, r.index, s.Replicas), s.Broker, diag.Sentence(what))
	log := r.role.agent.place.Log(s.Broker, s.Role, r.index)
	lines := control.LastLines(log, 20, r.since)
	if len(lines) == 0 {
		return &control.Error{Summary: summary, Detail: text + " It wrote nothing to its log."}
	}
	text += fmt.Sprintf("\nThe last lines of its log, %s:", diag.Escape(log))
	for _, l := range lines {
		text += "\n    " + l
	}
	return &control.Error{Summary: summary, Detail: text}
}

func quoted(role string, index, of int) string {
	if of > 1 {
		return fmt.Sprintf(`"%s" (replica %d)`, diag.Escape(role), index)
	}
	return `"` + diag.Escape(role) + `"`
}

// attend sees one start through: until it ended, was stopped, or is left to
// the next agent.
func (r *replica) attend(pr *proc, g *gate, until time.Time) outcome {
	a := r.role.agent
	adopted := pr != nil
	done := func() {}
	if !adopted {
		if until.IsZero() { // nobody waits for it
			var ok bool
			if done, ok = a.turn(r.asked); !ok {
				return outcome{stopped: a.ctx.Err() == nil, left: a.ctx.Err() != nil}
			}
		}
		var err error
		if g == nil { // a batch's own is closed with the batch
			if g, err = a.begin(a.ctx, r.program(), 1); err != nil {
				a.log.Warn("readiness cannot be observed", "role", r.role.key.Name, "error", err)
			} else {
				defer g.close()
			}
		}
		if pr, err = a.launch(r.role.key, r.index, r.program(), r.program().spec.Stop); err != nil {
			done()
			return outcome{refused: true, why: err.Error()}
		}
	}
	return r.follow(pr, g, until, adopted, sync.OnceFunc(done))
}

// follow waits for what happens next to a process that runs.
func (r *replica) follow(pr *proc, g *gate, until time.Time, adopted bool, done func()) outcome {
	a := r.role.agent
	defer done()
	r.runs(pr)
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	if !until.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	passed := make(chan error, 1)
	a.work.Go(func() { passed <- r.becomeReady(ctx, pr, g, adopted) })
	late := time.NewTimer(max(r.program().spec.Ready.Timeout, time.Millisecond))
	defer late.Stop()
	for {
		select {
		case <-a.ctx.Done():
			return outcome{left: true}
		case <-pr.ended:
			if a.ctx.Err() != nil {
				return outcome{left: true}
			}
			return r.after(pr)
		case <-r.asked:
			return r.halt(pr)
		case <-late.C:
			if until.IsZero() && r.status().State == launch.Starting {
				r.set(launch.Starting, fmt.Sprintf("not ready after %s (%s)", r.program().spec.Ready.Timeout, what(r.program().spec.Ready)))
			}
			done()
		case err := <-passed:
			passed = nil
			done()
			if err != nil && until.IsZero() {
				// A process that has been ready before is not ended for this: it may wait for its broker, as we do.
				if a.ctx.Err() == nil {
					r.set(launch.Starting, "not ready: "+diag.Escape(err.Error()))
				}
				continue
			}
			if err != nil {
				return r.neverReady(pr, err)
			}
			until = time.Time{}
			r.set(launch.Running, "")
			r.decide(nil)
		}
	}
}

// runs notes that a process runs. One that was ready under an earlier agent never
// seems to start again.
func (r *replica) runs(pr *proc) {
	state := launch.Starting
	if pr.run.Ready {
		state = launch.Running
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.st.State, r.st.Reason, r.st.PID, r.st.Started = state, "", pr.status.Child.PID, pr.status.Started
}

// becomeReady waits for readiness and sends the initial packets. An adopted
// process was ready, or cannot be watched from its beginning any more.
func (r *replica) becomeReady(ctx context.Context, pr *proc, g *gate, adopted bool) error {
	a, p := r.role.agent, r.program()
	if adopted && pr.run.Ready {
		return nil
	}
	if adopted && ownKind(p.spec.Ready.When) {
		g = &gate{agent: a, prog: p}
	}
	if g == nil { // nothing can be seen: that it lives must do
		if err := pause(ctx, a.opts.Settle); err != nil {
			return err
		}
	} else if err := g.pass(ctx); err != nil {
		return err
	}
	if len(p.spec.Initial) > 0 && a.opts.Initial != nil {
		if err := a.opts.Initial(ctx, p.spec, p.brokerURL()); err != nil {
			return fmt.Errorf("its initial packets cannot be sent: %w", err)
		}
	}
	return a.book.note(control.Record{Op: control.OpReady, Run: &pr.run})
}

// after says how a process ended by itself.
func (r *replica) after(pr *proc) outcome {
	o := outcome{run: pr.run, ran: time.Since(pr.last.Started), why: "its shim was killed, and it with it"}
	if x := pr.last.Exit; x != nil {
		o.well, o.why, o.ran = x.Code == 0 && x.Signal == "", x.String(), x.At.Sub(pr.last.Started)
	}
	if pr.lost != nil {
		o.why += "; " + pr.lost.Error()
	}
	return o
}

// neverReady ends a process that was not ready in time.
func (r *replica) neverReady(pr *proc, err error) outcome {
	spec := r.program().spec
	o := r.halt(pr)
	o.stopped, o.never = false, true
	o.why = fmt.Sprintf("not ready within %s (%s)", spec.Ready.Timeout, what(spec.Ready))
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		o.why += ": " + diag.Escape(err.Error())
	}
	return o
}

// halt stops the process and waits until nothing of it lives.
func (r *replica) halt(pr *proc) outcome {
	a := r.role.agent
	how := r.role.stop()
	r.set(launch.Stopping, "")
	// Past the timeout all of it has SIGKILL, and only the kernel can be waited for.
	ctx, cancel := context.WithTimeout(a.ctx, how.Timeout+20*time.Second)
	defer cancel()
	err := pr.stop(ctx, how)
	if a.ctx.Err() != nil {
		return outcome{left: true}
	}
	if err != nil {
		r.left = &remains{pr, fmt.Errorf("participant %s (pid %d) does not end, not even by SIGKILL (%w): the kernel keeps it, mostly for a disk or network file system that does not answer", quoted(r.program().spec.Role, r.index, 2), pr.status.Child.PID, err)}
	}
	return outcome{stopped: true, run: pr.run}
}
