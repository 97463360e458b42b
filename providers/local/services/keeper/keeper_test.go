package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/discovery"
	"github.com/msgflo/msgflo/providers/local/services"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/amqp"
	"github.com/msgflo/msgflo/providers/transport/transporttest"
)

func TestMain(m *testing.M) { os.Exit(rabbittest.Run(m)) }

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// said is what a keeper said last.
type said struct {
	mu    sync.Mutex
	note  string
	ready chan struct{}
}

func (s *said) env() services.Env {
	return services.Env{Log: slog.New(slog.DiscardHandler), Ready: func() { close(s.ready) }, Note: func(n string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.note = n
	}}
}

func (s *said) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.note
}

func run(t *testing.T, s *Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
}

func await(t *testing.T, what string, f func() bool) {
	t.Helper()
	for ctx := within(t); !f(); time.Sleep(5 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("%s: it never came to be", what)
		}
	}
}

// TestKeeper: bindings of transient ends come back whenever the ends do: at the
// start of who declares them, after a reconnect, on schedule.
func TestKeeper(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	leaktest.Check(t)
	direct := b.VhostURL(vhost)
	host := b.AMQPURL[strings.Index(b.AMQPURL, "@")+1:]
	proxy := transporttest.NewProxy(t, host, nil)
	dial := func(u string) transport.Conn {
		t.Helper()
		c, err := amqp.Dial(within(t), amqp.Options{URL: u, RetryMin: time.Millisecond, RetryMax: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	conns := services.NewConnections(func(ctx context.Context, u string) (transport.Conn, error) {
		return amqp.Dial(ctx, amqp.Options{URL: u, RetryMin: time.Millisecond, RetryMax: 50 * time.Millisecond})
	}, time.Minute)
	t.Cleanup(conns.Close)

	tester := dial(direct)
	if err := tester.Declare(within(t), transport.Topology{
		Exchanges: []transport.Exchange{{Name: discovery.Exchange, Kind: "fanout", Durable: true}, {Name: "source", Kind: "fanout", Durable: true}},
	}); err != nil {
		t.Fatal(err)
	}
	var spec Spec
	for _, link := range [][3]string{{"source", "between", "exchange"}, {"between", "target", "queue"}} {
		spec.Bindings = append(spec.Bindings, Binding{VHost: vhost, Source: link[0], Destination: link[1], DestinationType: link[2]})
	}
	// The secret is the broker's URL, whatever its vhost.
	broken := strings.Replace(b.AMQPURL, host, proxy.Addr, 1)
	rawSpec, _ := json.Marshal(spec)
	secret, _ := json.Marshal(services.Secret{URL: broken})
	what := &said{ready: make(chan struct{})}
	s, err := New(rawSpec, secret, conns, what.env())
	if err != nil {
		t.Fatal(err)
	}
	s.missing, s.calm = 20*time.Millisecond, time.Hour
	proxy.Down() // it is not there yet
	run(t, s)
	await(t, "the failure to connect is told", func() bool { return what.last() != "" })
	proxy.Up()
	<-what.ready
	await(t, "what it waits for is told", func() bool { return strings.Contains(what.last(), "waits for source -> between, between") })

	// published says whether a message gets through.
	published := func() bool {
		to := transport.ToExchange("source")
		to.Mandatory = true
		err := transport.Publish(within(t), tester, to, transport.Message{Body: []byte("x")})
		if err != nil && !errors.Is(err, transport.ErrUnroutable) {
			t.Fatal(err)
		}
		return err == nil
	}
	// A participant that declares its own, and takes it along when it goes.
	participant := func() (transport.Conn, transport.Subscription) {
		t.Helper()
		c := dial(direct)
		if err := c.Declare(within(t), transport.Topology{
			Exchanges: []transport.Exchange{{Name: "between", Kind: "fanout", AutoDelete: true}},
			Queues:    []transport.Queue{{Name: "target", AutoDelete: true}},
		}); err != nil {
			t.Fatal(err)
		}
		sub, err := c.Subscribe(within(t), "target", transport.SubscribeOptions{Prefetch: 1})
		if err != nil {
			t.Fatal(err)
		}
		return c, sub
	}
	first, _ := participant()
	await(t, "bound on schedule while an end is missing", published)
	await(t, "all is well", func() bool { return what.last() == "" })

	// It goes and comes back with an announcement. The exchange between is gone
	// with its last binding, so all is to be bound again; nothing else tells.
	first.Close()
	await(t, "gone", func() bool { return !published() })
	second, _ := participant()
	announced := `{"protocol":"discovery","command":"participant","payload":{"id":"i","role":"r","component":"C","inports":[],"outports":[]}}`
	if err := transport.Publish(within(t), second, transport.ToExchange(discovery.Exchange), transport.Message{Body: []byte(announced)}); err != nil {
		t.Fatal(err)
	}
	await(t, "bound at an announcement", published)

	// It goes and comes back while the keeper's connection is down.
	await(t, "calm again", func() bool { return what.last() == "" })
	proxy.Down()
	second.Close()
	await(t, "gone again", func() bool { return !published() })
	_, _ = participant()
	if published() {
		t.Fatal("bound by nobody")
	}
	proxy.Up()
	await(t, "bound after a reconnect", published)
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]struct{ spec, secret, want string }{
		"unknown key": {`{"bindings":[],"more":1}`, `{"url":"amqp://u:hunter2@h"}`, "spec of the service"},
		"no URL":      {`{"bindings":[{"source":"a","destination":"b","destination_type":"queue"}]}`, `{"url":"hunter2"}`, "cannot be read"},
		"no secret":   {`{"bindings":[]}`, ``, "secret of the service"},
		"a type":      {`{"bindings":[{"destination_type":"topic"}]}`, `{"url":"amqp://h"}`, `a "topic"`},
	} {
		_, err := New(json.RawMessage(c.spec), json.RawMessage(c.secret), nil, services.Env{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInVHost(t *testing.T) {
	for _, c := range [][3]string{
		{"amqp://u:p%2F@h:1/old?x=y", "a/b c", "a/b c"}, {"amqp://h", "/", "/"}, {"amqp://h/kept", "", "kept"},
	} {
		got, err := inVHost(c[0], c[1])
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(got)
		if err != nil {
			t.Fatal(err)
		}
		if vhost, err := url.PathUnescape(strings.TrimPrefix(u.EscapedPath(), "/")); err != nil || vhost != c[2] {
			t.Errorf("%v: %s", c, got)
		}
	}
}
