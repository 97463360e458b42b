package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"github.com/msgflo/msgflo/config/diag"
)

// An Agent is one that is to run.
type Agent struct {
	Lineage string
	Dir     string // of the configuration, absolute
	// State is where the state of the lineage is kept: a file's absolute path, or an
	// address without anything secret. "" where it is not known.
	State string
	// Program is what to run; "" is this very program. Its first arguments are
	// Serve's.
	Program string
	Env     []string // nil is this process's environment
}

// Serve are the arguments that make a msgflo program the agent of a lineage: it
// stays in the foreground and ends by itself.
func Serve(a Agent) []string {
	args := []string{"agent", "serve", a.Lineage, a.Dir}
	if a.State != "" {
		args = append(args, a.State)
	}
	return args
}

// Ensure is a connection to the agent of the lineage, which is started where
// none runs, and replaced where it is of another build: what that one runs goes
// on running. Callers at the same time start one.
func Ensure(ctx context.Context, a Agent) (*Client, error) {
	p, err := Locate(a.Lineage)
	if err != nil {
		return nil, err
	}
	program := a.Program
	if program == "" {
		if program, err = self(); err != nil {
			return nil, err
		}
	}
	build, err := Build(program)
	if err != nil {
		return nil, err
	}
	c := newClient(p)
	bringUp := func(ctx context.Context) error { return ensure(ctx, c, a, program, build) }
	if err := bringUp(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	// What it is asked through has no again of its own: no endless loop.
	out := newClient(p)
	out.again = bringUp
	return out, nil
}

// self is this program, also where its file was deleted (`go run` does that).
func self() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

func ensure(ctx context.Context, c *Client, a Agent, program, build string) error {
	if h, err := c.Hello(ctx); err == nil && h.Build == build {
		return nil
	} else if err != nil && !errors.Is(err, ErrNoAgent) {
		return err
	}
	if err := canServe(); err != nil {
		return err
	}
	if err := c.place.Prepare(); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(c.place.Folder, "start.lock"), flock.SetPermissions(0o600))
	if ok, err := lock.TryLockContext(ctx, 5*time.Millisecond); !ok {
		return fmt.Errorf("waiting for another command that starts the agent: %w", err)
	}
	defer func() { _ = lock.Unlock() }()
	switch h, err := c.Hello(ctx); {
	case err == nil && h.Build == build: // another command was faster
		return nil
	case err == nil:
		if err := c.Quit(ctx); err != nil {
			return fmt.Errorf("replacing the agent of msgflo %s: %w", diag.Escape(h.Version), err)
		}
	}
	if err := waitFree(ctx, c.place); err != nil {
		return err
	}
	return start(ctx, c, a, program, build)
}

// waitFree waits for an agent that has closed its socket and not yet ended, and for
// one that has not opened it yet: then there is nothing to start.
func waitFree(ctx context.Context, p Place) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := poll(ctx, p.agentEnded)
	if err != nil {
		seat, _ := p.Seat()
		return fmt.Errorf("an agent for this state runs (pid %d) and does not answer: `kill %d` ends it and leaves the participants running; its log is %s", seat.PID, seat.PID, diag.Escape(p.AgentLog()))
	}
	return nil
}

// start copies the program to where nobody deletes it and runs it, detached.
func start(ctx context.Context, c *Client, a Agent, program, build string) error {
	own := filepath.Join(c.place.Programs(), build, "msgflo")
	if err := install(program, own); err != nil {
		return fmt.Errorf("copying this program for the agent: %w", err)
	}
	env := a.Env
	if env == nil {
		env = os.Environ()
	}
	before := size(c.place.AgentLog())
	ended, err := spawn(c.place, own, Serve(a), env)
	if err != nil {
		return fmt.Errorf("starting the agent: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	died := false
	err = poll(ctx, func() (bool, error) {
		_, err := c.Hello(ctx)
		if errors.Is(err, ErrNoAgent) {
			err, died = nil, ended()
			return died, err
		}
		return err == nil, err
	})
	switch {
	case died:
		return fmt.Errorf("the agent ended as soon as it was started: %s", tail(c.place.AgentLog(), before))
	case err != nil:
		return fmt.Errorf("the agent was started and does not answer (%w): %s", err, tail(c.place.AgentLog(), before))
	}
	return nil
}

// install copies a program, unless it is there. The name appears when all of
// it is there.
func install(from, to string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := renameio.NewPendingFile(to, renameio.WithPermissions(0o700), renameio.IgnoreUmask())
	if err != nil {
		return err
	}
	defer func() { _ = dst.Cleanup() }()
	if _, err := io.Copy(dst, src); err != nil {
		return err
	}
	return dst.CloseAtomicallyReplace()
}

func size(path string) int64 {
	fi, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return fi.Size()
}

// tail is what was written to a log from the offset on, escaped and short.
func tail(path string, from int64) string {
	f, err := os.Open(path)
	if err != nil {
		return "it wrote no log (" + diag.Escape(path) + ")"
	}
	defer f.Close()
	b, _ := io.ReadAll(io.NewSectionReader(f, from, 16<<10))
	text := strings.TrimSpace(diag.EscapeText(string(b)))
	if text == "" {
		return "it wrote nothing to its log, " + diag.Escape(path)
	}
	return text
}
