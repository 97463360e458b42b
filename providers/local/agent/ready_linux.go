package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// probing is how often a kind of readiness that must be asked for is.
const probing = 100 * time.Millisecond

// A gate is the readiness of one batch of replicas. What watches a broker is begun
// once for all of them, before the first is started.
type gate struct {
	agent *Agent
	prog  *program
	probe launch.Probe // nil for the kinds that each replica is asked for by itself
	stop  context.CancelFunc
	done  chan struct{} // closed when the probe has said something
	err   error         // under done
}

// ownKinds are those that need no broker.
func ownKind(when string) bool {
	return slices.Contains([]string{launch.Started, launch.Exec, launch.HTTP, launch.TCP}, when)
}

// begin opens a gate for a number of replicas that are about to start.
func (a *Agent) begin(ctx context.Context, p *program, replicas int) (*gate, error) {
	g := &gate{agent: a, prog: p, done: make(chan struct{}), stop: func() {}}
	when := p.spec.Ready.When
	if ownKind(when) {
		return g, nil
	}
	prober := a.opts.Probers[when]
	if prober == nil {
		return nil, fmt.Errorf("this agent does not know the readiness %q", when)
	}
	// A connection that is being made again blocks who wants to use it: a broker
	// that is down must not hold up a restart for ever.
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(p.spec.Ready.Timeout, func() { cancel(errBrokerSilent) })
	probe, err := prober(ctx, p.spec, p.brokerURL(), replicas)
	if timer.Stop(); context.Cause(ctx) == errBrokerSilent { //nolint:errorlint // it is that very value
		if err == nil {
			_ = probe.Close()
		}
		return nil, fmt.Errorf("%w within %v", errBrokerSilent, p.spec.Ready.Timeout)
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	g.probe, g.stop = probe, func() { cancel(nil) }
	a.work.Go(func() {
		defer close(g.done)
		g.err = probe.Wait(ctx)
		_ = probe.Close()
	})
	return g, nil
}

var errBrokerSilent = errors.New("its broker did not answer")

// close ends the watch, if it has not ended.
func (g *gate) close() { g.stop() }

// pass waits until the replica is ready. Its error says what was not seen.
func (g *gate) pass(ctx context.Context) error {
	r := g.prog.spec.Ready
	switch r.When {
	case launch.Started:
		return pause(ctx, g.agent.opts.Settle)
	case launch.Exec:
		return retry(ctx, func() error { return g.exec(ctx, r.Command) })
	case launch.HTTP:
		return retry(ctx, func() error { return answers(ctx, r.URL) })
	case launch.TCP:
		return retry(ctx, func() error {
			d := net.Dialer{Timeout: 5 * time.Second}
			conn, err := d.DialContext(ctx, "tcp", r.Address)
			if err == nil {
				conn.Close()
			}
			return err
		})
	}
	select {
	case <-g.done:
	case <-ctx.Done():
		g.stop() // it is about to say what it has seen
		<-g.done
	}
	if c, ok := g.probe.(launch.Comparer); ok && g.err == nil {
		g.agent.compared(g.prog.spec, c.Mismatch())
	}
	return g.err
}

// what names the probe for people.
func what(r launch.Ready) string {
	switch r.When {
	case launch.Started:
		return "readiness started: its program must run"
	case launch.Exec:
		return fmt.Sprintf("readiness exec: `%s` must end with status 0", diag.Escape(strings.Join(r.Command, " ")))
	case launch.HTTP:
		return fmt.Sprintf("readiness http: %s must answer with 2xx or 3xx", diag.Escape(r.URL))
	case launch.TCP:
		return fmt.Sprintf("readiness tcp: %s must take a connection", diag.Escape(r.Address))
	case launch.Announced:
		return "readiness announced: it must announce itself on the discovery queue"
	case launch.Consuming:
		return "readiness consuming: it must consume from each of its in-queues"
	}
	return "readiness " + diag.Escape(r.When)
}

// retry asks again until it is answered well. The error is the last answer.
func retry(ctx context.Context, ask func() error) error {
	var last error
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err // not the one that only says that the time is up
		}
		if pause(ctx, probing) != nil {
			return last
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// answers asks a URL as a browser would that follows no redirect. It does not
// check certificates: a participant on this machine mostly has none.
func answers(ctx context.Context, url string) error {
	t := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // nothing is sent, and only a status is read
	defer t.CloseIdleConnections()
	c := http.Client{Transport: t, Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return fmt.Errorf("it answers %s", diag.Escape(resp.Status))
	}
	return nil
}

// exec runs the command of a probe as the participant would be run, at most
// for ten seconds. It is a group of its own, which is killed with it.
func (g *gate) exec(ctx context.Context, command []string) error {
	p := &program{spec: g.prog.spec, env: g.prog.env}
	p.spec.Command, p.spec.Directory = command, g.prog.dir
	if err := p.find("/", g.agent.self); err != nil {
		return errors.New(strings.Replace(err.Error(), "its program", "its program for readiness,", 1))
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	pid, err := forkProbe(p)
	if err != nil {
		return fmt.Errorf("starting `%s`: %w", diag.Escape(strings.Join(command, " ")), err)
	}
	id := control.Identity{PID: pid}
	if s, err := readStat(pid); err == nil {
		id = s.Identity
	}
	err = await(ctx, id)
	_ = unix.Kill(-pid, unix.SIGKILL) // it is not reaped yet: the group is ours
	ws, werr := reap(pid)
	switch {
	case err != nil:
		return errors.New("the command did not end")
	case werr != nil:
		return werr
	case ws.Signaled():
		return fmt.Errorf("the command was killed by %s", unix.SignalName(ws.Signal()))
	case ws.ExitStatus() != 0:
		return fmt.Errorf("the command ended with status %d", ws.ExitStatus())
	}
	return nil
}

func forkProbe(p *program) (int, error) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(null) }()
	fd := uintptr(null)
	return syscall.ForkExec(p.path, p.args, &syscall.ProcAttr{
		Dir: p.dir, Env: environ(p.env), Files: []uintptr{fd, fd, fd}, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
}
