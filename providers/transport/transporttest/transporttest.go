// Package transporttest is what every transport has to do, as tests: each kind
// of broker runs it on the real thing. It is for tests only, and imports
// providers/transport.
package transporttest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/transport"
)

// patience bounds what should happen soon, on a machine that may be busy.
const patience = 30 * time.Second

// Run tests a transport. connect makes one more connection to the same, at
// first empty, broker.
func Run(t *testing.T, connect func(t *testing.T) transport.Conn) {
	for name, f := range map[string]func(*testing.T, func(*testing.T) transport.Conn){
		"order":       order,
		"fanout":      fanout,
		"prefetch":    prefetch,
		"dead letter": deadLetter,
		"requeue":     requeue,
		"cancel":      cancel,
		"close":       closing,
		"no queue":    noQueue,
		"differs":     differs,
		"tap":         tap,
		"inspect":     inspect,
		"bind":        bind,
	} {
		t.Run(name, func(t *testing.T) { f(t, connect) })
	}
}

// Declared is a queue with an exchange of its name, bound, and a fanout
// exchange for what it refuses: as msgflo-nodejs has it.
func Declared(name string) transport.Topology {
	return transport.Topology{
		Exchanges: []transport.Exchange{{Name: name, Kind: "fanout", Durable: true}},
		Queues:    []transport.Queue{{Name: name, Durable: true, Arguments: map[string]any{transport.KeyDeadLetter: "dead-" + name}}},
		Bindings:  []transport.Binding{{Queue: name, Exchange: name}},
	}
}

// Next waits for a delivery.
func Next(t testing.TB, s transport.Subscription) transport.Delivery {
	t.Helper()
	select {
	case d, ok := <-s.Deliveries():
		if !ok {
			t.Fatal("the subscription ended")
		}
		return d
	case <-time.After(patience):
		t.Fatal("no delivery")
	}
	panic("unreachable")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// opened declares a queue of the test's own and subscribes to it.
func opened(t *testing.T, connect func(*testing.T) transport.Conn, name string, prefetch int) (transport.Conn, transport.Subscription) {
	t.Helper()
	c := connect(t)
	must(t, c.Declare(within(t), Declared(name)))
	s, err := c.Subscribe(within(t), name, transport.SubscribeOptions{Prefetch: prefetch})
	must(t, err)
	return c, s
}

func put(t *testing.T, c transport.Conn, to transport.Address, body string) {
	t.Helper()
	must(t, transport.Publish(within(t), c, to, transport.Message{Body: []byte(body), Persistent: true}))
}

func wants(t *testing.T, s transport.Subscription, body string) transport.Delivery {
	t.Helper()
	d := Next(t, s)
	if string(d.Body) != body {
		t.Fatalf("got %q, want %q", d.Body, body)
	}
	return d
}

func order(t *testing.T, connect func(*testing.T) transport.Conn) {
	c, s := opened(t, connect, "order", 50)
	const n = 500
	results := make([]<-chan error, n)
	for i := range n {
		results[i] = c.Publish(within(t), transport.ToQueue("order"), transport.Message{Body: fmt.Appendf(nil, "%d", i)})
	}
	for i := range n {
		must(t, wants(t, s, fmt.Sprint(i)).Ack())
	}
	for _, r := range results {
		must(t, <-r)
	}
}

func fanout(t *testing.T, connect func(*testing.T) transport.Conn) {
	c, a := opened(t, connect, "fan.a", 1)
	_, b := opened(t, connect, "fan.b", 1)
	must(t, c.Declare(within(t), transport.Topology{
		Exchanges: []transport.Exchange{{Name: "fan", Kind: "fanout", Durable: true}},
		Bindings:  []transport.Binding{{Queue: "fan.a", Exchange: "fan"}, {Queue: "fan.b", Exchange: "fan"}},
	}))
	put(t, c, transport.ToExchange("fan"), "\x00 not text \xff")
	for _, s := range []transport.Subscription{a, b} {
		d := wants(t, s, "\x00 not text \xff")
		if d.Redelivered || d.Received.IsZero() {
			t.Errorf("a first delivery says %+v", d)
		}
		must(t, d.Ack())
	}
}

func prefetch(t *testing.T, connect func(*testing.T) transport.Conn) {
	c, s := opened(t, connect, "prefetch", 2)
	other := connect(t)
	for i := range 3 {
		put(t, c, transport.ToQueue("prefetch"), fmt.Sprint(i))
	}
	first := wants(t, s, "0")
	wants(t, s, "1")
	// The third goes to who has room: it is not stuck behind the first two.
	s2, err := other.Subscribe(within(t), "prefetch", transport.SubscribeOptions{Prefetch: 1})
	must(t, err)
	must(t, wants(t, s2, "2").Ack())
	must(t, s2.Cancel(within(t)))
	must(t, first.Ack())
	put(t, c, transport.ToQueue("prefetch"), "3")
	wants(t, s, "3")
}

func deadLetter(t *testing.T, connect func(*testing.T) transport.Conn) {
	c, dead := opened(t, connect, "dl.dead", 1)
	must(t, c.Declare(within(t), transport.Topology{
		Exchanges: []transport.Exchange{{Name: "dead-dl", Kind: "fanout", Durable: true}},
		Bindings:  []transport.Binding{{Queue: "dl.dead", Exchange: "dead-dl"}},
	}))
	_, s := opened(t, connect, "dl", 1)
	put(t, c, transport.ToExchange("dl"), "poison")
	must(t, wants(t, s, "poison").Nack(false))
	must(t, wants(t, dead, "poison").Ack())
}

func requeue(t *testing.T, connect func(*testing.T) transport.Conn) {
	c, s := opened(t, connect, "requeue", 1)
	put(t, c, transport.ToQueue("requeue"), "again")
	must(t, wants(t, s, "again").Nack(true))
	d := wants(t, s, "again")
	if !d.Redelivered {
		t.Error("the second delivery does not say so")
	}
	must(t, d.Ack())
}

func cancel(t *testing.T, connect func(*testing.T) transport.Conn) {
	c, s := opened(t, connect, "cancel", 1)
	put(t, c, transport.ToQueue("cancel"), "held")
	put(t, c, transport.ToQueue("cancel"), "left")
	held := wants(t, s, "held")
	must(t, s.Cancel(within(t)))
	for d := range s.Deliveries() {
		t.Errorf("%q was delivered after the end", d.Body)
	}
	must(t, held.Ack())
	s2, err := connect(t).Subscribe(within(t), "cancel", transport.SubscribeOptions{Prefetch: 1})
	must(t, err)
	must(t, wants(t, s2, "left").Ack())
}

func closing(t *testing.T, connect func(*testing.T) transport.Conn) {
	c, s := opened(t, connect, "close", 1)
	put(t, c, transport.ToQueue("close"), "unsettled")
	closes(t, c, "close", s, wants(t, s, "unsettled"))
	s2, err := connect(t).Subscribe(within(t), "close", transport.SubscribeOptions{Prefetch: 1})
	must(t, err)
	if d := wants(t, s2, "unsettled"); !d.Redelivered {
		t.Error("the second delivery does not say so")
	}
}

// closes ends c, which has a subscription to a queue and a delivery of it
// unsettled: none of them is of use after.
func closes(t *testing.T, c transport.Conn, queue string, s transport.Subscription, unsettled transport.Delivery) {
	t.Helper()
	must(t, c.Close())
	must(t, c.Close())
	select {
	case <-unsettled.Lost:
	case <-time.After(patience):
		t.Fatal("the delivery does not say that it is lost")
	}
	if err := unsettled.Ack(); !errors.Is(err, transport.ErrLost) {
		t.Errorf("acknowledged after Close: %v", err)
	}
	if _, ok := <-s.Deliveries(); ok {
		t.Error("the subscription goes on after Close")
	}
	if err := transport.Publish(within(t), c, transport.ToQueue(queue), transport.Message{}); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("published after Close: %v", err)
	}
	if err := c.Declare(within(t), Declared("close")); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("declared after Close: %v", err)
	}
}

func noQueue(t *testing.T, connect func(*testing.T) transport.Conn) {
	c, s := opened(t, connect, "known", 10)
	// Only the one without a queue fails, wherever it stands among others.
	var results []<-chan error
	for _, q := range []string{"known", "nobody", "known"} {
		results = append(results, c.Publish(within(t), transport.ToQueue(q), transport.Message{Body: []byte(q)}))
	}
	must(t, <-results[0])
	if err := <-results[1]; !errors.Is(err, transport.ErrNoQueue) {
		t.Errorf("published to nowhere: %v", err)
	}
	must(t, <-results[2])
	must(t, wants(t, s, "known").Ack())
	if _, err := c.Subscribe(within(t), "nobody", transport.SubscribeOptions{Prefetch: 1}); !errors.Is(err, transport.ErrNoQueue) {
		t.Errorf("consumed nothing: %v", err)
	}
	// An exchange that nobody made is an error of that message alone.
	bad := c.Publish(within(t), transport.ToExchange("no-such-exchange"), transport.Message{})
	good := c.Publish(within(t), transport.ToQueue("known"), transport.Message{Body: []byte("after")})
	if err := <-bad; err == nil {
		t.Error("an exchange that does not exist took a message")
	}
	must(t, <-good)
}

func differs(t *testing.T, connect func(*testing.T) transport.Conn) {
	c, _ := opened(t, connect, "differs", 1)
	must(t, c.Declare(within(t), Declared("differs")))
	other := Declared("differs")
	other.Queues[0].Arguments = nil
	if err := c.Declare(within(t), other); err == nil {
		t.Error("a queue was declared in two ways")
	}
	must(t, c.Declare(within(t), Declared("differs"))) // and the connection still works
}
