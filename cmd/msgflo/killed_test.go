package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// TestKilledAnywhere kills apply and destroy with SIGKILL at one moment after
// another, from the first instant to the end of the run. After each kill one
// more run must bring the broker to what is declared, know all of it as its
// own, and leave nothing behind when it is destroyed. The engine's own tests
// kill at every single step; this one kills the real process on a real broker.
func TestKilledAnywhere(t *testing.T) {
	broker := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, broker)
	dir, msgflo := t.TempDir(), built(t)
	write(t, filepath.Join(dir, "main.flo.hcl"), brokerBlock(broker, broker.VhostURL(vhost))+strings.ReplaceAll(fmt.Sprintf(forEachRoles, 100), "range(100)", "range(40)"))
	for _, command := range []string{"apply", "destroy"} {
		for delay := time.Duration(0); ; delay += killEvery(delay) {
			finished := killedAfter(t, delay, msgflo, command, "-auto-approve", dir)
			runOK(t, msgflo, "apply", "-auto-approve", dir)
			runOK(t, msgflo, "plan", "-detailed-exitcode", dir)
			runOK(t, msgflo, "destroy", "-auto-approve", dir)
			if left := topology(t, broker, vhost); left != "" {
				t.Fatalf("%s killed after %v: destroy left %s", command, delay, left)
			}
			if command == "destroy" {
				runOK(t, msgflo, "apply", "-auto-approve", dir)
			}
			if finished {
				break
			}
		}
	}
}

// killEvery makes the moments denser where the run works on the broker.
func killEvery(at time.Duration) time.Duration { return 20*time.Millisecond + at/5 }

// killedAfter runs msgflo and kills it after the delay; it reports whether the
// run came to its end before.
func killedAfter(t *testing.T, delay time.Duration, msgflo string, args ...string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), delay)
	defer cancel()
	cmd := exec.CommandContext(ctx, msgflo, args...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return true
	}
	var ee *exec.ExitError
	if ctx.Err() == nil && errors.As(err, &ee) {
		t.Fatalf("msgflo %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return false
}

func runOK(t *testing.T, msgflo string, args ...string) {
	t.Helper()
	out, err := exec.Command(msgflo, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("msgflo %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// topology is what there is in a vhost beside what every vhost has, as JSON
// lists; "" where there is nothing.
func topology(t *testing.T, b *rabbittest.Broker, vhost string) string {
	t.Helper()
	left := ""
	for _, what := range []string{"queues", "bindings"} {
		status, answer, err := call(http.MethodGet, fmt.Sprintf("%s/api/%s/%s", b.ManagementURL, what, vhost), "")
		if err != nil || status != http.StatusOK {
			t.Fatalf("listing %s: %d %v", what, status, err)
		}
		if answer != "[]" {
			left += answer
		}
	}
	_, answer, err := call(http.MethodGet, fmt.Sprintf("%s/api/exchanges/%s", b.ManagementURL, vhost), "")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(answer, roleName(0)[:4]) {
		left += answer
	}
	return left
}
