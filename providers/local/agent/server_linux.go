package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/local/control"
)

// A server answers the command line on the agent's socket.
type server struct {
	agent  *Agent
	http   *http.Server
	opened chan struct{} // closed when the agent has taken over what ran
	served sync.WaitGroup
}

// listen opens the socket. The folder is locked, so one that is there is a
// dead agent's.
func (a *Agent) listen() (*server, error) {
	path := a.place.Socket
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the socket of an earlier agent: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(a.ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", diag.Escape(path), err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	s := &server{agent: a, opened: make(chan struct{})}
	s.http = &http.Server{Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return a.ctx }}
	s.served.Go(func() { _ = s.http.Serve(l) })
	return s, nil
}

func (s *server) open() { close(s.opened) }

// close lets answers that are being written end, for a moment, and removes the
// socket.
func (s *server) close() {
	s.agent.leave()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	s.served.Wait()
}

func (s *server) routes() http.Handler {
	a, m := s.agent, http.NewServeMux()
	word := func(w string) string { return fmt.Sprintf("/%d/%s", control.Protocol, w) }
	// These two never change, so that any version can replace any other.
	m.HandleFunc("GET /hello", s.hello)
	m.HandleFunc("POST /quit", func(http.ResponseWriter, *http.Request) { a.leave() })
	m.HandleFunc("GET "+word("hello"), s.hello)
	m.HandleFunc("GET "+word("objects"), s.gate(func(w http.ResponseWriter, _ *http.Request) { reply(w, a.list()) }))
	m.HandleFunc("PUT "+word("objects"), stream(s, func(ctx context.Context, o control.Object, emit func(control.Event)) (*control.Held, error) {
		return a.put(ctx, o, emit)
	}))
	m.HandleFunc("DELETE "+word("objects"), s.gate(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		k := control.Key{Kind: q.Get("kind"), Name: q.Get("name")}
		events(w, func(emit func(control.Event)) (*control.Held, error) {
			err := a.delete(r.Context(), k, emit)
			return a.show(k), err
		})
	}))
	m.HandleFunc("GET "+word("settled"), s.gate(func(w http.ResponseWriter, r *http.Request) {
		events(w, func(func(control.Event)) (*control.Held, error) { return nil, a.settled(r.Context()) })
	}))
	m.HandleFunc("POST "+word("check"), stream(s, func(_ context.Context, o control.Object, _ func(control.Event)) (*control.Held, error) {
		return nil, a.check(o)
	}))
	m.HandleFunc("POST "+word("down"), s.gate(func(w http.ResponseWriter, _ *http.Request) {
		events(w, func(emit func(control.Event)) (*control.Held, error) { return nil, a.down(emit) })
		a.leave()
	}))
	act := func(verb string, do func(context.Context, *role, control.Act, func(control.Event)) error) {
		m.HandleFunc("POST "+word(verb), stream(s, func(ctx context.Context, t control.Act, emit func(control.Event)) (*control.Held, error) {
			err := a.act(ctx, t.Name, func(ro *role) error { return do(ctx, ro, t, emit) })
			return a.show(control.Key{Kind: control.Process, Name: t.Name}), err
		}))
	}
	act("restart", func(ctx context.Context, ro *role, _ control.Act, emit func(control.Event)) error {
		return ro.restarted(ctx, emit)
	})
	act("start", func(ctx context.Context, ro *role, _ control.Act, emit func(control.Event)) error {
		return ro.started(ctx, emit)
	})
	act("stop", func(_ context.Context, ro *role, _ control.Act, emit func(control.Event)) error {
		return ro.stopped(emit)
	})
	act("scale", func(ctx context.Context, ro *role, t control.Act, emit func(control.Event)) error {
		return ro.scaled(ctx, t.Replicas, emit)
	})
	return m
}

func (s *server) hello(w http.ResponseWriter, _ *http.Request) {
	o := s.agent.opts
	reply(w, control.Hello{
		Protocol: control.Protocol, Version: o.Version, Build: o.Build, PID: os.Getpid(),
		Lineage: o.Lineage, Dir: o.Dir, Machine: o.Machine, Started: s.agent.started,
	})
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// gate keeps requests waiting until what ran before is taken over, and refuses
// them when the agent is about to end.
func (s *server) gate(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-s.opened:
		case <-r.Context().Done():
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if !s.agent.enters() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		defer s.agent.leaves()
		h(w, r)
	}
}

// maxBody bounds a request. An object with a large environment has some
// hundred kilobytes.
const maxBody = 32 << 20

func stream[T any](s *server, do func(context.Context, T, func(control.Event)) (*control.Held, error)) http.HandlerFunc {
	return s.gate(func(w http.ResponseWriter, r *http.Request) {
		var v T
		if json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&v) != nil { // the error could quote a secret
			http.Error(w, "the request is not the JSON that this path takes", http.StatusBadRequest)
			return
		}
		events(w, func(emit func(control.Event)) (*control.Held, error) { return do(r.Context(), v, emit) })
	})
}

// events streams what is said while something is done, and how it ended.
func events(w http.ResponseWriter, do func(func(control.Event)) (*control.Held, error)) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w)
	enc := json.NewEncoder(w)
	emit := func(e control.Event) {
		_ = enc.Encode(e)
		_ = flush.Flush()
	}
	_ = flush.Flush()
	held, err := do(emit)
	last := control.Event{Done: true, Held: held}
	if err != nil {
		last.Error = failure("Interrupted", err)
	}
	emit(last)
}

// check tells whether an object could be started.
func (a *Agent) check(o control.Object) error {
	if o.Kind == control.Process {
		_, err := a.program(control.Entry{Key: o.Key, Spec: o.Spec, Dir: o.Dir}, o.Secret)
		return err
	}
	if a.opts.Kinds[o.Kind] == nil {
		return &control.Error{Summary: "Unknown kind of object", Detail: fmt.Sprintf("This agent does not know objects of kind %q.", o.Kind)}
	}
	h := &host{agent: a, key: o.Key}
	if _, err := h.make(control.Entry{Key: o.Key, Spec: o.Spec, Dir: o.Dir}, o.Secret, func() {}); err != nil {
		return h.error("Service cannot be started", err)
	}
	return nil
}
