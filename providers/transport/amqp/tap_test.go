package amqp_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/transporttest"
)

// TestTapGoesOn: a tap's queue dies with its connection, and is there again on
// the next; a source that went meanwhile is waited for.
func TestTapGoesOn(t *testing.T) {
	url, direct, proxy := behind(t)
	c := dial(t, url)
	other := dial(t, direct)
	declared := transport.Topology{Exchanges: []transport.Exchange{{Name: "e", Kind: "fanout", Durable: true}}}
	if err := other.Declare(t.Context(), declared); err != nil {
		t.Fatal(err)
	}
	tap, err := c.Tap(t.Context(), []transport.Source{{Exchange: "e"}}, transport.SubscribeOptions{Prefetch: 1})
	if err != nil {
		t.Fatal(err)
	}
	publish := func(body string) error {
		to := transport.ToExchange("e")
		to.Mandatory = true
		return transport.Publish(t.Context(), other, to, transport.Message{Body: []byte(body)})
	}
	if err := publish("before"); err != nil {
		t.Fatal(err)
	}
	if d := transporttest.Next(t, tap); string(d.Body) != "before" || d.Ack() != nil {
		t.Fatalf("got %q", d.Body)
	}
	changed := c.Changed()
	proxy.Down()
	<-changed
	ch := channel(t, direct)
	if err := ch.ExchangeDelete("e", false, false); err != nil {
		t.Fatal(err)
	}
	changed = c.Changed()
	proxy.Up()
	<-changed // connected again, with nothing to listen to
	if err := ch.ExchangeDeclare("e", "fanout", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for n := 0; ; n++ {
		if err := publish(fmt.Sprintf("after %d", n)); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the tap never came back")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if d := transporttest.Next(t, tap); d.Ack() != nil {
		t.Error("what came after the cut cannot be acknowledged")
	}
}
