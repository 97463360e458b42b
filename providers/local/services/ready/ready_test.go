package ready_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/discovery"
	"github.com/msgflo/msgflo/providers/discovery/wire"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/services"
	"github.com/msgflo/msgflo/providers/local/services/ready"
	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/amqp"
	"github.com/msgflo/msgflo/providers/transport/memory"
)

func TestMain(m *testing.M) {
	os.Exit(mosquittotest.Run(runFunc(func() int { return rabbittest.Run(m) })))
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// bench is a broker with a participant that tests play.
type bench struct {
	t      *testing.T
	conn   transport.Conn // of the participants
	prober *ready.Prober
	conns  *services.Connections
	n      int
}

var spec = launch.Spec{
	Role: "resize", Component: "Resize", Client: "nodejs", Ready: launch.Ready{When: launch.Announced},
	Inports:  []launch.Port{{ID: "in", Queue: "resize.IN"}, {ID: "more", Queue: "resize.MORE"}},
	Outports: []launch.Port{{ID: "out", Queue: "resize.OUT"}},
}

func setUp(t *testing.T, dial services.Dial) *bench {
	t.Helper()
	leaktest.Check(t)
	conn, err := dial(within(t), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	topology := transport.Topology{
		Exchanges: []transport.Exchange{{Name: discovery.Exchange, Kind: "fanout", Durable: true}},
		Queues:    []transport.Queue{{Name: wire.Queue, Durable: true}, {Name: "resize.IN", Durable: true}, {Name: "resize.MORE", Durable: true}},
	}
	if err := conn.Declare(within(t), topology); err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, conn: conn, conns: services.NewConnections(dial, time.Minute)}
	t.Cleanup(b.conns.Close)
	b.prober = ready.New(b.conns)
	return b
}

func onMemory(t *testing.T) *bench {
	broker := memory.New()
	return setUp(t, func(context.Context, string) (transport.Conn, error) { return broker.Connect(), nil })
}

func (b *bench) begin(s launch.Spec, replicas int) launch.Probe {
	b.t.Helper()
	begin := b.prober.Announced
	if s.Ready.When == launch.Consuming {
		begin = b.prober.Consuming
	}
	p, err := begin(within(b.t), s, "broker", replicas)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { p.Close() })
	return p
}

// announce speaks as a participant of spec's component.
func (b *bench) announce(role, id string, change ...func(*discovery.Announcement)) {
	b.t.Helper()
	body := announcement(b.t, role, id, change...)
	if err := transport.Publish(within(b.t), b.conn, transport.ToExchange(discovery.Exchange), transport.Message{Body: body}); err != nil {
		b.t.Fatal(err)
	}
}

func announcement(t *testing.T, role, id string, change ...func(*discovery.Announcement)) []byte {
	t.Helper()
	a := discovery.Announcement{ID: id, Role: role, Component: "Resize",
		Inports:  []discovery.Port{{ID: "in", Queue: "resize.IN"}, {ID: "more", Queue: "resize.MORE"}},
		Outports: []discovery.Port{{ID: "out", Queue: "resize.OUT"}}}
	for _, c := range change {
		c(&a)
	}
	body, err := json.Marshal(map[string]any{"protocol": "discovery", "command": "participant", "payload": a})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func (b *bench) consume(queues ...string) []transport.Subscription {
	b.t.Helper()
	var out []transport.Subscription
	for _, q := range queues {
		s, err := b.conn.Subscribe(within(b.t), q, transport.SubscribeOptions{Prefetch: 1})
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// isReady waits for it, or for the end of a time so short that it is none.
func isReady(t *testing.T, p launch.Probe) {
	t.Helper()
	if err := p.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
}

// notReady ends the waiting once what was said so far has been heard.
func (b *bench) notReady(p launch.Probe, want ...string) {
	b.t.Helper()
	b.heard()
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Wait(ctx) }()
	time.Sleep(50 * time.Millisecond) // so that a probe that is wrongly ready says so
	cancel()
	err := <-done
	if err == nil {
		b.t.Fatal("ready")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			b.t.Errorf("%q is not in: %v", w, err)
		}
	}
}

// heard returns when the prober has heard all that was announced: it hears in
// order, so a participant of the test's own tells.
func (b *bench) heard() {
	b.t.Helper()
	b.n++
	id := fmt.Sprint("marker ", b.n)
	p := b.begin(launch.Spec{Role: "marker", Ready: launch.Ready{When: launch.Announced}}, 1)
	b.announce("marker", id, func(a *discovery.Announcement) { a.Component, a.Inports = "Marker", []discovery.Port{} })
	isReady(b.t, p)
}

func TestAnnounced(t *testing.T) {
	t.Run("all replicas", func(t *testing.T) {
		b := onMemory(t)
		p := b.begin(spec, 3)
		b.announce("resize", "a")
		b.announce("resize", "a")
		b.announce("resize", "b")
		q := b.begin(spec, 1) // begun later: the third is not its
		b.announce("resize", "c")
		isReady(t, p)
		b.announce("resize", "d")
		isReady(t, q)
	})
	t.Run("too few", func(t *testing.T) {
		b := onMemory(t)
		p := b.begin(spec, 3)
		b.announce("resize", "a")
		b.announce("resize", "b")
		b.announce("resize", "b")
		b.notReady(p, `2 of 3 processes of role "resize" announced themselves`)
	})
	t.Run("heartbeats of who ran before", func(t *testing.T) {
		b := onMemory(t)
		first := b.begin(spec, 1)
		b.announce("resize", "old")
		isReady(t, first)
		p := b.begin(spec, 1)
		b.announce("resize", "old")
		b.notReady(p, `only processes of role "resize" that ran before`)
		p = b.begin(spec, 1)
		b.announce("resize", "new")
		isReady(t, p)
	})
	t.Run("a stranger's heartbeat is proof of nothing", func(t *testing.T) {
		// The agent has just started again: the id of what ran before is new to it,
		// but its consumers were there already.
		b := onMemory(t)
		b.consume("resize.IN", "resize.MORE")
		p := b.begin(spec, 1)
		b.announce("resize", "ran before")
		b.notReady(p, "perhaps by a process that ran before", `queue "resize.IN" has 1 consumer, and 1 more were expected`)
		p = b.begin(spec, 1)
		b.announce("resize", "new")
		b.consume("resize.IN")
		isReady(t, p)
	})
	t.Run("one id for all, as msgflo-cpp", func(t *testing.T) {
		b := onMemory(t)
		cpp := spec
		cpp.Client = "cpp"
		p := b.begin(cpp, 2)
		b.announce("resize", "resize-same")
		b.consume("resize.IN")
		b.notReady(p, "none of its queues has new consumers")
		p = b.begin(cpp, 1)
		b.announce("resize", "resize-same")
		b.consume("resize.IN")
		isReady(t, p)
	})
	t.Run("another role", func(t *testing.T) {
		b := onMemory(t)
		p := b.begin(spec, 1)
		b.announce("unknown\x1b", "x")
		b.notReady(p, `it did not announce itself as role "resize"`, `it announced itself as role "unknown\x1b", not "resize"`)
	})
	t.Run("nobody", func(t *testing.T) {
		b := onMemory(t)
		b.consume(wire.Queue)
		b.notReady(b.begin(spec, 1), "did not announce itself", "the queue fbp has 1 other consumer", "msgflo-setup --discover")
	})
	t.Run("mismatch", func(t *testing.T) {
		b := onMemory(t)
		p := b.begin(spec, 1)
		b.announce("resize", "a", func(a *discovery.Announcement) { a.Inports[0].Queue = "elsewhere" })
		isReady(t, p)
		if m := p.(launch.Comparer).Mismatch(); !strings.Contains(m, `"elsewhere", where "resize.IN" is declared`) {
			t.Errorf("%q", m)
		}
	})
	t.Run("nobody waits", func(t *testing.T) { // goleak says whether it ends
		b := onMemory(t)
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := b.prober.Announced(ctx, spec, "broker", 1); err != nil {
			t.Fatal(err)
		}
		cancel()
		b.begin(spec, 1).Close()
	})
}

func TestConsuming(t *testing.T) {
	want := spec
	want.Ready.When = launch.Consuming
	t.Run("all queues, all replicas", func(t *testing.T) {
		b := onMemory(t)
		old := b.consume("resize.IN", "resize.MORE")
		p := b.begin(want, 2)
		done := make(chan error, 1)
		go func() { done <- p.Wait(within(t)) }()
		b.consume("resize.IN", "resize.IN", "resize.MORE")
		for _, s := range old { // an old one that goes is no reason to wait for ever
			if err := s.Cancel(within(t)); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-done:
			t.Fatalf("ready too early: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		b.consume("resize.MORE", "resize.IN", "resize.MORE")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
	t.Run("one queue lacks", func(t *testing.T) {
		b := onMemory(t)
		p := b.begin(want, 1)
		b.consume("resize.IN")
		b.notReady(p, `queue "resize.MORE" has 0 consumers, and 1 more were expected`)
	})
	t.Run("no queue yet", func(t *testing.T) {
		b := onMemory(t)
		s := want
		s.Inports = []launch.Port{{ID: "in", Queue: "of.python"}}
		b.notReady(b.begin(s, 1), `queue "of.python" does not exist`)
		p := b.begin(s, 1)
		if err := b.conn.Declare(within(t), transport.Topology{Queues: []transport.Queue{{Name: "of.python", AutoDelete: true}}}); err != nil {
			t.Fatal(err)
		}
		b.consume("of.python")
		isReady(t, p)
	})
	t.Run("no inport", func(t *testing.T) {
		b := onMemory(t)
		if _, err := b.prober.Consuming(t.Context(), launch.Spec{Role: "r"}, "broker", 1); err == nil || !strings.Contains(err.Error(), "needs an inport") {
			t.Errorf("%v", err)
		}
	})
}

// TestOnRabbitMQ: the same by the real broker's counts.
func TestOnRabbitMQ(t *testing.T) {
	broker := rabbittest.Shared(t)
	url := broker.VhostURL(rabbittest.Vhost(t, broker))
	b := setUp(t, func(ctx context.Context, _ string) (transport.Conn, error) {
		return amqp.Dial(ctx, amqp.Options{URL: url})
	})
	want := spec
	want.Ready.When = launch.Consuming
	announced, consuming := b.begin(spec, 2), b.begin(want, 1)
	b.consume("resize.IN", "resize.MORE")
	isReady(t, consuming)
	b.announce("resize", "a")
	b.announce("resize", "b")
	isReady(t, announced)
	b.consume(wire.Queue)
	b.notReady(b.begin(spec, 1), "1 other consumer")
}
