package transporttest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/msgflo/msgflo/providers/transport"
)

// RunTopics tests a transport of topics (MQTT), which has no queues that
// outlive their readers. connect makes one more connection to the same broker;
// prefix begins all topics.
func RunTopics(t *testing.T, prefix string, connect func(t *testing.T) transport.Conn) {
	for name, f := range map[string]func(topics, *testing.T){
		"order":    topics.order,
		"fanout":   topics.fanout,
		"wildcard": topics.wildcard,
		"retained": topics.retained,
		"prefetch": topics.prefetch,
		"requeue":  topics.requeue,
		"cancel":   topics.cancel,
		"close":    topics.closing,
		"refused":  topics.refused,
	} {
		t.Run(name, func(t *testing.T) { f(topics{prefix + name, connect}, t) })
	}
}

type topics struct {
	name    string // a topic of the test's own
	connect func(*testing.T) transport.Conn
}

func (s topics) subscribe(t *testing.T, c transport.Conn, topic string, prefetch int) transport.Subscription {
	t.Helper()
	sub, err := c.Subscribe(within(t), topic, transport.SubscribeOptions{Prefetch: prefetch})
	must(t, err)
	return sub
}

func (s topics) order(t *testing.T) {
	c := s.connect(t)
	sub := s.subscribe(t, c, s.name, 50)
	const n = 500
	results := make([]<-chan error, n)
	for i := range n {
		results[i] = c.Publish(within(t), transport.ToExchange(s.name), transport.Message{Body: fmt.Appendf(nil, "%d", i), Persistent: true})
	}
	for i := range n {
		d := wants(t, sub, fmt.Sprint(i))
		if d.Topic != s.name || d.Redelivered || d.Retained || d.Received.IsZero() {
			t.Fatalf("a first delivery says %+v", d)
		}
		must(t, d.Ack())
	}
	for _, r := range results {
		must(t, <-r)
	}
}

func (s topics) fanout(t *testing.T) {
	c := s.connect(t)
	a, b := s.subscribe(t, c, s.name, 1), s.subscribe(t, s.connect(t), s.name, 1)
	put(t, c, transport.ToQueue(s.name), "\x00 not text \xff")
	put(t, c, transport.ToExchange(s.name), "")
	for _, sub := range []transport.Subscription{a, b} {
		must(t, wants(t, sub, "\x00 not text \xff").Ack())
		must(t, wants(t, sub, "").Ack())
	}
}

func (s topics) wildcard(t *testing.T) {
	c := s.connect(t)
	one, all := s.subscribe(t, c, s.name+"/+/x", 9), s.subscribe(t, c, s.name+"/#", 9)
	for _, topic := range []string{"/a/x", "/a/y", "/a/b/x"} {
		put(t, c, transport.ToQueue(s.name+topic), topic)
	}
	if d := wants(t, one, "/a/x"); d.Topic != s.name+"/a/x" {
		t.Errorf("from %q", d.Topic)
	}
	for _, topic := range []string{"/a/x", "/a/y", "/a/b/x"} {
		must(t, wants(t, all, topic).Ack())
	}
}

func (s topics) retained(t *testing.T) {
	c := s.connect(t)
	must(t, transport.Publish(within(t), c, transport.ToQueue(s.name), transport.Message{Body: []byte("kept"), Persistent: true, Retained: true}))
	sub := s.subscribe(t, s.connect(t), s.name, 1)
	d := wants(t, sub, "kept")
	if !d.Retained {
		t.Error("what the broker had kept does not say so")
	}
	must(t, d.Ack())
	must(t, transport.Publish(within(t), c, transport.ToQueue(s.name), transport.Message{Persistent: true, Retained: true})) // none is kept any more
	d = wants(t, sub, "")
	if d.Retained {
		t.Error("what is published now is said to have been kept")
	}
	must(t, d.Ack())
}

func (s topics) prefetch(t *testing.T) {
	c := s.connect(t)
	sub := s.subscribe(t, c, s.name, 2)
	for i := range 4 {
		put(t, c, transport.ToQueue(s.name), fmt.Sprint(i))
	}
	first := wants(t, sub, "0")
	wants(t, sub, "1")
	select {
	case d := <-sub.Deliveries():
		t.Fatalf("%q was delivered beyond the prefetch", d.Body)
	default:
	}
	must(t, first.Ack())
	wants(t, sub, "2")
}

func (s topics) requeue(t *testing.T) {
	c := s.connect(t)
	sub := s.subscribe(t, c, s.name, 1)
	put(t, c, transport.ToQueue(s.name), "again")
	put(t, c, transport.ToQueue(s.name), "next")
	must(t, wants(t, sub, "again").Nack(true))
	d := wants(t, sub, "again")
	if !d.Redelivered {
		t.Error("the second delivery does not say so")
	}
	must(t, d.Nack(false))
	must(t, wants(t, sub, "next").Ack())
}

func (s topics) cancel(t *testing.T) {
	c := s.connect(t)
	sub := s.subscribe(t, c, s.name, 1)
	for _, body := range []string{"held", "left", "lost"} {
		put(t, c, transport.ToQueue(s.name), body)
	}
	held := wants(t, sub, "held")
	must(t, sub.Cancel(within(t)))
	put(t, c, transport.ToQueue(s.name), "late")
	must(t, held.Ack())
	// What was here already is handed out: the broker takes nothing back.
	must(t, wants(t, sub, "left").Ack())
	if wants(t, sub, "lost").Nack(true) == nil {
		t.Error("a message went back to where there is nothing")
	}
	for d := range sub.Deliveries() {
		t.Errorf("%q was delivered after the end", d.Body)
	}
	must(t, sub.Cancel(within(t)))
}

func (s topics) closing(t *testing.T) {
	c := s.connect(t)
	sub := s.subscribe(t, c, s.name, 1)
	put(t, c, transport.ToQueue(s.name), "unsettled")
	closes(t, c, s.name, sub, wants(t, sub, "unsettled"))
	if _, err := c.Subscribe(within(t), s.name, transport.SubscribeOptions{}); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("subscribed after Close: %v", err)
	}
}

// refused: a bad name is an error of that call alone.
func (s topics) refused(t *testing.T) {
	c := s.connect(t)
	sub := s.subscribe(t, c, s.name, 1)
	for _, bad := range []string{"", "a/+", "#", "\xff", "a\x00b"} {
		if err := transport.Publish(within(t), c, transport.ToQueue(bad), transport.Message{Persistent: true}); err == nil {
			t.Errorf("published to %q", bad)
		}
	}
	for _, bad := range []string{"", "a/#/b", "a+", "\xff"} {
		if _, err := c.Subscribe(within(t), bad, transport.SubscribeOptions{}); err == nil {
			t.Errorf("subscribed to %q", bad)
		}
	}
	put(t, c, transport.ToQueue(s.name), "good")
	must(t, wants(t, sub, "good").Ack())
}
