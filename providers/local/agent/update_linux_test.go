package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

func TestRolling(t *testing.T) {
	for _, strategy := range []string{"rolling", "recreate"} {
		t.Run(strategy, func(t *testing.T) {
			w := newWorld(t)
			w.agent(nil)
			c := w.client()
			s := w.spec("role", "sleep")
			s.Replicas, s.Update = 3, launch.Update{Strategy: strategy, MaxParallel: 2}
			w.put(c, s)
			old := w.pids(c, s)

			s.Version = "2"
			w.put(c, s)
			now := w.pids(c, s)
			for _, pid := range old {
				if slices.Contains(now, pid) || living(pid) {
					t.Errorf("%d is an old one and lives", pid)
				}
			}
			if len(now) != 3 {
				t.Errorf("%d run", len(now))
			}
			// A new one that is not ready leaves the old ones.
			bad := s
			bad.Command, bad.Restart.Policy = []string{"sh", "-c", "sleep 0.05; exit 1"}, "never"
			bad.Ready = launch.Ready{When: launch.TCP, Address: "127.0.0.1:1", Timeout: time.Minute}
			w.contains(w.fails(c, bad).Detail, "exit status 1", "in force again")
			if strategy == "rolling" {
				if after := w.pids(c, s); fmt.Sprint(after) != fmt.Sprint(now) {
					t.Errorf("%v became %v", now, after)
				}
			}
			w.eventually("three run", func() bool { return len(w.pids(c, s)) == 3 })
			w.run(3)
			w.delete(c, s)
		})
	}
}

// The second of two new replicas fails: the first goes again, and the old one
// that it had replaced comes back.
func TestRollingUndone(t *testing.T) {
	w := newWorld(t)
	batches, first := 0, filepath.Join(w.dir, "first")
	w.agent(func(o *Options) {
		o.Probers = map[string]launch.Prober{launch.Announced: func(context.Context, launch.Spec, string, int) (launch.Probe, error) {
			batches++
			if batches == 1 {
				return isThere(first), nil
			}
			return watch{&watcher{err: errors.New("not heard")}}, nil
		}}
	})
	c := w.client()
	s := w.spec("role", "sleep")
	s.Replicas = 2
	w.put(c, s)
	bad := s
	bad.Command = []string{"sh", "-c", `mkdir "$0" 2>/dev/null && exec sleep 1000; exit 5`, first}
	bad.Restart.Policy = "never"
	bad.Env = map[string]string{"TEST_WORLD": w.lineage}
	bad.Ready.When = launch.Announced
	w.contains(w.fails(c, bad).Detail, "replica 1", "exit status 5")
	w.eventually("the old program runs twice", func() bool {
		n := 0
		for pid := range w.running() {
			env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			if strings.Contains(string(env), "TEST_CHILD=sleep") {
				n++
			}
		}
		return n == 2 && len(w.running()) == 2
	})
	w.delete(c, s)
}

// isThere is a probe that waits for a path: its program runs, and has come so far.
type isThere string

func (p isThere) Wait(ctx context.Context) error {
	for {
		if _, err := os.Stat(string(p)); err == nil {
			return nil
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

func (isThere) Close() error { return nil }

// A broker that is down when a probe is begun ends the update when its time for
// readiness is over, and the old program goes on.
func TestSilentBroker(t *testing.T) {
	w := newWorld(t)
	w.agent(func(o *Options) {
		o.Probers = map[string]launch.Prober{launch.Announced: func(ctx context.Context, _ launch.Spec, _ string, _ int) (launch.Probe, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
	})
	c := w.client()
	s := w.spec("role", "sleep")
	w.put(c, s)
	was := w.pids(c, s)
	next := s
	next.Version, next.Ready = "2", launch.Ready{When: launch.Announced, Timeout: 100 * time.Millisecond}
	w.contains(w.fails(c, next).Detail, "its broker did not answer within 100ms")
	if now := w.pids(c, s); !slices.Equal(now, was) {
		t.Errorf("pids %v became %v", was, now)
	}
	w.delete(c, s)
}

// What watches for a start that then is refused ends with that.
func TestProbeOfARefusedStart(t *testing.T) {
	w := newWorld(t)
	var begun, open atomic.Int32
	w.agent(func(o *Options) {
		o.Probers = map[string]launch.Prober{launch.Announced: func(context.Context, launch.Spec, string, int) (launch.Probe, error) {
			open.Add(1)
			return openProbe{first: begun.Add(1) == 1, open: &open}, nil
		}}
	})
	c := w.client()
	program := filepath.Join(w.dir, "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := w.spec("role", "")
	s.Command, s.Ready.When = []string{program}, launch.Announced
	w.put(c, s)
	pid := w.pids(c, s)[0]
	// That it was started does not mean that its interpreter has read it by now.
	w.eventually("the script was read", func() bool {
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return strings.HasPrefix(string(args), "sleep\x00")
	})
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.eventually("it has failed", func() bool { return w.status(c, s).Replicas[0].State == launch.Failed })
	if n := begun.Load(); n != 4 {
		t.Errorf("%d probes, want one for the start and one for each restart", n)
	}
	w.eventually("no probe is open", func() bool { return open.Load() == 0 })
	w.delete(c, s)
}

// An openProbe sees the first start ready, and of others nothing.
type openProbe struct {
	first bool
	open  *atomic.Int32
}

func (p openProbe) Wait(ctx context.Context) error {
	if p.first {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (p openProbe) Close() error {
	p.open.Add(-1)
	return nil
}

func TestInPlace(t *testing.T) {
	w := newWorld(t)
	w.agent(nil)
	c := w.client()
	s := w.spec("role", "deaf")
	s.Ready = launch.Ready{When: launch.Exec, Command: []string{"grep", "-q", "deaf", w.place.Log("main", "role", 0)}, Timeout: time.Minute}
	s.Stop.Timeout = time.Hour
	w.put(c, s)
	pid := w.pids(c, s)[0]
	s.Replicas, s.Restart.Max, s.Stop.Timeout, s.Inports = 3, 7, 50*time.Millisecond, []launch.Port{{ID: "in", Queue: "q"}}
	w.put(c, s)
	if pids := w.pids(c, s); len(pids) != 3 || !slices.Contains(pids, pid) {
		t.Errorf("%v, %d among them?", pids, pid)
	}
	s.Replicas = 1
	w.put(c, s) // and this is quick only by the new timeout
	if pids := w.pids(c, s); fmt.Sprint(pids) != fmt.Sprint([]int{pid}) {
		t.Errorf("%v", pids)
	}
	if err := c.Scale(t.Context(), "main/role", 2, nil); err != nil || len(w.pids(c, s)) != 2 {
		t.Error(err)
	}
	if err := c.Restart(t.Context(), "main/role", nil); err != nil || slices.Contains(w.pids(c, s), pid) || len(w.pids(c, s)) != 2 {
		t.Error(err, w.pids(c, s))
	}
	w.delete(c, s)
}

func TestStopAndStart(t *testing.T) {
	w := newWorld(t)
	quit := w.agent(nil)
	c := w.client()
	s := w.spec("role", "sleep")
	w.put(c, s)
	if err := c.Stop(t.Context(), "main/role", nil); err != nil {
		t.Fatal(err)
	}
	quit()
	quit = w.agent(nil)
	s.Version = "2" // a put leaves it stopped
	held := w.put(c, s)
	if st := held.Status; !st.Held || st.Replicas[0].State != launch.Stopped || len(w.mine()) != 0 {
		t.Errorf("%+v %v", st, w.mine())
	}
	if err := c.Restart(t.Context(), "main/role", nil); err == nil || !strings.Contains(err.Error(), "msgflo start") {
		t.Error(err)
	}
	if err := c.Start(t.Context(), "main/role", nil); err != nil {
		t.Fatal(err)
	}
	if st := w.status(c, s); st.Held || st.Replicas[0].State != launch.Running {
		t.Errorf("%+v", st)
	}
	// All down; the next agent starts it again.
	pid := w.pids(c, s)[0]
	if err := c.Down(t.Context(), nil); err != nil || living(pid) {
		t.Error(err)
	}
	quit()
	read, err := control.ReadFolder(w.lineage)
	if err != nil || len(read) != 1 || read[0].Status.Replicas[0].State != launch.Stopped {
		t.Errorf("%v %+v", err, read)
	}
	w.agent(nil)
	w.eventually("it runs again", func() bool { return len(w.pids(w.client(), s)) == 1 })
	w.delete(w.client(), s)
}

// What ended well and is not to be started again is not, by the next agent
// neither; nor what failed.
func TestFinal(t *testing.T) {
	w := newWorld(t)
	quit := w.agent(nil)
	c := w.client()
	// They live until both puts are over: what ends before it was ready has failed.
	once := w.shell("once", "until test -e over; do sleep 0.01; done; exit 0")
	broken := w.shell("broken", "until test -e over; do sleep 0.01; done; exit 2")
	broken.Restart.Max = 1
	w.put(c, once)
	w.put(c, broken)
	if err := os.WriteFile(filepath.Join(w.dir, "over"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	is := func(s launch.Spec, state launch.State, why string) func() bool {
		return func() bool {
			r := w.status(w.client(), s).Replicas[0]
			return r.State == state && strings.Contains(r.Reason, why)
		}
	}
	w.eventually("it has stopped", is(once, launch.Stopped, "exit status 0"))
	w.eventually("it has failed", is(broken, launch.Failed, "restarted 1 times"))
	quit()
	read, err := control.ReadFolder(w.lineage)
	if err != nil || len(read) != 2 || read[0].Status.Replicas[0].State != launch.Failed {
		t.Errorf("%v %+v", err, read)
	}
	w.agent(nil)
	if !is(once, launch.Stopped, "")() || !is(broken, launch.Failed, "")() {
		t.Error("started again")
	}
	w.delete(w.client(), once)
	w.delete(w.client(), broken)
}

// A process that ends is started again; what it leaves is ended first.
func TestCrashLater(t *testing.T) {
	w := newWorld(t)
	w.agent(nil)
	c := w.client()
	s := w.spec("role", "sleep")
	w.put(c, s)
	pid := w.pids(c, s)[0]
	p, _ := os.FindProcess(pid)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	w.eventually("another runs", func() bool {
		st := w.status(c, s).Replicas[0]
		return st.State == launch.Running && st.PID != pid && st.Restarts == 1
	})
	w.delete(c, s)
}

func TestSecrets(t *testing.T) {
	const password = "hunter2-in-no-argument"
	w := newWorld(t)
	c := w.ensure(nil)
	s := w.shell("role", `printf %s "$MSGFLO_BROKER" > seen; sleep 1000`)
	s.Ready = launch.Ready{When: launch.Exec, Command: []string{"test", "-s", "seen"}, Timeout: time.Minute}
	o := w.object(s)
	o.Secret = json.RawMessage(`{"MSGFLO_BROKER": "amqp://u:` + password + `@h"}`)
	if _, err := c.Put(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
	pid := w.pids(c, s)[0]
	if fi, err := os.Stat(w.place.Secrets()); err != nil || fi.Mode().Perm() != 0o600 {
		t.Error(err, fi.Mode())
	}
	w.nowhere(password, w.place.Secrets())
	for name, list := range map[string]func() ([]control.Held, error){
		"agent": func() ([]control.Held, error) { return c.List(t.Context()) }, "folder": func() ([]control.Held, error) { return control.ReadFolder(w.lineage) },
	} {
		held, err := list()
		if err != nil || len(held) != 1 {
			t.Fatal(name, err, held)
		}
		if !held[0].SameSecret(json.RawMessage(`{"MSGFLO_BROKER":"amqp://u:`+password+`@h"}`)) || held[0].SameSecret(json.RawMessage(`{}`)) || held[0].SameSecret(nil) {
			t.Error(name)
		}
		if b, _ := json.Marshal(held); strings.Contains(string(b), password) {
			t.Error(name)
		}
	}
	// The same secret, otherwise written, is no change; another is.
	o.Secret = json.RawMessage(`{"MSGFLO_BROKER":"amqp://u:` + password + `@h"}`)
	if _, err := c.Put(t.Context(), o, nil); err != nil || w.pids(c, s)[0] != pid {
		t.Error(err)
	}
	o.Secret = json.RawMessage(`{"MSGFLO_BROKER":"amqp://v:` + password + `@h"}`)
	if _, err := c.Put(t.Context(), o, nil); err != nil || w.pids(c, s)[0] == pid {
		t.Error(err)
	}
	// A later agent has it too.
	w.killAgent(c)
	c = w.ensure(nil)
	if err := c.Restart(t.Context(), "main/role", nil); err != nil {
		t.Error(err)
	}
	w.delete(c, s)
	if b, _ := os.ReadFile(w.place.Secrets()); strings.Contains(string(b), password) {
		t.Error("the secret outlives its object")
	}
}

// nowhere fails if the text is in any file of the agent's but one, or in any
// process's arguments.
func (w *world) nowhere(text, but string) {
	w.Helper()
	_ = filepath.WalkDir(w.place.Folder, func(path string, d os.DirEntry, err error) error {
		if path == but || d.Name() == "msgflo" {
			return nil
		}
		if b, _ := os.ReadFile(path); err == nil && strings.Contains(string(b), text) {
			w.Errorf("it is in %s", path)
		}
		return nil
	})
	for _, p := range processes() {
		if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID)); strings.Contains(string(b), text) {
			w.Errorf("it is among the arguments of %d: %q", p.PID, b)
		}
	}
}

// A watcher is a Prober of the test's.
type watcher struct {
	mu       sync.Mutex
	began    []int // replicas of each batch
	err      error
	mismatch string
}

type watch struct{ *watcher }

func (p watch) Wait(ctx context.Context) error {
	if p.err != nil {
		<-ctx.Done()
	}
	return p.err
}
func (p watch) Close() error     { return nil }
func (p watch) Mismatch() string { return p.mismatch }

func TestProbersAndInitial(t *testing.T) {
	w := newWorld(t)
	p := &watcher{mismatch: "it has no port out"}
	var mu sync.Mutex
	var sent []string
	w.agent(func(o *Options) {
		o.Probers = map[string]launch.Prober{launch.Announced: func(_ context.Context, s launch.Spec, url string, n int) (launch.Probe, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.began = append(p.began, n)
			if url != "amqp://here" {
				return nil, errors.New("not this broker: " + url)
			}
			return watch{p}, nil
		}}
		o.Initial = func(_ context.Context, s launch.Spec, url string) error {
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, s.Initial["topic"]+url)
			return nil
		}
	})
	c := w.client()
	s := w.spec("role", "sleep")
	s.Ready.When, s.Replicas, s.Initial = launch.Announced, 2, map[string]string{"topic": "1 to "}
	s.Env["MSGFLO_BROKER"] = "amqp://here"
	s.Update.MaxParallel = 2
	w.put(c, s)
	if st := w.status(c, s); st.Mismatch != p.mismatch {
		t.Errorf("%+v", st)
	}
	s.Initial = map[string]string{"topic": "2 to "} // in place
	w.put(c, s)
	mu.Lock()
	if fmt.Sprint(p.began) != "[2]" || fmt.Sprint(sent) != "[1 to amqp://here 1 to amqp://here 2 to amqp://here]" {
		t.Errorf("%v %v", p.began, sent)
	}
	mu.Unlock()
	pids := w.pids(c, s)
	p.err = errors.New("1 of 2 announced themselves")
	s.Version, s.Ready.Timeout = "2", 3*time.Second // a broker that answers late was not heard either, and that is said otherwise
	w.contains(w.fails(c, s).Detail, "readiness announced", "1 of 2 announced themselves")
	s.Env["MSGFLO_BROKER"] = "amqp://there"
	w.contains(w.fails(c, s).Detail, "not this broker")
	if now := w.pids(c, s); fmt.Sprint(now) != fmt.Sprint(pids) {
		t.Errorf("%v became %v", pids, now)
	}
	w.delete(c, s)
}

// A service of the test's does as its spec says.
type service struct {
	env  ServiceEnv
	does string
	runs *sync.Map
	held <-chan struct{} // until it is closed, the service is not ready
}

func (s service) Run(ctx context.Context) error {
	s.runs.Store(s.does, true)
	defer s.runs.Delete(s.does)
	switch s.does {
	case "fail":
		return errors.New("no broker")
	case "panic":
		panic("oh")
	}
	select {
	case <-s.held:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.env.Ready()
	s.env.Note("noted " + s.does)
	<-ctx.Done()
	return ctx.Err()
}

func TestServices(t *testing.T) {
	w := newWorld(t)
	var runs sync.Map
	held := make(chan struct{})
	close(held)
	kinds := func(o *Options) {
		o.Kinds = map[string]ServiceFactory{control.Keeper: func(spec, _ json.RawMessage, env ServiceEnv) (Service, error) {
			s := service{env: env, runs: &runs, held: held}
			if err := json.Unmarshal(spec, &s.does); err != nil {
				return nil, errors.New("its spec is no text")
			}
			return s, nil
		}}
	}
	quit := w.agent(kinds)
	c := w.client()
	key := control.Key{Kind: control.Keeper, Name: "main/k"}
	put := func(spec string) error {
		_, err := c.Put(t.Context(), control.Object{Key: key, Spec: json.RawMessage(spec), Dir: w.dir}, nil)
		return err
	}
	for spec, want := range map[string]string{`"fail"`: "no broker", `"panic"`: "a fault in msgflo: oh", `7`: "its spec is no text"} {
		if err := put(spec); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Nothing of it") {
			t.Error(spec, err)
		}
	}
	if err := put(`"one"`); err != nil {
		t.Fatal(err)
	}
	if err := put(`"fail"`); err == nil || !strings.Contains(err.Error(), "in force again") {
		t.Error(err)
	}
	one := func() bool { _, ok := runs.Load("one"); return ok }
	w.eventually("one runs again", one)
	quit()
	if one() {
		t.Error("it outlives its agent")
	}
	held = make(chan struct{})
	w.agent(kinds)
	settled := make(chan error, 1)
	go func() { settled <- c.Settled(t.Context()) }()
	w.eventually("one runs in the next agent", one)
	select {
	case err := <-settled:
		t.Errorf("an agent whose service is not ready has settled: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(held)
	if err := <-settled; err != nil {
		t.Error(err)
	}
	w.eventually("it has a note", func() bool {
		held, err := c.List(t.Context())
		return err == nil && len(held) == 1 && held[0].Note == "noted one"
	})
	if err := c.Delete(t.Context(), key, nil); err != nil || one() {
		t.Error(err)
	}
}

// Who asked goes away: what it asked for is taken back.
func TestInterruptedPut(t *testing.T) {
	w := newWorld(t)
	w.agent(nil)
	c := w.client()
	s := w.spec("role", "sleep")
	s.Ready = launch.Ready{When: launch.TCP, Address: "127.0.0.1:1", Timeout: time.Hour}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for len(w.running()) == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if _, err := c.Put(ctx, w.object(s), nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	w.eventually("nothing is left", func() bool { return len(w.mine()) == 0 })
}

func TestJournalIsWrittenAnew(t *testing.T) {
	w := newWorld(t)
	w.agent(func(o *Options) { o.Compact = 5 })
	c := w.client()
	s := w.spec("role", "sleep")
	for i := range 4 {
		s.Version = fmt.Sprint(i)
		w.put(c, s)
	}
	b, err := os.ReadFile(w.place.Journal())
	if err != nil || strings.Count(string(b), "\n") > 6 {
		t.Errorf("%v\n%s", err, b)
	}
	l, err := control.ReadLedger(w.place.Journal())
	if err != nil || len(l.Entries) != 1 || len(l.Runs) != 1 {
		t.Errorf("%v %+v", err, l)
	}
	w.delete(c, s)
}
