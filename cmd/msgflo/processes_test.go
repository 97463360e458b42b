package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
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

// processes are those that came of the test: agents, shims, participants.
// Shims have nothing in their environment that says so, but keep their lock
// open, which is in the household.
func (h household) processes() map[int]string {
	out := map[int]string{}
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, p := range paths {
		env, err := os.ReadFile(p)
		if err != nil || !bytes.Contains(env, []byte(h.env()[1])) && !h.open(filepath.Dir(p)) {
			continue
		}
		cmdline, err := os.ReadFile(filepath.Join(filepath.Dir(p), "cmdline"))
		pid, bad := strconv.Atoi(filepath.Base(filepath.Dir(p)))
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

// killAgents kills the agents and nothing else. There must be one.
func (h household) killAgents(t *testing.T) {
	t.Helper()
	pids := h.agents()
	if len(pids) == 0 {
		t.Fatalf("no agent runs among %v", h.processes())
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
}

// end kills what is left and removes the folders.
func (h household) end() {
	deadline := time.Now().Add(10 * time.Second)
	for ps := h.processes(); len(ps) > 0 && time.Now().Before(deadline); ps = h.processes() {
		for pid := range ps {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = os.RemoveAll(h.dir)
}
