package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// ensure starts an agent as a process of its own.
func (w *world) ensure(env map[string]string) *control.Client {
	w.Helper()
	all := os.Environ()
	for k, v := range env {
		all = append(all, k+"="+v)
	}
	c, err := control.Ensure(w.Context(), control.Agent{Lineage: w.lineage, Dir: w.dir, Env: all})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.Close() })
	return c
}

func (w *world) agentPID(c *control.Client) int {
	w.Helper()
	h, err := c.Hello(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return h.PID
}

func (w *world) killAgent(c *control.Client) {
	w.Helper()
	pid := w.agentPID(c)
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		w.Fatal(err)
	}
	w.eventually("the agent is dead", func() bool {
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		return !living(pid)
	})
}

// powerGoes ends the agent and all that it started. What is not seen at first, because
// it has only just been started, is seen later.
func (w *world) powerGoes(c *control.Client) {
	w.Helper()
	w.killAgent(c)
	w.eventually("all is dead", func() bool {
		for _, p := range w.mine() {
			_ = signalTo(p.Identity, unix.SIGKILL)
		}
		return len(w.mine()) == 0
	})
}

// leak makes a descriptor one that children inherit, for the test's duration.
func leak(t *testing.T, f *os.File) {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD, 100)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
}

// children counts the living children of the role by what they run: the test's
// own children and no shim.
func (w *world) running() map[int]int {
	byShim := map[int]int{}
	for _, p := range w.mine() {
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
		if !strings.HasPrefix(string(args), "msgflo\x00agent\x00") {
			byShim[p.PID]++
		}
	}
	return byShim
}

// An agent is killed at each point of a put; the next one, and one more put,
// make it true: one process a replica. After a delete nothing is left.
func TestKilledAtEachPoint(t *testing.T) {
	for _, point := range []string{"before-journal", "after-journal", "after-spawn", "after-job", "after-status", "before-keep", "before-delete"} {
		t.Run(point, func(t *testing.T) {
			w := newWorld(t)
			fault := filepath.Join(w.dir, "fault")
			if err := os.WriteFile(fault, []byte(point), 0o600); err != nil {
				t.Fatal(err)
			}
			env := map[string]string{"TEST_FAULT": fault}
			s := w.spec("role", "sleep")
			s.Replicas = 2
			w.twice(env, func(c *control.Client) error {
				_, err := c.Put(w.Context(), w.object(s), nil)
				return err
			})
			c := w.ensure(env)
			w.run(2)
			pids := w.pids(c, s)
			w.killAgent(c)
			c = w.ensure(env)
			if now := w.pids(c, s); fmt.Sprint(now) != fmt.Sprint(pids) {
				t.Errorf("%v became %v", pids, now)
			}
			w.run(2)
			w.twice(env, func(c *control.Client) error { return c.Delete(w.Context(), w.object(s).Key, nil) })
			w.eventually("nothing is left", func() bool { return len(w.mine()) == 0 })
			if names, _ := os.ReadDir(filepath.Join(w.place.Folder, "procs")); len(names) != 0 {
				t.Errorf("%d starts are left", len(names))
			}
		})
	}
}

// twice does something until it succeeds, at most twice: the agent dies at
// most once.
func (w *world) twice(env map[string]string, do func(*control.Client) error) {
	w.Helper()
	var err error
	for range 2 {
		if err = do(w.ensure(env)); err == nil {
			return
		}
	}
	w.Fatal(err)
}

func TestUpdateKilledHalfWay(t *testing.T) {
	w := newWorld(t)
	fault := filepath.Join(w.dir, "fault")
	env := map[string]string{"TEST_FAULT": fault}
	c := w.ensure(env)
	s := w.spec("role", "sleep")
	s.Replicas = 2
	w.put(c, s)
	pids := w.pids(c, s)
	if err := os.WriteFile(fault, []byte("after-status"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Version = "2"
	if _, err := c.Put(t.Context(), w.object(s), nil); err == nil {
		t.Fatal("the agent lives")
	}
	c = w.ensure(env)
	// What was not finished never was.
	w.eventually("the old ones run alone", func() bool { return len(w.running()) == 2 })
	if now := w.pids(c, s); fmt.Sprint(now) != fmt.Sprint(pids) {
		t.Errorf("%v became %v", pids, now)
	}
	var held launch.Spec
	list, err := c.List(t.Context())
	if err != nil || json.Unmarshal(list[0].Spec, &held) != nil || held.Version != "" {
		t.Errorf("%v %+v", err, list)
	}
	w.put(c, s)
	w.delete(c, s)
}

// A killed shim takes its process along, and what left its group too; the
// replica is started anew.
func TestKilledShim(t *testing.T) {
	for _, agent := range []string{"alive", "dead"} {
		t.Run(agent, func(t *testing.T) {
			w := newWorld(t)
			c := w.ensure(nil)
			s := w.spec("role", "tree")
			w.put(c, s)
			w.eventually("the tree has grown", func() bool { return len(w.running()) >= 3 })
			old := w.running()
			pid := w.pids(c, s)[0]
			st, err := readStat(pid)
			if err != nil {
				t.Fatal(err)
			}
			if agent == "dead" {
				w.killAgent(c)
			}
			if err := unix.Kill(st.parent, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if agent == "dead" {
				c = w.ensure(nil)
			}
			w.eventually("another runs, and none of the old ones", func() bool {
				now := w.pids(c, s)
				for p := range old {
					if living(p) {
						return false
					}
				}
				return len(now) == 1 && now[0] != pid
			})
			w.delete(c, s)
		})
	}
}

// A status that names another process (its pid was used again) is no reason to
// touch that.
func TestReusedPID(t *testing.T) {
	w := newWorld(t)
	bystander := w.bystander()
	n := nonce()
	if err := w.place.Prepare(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(w.place.Proc(n), 0o700); err != nil {
		t.Fatal(err)
	}
	wrong := control.Identity{PID: bystander.PID, Start: bystander.Start - 1}
	st, _ := json.Marshal(control.ShimStatus{Boot: bootID(), Shim: wrong, Child: wrong})
	if err := os.WriteFile(filepath.Join(w.place.Proc(n), "status.json"), st, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.place.Proc(n), "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := w.spec("role", "sleep")
	o := w.object(s)
	b, err := openBook(w.place, 100)
	if err != nil {
		t.Fatal(err)
	}
	e := control.Entry{Key: o.Key, Spec: o.Spec, Dir: o.Dir}
	run := control.Run{Nonce: n, Key: o.Key, Boot: bootID()}
	if err := errors.Join(b.note(control.Record{Op: control.OpKeep, Want: &e}), b.note(control.Record{Op: control.OpStart, Run: &run})); err != nil {
		t.Fatal(err)
	}
	b.close()
	w.agent(nil)
	c := w.client()
	w.eventually("it runs", func() bool { return len(w.pids(c, s)) == 1 })
	w.delete(c, s)
	if !alive(bystander.Identity) {
		t.Error("the bystander was killed")
	}
}

// bystander is a process that has nothing to do with the agent.
func (w *world) bystander() stat {
	w.Helper()
	p, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{Sys: detached()})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = p.Kill(); _, _ = p.Wait() })
	st, err := readStat(p.Pid)
	if err != nil {
		w.Fatal(err)
	}
	return st
}

// After a reboot nothing runs that the journal says was started, and all is
// started again.
func TestReboot(t *testing.T) {
	w := newWorld(t)
	c := w.ensure(map[string]string{"TEST_BOOT": "one"})
	s, once := w.spec("role", "sleep"), w.shell("once", "exit 0")
	s.Replicas = 2
	once.Ready.Timeout = 10 * time.Second
	w.put(c, s)
	stopped := w.spec("stopped", "sleep")
	w.put(c, stopped)
	if err := c.Stop(t.Context(), "main/stopped", nil); err != nil {
		t.Fatal(err)
	}
	w.powerGoes(c)
	c = w.ensure(map[string]string{"TEST_BOOT": "two"})
	w.eventually("both run", func() bool {
		st := w.status(c, s)
		return st.Replicas[0].State == launch.Running && st.Replicas[1].State == launch.Running
	})
	if st := w.status(c, stopped); !st.Held || st.Replicas[0].State != launch.Stopped {
		t.Errorf("%+v", st)
	}
	w.delete(c, stopped)
	w.delete(c, s)
	w.eventually("the agent has ended", func() bool { return len(w.mine()) == 0 })
}

// What an agent started by itself after a reboot is waited for by a put of it, and is
// left as it is where it does not become ready.
func TestPutAfterReboot(t *testing.T) {
	w := newWorld(t)
	c := w.ensure(map[string]string{"TEST_BOOT": "one"})
	s := w.spec("role", "sleep")
	file := filepath.Join(w.dir, "ready")
	s.Ready = launch.Ready{When: launch.Exec, Command: []string{"test", "-e", file}, Timeout: time.Minute}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.put(c, s)
	greetings := func() int {
		return strings.Count(strings.Join(control.LastLines(w.place.Log("main", "role", 0), 5, time.Time{}), ""), "hello from")
	}
	w.eventually("it has spoken", func() bool { return greetings() == 1 })
	w.powerGoes(c)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	c = w.ensure(map[string]string{"TEST_BOOT": "two"})
	w.eventually("it was started and has spoken", func() bool {
		return len(w.pids(c, s)) == 1 && greetings() == 2
	})
	late := s
	late.Ready.Timeout = 50 * time.Millisecond
	w.contains(w.fails(c, late).Error(), "role", "not ready within 50ms", "hello from")
	if len(w.pids(c, s)) != 1 {
		t.Error("it was not left as it is")
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if held := w.put(c, s); held.Status.Replicas[0].State != launch.Running {
		t.Errorf("put did not wait: %+v", held.Status)
	}
	w.delete(c, s)
}

// An agent of another build replaces this one; the children do not notice.
func TestOtherBuild(t *testing.T) {
	w := newWorld(t)
	s := w.spec("role", "sleep")
	old := w.ensure(map[string]string{"TEST_BUILD": "old"})
	w.put(old, s)
	pids, was := w.pids(old, s), w.agentPID(old)
	c := w.ensure(nil)
	if now := w.agentPID(c); now == was {
		t.Error("the agent is the same")
	}
	if now := w.pids(c, s); fmt.Sprint(now) != fmt.Sprint(pids) {
		t.Errorf("%v became %v", pids, now)
	}
	// And the new one, which is no parent of it, stops it.
	w.delete(c, s)
	w.eventually("nothing is left", func() bool { return len(w.mine()) == 0 })
}

func TestTwoEnsureAtOnce(t *testing.T) {
	w := newWorld(t)
	type answer struct {
		pid int
		err error
	}
	answers := make(chan answer)
	for range 5 {
		go func() {
			c, err := control.Ensure(context.Background(), control.Agent{Lineage: w.lineage, Dir: w.dir})
			var h control.Hello
			if err == nil {
				h, err = c.Hello(context.Background())
				c.Close()
			}
			answers <- answer{h.PID, err}
		}()
	}
	pids := map[int]bool{}
	for range 5 {
		a := <-answers
		if a.err != nil {
			t.Error(a.err)
		}
		pids[a.pid] = true
	}
	if len(pids) != 1 {
		t.Errorf("agents: %v", pids)
	}
	if err := w.client().Quit(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSecondAgentRefuses(t *testing.T) {
	w := newWorld(t)
	w.agent(nil)
	err := Run(t.Context(), testOptions(w.lineage))
	if err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Error(err)
	}
}

// A client made by Ensure brings an agent back that ended after its last
// object went.
func TestAgentEndsAndComesBack(t *testing.T) {
	w := newWorld(t)
	c := w.ensure(nil)
	s := w.spec("role", "sleep")
	for range 3 {
		w.put(c, s)
		w.delete(c, s)
	}
	w.eventually("the agent has ended", func() bool { return len(w.mine()) == 0 })
	if _, err := control.Dial(t.Context(), w.lineage); !errors.Is(err, control.ErrNoAgent) {
		t.Error(err)
	}
}

// A damaged journal is an error, never "nothing runs": what runs is left.
func TestDamagedJournal(t *testing.T) {
	w := newWorld(t)
	c := w.ensure(nil)
	s := w.spec("role", "sleep")
	w.put(c, s)
	pid := w.pids(c, s)[0]
	w.killAgent(c)
	whole, err := os.ReadFile(w.place.Journal())
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"empty": nil, "cut": whole[:20], "changed": append([]byte("x"), whole[1:]...)} {
		if err := os.WriteFile(w.place.Journal(), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Run(t.Context(), testOptions(w.lineage)); err == nil || !strings.Contains(err.Error(), "apply") {
			t.Error(name, err)
		}
		if _, err := control.ReadFolder(w.lineage); err == nil {
			t.Error(name, "reads as nothing")
		}
		if !living(pid) {
			t.Fatal(name, "ended the participant")
		}
	}
	// Without it, as the error says, what nobody knows is ended.
	if err := os.Remove(w.place.Journal()); err != nil {
		t.Fatal(err)
	}
	w.agent(nil)
	w.eventually("the stranger has ended", func() bool { return !living(pid) })
}

// What an unfinished put left running ends before the next put starts another,
// also where it takes its time to end.
func TestNeverTwo(t *testing.T) {
	w := newWorld(t)
	fault := filepath.Join(w.dir, "fault")
	if err := os.WriteFile(fault, []byte("before-keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := w.shell("role", `mkdir one || touch twice
trap 'sleep 0.5; rmdir one; exit 0' TERM
touch up
while :; do sleep 0.01; done`)
	s.Ready = launch.Ready{When: launch.Exec, Command: []string{"test", "-e", "up"}, Timeout: time.Minute}
	env := map[string]string{"TEST_FAULT": fault}
	w.twice(env, func(c *control.Client) error {
		_, err := c.Put(w.Context(), w.object(s), nil)
		return err
	})
	if _, err := os.Stat(filepath.Join(w.dir, "twice")); err == nil {
		t.Error("two ran at once")
	}
	w.delete(w.ensure(env), s)
}

// While a process replaces its program (execve) it has no environment, and so
// no mark. One that does so a hundred times before it settles is ended, too.
func TestSweepSeesWhatReplacesItsProgram(t *testing.T) {
	w := newWorld(t)
	script := filepath.Join(w.dir, "again")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ $1 = 100 ] && exec sleep 1000\nexec \"$0\" $(($1 + 1))\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		n := nonce()
		p, err := os.StartProcess(script, []string{script, "0"}, &os.ProcAttr{Env: []string{runVariable + "=" + n, "TEST_WORLD=" + w.lineage, "PATH=/bin:/usr/bin"}, Sys: detached()})
		if err != nil {
			t.Fatal(err)
		}
		w.Cleanup(func() { _ = p.Kill(); _, _ = p.Wait() })
		if err := sweep(t.Context(), n, control.ShimStatus{}, bootID()); err != nil {
			t.Fatal(err)
		}
		if living(p.Pid) {
			t.Errorf("%d lives", p.Pid)
		}
	}
}

// A mark is found in whatever environment, and one that has none is known not to have it.
func TestMarked(t *testing.T) {
	w := newWorld(t)
	n := nonce()
	mark := runVariable + "=" + n
	long := "LONG=" + strings.Repeat("x", 100<<10)
	for name, c := range map[string]struct {
		env []string
		is  bool
	}{
		"none": {nil, false}, "marked": {[]string{mark}, true}, "at the end": {[]string{long, mark}, true}, "another's": {[]string{mark + "0", "A=" + mark}, false},
	} {
		args := []string{"sleep", "1000"}
		p, err := os.StartProcess("/bin/sleep", args, &os.ProcAttr{Env: append([]string{}, c.env...), Sys: detached()})
		if err != nil {
			t.Fatal(err)
		}
		w.Cleanup(func() { _ = p.Kill(); _, _ = p.Wait() })
		is, known := false, false
		w.eventually("it is known", func() bool { is, known = marked(p.Pid, []byte(mark)); return known })
		if is != c.is {
			t.Errorf("%s: %v", name, is)
		}
	}
}

// A replica that is stopped before its turn to start came was never started: nothing
// of a start is to be removed, and least of all the folder of all starts.
func TestStoppedBeforeItsTurn(t *testing.T) {
	w := newWorld(t)
	if err := os.MkdirAll(w.place.Proc("another"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := w.place.Prepare(); err != nil {
		t.Fatal(err)
	}
	a, err := newAgent(t.Context(), testOptions(w.lineage).filled(), w.place)
	if err != nil {
		t.Fatal(err)
	}
	defer a.book.close()
	defer a.leave()
	for range together {
		a.turns <- struct{}{}
	}
	r := (&role{agent: a, key: control.Key{Kind: control.Process, Name: "main/role"}}).replica(0, &program{})
	r.quit()
	r.supervise(nil, nil, 0)
	if _, err := os.Stat(w.place.Proc("another")); err != nil {
		t.Error(err)
	}
}
