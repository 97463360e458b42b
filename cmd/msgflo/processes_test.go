package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// A household is where the agents of one test live: folders of its own, whose
// path is in the environment of every process that comes of the test, and so
// finds them again.
type household struct{ dir string }

// newHousehold makes one. Sockets have short paths, so it is not in t.TempDir.
func newHousehold() (household, error) {
	dir, err := os.MkdirTemp("", "mf")
	return household{dir}, err
}

func ownHousehold(t *testing.T) household {
	t.Helper()
	h, err := newHousehold()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.end)
	return h
}

// env are the variables that put an agent there.
func (h household) env() []string {
	return []string{"XDG_RUNTIME_DIR=" + filepath.Join(h.dir, "run"), "XDG_STATE_HOME=" + filepath.Join(h.dir, "state")}
}

// set hands on env, a variable at a time.
func (h household) set(setenv func(name, value string)) {
	for _, v := range h.env() {
		name, value, _ := strings.Cut(v, "=")
		setenv(name, value)
	}
}

// joins puts a story into a household of its own, which ends with it.
func joins(e *testscript.Env) error {
	h, err := newHousehold()
	if err != nil {
		return err
	}
	e.Defer(h.end)
	h.set(e.Setenv)
	e.Setenv("NO_COLOR", "1")
	e.Setenv("GORACE", goRace)
	e.Values["household"] = h
	return nil
}

// householdOf is that of a story.
func householdOf(ts *testscript.TestScript) household {
	h, _ := ts.Value("household").(household)
	return h
}

// processes are those that came of the test: agents, shims, participants.
// Shims have nothing in their environment that says so, but keep their lock
// open, which is in the household.
func (h household) processes() map[int]string {
	return running(func(proc string, env []byte) bool { return bytes.Contains(env, []byte(h.env()[1])) || h.open(proc) })
}

// running are the command lines of the processes of this machine that match by
// their folder in /proc and their environment.
func running(match func(proc string, env []byte) bool) map[int]string {
	out := map[int]string{}
	paths, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range paths {
		env, err := os.ReadFile(filepath.Join(p, "environ"))
		if err != nil || !match(p, env) {
			continue
		}
		cmdline, err := os.ReadFile(filepath.Join(p, "cmdline"))
		pid, bad := strconv.Atoi(filepath.Base(p))
		if err == nil && bad == nil && len(cmdline) > 0 { // a zombie has none
			out[pid] = strings.TrimSpace(strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return out
}

// open tells whether a process has a file of the household open.
func (h household) open(proc string) bool {
	files, _ := filepath.Glob(filepath.Join(proc, "fd", "*"))
	for _, f := range files {
		if at, err := os.Readlink(f); err == nil && strings.HasPrefix(at, h.dir+"/") {
			return true
		}
	}
	return false
}

// agents are the pids of the agents.
func (h household) agents() []int {
	var pids []int
	for pid, cmdline := range h.processes() {
		if strings.Contains(cmdline, "agent serve") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// killAgents kills the agents and nothing else, and waits until they are gone:
// who is killed still has its locks and its socket for a moment. There must be one.
func (h household) killAgents() error {
	pids := h.agents()
	if len(pids) == 0 {
		return fmt.Errorf("no agent runs among %v", h.processes())
	}
	for _, pid := range pids {
		// One that is between fork and exec looks like its agent, and may have ended.
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	if !eventually(time.Minute, 10*time.Millisecond, func() bool { return len(h.agents()) == 0 }) {
		return fmt.Errorf("agents do not die: %v", h.processes())
	}
	return nil
}

// end kills what is left and removes the folders.
func (h household) end() {
	eventually(time.Minute, 10*time.Millisecond, func() bool {
		ps := h.processes()
		for pid := range ps {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(ps) == 0
	})
	_ = os.RemoveAll(h.dir)
}

// eventually asks again and again, until it is so or the time is over.
func eventually(limit, every time.Duration, so func() bool) bool {
	for deadline := time.Now().Add(limit); !so(); time.Sleep(every) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}
