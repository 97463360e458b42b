package workspace

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/fake"
	"github.com/msgflo/msgflo/providers/transport"
)

// A silentBroker takes a connection and never says anything. All of them are
// asked before the first is given up.
type silentBroker struct {
	providers.Provider
	asked *sync.WaitGroup
}

func (s *silentBroker) Dial(ctx context.Context) (transport.Conn, error) {
	s.asked.Done()
	s.asked.Wait()
	<-ctx.Done()
	return nil, ctx.Err()
}

// refusingBroker refuses the login.
type refusingBroker struct{ providers.Provider }

func (refusingBroker) Dial(context.Context) (transport.Conn, error) {
	return nil, errors.New("login refused\x1b[31m")
}

// TestAsk: brokers that do not answer are asked at once and given up; one that
// cannot be asked is neither well nor away.
func TestAsk(t *testing.T) {
	var asked sync.WaitGroup
	asked.Add(2)
	silent := askAll(t, 50*time.Millisecond, map[string]providers.Provider{"a": &silentBroker{asked: &asked}, "b": &silentBroker{asked: &asked}})
	// Who answers too late is silent, too: these have all the time they need.
	others := askAll(t, time.Minute, map[string]providers.Provider{"c": refusingBroker{}, "d": nil})
	for i, want := range []string{"no answer within 50ms", "no answer within 50ms", `login refused\x1b[31m`, "needs a variable"} {
		got := slices.Concat(silent, others)[i]
		if !strings.Contains(got.Problem, want) || (got.Answers == nil) != (got.Name == "d") || got.Answers != nil && *got.Answers {
			t.Errorf("%+v, want %q", got, want)
		}
	}
}

// askAll asks brokers, nil for one that cannot be asked, and returns what is known of them, by name.
func askAll(t *testing.T, patience time.Duration, brokers map[string]providers.Provider) []Broker {
	t.Helper()
	w := &Workspace{}
	r := &Running{w: w, pool: newPool(w, ""), patience: patience, brokers: map[addr.Provider]desired.Broker{}}
	b := desired.Broker{Type: fake.NewWorld().Type()}
	part := b
	part.Partial = true
	for name, p := range brokers {
		at := addr.Provider{Kind: "broker", Name: name}
		r.brokers[at] = b
		if p != nil {
			r.pool.open[at] = closable{p}
		} else {
			r.pool.declare(map[addr.Provider]desired.Broker{at: part})
		}
	}
	s := &Status{}
	r.ask(t.Context(), r.table(&Recorded{}, Here{}), s)
	return s.Brokers
}

// closable is forgotten by closing it, which the fakes here need not do.
type closable struct{ providers.Provider }

func (closable) Close() error { return nil }

func (c closable) Dial(ctx context.Context) (transport.Conn, error) {
	return c.Provider.(providers.Dialer).Dial(ctx)
}
