package amqp_test

import (
	"errors"
	"testing"

	rabbit "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/transporttest"
)

// TestFetch: who fetches gets messages in their order, one at a time, also over
// a break; and a queue that goes with its last consumer stays when he goes.
func TestFetch(t *testing.T) {
	url, direct, proxy := behind(t)
	c := dial(t, url)
	ch := channel(t, direct)
	if _, err := c.Subscribe(t.Context(), "q", transport.SubscribeOptions{Fetch: true}); !errors.Is(err, transport.ErrNoQueue) {
		t.Fatalf("no queue: %v", err)
	}
	if _, err := ch.QueueDeclare("q", true, true, false, false, nil); err != nil {
		t.Fatal(err)
	}
	s, err := c.Subscribe(t.Context(), "q", transport.SubscribeOptions{Fetch: true})
	if err != nil {
		t.Fatal(err)
	}
	send := func(body string) {
		t.Helper()
		if err := wait(t, c.Publish(t.Context(), transport.ToQueue("q"), text(body))); err != nil {
			t.Fatal(err)
		}
	}
	for _, body := range []string{"a", "b", "c", "d"} {
		send(body)
	}
	for _, want := range []string{"a", "b"} {
		d := transporttest.Next(t, s)
		if string(d.Body) != want {
			t.Errorf("got %q, want %q", d.Body, want)
		}
		if q, err := c.Inspect(t.Context(), "q"); err != nil || q.Consumers != 0 || want == "a" && q.Messages != 3 {
			t.Errorf("while %s is held: %+v %v", want, q, err)
		}
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
	}
	held := transporttest.Next(t, s)
	proxy.Down()
	<-held.Lost
	awaitQueue(t, ch, "q", func(q rabbit.Queue) bool { return q.Messages == 2 }) // else the next one might come first
	proxy.Up()
	d := transporttest.Next(t, s)
	if err := d.Ack(); err != nil || string(held.Body) != "c" || string(d.Body) != "c" {
		t.Errorf("got %q, and after the break %q %v", held.Body, d.Body, err)
	}
	if err := s.Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	// A client's end and the return of what it held are two events to the broker.
	awaitQueue(t, ch, "q", func(q rabbit.Queue) bool { return q.Messages == 1 })
	got, ok, err := ch.Get("q", true)
	if err != nil || !ok || string(got.Body) != "d" {
		t.Errorf("what was not fetched is gone: %q %v %v", got.Body, ok, err)
	}
}
