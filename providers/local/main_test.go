package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/local/agent"
	"github.com/msgflo/msgflo/providers/local/control"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
)

// The agent that a test starts is this very binary under the name msgflo, and
// so are its shims.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "msgflo" {
		os.Exit(msgflo(os.Args[1:]))
	}
	leaktest.Main(m)
}

func msgflo(args []string) int {
	if shim := agent.ShimArgs(); len(args) >= len(shim) && slices.Equal(args[:len(shim)], shim) {
		return agent.Shim(args[len(shim):])
	}
	if len(args) != 4 || !slices.Equal(args, control.Serve(control.Agent{Lineage: args[2], Dir: args[3]})) {
		fmt.Fprintf(os.Stderr, "not meant to be run with %q\n", args)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	build, err := control.Build("/proc/self/exe")
	if err == nil {
		kinds := map[string]agent.ServiceFactory{}
		for _, k := range []string{control.Keeper, control.Announcement, control.Server, control.Router} {
			kinds[k] = newService
		}
		err = agent.Run(ctx, agent.Options{Lineage: args[2], Dir: args[3], Version: "test", Build: build, Machine: control.Machine(),
			Kinds: kinds, Settle: 10 * time.Millisecond})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A service does nothing, but only for a spec and a secret that are JSON.
type service struct{ env agent.ServiceEnv }

func newService(spec, secret json.RawMessage, env agent.ServiceEnv) (agent.Service, error) {
	var s struct {
		Broker string `json:"broker"`
	}
	if err := json.Unmarshal(spec, &s); err != nil || s.Broker == "" || len(secret) > 0 && !json.Valid(secret) {
		return nil, errors.New("no spec of a service")
	}
	return service{env}, nil
}

func (s service) Run(ctx context.Context) error {
	s.env.Ready()
	<-ctx.Done()
	return nil
}

// eventually polls until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about: %s", what)
		}
	}
}

// lives reports whether a process is there and no zombie.
func lives(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// agentOf is the pid of the agent of a lineage, 0 where none answers.
func agentOf(t *testing.T, lineage string) int {
	t.Helper()
	c, err := control.Dial(context.Background(), lineage)
	if err != nil {
		return 0
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	h, err := c.Hello(context.Background())
	if err != nil {
		return 0
	}
	return h.PID
}

// down ends the agent of a lineage with all that it holds, at the end of a
// test that may have left something.
func down(t *testing.T, lineage string) {
	t.Helper()
	c, err := control.Dial(context.Background(), lineage)
	if errors.Is(err, control.ErrNoAgent) {
		return
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = errors.Join(c.Down(ctx, nil), c.Close())
	}
	if err != nil && !errors.Is(err, control.ErrNoAgent) { // it may have ended by itself meanwhile
		t.Error(err)
	}
}
