package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lineSystem is a line of three roles. Each replica takes one of its role's
// places, by a lock that it keeps for life; who finds all of them taken, by processes
// started with the same environment, was started once too often.
const lineSystem = `
variable "gen" {
  default = "1"
}
variable "replicas" {
  default = 1
}
component "Work" {
  command = ["sh", abspath("work.sh")]
  client  = "plain"
}
participant "first" {
  component = component.Work
  env       = { GEN = "0", PLACES = "1" }
  ready {
    when    = "exec"
    command = ["true"]
  }
}
participant "middle" {
  component = component.Work
  replicas  = 2
  env       = { GEN = var.gen, PLACES = "2" }
  ready {
    when    = "exec"
    command = ["true"]
  }
}
participant "last" {
  component = component.Work
  replicas  = var.replicas
  env       = { GEN = "0", PLACES = "3" }
  ready {
    when    = "exec"
    command = ["true"]
  }
}
graph "g" {
  edge "first.out" "middle.in" {}
  edge "middle.out" "last.in" {}
}
`

const workScript = `
i=0
while [ $i -lt $PLACES ]; do
  exec 9>"place.$MSGFLO_ROLE.$GEN.$i"
  flock -n 9 && exec sleep 86400
  i=$((i+1))
done
echo "$MSGFLO_ROLE $GEN" >>twice
exec sleep 86400
`

// TestAgentKilledAnywhere kills the command line, the agent, or both, with
// SIGKILL at one moment after another of an apply, an update and a destroy. One
// more apply must bring what is declared: each replica once, never two of one
// at any time; and destroy must leave no process and the broker as it was.
func TestAgentKilledAnywhere(t *testing.T) {
	t.Parallel()
	msgflo := built(t)
	for _, who := range []string{"command", "agent", "both"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			s := emptySystem(t, msgflo)
			write(t, filepath.Join(s.dir, "main.flo.hcl"), brokerBlock(s.broker, s.broker.VhostURL(s.vhost))+lineSystem)
			write(t, filepath.Join(s.dir, "work.sh"), workScript)
			before := s.definitions()
			for _, what := range []string{"apply", "update", "destroy"} {
				for delay := time.Duration(0); ; delay += 2 * killEvery(delay) {
					finished := s.killed(who, what, delay)
					s.converges(fmt.Sprintf("%s killed after %v of %s", who, delay, what), before)
					if finished {
						break
					}
				}
			}
		})
	}
}

// killed begins an act and kills after the delay; it reports whether the act
// came to its end before.
func (s *system) killed(who, what string, delay time.Duration) (finished bool) {
	s.t.Helper()
	if what != "apply" {
		s.run("apply", "-auto-approve")
	}
	args := []string{"apply", "-auto-approve"}
	switch what {
	case "update":
		args = append(args, "-var", "gen=2", "-var", "replicas=3")
	case "destroy":
		args[0] = what
	}
	cmd := exec.Command(s.msgflo, args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			s.t.Fatalf("%s: %v", what, err)
		}
		return true
	case <-time.After(delay):
	}
	if who != "command" {
		for _, pid := range s.home.agents() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if who != "agent" {
		_ = cmd.Process.Kill()
	}
	err := <-done
	if ee, ok := errors.AsType[*exec.ExitError](err); ok && ee.ExitCode() > 1 {
		s.t.Fatalf("%s: %v", what, err)
	}
	return false
}

// converges wants what is declared after one more apply, and nothing after a
// destroy.
func (s *system) converges(after, before string) {
	s.t.Helper()
	s.run("apply", "-auto-approve")
	// Who is between fork and exec has no command line for a moment.
	s.await("each replica once, "+after, func() bool {
		return slices.Equal(s.places(), []string{"first.0", "last.0", "middle.1", "middle.1"})
	})
	s.unchanged()
	s.run("destroy", "-auto-approve")
	if left := s.definitions(); left != before {
		s.t.Fatalf("%s: destroy left\n%s", after, left)
	}
	s.await("all processes to end after "+after, func() bool { return len(s.home.processes()) == 0 })
	if twice, err := os.ReadFile(filepath.Join(s.dir, "twice")); err == nil {
		s.t.Fatalf("%s: started once too often: %s", after, twice)
	}
}

// places are the roles and generations of the workers that run.
func (s *system) places() []string {
	s.t.Helper()
	var out []string
	for pid, cmdline := range s.home.processes() {
		if !strings.Contains(cmdline, "sleep 86400") && !strings.Contains(cmdline, "work.sh") {
			continue
		}
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			continue // it has just ended
		}
		vars := map[string]string{}
		for kv := range strings.SplitSeq(string(env), "\x00") {
			k, v, _ := strings.Cut(kv, "=")
			vars[k] = v
		}
		out = append(out, vars["MSGFLO_ROLE"]+"."+vars["GEN"])
	}
	slices.Sort(out)
	return out
}
