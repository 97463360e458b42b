package memory_test

import (
	"testing"

	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/memory"
	"github.com/msgflo/msgflo/providers/transport/transporttest"
)

func TestTransport(t *testing.T) {
	b := memory.New()
	transporttest.Run(t, func(*testing.T) transport.Conn { return b.Connect() })
}

// TestBreak: what a broken connection held comes again, in order, before what
// waits, and the old deliveries cannot be settled.
func TestBreak(t *testing.T) {
	b := memory.New()
	c := b.Connect()
	if err := c.Declare(t.Context(), transporttest.Declared("q")); err != nil {
		t.Fatal(err)
	}
	s, err := c.Subscribe(t.Context(), "q", transport.SubscribeOptions{Prefetch: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"a", "b", "c"} {
		if err := transport.Publish(t.Context(), c, transport.ToQueue("q"), transport.Message{Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	old := transporttest.Next(t, s)
	c.Break()
	<-old.Lost
	if old.Ack() == nil {
		t.Error("a lost delivery was acknowledged")
	}
	var got string
	for len(got) < 3 {
		d := transporttest.Next(t, s)
		if d.Ack() == nil {
			got += string(d.Body)
		}
	}
	if got != "abc" {
		t.Errorf("got %q", got)
	}
}

// TestAutoDelete: the queue goes with its last consumer.
func TestAutoDelete(t *testing.T) {
	b := memory.New()
	c := b.Connect()
	if err := c.Declare(t.Context(), transport.Topology{
		Exchanges: []transport.Exchange{{Name: "e", Kind: "fanout"}},
		Queues:    []transport.Queue{{Name: "q", AutoDelete: true}},
		Bindings:  []transport.Binding{{Queue: "q", Exchange: "e"}},
	}); err != nil {
		t.Fatal(err)
	}
	s, err := c.Subscribe(t.Context(), "q", transport.SubscribeOptions{Prefetch: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := transport.Publish(t.Context(), c, transport.ToExchange("e"), transport.Message{}); err != nil {
		t.Errorf("its binding did not go with it: %v", err)
	}
	if err := transport.Publish(t.Context(), c, transport.ToQueue("q"), transport.Message{}); err == nil {
		t.Error("the queue is still there")
	}
}
