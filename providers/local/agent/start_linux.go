package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// A proc is one start of a replica that has a living shim, or had one.
type proc struct {
	agent  *Agent
	run    control.Run
	status control.ShimStatus // as it was started, or found
	own    bool               // the shim is this agent's child, not an earlier one's
	ended  chan struct{}      // closed when the shim has ended and nothing of it lives
	last   control.ShimStatus // under ended: what the shim said at its end
	lost   error              // under ended: nothing is known of what still runs
}

// environ is a process's environment as exec(2) takes it, sorted.
func environ(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		out = append(out, k+"="+env[k])
	}
	return out
}

// notInherited are variables that tell the agent's own process something, not
// those that it starts.
var notInherited = map[string]bool{runVariable: true, "NOTIFY_SOCKET": true, "LISTEN_FDS": true, "LISTEN_PID": true, "LISTEN_FDNAMES": true, "WATCHDOG_PID": true, "WATCHDOG_USEC": true}

// environment is what a process gets: the agent's own, then what the spec
// says, then its secrets.
func (a *Agent) environment(s launch.Spec, secret json.RawMessage) (map[string]string, error) {
	env := map[string]string{}
	for _, kv := range a.opts.Environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" && !notInherited[k] {
			env[k] = v
		}
	}
	maps.Copy(env, s.Env)
	if len(secret) > 0 {
		var more map[string]string
		if json.Unmarshal(secret, &more) != nil { // the error could quote it
			return nil, errors.New("its secret environment is not an object of strings")
		}
		maps.Copy(env, more)
	}
	for k, v := range env {
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.ContainsRune(v, 0) {
			return nil, fmt.Errorf("its environment variable %q has a name or value that no environment can hold", k)
		}
	}
	return env, nil
}

// launch starts a replica's program under a shim. What it is about to do is in
// the journal before it is done.
func (a *Agent) launch(key control.Key, index int, p *program, stop launch.Stop) (*proc, error) {
	n := nonce()
	dir := a.place.Proc(n)
	a.opts.Fault("before-journal")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of a start: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the lock of a start: %w", err)
	}
	defer lock.Close()
	if ok, err := control.Lock(lock); !ok {
		return nil, errors.Join(errors.New("locking a start"), err)
	}
	run := control.Run{Nonce: n, Key: key, Index: index, Sum: p.sum, Boot: a.boot}
	if err := a.book.note(control.Record{Op: control.OpStart, Run: &run}); err != nil {
		a.book.dropProc(n)
		return nil, err
	}
	a.opts.Fault("after-journal")
	env := maps.Clone(p.env)
	env[runVariable] = n
	j := job{
		Path: p.path, Args: p.args, Env: environ(env), Dir: p.dir, Proc: dir, Boot: a.boot, Stop: stop,
		Log: a.place.Log(p.spec.Broker, p.spec.Role, index), Limit: a.opts.LogSize, Files: a.opts.LogFiles, Secrets: p.secrets,
	}
	status, err := a.spawn(lock, n, j, fmt.Sprintf("%s[%d]", key.Name, index))
	if err != nil {
		a.forgetRun(run, "", "")
		return nil, err
	}
	a.opts.Fault("after-status")
	pr := &proc{agent: a, run: run, status: status, own: true, ended: make(chan struct{})}
	a.work.Go(pr.watch)
	return pr, nil
}

// An execError is the kernel's refusal to run a program.
type execError struct{ text string }

func (e *execError) Error() string { return e.text }

// spawn runs the shim and waits until it has started the program, or could
// not.
func (a *Agent) spawn(lock *os.File, nonce string, j job, label string) (control.ShimStatus, error) {
	var none control.ShimStatus
	jobR, jobW, err := os.Pipe()
	if err != nil {
		return none, err
	}
	defer jobW.Close()
	reportR, reportW, err := os.Pipe()
	if err != nil {
		jobR.Close()
		return none, err
	}
	defer reportR.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return none, err
	}
	defer null.Close()
	args := append(append([]string{"msgflo"}, ShimArgs()...), strings.ReplaceAll(label, "\x00", ""))
	// A shim that panics says so in the agent's log. The agent's own output may be a terminal or a
	// pipe, which a shim must not keep.
	say, err := os.OpenFile(a.place.AgentLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		say = null
	} else {
		defer say.Close()
	}
	shim, err := os.StartProcess("/proc/self/exe", args, &os.ProcAttr{
		Dir: "/", Env: shimEnv(nonce),
		Files: []*os.File{null, null, say, lock, jobR, reportW},
		Sys:   detached(),
	})
	jobR.Close()
	reportW.Close()
	if err != nil {
		return none, fmt.Errorf("starting a shim: %w", err)
	}
	_ = shim.Release()
	a.opts.Fault("after-spawn")
	werr := json.NewEncoder(jobW).Encode(j)
	jobW.Close()
	a.opts.Fault("after-job")
	var st control.ShimStatus
	if err := json.NewDecoder(reportR).Decode(&st); err != nil {
		_, _ = reap(shim.Pid)
		return none, fmt.Errorf("the shim ended before it had started the program: %w", errors.Join(err, werr))
	}
	if st.Failed != "" {
		_, _ = reap(shim.Pid)
		return none, &execError{"the kernel refuses to run " + diag.Escape(j.Path) + ": " + st.Failed}
	}
	return st, nil
}

// watch waits for the end of the shim. If it was killed, what it left is killed
// too, so that whoever waits for ended may start another.
func (p *proc) watch() {
	a := p.agent
	defer close(p.ended)
	p.last = p.status
	if err := await(a.ctx, p.status.Shim); err != nil {
		p.lost = err
		return
	}
	if p.own {
		_, _ = reap(p.status.Shim.PID)
	}
	if st, ok := a.place.Status(p.run.Nonce); ok {
		p.last = st
	}
	if p.last.Exit == nil {
		p.lost = sweep(a.ctx, p.run.Nonce, p.last, a.boot)
	}
}

// stopping tells that the shim was asked to stop.
func (p *proc) stopping() bool {
	_, err := os.Stat(filepath.Join(p.agent.place.Proc(p.run.Nonce), "stop.json"))
	return err == nil
}

// stop asks the shim to end its process, and waits until all of it has.
func (p *proc) stop(ctx context.Context, how launch.Stop) error {
	b, err := json.Marshal(how)
	if err != nil {
		return err
	}
	// Without this file the shim stops as it was told at the start.
	path := filepath.Join(p.agent.place.Proc(p.run.Nonce), "stop.json")
	if os.WriteFile(path+".new", b, 0o600) == nil {
		_ = os.Rename(path+".new", path)
	}
	if err := signalTo(p.status.Shim, unix.SIGTERM); err != nil {
		return fmt.Errorf("signalling shim %d: %w", p.status.Shim.PID, err)
	}
	select {
	case <-p.ended:
		return p.lost
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forgetRun notes that a start has ended. Final is what the replica stays in, ""
// where it is to be started again.
func (a *Agent) forgetRun(run control.Run, final launch.State, why string) {
	if run.Nonce == "" {
		return // it was stopped before its turn to start: the path of no start is that of all starts
	}
	run.Final, run.Reason = final, why
	if err := a.book.note(control.Record{Op: control.OpEnd, Run: &run}); err != nil {
		a.log.Error("what ended is not noted", "role", run.Key.Name, "error", err)
	}
	a.book.dropProc(run.Nonce)
}

// reap takes the status of a child that has ended, or is about to.
func reap(pid int) (ws unix.WaitStatus, err error) {
	for {
		if _, err = unix.Wait4(pid, &ws, 0, nil); !errors.Is(err, unix.EINTR) {
			return ws, err
		}
	}
}

// adopt takes over a start of an earlier agent: nil if nothing of it lives,
// and then nothing does for certain.
func (a *Agent) adopt(ctx context.Context, run control.Run) (*proc, error) {
	if run.Boot != a.boot {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	st, ok := a.place.Status(run.Nonce)
	for control.Locked(filepath.Join(a.place.Proc(run.Nonce), "lock")) {
		if ok && st.Child.PID != 0 && alive(st.Shim) {
			p := &proc{agent: a, run: run, status: st, ended: make(chan struct{})}
			a.work.Go(p.watch)
			return p, nil
		}
		// The shim is about to start its program, or to end.
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			break
		}
		st, ok = a.place.Status(run.Nonce)
	}
	if ok && st.Exit != nil {
		return nil, nil // the shim saw all of it end
	}
	return nil, sweep(ctx, run.Nonce, st, a.boot)
}

// shimEnv is all that a shim has in its environment: what tunes its Go runtime
// (one thread is enough), and which start it looks after.
func shimEnv(nonce string) []string {
	env := []string{"GOMAXPROCS=1", runVariable + "=" + nonce}
	if v, ok := os.LookupEnv("GORACE"); ok { // a build with the race detector
		env = append(env, "GORACE="+v)
	}
	return env
}
