package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// A system is an example at work: its own copy of the directory, vhost and
// household.
type system struct {
	t      *testing.T
	broker *rabbittest.Broker
	vhost  string
	dir    string
	home   household
	msgflo string
	env    []string
}

func newSystem(t *testing.T, example string) *system {
	t.Helper()
	s := emptySystem(t, built(t))
	if err := copyExamples(s.dir); err != nil {
		t.Fatal(err)
	}
	s.dir = filepath.Join(s.dir, "examples", example)
	return s
}

// emptySystem has no configuration yet.
func emptySystem(t *testing.T, msgflo string) *system {
	t.Helper()
	s := &system{t: t, broker: rabbittest.Shared(t), dir: t.TempDir(), home: ownHousehold(t), msgflo: msgflo}
	s.vhost = rabbittest.Vhost(t, s.broker)
	s.env = append(os.Environ(), s.home.env()...)
	s.env = append(s.env, "NO_COLOR=1", "MSGFLO_VAR_url="+s.broker.VhostURL(s.vhost), "MSGFLO_VAR_management="+s.broker.ManagementURL)
	return s
}

// run wants exit code 0 and returns stdout.
func (s *system) run(args ...string) string {
	s.t.Helper()
	out, code := s.exits(args...)
	if code != 0 {
		s.t.Fatalf("msgflo %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

func (s *system) exits(args ...string) (string, int) {
	s.t.Helper()
	defer func(at time.Time) {
		s.t.Logf("msgflo %s: %v", strings.Join(args, " "), time.Since(at).Round(10*time.Millisecond))
	}(time.Now())
	cmd := exec.Command(s.msgflo, args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if _, ended := err.(*exec.ExitError); err != nil && !ended { //nolint:errorlint // as exec.Cmd documents it
		s.t.Fatal(err)
	}
	return string(out) + stderr.String(), cmd.ProcessState.ExitCode()
}

// unchanged wants an empty plan.
func (s *system) unchanged() {
	s.t.Helper()
	if out, code := s.exits("plan", "-detailed-exitcode"); code != 0 {
		s.t.Fatalf("the plan is not empty (exit code %d):\n%s", code, out)
	}
}

// pids of all replicas, by ROLE.INDEX.
func (s *system) pids() map[string]int {
	s.t.Helper()
	pids := map[string]int{}
	if err := eachReplica(s.run("status", "-json"), func(name string, pid int) { pids[name] = pid }); err != nil {
		s.t.Fatal(err)
	}
	return pids
}

// jobs sends n jobs, confirmed by the broker, from the number first on.
func (s *system) jobs(first, n int) {
	s.t.Helper()
	conn, err := amqp.Dial(s.broker.VhostURL(s.vhost))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	var confirms []*amqp.DeferredConfirmation
	for i := first; i < first+n && err == nil; i++ {
		var c *amqp.DeferredConfirmation
		c, err = ch.PublishWithDeferredConfirm("", "fetch.IN", true, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, Body: fmt.Appendf(nil, `{"id":"job-%d","picture":"picture.png"}`, i)})
		confirms = append(confirms, c)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range confirms {
		if !c.Wait() {
			s.t.Fatal("the broker refused a job")
		}
	}
}

// thumbnails waits until the first n jobs are done, and returns how many
// pictures there are of each width.
func (s *system) thumbnails(n int) map[uint32]int {
	s.t.Helper()
	folder := filepath.Join(s.dir, "thumbnails")
	defer func(at time.Time) { s.t.Logf("%d thumbnails: %v", n, time.Since(at).Round(10*time.Millisecond)) }(time.Now())
	s.await(fmt.Sprintf("%d thumbnails", n), func() bool {
		done, _ := filepath.Glob(filepath.Join(folder, "*.png"))
		return len(done) >= n
	})
	widths := map[uint32]int{}
	for i := range n {
		b, err := os.ReadFile(filepath.Join(folder, fmt.Sprintf("job-%d.png", i)))
		if err != nil {
			s.t.Fatalf("a job is lost: %v", err)
		}
		if len(b) < 24 || string(b[12:16]) != "IHDR" {
			s.t.Fatalf("job %d is no picture: %q", i, b)
		}
		widths[binary.BigEndian.Uint32(b[16:20])]++ // PNG (RFC 2083), 4.1.1
	}
	return widths
}

func (s *system) await(what string, there func() bool) {
	s.t.Helper()
	if !eventually(2*time.Minute, 20*time.Millisecond, there) {
		out, _ := s.exits("status")
		s.t.Fatalf("waited in vain for %s\n%s", what, out)
	}
}

// definitions is all that the broker has in the vhost, but for what MsgFlo's
// participants share.
func (s *system) definitions() string {
	s.t.Helper()
	_, answer, err := call(http.MethodGet, s.broker.ManagementURL+"/api/definitions/"+s.vhost, "")
	if err != nil {
		s.t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(answer), &doc); err != nil {
		s.t.Fatal(err)
	}
	var left []string
	for _, what := range []string{"queues", "exchanges", "bindings", "policies"} {
		list, _ := doc[what].([]any)
		for _, o := range list {
			b, err := json.Marshal(o)
			if err != nil {
				s.t.Fatal(err)
			}
			if !strings.Contains(string(b), `"name":"fbp"`) && !strings.Contains(string(b), `"name":"msgflo.fbp"`) {
				left = append(left, string(b))
			}
		}
	}
	slices.Sort(left)
	return strings.Join(left, "\n")
}

// TestThumbnails is the example on real msgflo-nodejs participants: 1 000 jobs
// go through and none is lost, a change under load does what the plan says and
// loses none either, a killed agent changes nothing, and destroy leaves the
// broker and the process table as they were.
func TestThumbnails(t *testing.T) {
	s := newSystem(t, "thumbnails")
	before := s.definitions()
	s.run("apply", "-auto-approve")
	if pids := s.pids(); len(pids) != 7 {
		t.Fatalf("seven processes are wanted; ready are %v", pids)
	}
	s.badJob()
	s.jobs(0, 1000)
	if widths := s.thumbnails(1000); widths[32] != 1000 {
		t.Fatalf("thumbnails by width: %v", widths)
	}
	s.unchanged()
	s.changeUnderLoad()
	s.killTheAgent()
	s.run("destroy", "-auto-approve")
	if after := s.definitions(); after != before {
		t.Errorf("destroy left\n%s\nwhere there was\n%s", after, before)
	}
	s.await("the agent to end", func() bool { return len(s.home.processes()) == 0 })
}

// badJob sends what no participant can work on: it is told at the error port
// and ends no process, so that what comes after it is worked on.
func (s *system) badJob() {
	s.t.Helper()
	was := s.pids()
	s.run("send", "fetch.in", `{"id":"bad"}`)
	s.await("the error", func() bool { return strings.Contains(s.run("logs", "errors"), "names no picture") })
	if now := s.pids(); !maps.Equal(now, was) {
		s.t.Errorf("a bad job: %v became %v", was, now)
	}
}

// changeUnderLoad changes replicas, an edge and an environment variable while
// jobs are worked on.
func (s *system) changeUnderLoad() {
	t := s.t
	t.Helper()
	was := s.pids()
	s.jobs(1000, 500)
	s.edit(`edge "fetch.error" "errors.in" {}`, `edge "fetch.error" "failed.in" {}`)
	s.env = append(s.env, "MSGFLO_VAR_resizers=2", "MSGFLO_VAR_width=16")
	plan := s.run("plan")
	for _, want := range []string{
		`graph.thumbnails.binding["fetch.error -> errors.in"] will be destroyed`,
		`graph.thumbnails.binding["fetch.error -> failed.in"] will be created`,
		`participant.resize.process will be restarted`,
		`Plan: 1 to add, 1 to change (1 by restart), 1 to destroy.`,
	} {
		if !strings.Contains(plan, want) {
			t.Errorf("the plan does not say %q:\n%s", want, plan)
		}
	}
	s.run("apply", "-auto-approve")
	s.jobs(1500, 500)
	if widths := s.thumbnails(2000); widths[32]+widths[16] != 2000 || widths[16] < 500 {
		t.Errorf("thumbnails by width: %v", widths)
	}
	now := s.pids()
	for role, pid := range was {
		if changed := now[role] != pid; changed != strings.HasPrefix(role, "resize.") {
			t.Errorf("%s: pid %d became %d", role, pid, now[role])
		}
	}
	if len(now) != 6 {
		t.Errorf("six processes are wanted; ready are %v", now)
	}
	s.unchanged()
}

func (s *system) edit(from, to string) {
	s.t.Helper()
	path := filepath.Join(s.dir, "main.flo.hcl")
	b, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	text := strings.Replace(string(b), from, to, 1)
	if text == string(b) {
		s.t.Fatalf("%s has no %q", path, from)
	}
	write(s.t, path, text)
}

// killTheAgent kills the agent while jobs are worked on: nothing notices, the
// plan stays empty, and apply brings an agent back that knows all as its own.
func (s *system) killTheAgent() {
	t := s.t
	t.Helper()
	was := s.pids()
	s.jobs(2000, 300)
	if err := s.home.killAgents(); err != nil {
		t.Fatal(err)
	}
	s.thumbnails(2300)
	s.unchanged()
	s.run("apply", "-auto-approve")
	if now := s.pids(); !maps.Equal(now, was) {
		t.Errorf("after the agent was killed, %v became %v", was, now)
	}
	s.unchanged()
}
