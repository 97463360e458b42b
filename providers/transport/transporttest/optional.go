package transporttest

import (
	"errors"
	"testing"

	"github.com/msgflo/msgflo/providers/transport"
)

// What only some transports can do is tried on those that say so.

// tap: a copy of what passes, none of what is taken, and nothing left behind.
func tap(t *testing.T, connect func(*testing.T) transport.Conn) {
	c, s := opened(t, connect, "tapped", 1)
	tapper, ok := c.(transport.Tapper)
	if !ok {
		return
	}
	must(t, c.Declare(within(t), transport.Topology{Exchanges: []transport.Exchange{{Name: "tapped.more", Kind: "fanout", Durable: true}}}))
	if _, err := tapper.Tap(within(t), []transport.Source{{Exchange: "no-such-exchange"}}, transport.SubscribeOptions{}); !errors.Is(err, transport.ErrNoExchange) {
		t.Errorf("tapped nothing: %v", err)
	}
	copies, err := transport.Tap(within(t), c, []transport.Source{{Exchange: "tapped"}, {Exchange: "tapped.more"}}, transport.SubscribeOptions{Prefetch: 10})
	must(t, err)
	put(t, c, transport.ToExchange("tapped"), "one")
	put(t, c, transport.ToExchange("tapped.more"), "two")
	put(t, c, transport.ToQueue("tapped"), "three") // passes no exchange that is tapped
	put(t, c, transport.ToExchange("tapped"), "four")
	for _, body := range []string{"one", "two", "four"} {
		must(t, wants(t, copies, body).Ack())
	}
	for _, body := range []string{"one", "three", "four"} {
		must(t, wants(t, s, body).Ack())
	}
	must(t, copies.Cancel(within(t)))
	to := transport.ToExchange("tapped.more")
	to.Mandatory = true
	if err := transport.Publish(within(t), c, to, transport.Message{}); !errors.Is(err, transport.ErrUnroutable) {
		t.Errorf("the tap left something behind, or what nobody takes is no error: %v", err)
	}
}

func inspect(t *testing.T, connect func(*testing.T) transport.Conn) {
	c := connect(t)
	inspector, ok := c.(transport.Inspector)
	if !ok {
		return
	}
	must(t, c.Declare(within(t), Declared("inspected")))
	put(t, c, transport.ToQueue("inspected"), "one")
	state := func() transport.QueueState {
		t.Helper()
		s, err := inspector.Inspect(within(t), "inspected")
		must(t, err)
		return s
	}
	if s := state(); s != (transport.QueueState{Messages: 1}) {
		t.Errorf("got %+v", s)
	}
	s, err := c.Subscribe(within(t), "inspected", transport.SubscribeOptions{Prefetch: 1})
	must(t, err)
	must(t, wants(t, s, "one").Ack())
	if s := state(); s.Consumers != 1 {
		t.Errorf("got %+v", s)
	}
	if _, err := inspector.Inspect(within(t), "nobody"); !errors.Is(err, transport.ErrNoQueue) {
		t.Errorf("looked at nothing: %v", err)
	}
	if s := state(); s.Consumers != 1 { // the refusal did no harm
		t.Errorf("got %+v", s)
	}
}

func bind(t *testing.T, connect func(*testing.T) transport.Conn) {
	c, s := opened(t, connect, "bound", 1)
	binder, ok := c.(transport.Binder)
	if !ok {
		return
	}
	links := []transport.Link{{Source: "bound.first", Destination: "bound.second", ToExchange: true}, {Source: "bound.second", Destination: "bound"}}
	for _, l := range links {
		if err := binder.Bind(within(t), l); !errors.Is(err, transport.ErrNoExchange) {
			t.Errorf("%s: %v", l, err)
		}
	}
	var ts transport.Topology
	for _, e := range []string{"bound.first", "bound.second"} {
		ts.Exchanges = append(ts.Exchanges, transport.Exchange{Name: e, Kind: "fanout", Durable: true})
	}
	must(t, c.Declare(within(t), ts))
	for range 2 { // the second time changes nothing
		for _, l := range links {
			must(t, binder.Bind(within(t), l))
		}
	}
	if err := binder.Bind(within(t), transport.Link{Source: "bound.first", Destination: "nobody"}); !errors.Is(err, transport.ErrNoQueue) {
		t.Errorf("bound nothing: %v", err)
	}
	put(t, c, transport.ToExchange("bound.first"), "through both")
	must(t, wants(t, s, "through both").Ack())
}
