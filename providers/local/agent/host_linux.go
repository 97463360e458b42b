package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// patience is how long a service may take to be ready, and how long to end.
const patience = 30 * time.Second

// A host runs one service.
type host struct {
	agent *Agent
	key   control.Key

	mu    sync.Mutex
	entry *control.Entry
	said  string // by the service
	why   string // it does not run
	stop  context.CancelFunc
	ended chan struct{}
	spoke chan struct{} // closed at its first word after a start: ready, or why not
}

func (a *Agent) host(k control.Key) *host {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hosts[k] == nil {
		a.hosts[k] = &host{agent: a, key: k}
	}
	return a.hosts[k]
}

func (h *host) held() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.entry != nil
}

func (h *host) note() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.why != "" {
		return h.why
	}
	return h.said
}

// resume starts the service of an entry that an earlier agent held.
func (a *Agent) resume(e control.Entry) {
	h := a.host(e.Key)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entry = &e
	if a.opts.Kinds[e.Kind] == nil {
		h.why = "this version of msgflo does not know " + e.Kind
		return
	}
	h.start(e, a.book.secret(e.Secret), func(error) {})
}

// put brings the service to the entry. If the new one does not become ready,
// the old one runs again.
func (h *host) put(ctx context.Context, e control.Entry, secret json.RawMessage, emit func(control.Event)) error {
	h.mu.Lock()
	old := h.entry
	same := old != nil && string(old.Spec) == string(e.Spec) && old.Secret == e.Secret && old.Dir == e.Dir && h.why == ""
	h.mu.Unlock()
	if same {
		return nil
	}
	if _, err := h.make(e, secret, func() {}); err != nil {
		return h.error("Service cannot be started", err)
	}
	if err := h.agent.book.note(control.Record{Op: control.OpWant, Want: &e}); err != nil {
		return failure("Agent cannot remember", err)
	}
	h.halt()
	err := h.trial(ctx, e, secret)
	if err == nil {
		err = h.agent.book.note(control.Record{Op: control.OpKeep, Want: &e})
	}
	if err == nil {
		h.mu.Lock()
		h.entry = &e
		h.mu.Unlock()
		emit(control.Event{Text: diag.Escape(h.key.Kind+" "+h.key.Name) + " is ready"})
		return nil
	}
	if h.agent.ctx.Err() != nil {
		return err
	}
	h.halt()
	_ = h.agent.book.note(control.Record{Op: control.OpUnwant, Key: h.key})
	if old != nil {
		h.mu.Lock()
		h.start(*old, h.agent.book.secret(old.Secret), func(error) {})
		h.mu.Unlock()
	}
	return h.error("Service not ready", err)
}

// trial starts the service and waits until it says that it is ready.
func (h *host) trial(ctx context.Context, e control.Entry, secret json.RawMessage) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	first := make(chan error, 1)
	h.mu.Lock()
	h.start(e, secret, func(err error) {
		select {
		case first <- err:
		default: // only the first word counts
		}
	})
	h.mu.Unlock()
	select {
	case err := <-first:
		return err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return errors.Join(fmt.Errorf("it was not ready within %s", patience), saying(h.note()))
		}
		return ctx.Err()
	case <-h.agent.ctx.Done():
		return h.agent.ctx.Err()
	}
}

func saying(note string) error {
	if note == "" {
		return nil
	}
	return errors.New(note)
}

func (h *host) error(summary string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &control.Error{Summary: summary, Detail: fmt.Sprintf("The %s %s: %s", diag.Escape(h.key.Kind), diag.Escape(h.key.Name), diag.Sentence(diag.EscapeText(err.Error())))}
}

func (h *host) make(e control.Entry, secret json.RawMessage, ready func()) (Service, error) {
	return h.agent.opts.Kinds[e.Kind](e.Spec, secret, ServiceEnv{
		Name: e.Name, Dir: e.Dir, Lineage: h.agent.opts.Lineage, Machine: h.agent.opts.Machine,
		Folder: filepath.Join(h.agent.place.Folder, "services", control.FileName(e.Kind), control.FileName(e.Name)),
		Log:    h.agent.log.With("service", e.Kind+" "+e.Name),
		Ready:  ready, Note: h.say,
	})
}

func (h *host) say(note string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = diag.Escape(note)
}

// start runs the service until halt, again and again. The caller holds mu.
// First is told of its first readiness or failure.
func (h *host) start(e control.Entry, secret json.RawMessage, first func(error)) {
	ctx, cancel := context.WithCancel(h.agent.ctx)
	h.stop, h.ended, h.spoke, h.why, h.said = cancel, make(chan struct{}), make(chan struct{}), "", ""
	ended, spoken := h.ended, h.spoke
	spoke := sync.OnceFunc(func() { close(spoken) })
	h.agent.work.Go(func() {
		defer close(ended)
		defer spoke()
		h.run(ctx, e, secret, func(err error) {
			spoke()
			first(err)
		})
	})
}

// settled waits until every service has said whether it is ready, for those that
// were started with the agent: whoever brings an agent back goes on with what it hosts.
// One that says nothing is not waited for without end.
func (a *Agent) settled(ctx context.Context) error {
	a.mu.Lock()
	hosts := slices.Collect(maps.Values(a.hosts))
	a.mu.Unlock()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for _, h := range hosts {
		h.mu.Lock()
		spoke := h.spoke
		h.mu.Unlock()
		if spoke == nil {
			continue // it was never started
		}
		select {
		case <-spoke:
		case <-limit.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// run keeps the service running: what fails is made anew after a back-off,
// without end, since most of what fails is a broker that is not there.
func (h *host) run(ctx context.Context, e control.Entry, secret json.RawMessage, first func(error)) {
	policy := launch.Restart{Backoff: time.Second, BackoffMax: time.Minute}
	for streak := 0; ; streak++ {
		began := time.Now()
		err := h.once(ctx, e, secret, func() {
			h.failed("")
			first(nil)
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it ended by itself")
		}
		h.failed(err.Error())
		h.agent.log.Warn("service failed", "service", e.Kind+" "+e.Name, "error", err)
		first(err)
		if time.Since(began) > policy.BackoffMax {
			streak = 0
		}
		if pause(ctx, delay(policy, streak, h.agent.opts.Rand())) != nil {
			return
		}
	}
}

func (h *host) failed(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.why = diag.Escape(why)
}

// once makes and runs the service. A service that panics is one that failed:
// it must not take the participants' supervisor along.
func (h *host) once(ctx context.Context, e control.Entry, secret json.RawMessage, ready func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("a fault in msgflo: %v", r)
		}
	}()
	s, err := h.make(e, secret, ready)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// halt ends the service.
func (h *host) halt() {
	h.mu.Lock()
	stop, ended := h.stop, h.ended
	h.stop = nil
	h.mu.Unlock()
	if stop != nil {
		stop()
		<-ended
	}
}
