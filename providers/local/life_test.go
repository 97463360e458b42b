package local_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local"
)

// A shop is a directory with a worker that writes down every pid it had.
type shop struct {
	t   *testing.T
	dir string
	p   providers.Provider
}

func newShop(t *testing.T) *shop {
	home(t)
	dir := t.TempDir()
	s := &shop{t: t, dir: dir}
	t.Cleanup(func() {
		down(t, lineage)
		for _, pid := range s.pids() {
			if lives(pid) {
				t.Errorf("process %d was left", pid)
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	s.p = open(t, local.Type(), dir)
	return s
}

// worker is its process; env A is what it writes down beside its pid.
func (s *shop) worker(a string, replicas int64) cty.Value {
	return value("process", attrs{
		"broker": str("main"), "role": str("work"), "command": words("sh", "-c", `echo "$A $$" >> pids; exec sleep 1000`),
		"env": texts("A", a), "secret_env": texts("MSGFLO_BROKER", "amqp://u:geheim@h"), "replicas": cty.NumberIntVal(replicas), "restart": impatient(),
	})
}

// impatient is a restart block by which what ends once has failed.
func impatient() cty.Value {
	return cty.ObjectVal(attrs{"policy": str("on-failure"), "max": cty.Zero, "within": str("10m"), "backoff": str("1s"), "backoff_max": str("1m")})
}

// written are the lines of all workers so far, `A PID`.
func (s *shop) written() []string {
	b, err := os.ReadFile(filepath.Join(s.dir, "pids"))
	if err != nil {
		return nil
	}
	return strings.Fields(strings.ReplaceAll(string(b), " ", "="))
}

func (s *shop) pids() []int {
	var out []int
	for _, l := range s.written() {
		_, text, _ := strings.Cut(l, "=")
		if pid, err := strconv.Atoi(text); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// alive are the lines of those that run now.
func (s *shop) alive() []string {
	var out []string
	for _, l := range s.written() {
		_, text, _ := strings.Cut(l, "=")
		if pid, err := strconv.Atoi(text); err == nil && lives(pid) {
			out = append(out, l)
		}
	}
	return out
}

func (s *shop) apply(before, after cty.Value) cty.Value {
	s.t.Helper()
	null := cty.NullVal(local.Type().Resources["process"].ImpliedType())
	if before == cty.NilVal {
		before = null
	}
	if after == cty.NilVal {
		after = null
	}
	v, err := s.p.Apply(context.Background(), providers.Change{Type: "process", Before: before, After: after})
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// equal: read anew, by a provider of its own, the worker is as wanted.
func (s *shop) equal(want cty.Value) {
	s.t.Helper()
	r := read(s.t, open(s.t, local.Type(), s.dir), providers.Query{Type: "process", Value: want})
	switch {
	case r.Err != nil:
		s.t.Fatal(r.Err)
	case r.Value.IsNull():
		s.t.Fatal("it is absent")
	case differ(want, r.Value) != "":
		s.t.Fatalf("it differs in %q: %#v", differ(want, r.Value), r.Value)
	}
}

// TestLife is a participant's life on this machine, the agent's death in it.
func TestLife(t *testing.T) {
	s := newShop(t)
	one := s.worker("1", 1)
	s.equalMachine(s.apply(cty.NilVal, one))
	s.equal(one)
	eventually(t, "one runs", func() bool { return len(s.alive()) == 1 })
	first := s.alive()[0]

	changed := s.worker("2", 1)
	s.apply(one, changed) // a restart
	s.equal(changed)
	eventually(t, "another runs with the new environment", func() bool {
		now := s.alive()
		return len(now) == 1 && now[0] != first && strings.HasPrefix(now[0], "2=")
	})
	second := s.alive()[0]

	three := s.worker("2", 3)
	s.apply(changed, three)
	s.equal(three)
	eventually(t, "three run", func() bool { return len(s.alive()) == 3 })
	if !strings.Contains(strings.Join(s.alive(), " "), second) {
		t.Error("more replicas restarted the one that was there")
	}
	before := strings.Join(s.alive(), " ")

	pid := agentOf(t, lineage)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the agent is dead", func() bool { return !lives(pid) })
	s.equal(three) // from its folder
	if now := strings.Join(s.alive(), " "); now != before {
		t.Errorf("with the agent dead %q run, before %q", now, before)
	}
	again := open(t, local.Type(), s.dir)
	if err := again.(providers.Waker).Wake(context.Background()); err != nil {
		t.Fatal(err)
	}
	if agentOf(t, lineage) == 0 {
		t.Fatal("no agent after Wake")
	}
	s.equal(three)
	if now := strings.Join(s.alive(), " "); now != before {
		t.Errorf("after Wake %q run, before %q", now, before)
	}

	last := agentOf(t, lineage)
	if left := s.apply(three, cty.NilVal); !left.IsNull() {
		t.Errorf("the delete left %#v", left)
	}
	if alive := s.alive(); len(alive) > 0 {
		t.Errorf("after the delete %q run", alive)
	}
	eventually(t, "the agent is gone with the last object", func() bool { return !lives(last) })
	if copies, err := filepath.Glob(filepath.Join(os.Getenv("XDG_STATE_HOME"), "msgflo", "*", "bin", "*")); err != nil || len(copies) > 0 {
		t.Errorf("copies of the program are left: %v %v", copies, err)
	}
	if r := read(t, open(t, local.Type(), s.dir), providers.Query{Type: "process", Value: three}); !r.Value.IsNull() || r.Err != nil {
		t.Errorf("%+v", r)
	}
	if n := len(s.written()); n != 4 {
		t.Errorf("%d starts, want 4: %q", n, s.written())
	}
}

func (s *shop) equalMachine(v cty.Value) {
	s.t.Helper()
	if v.IsNull() || v.GetAttr("machine").IsNull() || v.GetAttr("secret_env").IsNull() {
		s.t.Errorf("left %#v", v)
	}
}

// The last object may go in the moment in which another comes: a participant
// that gets another name. The agent that was about to end, or the next one, holds it.
func TestLastGoesWhileAnotherComes(t *testing.T) {
	s := newShop(t)
	now := with(s.worker("0", 1), attrs{"role": str("work0")})
	s.apply(cty.NilVal, now)
	for i := 1; i <= 10; i++ {
		next := with(s.worker("0", 1), attrs{"role": str("work" + strconv.Itoa(i))})
		s.apply(now, cty.NilVal)
		s.apply(cty.NilVal, next)
		s.equal(next)
		now = next
	}
	eventually(t, "one runs", func() bool { return len(s.alive()) == 1 })
}

// never is a ready block by which nothing is ever ready: what ends has ended
// before that, however slow all else is.
func never() cty.Value {
	null := cty.NullVal(cty.String)
	return cty.ObjectVal(attrs{"when": str("exec"), "timeout": str("30s"), "command": words("false"), "url": null, "address": null})
}

// Nothing is started, on disk or in the process table, by who only looks or
// has nothing to wake or delete.
func TestLookingStartsNothing(t *testing.T) {
	s := newShop(t)
	ctx := context.Background()
	read(t, s.p, providers.Query{Type: "process", Value: s.worker("1", 1)})
	if err := s.p.(providers.Waker).Wake(ctx); err != nil {
		t.Fatal(err)
	}
	line, err := s.p.(providers.Pinger).Ping(ctx)
	if err != nil || !strings.Contains(line, "no agent runs") {
		t.Errorf("%q %v", line, err)
	}
	s.apply(s.worker("1", 1), cty.NilVal)
	if agentOf(t, lineage) != 0 {
		t.Error("an agent runs")
	}
	for _, dir := range []string{"XDG_STATE_HOME", "XDG_RUNTIME_DIR"} {
		if in, err := os.ReadDir(os.Getenv(dir)); err != nil || len(in) > 0 {
			t.Errorf("%s: %v %v", dir, in, err)
		}
	}
}

// A failed update leaves what was there, says why in the process's own words,
// and no secret.
func TestFailedUpdate(t *testing.T) {
	s := newShop(t)
	one := s.worker("1", 1)
	s.apply(cty.NilVal, one)
	eventually(t, "it runs", func() bool { return len(s.alive()) == 1 })
	before := s.alive()
	for _, c := range []struct {
		command []string
		words   []string
	}{
		{[]string{"sh", "-c", "echo cannot reach $MSGFLO_BROKER >&2; exit 7"}, []string{"exit status 7", "\n", "cannot reach"}},
		{[]string{"no-such-program"}, []string{"no-such-program"}},
	} {
		bad := with(one, attrs{"command": words(c.command...), "ready": never(), "secret_env": texts("MSGFLO_BROKER", "amqp://h")})
		left, err := s.p.Apply(context.Background(), providers.Change{Type: "process", Before: one, After: bad})
		if err == nil {
			t.Fatalf("%q: no error", c.command)
		}
		for _, w := range c.words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not say %q:\n%v", c.command, w, err)
			}
		}
		if left == cty.NilVal || left.IsNull() || differ(launch.Normalize(with(left, attrs{"secret_env": one.GetAttr("secret_env")})), launch.Normalize(one)) != "" {
			t.Errorf("%q left %#v", c.command, left)
		}
		s.equal(one)
	}
	if now := s.alive(); strings.Join(now, " ") != strings.Join(before, " ") {
		t.Errorf("now %q run, before %q", now, before)
	}
}
