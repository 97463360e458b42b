package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// together is how many processes are being started at one moment without
// anybody asking for them: after a reboot, hundreds at once would all be late.
const together = 16

// An Agent holds the objects of one lineage.
type Agent struct {
	opts    Options
	place   control.Place
	book    *book
	boot    string
	self    string // this program, for built-in components
	log     *slog.Logger
	started time.Time

	ctx   context.Context // ends when the agent leaves; what runs is not stopped by that
	leave context.CancelFunc
	work  sync.WaitGroup
	turns chan struct{}

	mu       sync.Mutex
	roles    map[control.Key]*role
	hosts    map[control.Key]*host
	ops      map[control.Key]chan struct{} // one operation on a key at a time
	asking   int                           // requests being answered
	closing  bool
	released bool // the last object has gone
}

// Run is the agent of a lineage: it takes over what an earlier one left
// running, starts what is missing, and serves its socket. It returns nil when the context
// ends or it is asked to quit (then what runs is left running), when all was brought down, and
// when its last object is gone. A second agent for the lineage is an error.
func Run(ctx context.Context, o Options) error {
	o = o.filled()
	p, err := control.Locate(o.Lineage)
	if err != nil {
		return err
	}
	noInheritance()
	if err := p.Prepare(); err != nil {
		return err
	}
	unlock, err := alone(ctx, p)
	if err != nil {
		return err
	}
	defer unlock()
	a, err := newAgent(ctx, o, p)
	if err != nil {
		return err
	}
	defer a.tidy()
	defer a.book.close()
	defer a.work.Wait()
	defer a.leave()
	if err := a.sit(); err != nil {
		return err
	}
	// The socket comes first: who waits for an agent is answered at once, and
	// waits for what it asks about.
	srv, err := a.listen()
	if err != nil {
		return err
	}
	defer srv.close()
	if err := a.takeOver(); err != nil {
		if a.ctx.Err() != nil {
			return nil // it was asked to quit meanwhile, and left all as it was
		}
		return err
	}
	srv.open()
	a.log.Info("agent runs", "pid", os.Getpid(), "version", o.Version, "lineage", o.Lineage)
	idle := time.NewTimer(o.Idle)
	defer idle.Stop()
	for {
		select {
		case <-a.ctx.Done():
			return nil
		case <-idle.C:
			a.endIfUseless(true)
			idle.Reset(o.Idle)
		}
	}
}

// tidy removes the copies of the program where nothing is held any more: some 30 MB
// that nobody would miss. The folder is still locked, and who starts the next
// agent waits for that before it makes a copy.
func (a *Agent) tidy() {
	if len(a.list()) > 0 {
		return
	}
	if err := os.RemoveAll(filepath.Join(a.place.Folder, "bin")); err != nil {
		a.log.Warn("cannot remove the program's copy", "error", err)
	}
}

// alone locks the folder; an agent that has just been killed may still be
// about to let go.
func alone(ctx context.Context, p control.Place) (unlock func(), err error) {
	f, err := os.OpenFile(p.AgentLock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the agent's folder: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for {
		ok, err := control.Lock(f)
		if ok {
			return func() { f.Close() }, nil
		}
		if err != nil || pause(ctx, 10*time.Millisecond) != nil {
			f.Close()
			var seat control.Seat
			b, _ := os.ReadFile(p.AgentFile())
			_ = json.Unmarshal(b, &seat)
			return nil, errors.Join(fmt.Errorf("an agent for this state runs already (pid %d, lineage %s): `msgflo status` shows what it holds, `kill %d` ends it and leaves the participants running", seat.PID, diag.Escape(p.Lineage), seat.PID), err)
		}
	}
}

func newAgent(ctx context.Context, o Options, p control.Place) (*Agent, error) {
	a := &Agent{
		opts: o, place: p, boot: o.Boot, log: o.Log, started: o.Now(),
		turns: make(chan struct{}, together),
		roles: map[control.Key]*role{}, hosts: map[control.Key]*host{}, ops: map[control.Key]chan struct{}{},
	}
	if a.boot == "" {
		a.boot = bootID()
	}
	var err error
	if a.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	if a.book, err = openBook(p, o.Compact); err != nil {
		return nil, err
	}
	a.ctx, a.leave = context.WithCancel(ctx)
	return a, nil
}

// turn waits for one's turn to start a process; false if that is not to be any
// more.
func (a *Agent) turn(asked <-chan struct{}) (done func(), ok bool) {
	select {
	case a.turns <- struct{}{}:
		return func() { <-a.turns }, true
	case <-asked:
	case <-a.ctx.Done():
	}
	return func() {}, false
}

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
	var mu sync.Mutex
	var adopting sync.WaitGroup
	found := make([]*proc, len(runs))
	for i, run := range runs {
		if run.Final != "" {
			if run.Boot == a.boot {
				mu.Lock()
				if final[run.Key] == nil {
					final[run.Key] = map[int]control.Run{}
				}
				final[run.Key][run.Index] = run
				mu.Unlock()
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

// sit writes down where the agent listens, for who looks in another
// environment; and drops programs of earlier agents.
func (a *Agent) sit() error {
	b, err := json.Marshal(control.Seat{Socket: a.place.Socket, PID: os.Getpid()})
	if err != nil {
		return err
	}
	bin := filepath.Join(a.place.Folder, "bin")
	others, _ := os.ReadDir(bin)
	for _, o := range others {
		if dir := filepath.Join(bin, o.Name()); dir != filepath.Dir(a.self) && filepath.Dir(filepath.Dir(a.self)) == bin {
			_ = os.RemoveAll(dir)
		}
	}
	return renameio.WriteFile(a.place.AgentFile(), b, 0o600)
}

// compared notes how a participant's announcement differs from its
// declaration.
func (a *Agent) compared(s launch.Spec, mismatch string) {
	a.mu.Lock()
	ro := a.roles[control.Key{Kind: control.Process, Name: s.Broker + "/" + s.Role}]
	a.mu.Unlock()
	if ro != nil {
		ro.mu.Lock()
		ro.mismatch = mismatch
		ro.mu.Unlock()
	}
}

// begins locks a key for one operation.
func (a *Agent) begins(ctx context.Context, k control.Key) (done func(), err error) {
	op := a.op(k)
	select {
	case op <- struct{}{}:
		return func() { <-op }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// op is held by the operation on a key that is under way.
func (a *Agent) op(k control.Key) chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ops[k] == nil {
		a.ops[k] = make(chan struct{}, 1)
	}
	return a.ops[k]
}

// put makes the agent hold an object.
func (a *Agent) put(ctx context.Context, o control.Object, emit func(control.Event)) (*control.Held, error) {
	done, err := a.begins(ctx, o.Key)
	if err != nil {
		return nil, err
	}
	defer done()
	if o.Kind != control.Process && a.opts.Kinds[o.Kind] == nil {
		return nil, &control.Error{Summary: "Unknown kind of object", Detail: fmt.Sprintf("This agent does not know objects of kind %q.%s", o.Kind, diag.DidYouMean(o.Kind, append(slices.Collect(maps.Keys(a.opts.Kinds)), control.Process)))}
	}
	secret, err := a.book.keepSecret(o.Key, o.Secret)
	if err != nil {
		return a.show(o.Key), failure("Agent cannot remember", err)
	}
	e := control.Entry{Key: o.Key, Spec: o.Spec, Dir: o.Dir, Secret: secret}
	if o.Kind == control.Process {
		err = a.role(o.Key).put(ctx, e, o.Secret, emit)
	} else {
		err = a.host(o.Key).put(ctx, e, o.Secret, emit)
	}
	a.book.arrived(secret)
	a.dropEmpty(o.Key)
	if held := a.show(o.Key); err != nil {
		return held, told(err, held)
	}
	_ = a.book.tidySecrets()
	return a.show(o.Key), nil
}

// told adds to a failure what is true now.
func told(err error, held *control.Held) error {
	e, ok := errors.AsType[*control.Error](err)
	if !ok {
		return err
	}
	now := "\nNothing of it was left running. Correct it and apply again."
	if held != nil {
		now = "\nWhat was there before is in force again. Correct it and apply again."
	}
	return &control.Error{Summary: e.Summary, Detail: e.Detail + now}
}

// delete stops what belongs to a key and forgets it.
func (a *Agent) delete(ctx context.Context, k control.Key, emit func(control.Event)) error {
	done, err := a.begins(ctx, k)
	if err != nil {
		return err
	}
	defer done()
	a.mu.Lock()
	ro, ho := a.roles[k], a.hosts[k]
	a.mu.Unlock()
	switch {
	case ro != nil:
		if err := ro.halt(ro.all(), emit); err != nil {
			return failure("Participant does not end", err)
		}
	case ho != nil:
		ho.halt()
	default:
		return nil
	}
	if a.ctx.Err() != nil { // it leaves: what was to be stopped runs on
		return a.ctx.Err()
	}
	a.opts.Fault("before-delete")
	if err := a.book.note(control.Record{Op: control.OpDelete, Key: k}); err != nil {
		return failure("Agent cannot remember", err)
	}
	a.mu.Lock()
	delete(a.roles, k)
	delete(a.hosts, k)
	a.released = true
	a.mu.Unlock()
	return a.book.tidySecrets()
}

func (a *Agent) role(k control.Key) *role {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.roles[k] == nil {
		a.roles[k] = &role{agent: a, key: k}
	}
	return a.roles[k]
}

// dropEmpty forgets a role or service that came to nothing.
func (a *Agent) dropEmpty(k control.Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ro := a.roles[k]; ro != nil {
		if e, _ := ro.now(); e == nil && len(ro.all()) == 0 {
			delete(a.roles, k)
		}
	}
	if ho := a.hosts[k]; ho != nil && !ho.held() {
		delete(a.hosts, k)
	}
}

// act does one of the things that are no plan to a role.
func (a *Agent) act(ctx context.Context, name string, do func(*role) error) error {
	k := control.Key{Kind: control.Process, Name: name}
	done, err := a.begins(ctx, k)
	if err != nil {
		return err
	}
	defer done()
	a.mu.Lock()
	ro := a.roles[k]
	var names []string
	for k := range a.roles {
		names = append(names, k.Name)
	}
	a.mu.Unlock()
	if ro != nil {
		if e, _ := ro.now(); e != nil {
			return do(ro)
		}
	}
	return &control.Error{Summary: "Unknown role", Detail: fmt.Sprintf("The agent runs no participant %q.%s", name, diag.DidYouMean(name, names))}
}

// show is one object as others see it, nil where it is not held.
func (a *Agent) show(k control.Key) *control.Held {
	var held *control.Held
	a.book.with(func(l *control.Ledger, secrets map[string]control.Secret) {
		if e, ok := l.Entries[k]; ok {
			h := e.Show(secrets)
			held = &h
		}
	})
	if held == nil {
		return nil
	}
	a.mu.Lock()
	ro, ho := a.roles[k], a.hosts[k]
	a.mu.Unlock()
	if ro != nil {
		held.Status = ro.show()
	}
	if ho != nil {
		held.Note = ho.note()
	}
	return held
}

// list is all that is held.
func (a *Agent) list() []control.Held {
	var keys []control.Key
	a.book.with(func(l *control.Ledger, _ map[string]control.Secret) {
		keys = slices.SortedFunc(maps.Keys(l.Entries), control.Compare)
	})
	held := make([]control.Held, 0, len(keys))
	for _, k := range keys {
		if h := a.show(k); h != nil {
			held = append(held, *h)
		}
	}
	return held
}

// down stops all, services last, and forgets nothing.
func (a *Agent) down(emit func(control.Event)) error {
	a.mu.Lock()
	roles, hosts := slices.Collect(maps.Values(a.roles)), slices.Collect(maps.Values(a.hosts))
	a.mu.Unlock()
	errs := make([]error, len(roles))
	var stopping sync.WaitGroup
	var mu sync.Mutex
	for i, ro := range roles {
		stopping.Go(func() {
			done, err := a.begins(a.ctx, ro.key)
			if err != nil {
				return
			}
			defer done()
			errs[i] = ro.halt(ro.all(), func(e control.Event) {
				mu.Lock()
				defer mu.Unlock()
				emit(control.Event{Text: e.Text})
			})
		})
	}
	stopping.Wait()
	for _, h := range hosts {
		h.halt()
	}
	return failureOf("Participant does not end", errors.Join(errs...))
}

// enters counts a request; false when the agent is about to end.
func (a *Agent) enters() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closing {
		return false
	}
	a.asking++
	return true
}

// leaves ends a request, and the agent with it if that was the last use.
func (a *Agent) leaves() {
	a.mu.Lock()
	a.asking--
	a.mu.Unlock()
	a.endIfUseless(false)
}

// endIfUseless ends the agent when it holds nothing and nobody asks: at once
// after its last object went, else when it was idle.
func (a *Agent) endIfUseless(idle bool) {
	empty := len(a.list()) == 0
	a.mu.Lock()
	defer a.mu.Unlock()
	if empty && a.asking == 0 && (a.released || idle) && !a.closing {
		a.closing = true
		a.leave()
	}
}
