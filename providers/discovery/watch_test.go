package discovery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/discovery"
	"github.com/msgflo/msgflo/providers/discovery/wire"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/amqp"
	"github.com/msgflo/msgflo/providers/transport/memory"
)

func TestMain(m *testing.M) { os.Exit(rabbittest.Run(m)) }

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func rabbit(t *testing.T, url string) transport.Conn {
	t.Helper()
	c, err := amqp.Dial(within(t), amqp.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

var shared = transport.Topology{
	Exchanges: []transport.Exchange{{Name: discovery.Exchange, Kind: "fanout", Durable: true}},
	Queues:    []transport.Queue{{Name: wire.Queue, Durable: true}},
}

func announcement(role, id string) []byte {
	body, err := json.Marshal(map[string]any{"protocol": "discovery", "command": "participant", "payload": discovery.Announcement{
		ID: id, Role: role, Component: "C", Inports: []discovery.Port{{ID: "in", Queue: "q"}}, Outports: []discovery.Port{},
	}})
	if err != nil {
		panic(err) // texts always can be written
	}
	return body
}

func listen(t *testing.T, c transport.Conn) *discovery.Watch {
	t.Helper()
	w, err := discovery.Listen(within(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return w
}

func next(t *testing.T, w *discovery.Watch) discovery.Announcement {
	t.Helper()
	select {
	case a, ok := <-w.Announcements():
		if !ok {
			t.Fatal("the watch ended")
		}
		return a
	case <-within(t).Done():
		t.Fatal("nothing was heard")
	}
	panic("unreachable")
}

// TestFlood is fault 47: ten thousand messages, most of them rubbish, one of
// 10 MB, the same ids again and again. The listener lives, counts what it drops, and the
// honest participant is heard.
func TestFlood(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	leaktest.Check(t)
	for name, connect := range map[string]func() transport.Conn{
		"memory":   func() transport.Conn { return memory.New().Connect() },
		"rabbitmq": func() transport.Conn { return rabbit(t, b.VhostURL(vhost)) },
	} {
		t.Run(name, func(t *testing.T) {
			c := connect()
			defer c.Close()
			if err := c.Declare(within(t), shared); err != nil {
				t.Fatal(err)
			}
			flood(t, c)
		})
	}
}

func flood(t *testing.T, c transport.Conn) {
	w := listen(t, c)
	rubbish := [][]byte{nil, []byte("\x00\xff"), []byte(`{"protocol":"discovery"`), announcement("", "x"), bytes.Repeat([]byte("["), 100_000)}
	huge := announcement("big", strings.Repeat("x", 10<<20))
	const rounds = 1000
	heard := make(chan *discovery.Table, 1)
	go func() {
		tab := discovery.NewTable()
		for a := range w.Announcements() {
			tab.Hear(a, a.Received)
			if a.Role == "honest" {
				break
			}
		}
		heard <- tab
	}()
	var results []<-chan error
	send := func(body []byte) {
		results = append(results, c.Publish(within(t), transport.ToExchange(discovery.Exchange), transport.Message{Body: body}))
	}
	for i := range rounds {
		for _, r := range rubbish {
			send(r)
		}
		for range 4 {
			send(announcement("same", fmt.Sprintf("id %d", i%3)))
		}
		if i%100 == 0 { // not faster than the listener's queue is long
			for _, r := range results {
				if err := <-r; err != nil {
					t.Fatal(err)
				}
			}
			results = nil
			await(t, func() bool { return w.Counts().Malformed >= i*len(rubbish) })
		}
	}
	send(huge)
	send([]byte(`{"protocol":"discovery","command":"later"}`))
	send(announcement("honest", "\x1b]0;hi\a"))
	select {
	case tab := <-heard:
		if tab.Len() != 4 {
			t.Errorf("%d participants: %v", tab.Len(), tab.Participants())
		}
	case <-within(t).Done():
		t.Fatalf("the honest one was never heard; %+v", w.Counts())
	}
	want := discovery.Counts{Heard: 4*rounds + 1, Malformed: len(rubbish) * rounds, TooLarge: 1, Other: 1}
	if got := w.Counts(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func await(t *testing.T, f func() bool) {
	t.Helper()
	for ctx := within(t); !f(); {
		if ctx.Err() != nil {
			t.Fatal("it never came to be")
		}
		time.Sleep(time.Millisecond)
	}
}

// TestRivals: who consumes the queue itself is seen, and without the exchange
// the error says what makes it.
func TestRivals(t *testing.T) {
	b := rabbittest.Shared(t)
	url := b.VhostURL(rabbittest.Vhost(t, b))
	leaktest.Check(t)
	c := rabbit(t, url)
	if _, err := discovery.Listen(within(t), c); !errors.Is(err, transport.ErrNoExchange) || !strings.Contains(err.Error(), "msgflo apply") {
		t.Errorf("nothing to listen to: %v", err)
	}
	if err := c.Declare(within(t), shared); err != nil {
		t.Fatal(err)
	}
	w := listen(t, c)
	rivals := func() int {
		t.Helper()
		n, err := w.Rivals(within(t))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := rivals(); n != 0 {
		t.Errorf("%d rivals", n)
	}
	if _, err := c.Subscribe(within(t), wire.Queue, transport.SubscribeOptions{Prefetch: 2}); err != nil {
		t.Fatal(err)
	}
	if n := rivals(); n != 1 {
		t.Errorf("%d rivals", n)
	}
}

// TestTwoListeners: each hears everything, by the policy that apply makes.
func TestTwoListeners(t *testing.T) {
	b := rabbittest.Shared(t)
	url := b.VhostURL(rabbittest.Vhost(t, b))
	leaktest.Check(t)
	c, other := rabbit(t, url), rabbit(t, url)
	if err := c.Declare(within(t), shared); err != nil {
		t.Fatal(err)
	}
	first, second := listen(t, c), listen(t, other)
	if err := transport.Publish(within(t), c, transport.ToExchange(discovery.Exchange), transport.Message{Body: announcement("r", "r-1")}); err != nil {
		t.Fatal(err)
	}
	for _, w := range []*discovery.Watch{first, second} {
		if a := next(t, w); a.Role != "r" || a.ID != "r-1" || a.Received.IsZero() {
			t.Errorf("%+v", a)
		}
	}
}
