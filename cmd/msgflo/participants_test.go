package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/msgflo/msgflo/providers/launch"
)

// pids prints the running replicas as status knows them, a line of
// ROLE.INDEX and PID each, sorted: two such lists say which processes stayed.
func pids(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: pids")
	}
	ts.Check(ts.Exec("msgflo", "status", "-json"))
	var lines []string
	ts.Check(eachReplica(ts.ReadFile("stdout"), func(name string, pid int) {
		lines = append(lines, fmt.Sprintf("%s %d\n", name, pid))
	}))
	slices.Sort(lines)
	_, _ = fmt.Fprint(ts.Stdout(), strings.Join(lines, ""))
}

// eachReplica goes through the replicas that run, as `status -json` knows them,
// by ROLE.INDEX.
func eachReplica(status string, f func(name string, pid int)) error {
	var doc struct {
		Roles []launch.Status `json:"roles"`
	}
	if err := json.Unmarshal([]byte(status), &doc); err != nil {
		return fmt.Errorf("status -json: %w\n%s", err, status)
	}
	for _, role := range doc.Roles {
		for _, r := range role.Replicas {
			if r.State == launch.Running {
				f(fmt.Sprintf("%s.%d", role.Role, r.Index), r.PID)
			}
		}
	}
	return nil
}

// until runs a program again and again until it exits with 0, or as the first
// argument says: what happens by itself takes a moment.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: [!] until PROGRAM ARGS…")
	}
	var err error
	if !eventually(time.Minute, 50*time.Millisecond, func() bool {
		err = ts.Exec(args[0], args[1:]...)
		return (err == nil) != neg
	}) {
		ts.Fatalf("%s: waited in vain; the last time: %v", strings.Join(args, " "), err)
	}
}

// killAgents kills the story's agents with SIGKILL; there must be one.
func killAgents(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: kill-agents, where an agent runs")
	}
	ts.Check(householdOf(ts).killAgents())
}

// powerOff kills all that runs because of the story before any of it can tell
// that another has died.
func powerOff(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: power-off")
	}
	all := householdOf(ts).processes()
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		for pid := range all {
			_ = syscall.Kill(pid, sig)
		}
	}
}

// buildOther compiles the program with another version.
func buildOther(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: build-other")
	}
	path := ts.MkAbs("other/msgflo")
	if out, err := exec.Command("go", "build", "-ldflags", "-X main.version=9.9.9", "-o", path, ".").CombinedOutput(); err != nil {
		ts.Fatalf("go build: %v\n%s", err, out)
	}
	ts.Setenv("OTHER", path)
}
