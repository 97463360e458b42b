package agent

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

func TestExitsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.agent(nil)
	c := w.client()
	s := w.shell("resize", `echo "cannot load \033[31mx"; exit 3`)
	s.Ready = launch.Ready{When: launch.TCP, Address: "127.0.0.1:1", Timeout: time.Minute}
	e := w.fails(c, s)
	w.contains(e.Detail, `"resize"`, `"main"`, "exit status 3", "restarted 3 times", "tcp: 127.0.0.1:1", `cannot load \x1b[31mx`, "Nothing of it was left running")
	if w.status(c, s) != nil || len(w.mine()) != 0 {
		t.Errorf("something is left: %+v", w.mine())
	}
	s.Restart.Policy = "never"
	w.contains(w.fails(c, s).Detail, "restart policy is never")
}

func TestNeverReady(t *testing.T) {
	for name, ready := range map[string]launch.Ready{
		"tcp":  {When: launch.TCP, Address: "127.0.0.1:1"},
		"http": {When: launch.HTTP, URL: "http://127.0.0.1:1/"},
		"exec": {When: launch.Exec, Command: []string{"sh", "-c", "exit 4"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.agent(nil)
			c := w.client()
			s := w.spec("slow", "sleep")
			s.Ready = ready
			s.Ready.Timeout = 300 * time.Millisecond
			e := w.fails(c, s)
			if e.Summary != "Participant not ready" {
				t.Error(e.Summary)
			}
			w.contains(e.Detail, "not ready within 300ms", "readiness "+name)
			if len(w.mine()) != 0 {
				t.Errorf("something is left: %+v", w.mine())
			}
		})
	}
}

func TestReady(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Config.Handler = http.RedirectHandler("/elsewhere", http.StatusFound)
	defer srv.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, ready := range map[string]launch.Ready{
		"tcp":  {When: launch.TCP, Address: l.Addr().String()},
		"http": {When: launch.HTTP, URL: srv.URL},
		"exec": {When: launch.Exec, Command: []string{"sh", "-c", `test "$TEST_CHILD" = sleep`}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.agent(nil)
			s := w.spec("quick", "sleep")
			s.Ready = ready
			s.Ready.Timeout = time.Minute
			w.put(w.client(), s)
		})
	}
}

func TestStopsWhatIgnoresIt(t *testing.T) {
	for _, child := range []string{"deaf", "tree"} {
		t.Run(child, func(t *testing.T) {
			w := newWorld(t)
			w.agent(nil)
			c := w.client()
			s := w.spec("deaf", child)
			s.Stop.Timeout = 100 * time.Millisecond
			s.Ready = launch.Ready{When: launch.Exec, Command: []string{"grep", "-q", "deaf", w.place.Log("main", "deaf", 0)}, Timeout: time.Minute}
			w.put(c, s)
			if child == "tree" {
				w.eventually("the tree has grown", func() bool { return len(w.mine()) >= 3 })
			}
			w.delete(c, s)
			if left := w.mine(); len(left) != 0 {
				t.Errorf("left: %+v", left)
			}
		})
	}
}

func TestOrphansEndBeforeARestart(t *testing.T) {
	w := newWorld(t)
	w.agent(nil)
	c := w.client()
	s := w.spec("orphans", "orphans")
	s.Restart.Max = 2
	s.Ready = launch.Ready{When: launch.TCP, Address: "127.0.0.1:1", Timeout: time.Minute}
	w.contains(w.fails(c, s).Detail, "exit status 7")
	if left := w.mine(); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

func TestZombies(t *testing.T) {
	w := newWorld(t)
	w.agent(nil)
	c := w.client()
	s := w.spec("zombies", "zombies")
	// The middle process leaves 1 000 to the shim; what is its own child stays its own zombie.
	s.Command = []string{"sh", "-c", `i=0; while [ $i -lt 1000 ]; do (true & ); i=$((i+1)); done; echo done; exec sleep 1000`}
	s.Ready = launch.Ready{When: launch.Exec, Command: []string{"grep", "-q", "done", w.place.Log("main", "zombies", 0)}, Timeout: 60 * time.Second}
	w.put(c, s)
	pid := w.pids(c, s)[0]
	st, err := readStat(pid)
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("no zombie is left", func() bool {
		for _, p := range processes() {
			if p.state == 'Z' && (p.parent == st.parent || p.parent == pid) {
				return false
			}
		}
		return true
	})
	w.delete(c, s)
}

func TestFlood(t *testing.T) {
	w := newWorld(t)
	w.agent(nil)
	c := w.client()
	s := w.spec("flood", "flood")
	done := filepath.Join(w.dir, "done")
	s.Env["TEST_DONE"] = done
	s.Ready = launch.Ready{When: launch.Exec, Command: []string{"test", "-e", done}, Timeout: time.Minute}
	w.put(c, s)
	log := w.place.Log("main", "flood", 0)
	w.eventually("the last output is in the log", func() bool {
		b, _ := os.ReadFile(log)
		return bytes.HasSuffix(b, []byte("the end\n"))
	})
	files := control.LogFiles(log)
	if len(files) != 3 {
		t.Errorf("%d files", len(files))
	}
	for _, f := range files {
		if fi, err := os.Stat(f); err != nil || fi.Size() > 1<<20+2*longest || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f, fi, err)
		}
	}
	st, err := readStat(w.pids(c, s)[0])
	if err != nil {
		t.Fatal(err)
	}
	if kb := rss(t, st.parent); kb > 64<<10 {
		t.Errorf("the shim has %d KB", kb)
	}
	w.delete(c, s)
}

// rss is the resident memory of a process in KB.
func rss(t testing.TB, pid int) (kb int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kb); n == 1 {
			return kb
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// A full disk stops nobody: what cannot be written is counted, and said where
// it can be again.
func TestFullDisk(t *testing.T) {
	w := newWorld(t)
	w.agent(nil)
	c := w.client()
	s := w.spec("full", "flood")
	log := w.place.Log("main", "full", 0)
	if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", log); err != nil {
		t.Fatal(err)
	}
	done := filepath.Join(w.dir, "done")
	s.Env["TEST_DONE"] = done
	s.Ready = launch.Ready{When: launch.Exec, Command: []string{"test", "-e", done}, Timeout: time.Minute}
	w.put(c, s)
	w.delete(c, s)
}

func TestLostOutputIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	l := &logFile{path: path, limit: 1 << 20, files: 3, now: time.Now}
	l.lines([]byte("one\ntwo\n"))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.lines([]byte("three\n"))
	l.close()
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), "bytes of output were lost here: no space left on device\n") || !strings.HasSuffix(string(b), " three\n") {
		t.Errorf("%v:\n%s", err, b)
	}
}

// A disk that takes its time has the last output, too: who reads of a failure in the
// log wants just that.
func TestSlowDiskHasTheLastOutput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	read, write, err := pipe()
	if err != nil {
		t.Fatal(err)
	}
	out := os.NewFile(uintptr(write), "output")
	const patience = 50 * time.Millisecond
	stuck, goOn := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(stuck); <-goOn })
	l := &logFile{path: path, limit: 1 << 20, files: 3, now: func() time.Time { once(); return time.Now() }}
	s := &shim{drained: make(chan struct{})}
	go func() { defer close(s.drained); l.drain(read) }()
	for _, line := range []string{"first\n", "last\n"} {
		if _, err := out.WriteString(line); err != nil {
			t.Fatal(err)
		}
		<-stuck
	}
	out.Close()
	time.AfterFunc(2*patience, func() { close(goOn) })
	s.finishLog(read, patience)
	<-s.drained
	if b, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(b), " last\n") {
		t.Errorf("%v:\n%s", err, b)
	}
}

func TestInheritsNothing(t *testing.T) {
	w := newWorld(t)
	// A descriptor that somebody forgot to close.
	r, wr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer wr.Close()
	leak(t, wr)
	c := w.ensure(nil)
	s := w.spec("look", "look")
	s.Ready = launch.Ready{When: launch.Exec, Command: []string{"grep", "-q", "looked", w.place.Log("main", "look", 0)}, Timeout: time.Minute}
	w.put(c, s)
	text := strings.Join(control.LastLines(w.place.Log("main", "look", 0), 100, time.Time{}), "\n")
	for line := range strings.Lines(text) { // what is below /sys the child's own Go runtime has opened
		var fd int
		var at string
		if n, _ := fmt.Sscanf(line, "fd %d %s", &fd, &at); n == 2 && !strings.HasPrefix(at, "/sys/") && (fd > 2 || fd == 0 && at != "/dev/null" || fd > 0 && !strings.HasPrefix(at, "pipe:")) {
			t.Errorf("it has %s", line)
		}
		// Signals 32 and 33 are the C library's own (nptl(7)): the child's sets them by itself.
		var name string
		var set uint64
		if n, _ := fmt.Sscanf(line, "%s %x", &name, &set); n == 2 && (name == "SigIgn:" || name == "SigBlk:") && set&^(3<<31) != 0 {
			t.Errorf("it ignores %s", line)
		}
	}
	w.contains(text, "fd 0", "fd 1", "fd 2", "SigBlk:")
	w.delete(c, s)
}

// What execve would refuse is named, and what ran before runs on.
func TestCannotBeStarted(t *testing.T) {
	w := newWorld(t)
	w.agent(nil)
	c := w.client()
	good := w.spec("role", "sleep")
	w.put(c, good)
	pids := w.pids(c, good)
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(w.dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file("package.json", "{}", 0o644)
	file("plain", "echo hi\n", 0o755)
	file("locked", "#!/bin/sh\n", 0o644)
	file("crlf", "#!/bin/sh\r\n", 0o755)
	file("nointerp", "#!/no/such/thing -x\n", 0o755)
	file("arm", "\x7fELF\x02\x01\x01"+strings.Repeat("\x00", 9)+"\x02\x00\x28\x00\x01\x00\x00\x00"+strings.Repeat("\x00", 40), 0o755)
	for command, want := range map[string]string{
		"./missing":                         "does not exist",
		"./plian":                           `Did you mean "plain"?`,
		"./node_modules/.bin/msgflo-nodejs": "does not exist: run `npm install` in " + w.dir,
		"./plain":                           "exec format error",
		"./locked":                          "not executable (mode 0644)",
		"./crlf":                            "carriage return",
		"./nointerp":                        "interpreter /no/such/thing",
		"./arm":                             "exec format error",
		"/tmp":                              "is a folder",
		"no-such-prog-x":                    "in no folder of its PATH",
		"":                                  "in no folder",
	} {
		s := good
		s.Command = []string{command}
		if err := c.Check(t.Context(), w.object(s)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("check %q: %v", command, err)
		}
		w.contains(w.fails(c, s).Detail, want, `"role"`, "What was there before is in force again")
	}
	s := good
	s.Directory = "nowhere"
	w.contains(w.fails(c, s).Detail, "nowhere does not exist")
	s = good
	s.Ready.When = "blessed"
	w.contains(w.fails(c, s).Detail, `does not know the readiness "blessed"`)
	if now := w.pids(c, good); fmt.Sprint(now) != fmt.Sprint(pids) {
		t.Errorf("%v became %v", pids, now)
	}
	if err := c.Check(t.Context(), w.object(good)); err != nil {
		t.Error(err)
	}
	var e *control.Error
	if err := c.Restart(t.Context(), "main/rule", nil); !errors.As(err, &e) || !strings.Contains(e.Detail, `Did you mean "main/role"?`) {
		t.Error(err)
	}
	w.delete(c, good)
}
