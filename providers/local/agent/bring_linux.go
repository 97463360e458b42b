package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// bring starts replicas and waits until all of them are ready. If one is not,
// none of them is left.
func (ro *role) bring(ctx context.Context, p *program, indexes []int, emit func(control.Event)) error {
	if len(indexes) == 0 {
		return nil
	}
	ro.settling.Wait()
	g, err := ro.watch(ctx, p, len(indexes), emit)
	if err != nil {
		return &control.Error{Summary: "Readiness cannot be observed", Detail: fmt.Sprintf("Participant %s on broker %q was not started, for it could not be seen whether it becomes ready (%s): %s",
			quoted(p.spec.Role, 0, 1), p.spec.Broker, what(p.spec.Ready), diag.Sentence(diag.EscapeText(err.Error())))}
	}
	defer g.close()
	fresh := make([]*replica, 0, len(indexes))
	said := make(chan string, 4*len(indexes))
	for _, i := range indexes {
		ro.clear(i)
		r := ro.replica(i, p)
		r.said = said
		fresh = append(fresh, r)
	}
	ro.add(fresh...)
	for _, r := range fresh {
		ro.agent.work.Go(func() { r.supervise(nil, g, max(p.spec.Ready.Timeout, 2*ro.agent.opts.Settle)) })
	}
	slow := time.NewTimer(ro.agent.opts.Patience)
	defer slow.Stop()
	for n, r := range fresh {
		if err := ro.await(ctx, r, said, slow, emit); err != nil {
			if ro.agent.ctx.Err() == nil {
				_ = ro.halt(fresh, func(control.Event) {})
			}
			return err
		}
		emit(control.Event{Text: fmt.Sprintf("%s[%d] is ready (pid %d)", diag.Escape(p.spec.Role), r.index, r.status().PID), Count: int64(n + 1), Total: int64(len(fresh))})
	}
	return nil
}

// watch begins to watch for readiness. A broker that does not answer is waited for, and
// that is said.
func (ro *role) watch(ctx context.Context, p *program, replicas int, emit func(control.Event)) (*gate, error) {
	type answer struct {
		g   *gate
		err error
	}
	begun := make(chan answer, 1)
	go func() {
		g, err := ro.agent.begin(ctx, p, replicas)
		begun <- answer{g, err}
	}()
	slow := time.NewTimer(ro.agent.opts.Patience)
	defer slow.Stop()
	select {
	case a := <-begun:
		return a.g, a.err
	case <-slow.C:
		emit(control.Event{Text: fmt.Sprintf("waiting up to %s for broker %q to answer: %s is started once it can be seen whether it becomes ready (%s)",
			p.spec.Ready.Timeout, p.spec.Broker, diag.Escape(p.spec.Role), what(p.spec.Ready))})
		a := <-begun
		return a.g, a.err
	}
}

// await waits until a replica was ready once, and passes on what is said meanwhile: of
// one that takes its time, what it is waited for.
func (ro *role) await(ctx context.Context, r *replica, said <-chan string, slow *time.Timer, emit func(control.Event)) error {
	for {
		select {
		case text := <-said:
			emit(control.Event{Text: text})
			continue
		default: // what was said comes before how it ended
		}
		select {
		case <-r.first:
			if len(said) > 0 {
				continue
			}
			if r.fate != nil {
				return r.fate
			}
			return nil
		case text := <-said:
			emit(control.Event{Text: text})
		case <-slow.C:
			st, s := r.status(), r.program().spec
			if st.State != launch.Starting || st.PID == 0 {
				slow.Reset(ro.agent.opts.Patience)
				continue
			}
			emit(control.Event{Text: fmt.Sprintf("%s[%d] runs (pid %d) and is waited for, up to %s (%s)", diag.Escape(s.Role), r.index, st.PID, s.Ready.Timeout, what(s.Ready))})
		case <-ctx.Done():
			return ctx.Err()
		case <-ro.agent.ctx.Done():
			return ro.agent.ctx.Err()
		}
	}
}

// ready waits until replicas that nobody waits for are ready, as long as that
// may take. They are left as they are if they are not.
func (ro *role) ready(ctx context.Context, p *program, rs []*replica) error {
	late := time.NewTimer(max(p.spec.Ready.Timeout, 2*ro.agent.opts.Settle))
	defer late.Stop()
	for _, r := range rs {
		select {
		case <-r.first:
			if r.fate != nil {
				return r.fate
			}
		case <-late.C:
			why := r.status().Reason
			if why == "" {
				why = what(p.spec.Ready)
			}
			return r.error("Participant not ready", fmt.Sprintf("runs and was not ready within %s: %s", p.spec.Ready.Timeout, why))
		case <-ctx.Done():
			return ctx.Err()
		case <-ro.agent.ctx.Done():
			return ro.agent.ctx.Err()
		}
	}
	return nil
}
