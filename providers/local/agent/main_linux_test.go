package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
)

// TestMain makes the test binary also the shim, the agent as a process of its
// own, and the children that the agent is to get along with.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[0] == "msgflo" && os.Args[1] == "agent" {
		switch os.Args[2] {
		case "shim":
			os.Exit(Shim(os.Args[3:]))
		case "serve":
			os.Exit(serve(os.Args[3], os.Args[4]))
		}
	}
	if kind := os.Getenv("TEST_CHILD"); kind != "" {
		children[kind]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve is the agent as a process of its own, as the environment says.
func serve(lineage, dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	o := testOptions(lineage)
	o.Dir, o.Boot = dir, os.Getenv("TEST_BOOT")
	o.Build = os.Getenv("TEST_BUILD")
	if o.Build == "" {
		o.Build, _ = control.Build("/proc/self/exe")
	}
	o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	o.Fault = faultFromFile(os.Getenv("TEST_FAULT"))
	if err := Run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// faultFromFile kills the process at the point that a file names, once: the
// file is removed by it.
func faultFromFile(path string) func(string) {
	return func(point string) {
		b, err := os.ReadFile(path)
		if path == "" || err != nil || string(b) != point {
			return
		}
		_ = os.Remove(path)
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
}

func testOptions(lineage string) Options {
	return Options{
		Lineage: lineage, Version: "test", Machine: "here", Settle: 20 * time.Millisecond, Idle: time.Hour,
		LogSize: 1 << 20, LogFiles: 3,
	}
}

// A world is a lineage with folders of its own, and all that was started in
// it ends with the test.
type world struct {
	testing.TB
	lineage string
	place   control.Place
	dir     string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	leaktest.Check(t)
	base, err := os.MkdirTemp("/tmp", "mfa") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(base, "run"))
	t.Setenv("XDG_STATE_HOME", filepath.Join(base, "state"))
	w := &world{TB: t, lineage: "lineage-" + filepath.Base(base), dir: t.TempDir()}
	if w.place, err = control.Locate(w.lineage); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range w.mine() {
			if os.Getenv("KEEP") == "" {
				_ = signalTo(p.Identity, unix.SIGKILL)
			}
		}
		w.eventually("all processes of the test have ended", func() bool {
			for _, p := range processes() { // shims and agents that are our children
				if p.state == 'Z' && p.parent == os.Getpid() {
					_, _ = unix.Wait4(p.PID, nil, unix.WNOHANG, nil)
				}
			}
			return len(w.mine()) == 0
		})
		os.RemoveAll(base)
	})
	return w
}

// mine are the processes that have the mark of this test in their environment
// or its lineage among their arguments, this one excepted.
func (w *world) mine() []stat {
	var mine []stat
	for _, p := range processes() {
		if p.PID == os.Getpid() || p.state == 'Z' {
			continue
		}
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.PID))
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
		if strings.Contains(string(env), "TEST_WORLD="+w.lineage) || strings.Contains(string(args), w.lineage) {
			mine = append(mine, p)
		}
	}
	return mine
}

// run tells that just so many processes of the test's run, neither agent nor shim. A process
// may be started and not yet have its environment: for those that lack it waits.
func (w *world) run(n int) {
	w.Helper()
	now := map[int]int{}
	w.eventually(fmt.Sprintf("%d run", n), func() bool {
		now = w.running()
		return len(now) >= n
	})
	if len(now) > n {
		w.Errorf("%d run, not %d: %v", len(now), n, now)
	}
}

func (w *world) eventually(what string, is func() bool) {
	w.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
		if time.Now().After(deadline) {
			w.Errorf("not in time: %s", what)
			log, _ := os.ReadFile(w.place.AgentLog())
			w.Fatalf("agent's log:\n%s", log)
		}
	}
}

// agent runs an agent inside the test.
func (w *world) agent(change func(*Options)) (quit func()) {
	w.Helper()
	o := testOptions(w.lineage)
	o.Build, _ = control.Build("/proc/self/exe")
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o) }()
	quit = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.Error(err)
		}
	})
	w.Cleanup(quit)
	w.eventually("the agent answers", func() bool {
		c, err := control.Dial(w.Context(), w.lineage)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
	return quit
}

func (w *world) client() *control.Client {
	w.Helper()
	c, err := control.Dial(w.Context(), w.lineage)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.Close() })
	return c
}

// spec is one that runs a child of this binary.
func (w *world) spec(role, child string) launch.Spec {
	exe, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	return launch.Spec{
		Broker: "main", Role: role, Component: "C", Command: []string{exe}, Directory: ".", Replicas: 1,
		Env:     map[string]string{"TEST_CHILD": child, "TEST_WORLD": w.lineage},
		Restart: launch.Restart{Policy: "on-failure", Max: 3, Within: time.Minute, Backoff: time.Millisecond, BackoffMax: 10 * time.Millisecond},
		Stop:    launch.Stop{Signal: "SIGTERM", Timeout: 10 * time.Second},
		Ready:   launch.Ready{When: launch.Started, Timeout: time.Minute},
		Update:  launch.Update{Strategy: "rolling", MaxParallel: 1},
	}
}

func (w *world) shell(role, script string) launch.Spec {
	s := w.spec(role, "")
	s.Command = []string{"sh", "-c", script}
	return s
}

func (w *world) object(s launch.Spec) control.Object {
	b, err := json.Marshal(s)
	if err != nil {
		w.Fatal(err)
	}
	return control.Object{Key: control.Key{Kind: control.Process, Name: s.Broker + "/" + s.Role}, Spec: b, Dir: w.dir}
}

func (w *world) put(c *control.Client, s launch.Spec) *control.Held {
	w.Helper()
	held, err := c.Put(w.Context(), w.object(s), nil)
	if err != nil {
		w.Fatal(err)
	}
	return held
}

func (w *world) fails(c *control.Client, s launch.Spec) *control.Error {
	w.Helper()
	_, err := c.Put(w.Context(), w.object(s), nil)
	e, ok := errors.AsType[*control.Error](err)
	if !ok {
		w.Fatalf("want an *Error, have %v", err)
	}
	return e
}

func (w *world) delete(c *control.Client, s launch.Spec) {
	w.Helper()
	if err := c.Delete(w.Context(), w.object(s).Key, nil); err != nil {
		w.Fatal(err)
	}
}

func (w *world) status(c *control.Client, s launch.Spec) *launch.Status {
	w.Helper()
	held, err := c.List(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	for _, h := range held {
		if h.Name == s.Broker+"/"+s.Role {
			return h.Status
		}
	}
	return nil
}

func (w *world) pids(c *control.Client, s launch.Spec) []int {
	w.Helper()
	var pids []int
	if st := w.status(c, s); st != nil {
		for _, r := range st.Replicas {
			if r.PID != 0 {
				pids = append(pids, r.PID)
			}
		}
	}
	slices.Sort(pids)
	return pids
}

func (w *world) contains(text string, parts ...string) {
	w.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			w.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

func living(pid int) bool {
	s, err := readStat(pid)
	return err == nil && s.state != 'Z'
}

// children are what the agent has to get along with.
var children = map[string]func(){
	"sleep": func() {
		fmt.Println("hello from", os.Getpid())
		forever()
	},
	"deaf": func() {
		signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
		fmt.Println("deaf")
		forever()
	},
	// A tree: a grandchild in the group, one in a session of its own whose
	// parent is gone, all deaf.
	"tree": func() {
		signal.Ignore(unix.SIGTERM)
		grow("deaf", nil)
		grow("fork", &syscall.SysProcAttr{Setsid: true})
		fmt.Println("tree")
		forever()
	},
	"fork": func() { grow("deaf", &syscall.SysProcAttr{Setsid: true}) },
	"orphans": func() { // leaves a deaf one, and ends badly
		grow("fork", nil)
		time.Sleep(50 * time.Millisecond)
		os.Exit(7)
	},
	"zombies": func() { // 1 000 short grandchildren that nobody waits for
		for range 1000 {
			grow("nothing", nil)
		}
		fmt.Println("done")
		forever()
	},
	"nothing": func() {},
	"flood": func() {
		junk := make([]byte, 1<<16)
		for i := range junk {
			junk[i] = byte(i * 7)
		}
		for range 128 { // 8 MB
			if _, err := os.Stdout.Write(junk); err != nil {
				os.Exit(9)
			}
		}
		for range 64 {
			_, _ = os.Stdout.Write(make([]byte, 1<<16)) // a line without end
		}
		fmt.Print("\nthe end")
		_ = os.WriteFile(os.Getenv("TEST_DONE"), nil, 0o600)
		forever()
	},
	"look": func() { // what it inherited
		fds, _ := os.ReadDir("/proc/self/fd")
		for _, fd := range fds {
			at, err := os.Readlink("/proc/self/fd/" + fd.Name())
			if err == nil && !strings.HasPrefix(at, "/proc/") && !strings.Contains(at, "anon_inode") {
				fmt.Println("fd", fd.Name(), at)
			}
		}
		// Of this thread: the first one's mask is another for a moment whenever that starts a thread.
		b, _ := os.ReadFile("/proc/thread-self/status")
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(line, "Sig") {
				fmt.Print(line)
			}
		}
		fmt.Println("looked")
		forever()
	},
}

func grow(kind string, attr *syscall.SysProcAttr) {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "TEST_CHILD=") })
	exe, _ := os.Executable()
	p, err := os.StartProcess(exe, []string{"child"}, &os.ProcAttr{Env: append(env, "TEST_CHILD="+kind), Files: []*os.File{nil, os.Stdout, os.Stderr}, Sys: attr})
	if err != nil {
		fmt.Println(err)
		os.Exit(8)
	}
	_ = p.Release()
}

func forever() {
	for {
		time.Sleep(time.Hour)
	}
}
