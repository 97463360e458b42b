package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// A role is the processes of one object. Its operations are called one at a
// time.
type role struct {
	agent *Agent
	key   control.Key
	// settling ends when what an earlier agent left running and has no place
	// here has been stopped.
	settling sync.WaitGroup

	mu       sync.Mutex
	entry    *control.Entry // nil: not held (yet)
	prog     *program       // of entry
	replicas []*replica
	mismatch string
}

// program makes and checks what an entry's replicas run.
func (a *Agent) program(e control.Entry, secret json.RawMessage) (*program, error) {
	p := &program{}
	if err := json.Unmarshal(e.Spec, &p.spec); err != nil {
		return nil, &control.Error{Summary: "Participant cannot be started", Detail: fmt.Sprintf("The spec of %s cannot be read: %v.", diag.Escape(e.Name), err)}
	}
	s := p.spec
	same, err := json.Marshal([]any{s.Component, s.Command, s.Directory, s.Env, s.Version, s.Watched, e.Dir, e.Secret})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(same)
	p.sum = hex.EncodeToString(sum[:])
	p.secrets = secretsIn(secret)
	if p.env, err = a.environment(s, secret); err == nil {
		err = a.askable(s.Ready)
	}
	if err == nil {
		err = p.find(e.Dir, a.self)
	}
	if err != nil {
		return p, &control.Error{
			Summary: "Participant cannot be started",
			Detail:  fmt.Sprintf("Participant %s on broker %q cannot be started: %s", quoted(s.Role, 0, 1), s.Broker, diag.Sentence(err.Error())),
		}
	}
	return p, nil
}

// askable tells whether this agent can observe a readiness.
func (a *Agent) askable(r launch.Ready) error {
	switch {
	case r.When == launch.Exec && len(r.Command) == 0:
		return errors.New("readiness exec needs a command")
	case r.When == launch.HTTP && r.URL == "":
		return errors.New("readiness http needs a url")
	case r.When == launch.TCP && r.Address == "":
		return errors.New("readiness tcp needs an address")
	case !ownKind(r.When) && a.opts.Probers[r.When] == nil:
		return fmt.Errorf("this agent does not know the readiness %q", r.When)
	}
	return nil
}

// stop is how the role's processes are stopped now: that may have changed
// since they were started.
func (ro *role) stop() launch.Stop {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	if ro.prog != nil {
		return ro.prog.spec.Stop
	}
	for _, r := range ro.replicas {
		return r.program().spec.Stop
	}
	return launch.Stop{Signal: "SIGTERM"}
}

func (ro *role) now() (entry *control.Entry, prog *program) {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	return ro.entry, ro.prog
}

// hold notes that the role is now as the entry says. It is durable first.
func (ro *role) hold(e control.Entry, p *program) error {
	if err := ro.agent.book.note(control.Record{Op: control.OpKeep, Want: &e}); err != nil {
		return failure("Agent cannot remember", err)
	}
	ro.mu.Lock()
	defer ro.mu.Unlock()
	ro.entry, ro.prog = &e, p
	for _, r := range ro.replicas {
		r.mu.Lock()
		if r.prog.sum == p.sum {
			r.prog = p // what changes in place is true for those that run, too
		}
		r.mu.Unlock()
	}
	return nil
}

func failure(summary string, err error) *control.Error {
	if e, ok := errors.AsType[*control.Error](err); ok {
		return e
	}
	return &control.Error{Summary: summary, Detail: diag.Sentence(diag.EscapeText(err.Error()))}
}

// put brings the role to the entry: a new one, in place, or by other
// processes.
func (ro *role) put(ctx context.Context, e control.Entry, secret json.RawMessage, emit func(control.Event)) error {
	p, err := ro.agent.program(e, secret)
	if err != nil {
		return err
	}
	old, was := ro.now()
	if old != nil {
		e.Held = old.Held
	}
	if e.Held {
		emit(control.Event{Text: "it is stopped: `msgflo start` starts it"})
		return ro.hold(e, p)
	}
	if err := ro.agent.book.note(control.Record{Op: control.OpWant, Want: &e}); err != nil {
		return failure("Agent cannot remember", err)
	}
	switch {
	case old == nil:
		err = ro.bring(ctx, p, span(p.spec.Replicas), emit)
	case was.sum == p.sum:
		err = ro.adjust(ctx, was, p, emit)
	default:
		err = ro.replace(ctx, was, p, emit)
	}
	if err == nil {
		ro.agent.opts.Fault("before-keep")
		err = ro.hold(e, p)
		if err != nil && old == nil {
			_ = ro.halt(ro.all(), emit)
		}
	}
	if err != nil && ro.agent.ctx.Err() == nil {
		_ = ro.agent.book.note(control.Record{Op: control.OpUnwant, Key: ro.key})
	}
	return err
}

// adjust changes what needs no other processes: their number, and those that
// failed. Those that an agent started by itself (after a reboot) are waited for, as any others.
func (ro *role) adjust(ctx context.Context, was, p *program, emit func(control.Event)) error {
	n := p.spec.Replicas
	missing := ro.missing(n, launch.Failed)
	there := ro.which(func(r *replica) bool { return r.index < n && !slices.Contains(missing, r.index) })
	if err := ro.bring(ctx, p, missing, emit); err != nil {
		return err
	}
	if err := ro.ready(ctx, p, there); err != nil {
		return err
	}
	if err := ro.halt(ro.which(func(r *replica) bool { return r.index >= n }), emit); err != nil {
		return failure("Participant does not end", err)
	}
	if initial := ro.agent.opts.Initial; initial != nil && len(p.spec.Initial) > 0 && !maps.Equal(was.spec.Initial, p.spec.Initial) && len(missing) < n {
		if err := initial(ctx, p.spec, p.brokerURL()); err != nil {
			return failure("Initial packets not sent", fmt.Errorf("the initial packets of %s cannot be sent: %w", ro.key.Name, err))
		}
	}
	return nil
}

// span are the indexes below n.
func span(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// missing are the indexes below n where nothing runs, or what is there is in
// one of the states.
func (ro *role) missing(n int, states ...launch.State) []int {
	there := map[int]bool{}
	for _, r := range ro.all() {
		if !slices.Contains(states, r.status().State) {
			there[r.index] = true
		}
	}
	return slices.DeleteFunc(span(n), func(i int) bool { return there[i] })
}

func (ro *role) all() []*replica { return ro.which(func(*replica) bool { return true }) }

func (ro *role) which(is func(*replica) bool) []*replica {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	var out []*replica
	for _, r := range ro.replicas {
		if is(r) {
			out = append(out, r)
		}
	}
	return out
}

// clear drops replicas of an index that do nothing any more.
func (ro *role) clear(index int) {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	ro.replicas = slices.DeleteFunc(ro.replicas, func(r *replica) bool {
		select {
		case <-r.ended:
			return r.index == index && r.undead() == nil
		default:
			return false
		}
	})
}

func (ro *role) add(rs ...*replica) {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	ro.replicas = append(ro.replicas, rs...)
}

// halt stops replicas, all at once, and drops them; those of which something
// is left stay to be seen. It goes on when who asked for it has gone.
func (ro *role) halt(rs []*replica, emit func(control.Event)) error {
	for _, r := range rs {
		r.quit()
	}
	var errs []error
	for n, r := range rs {
		<-r.ended
		if err := r.undead(); err != nil {
			errs = append(errs, err)
			continue
		}
		emit(control.Event{Text: fmt.Sprintf("%s[%d] has stopped", diag.Escape(r.program().spec.Role), r.index), Count: int64(n + 1), Total: int64(len(rs))})
		ro.mu.Lock()
		ro.replicas = slices.DeleteFunc(ro.replicas, func(x *replica) bool { return x == r })
		ro.mu.Unlock()
	}
	return errors.Join(errs...)
}

// replace brings up replicas of another program, or other ones of the same, in place of
// those that run. If the new ones do not become ready, the old ones are there in the end.
func (ro *role) replace(ctx context.Context, was, p *program, emit func(control.Event)) error {
	old := ro.all()
	if p.spec.Update.Strategy == "recreate" {
		if err := ro.halt(old, emit); err != nil {
			return failure("Participant does not end", err)
		}
		err := ro.bring(ctx, p, span(p.spec.Replicas), emit)
		if err != nil {
			ro.revive(was, old)
		}
		return err
	}
	n := p.spec.Replicas
	for batch := range slices.Chunk(span(n), max(1, p.spec.Update.MaxParallel)) {
		if err := ro.bring(ctx, p, batch, emit); err != nil {
			if ro.agent.ctx.Err() == nil {
				ro.undo(was, old)
			}
			return err
		}
		if err := ro.halt(slices.DeleteFunc(slices.Clone(old), func(r *replica) bool { return !slices.Contains(batch, r.index) }), emit); err != nil {
			ro.undo(was, old)
			return failure("Participant does not end", err)
		}
	}
	return failureOf("Participant does not end", ro.halt(slices.DeleteFunc(slices.Clone(old), func(r *replica) bool { return r.index < n }), emit))
}

func failureOf(summary string, err error) error {
	if err == nil {
		return nil
	}
	return failure(summary, err)
}

// undo takes back what of a rolling update was done: the old program runs where it
// ran, and then the new one does not.
func (ro *role) undo(was *program, old []*replica) {
	fresh := ro.which(func(r *replica) bool { return !slices.Contains(old, r) })
	ro.revive(was, old)
	_ = ro.halt(fresh, func(control.Event) {})
}

// revive starts those of the old replicas that were stopped. Nobody waits for
// them.
func (ro *role) revive(was *program, old []*replica) {
	if ro.agent.ctx.Err() != nil {
		return
	}
	there := ro.all()
	for _, o := range old {
		if slices.Contains(there, o) {
			continue
		}
		r := ro.replica(o.index, was)
		ro.add(r)
		ro.agent.work.Go(func() { r.supervise(nil, nil, 0) })
	}
}

// show is how the role fares.
func (ro *role) show() *launch.Status {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	st := &launch.Status{Mismatch: ro.mismatch}
	if ro.prog != nil {
		st.Broker, st.Role, st.Wanted = ro.prog.spec.Broker, ro.prog.spec.Role, ro.prog.spec.Replicas
	}
	if ro.entry != nil {
		st.Held = ro.entry.Held
	}
	there := map[int]bool{}
	for _, r := range ro.replicas {
		st.Replicas = append(st.Replicas, r.status())
		there[r.index] = true
	}
	for i := range st.Wanted {
		if !there[i] {
			st.Replicas = append(st.Replicas, launch.Replica{Index: i, State: launch.Stopped, Log: ro.agent.place.Log(st.Broker, st.Role, i)})
		}
	}
	slices.SortStableFunc(st.Replicas, func(a, b launch.Replica) int { return a.Index - b.Index })
	return st
}
