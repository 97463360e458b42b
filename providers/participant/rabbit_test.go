package participant_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/msgflo/msgflo/providers/discovery/wire"
	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/participant"
	"github.com/msgflo/msgflo/providers/participant/builtin"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/amqp"
	"github.com/msgflo/msgflo/providers/transport/transporttest"
)

func TestMain(m *testing.M) { os.Exit(rabbittest.Run(withMosquitto{m})) }

// withMosquitto runs the tests with both kinds of broker.
type withMosquitto struct{ m *testing.M }

func (w withMosquitto) Run() int { return mosquittotest.Run(w.m) }

func vhost(t *testing.T) string {
	b := rabbittest.Shared(t)
	url := b.VhostURL(rabbittest.Vhost(t, b))
	leaktest.Check(t)
	return url
}

func start(t *testing.T, url, role string, d participant.Definition) *participant.Participant {
	t.Helper()
	if d.Component == "" {
		d.Component = "test/Component"
	}
	p, err := participant.Start(t.Context(), d, participant.Options{
		Role: role, Broker: url, Log: slog.New(slog.DiscardHandler),
		DiscoveryPeriod: 24 * time.Hour, // no heartbeat comes between what a test waits for
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return p
}

// observer is a plain connection of the test's own.
func observer(t *testing.T, url string) *amqp.Conn {
	t.Helper()
	c, err := amqp.Dial(t.Context(), amqp.Options{URL: url, RetryMax: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// collect binds a queue of its own to an exchange, which it makes.
func collect(t *testing.T, c *amqp.Conn, exchange string) transport.Subscription {
	t.Helper()
	name := "collect-" + exchange
	if err := c.Declare(t.Context(), transport.Topology{
		Exchanges: []transport.Exchange{{Name: exchange, Kind: "fanout", Durable: true}},
		Queues:    []transport.Queue{{Name: name, Durable: true}},
		Bindings:  []transport.Binding{{Queue: name, Exchange: exchange}},
	}); err != nil {
		t.Fatal(err)
	}
	s, err := c.Subscribe(t.Context(), name, transport.SubscribeOptions{Prefetch: 100})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func feed(t *testing.T, c transport.Conn, queue, body string) {
	t.Helper()
	if err := transport.Publish(t.Context(), c, transport.ToQueue(queue), transport.Message{Body: []byte(body), Persistent: true}); err != nil {
		t.Fatal(err)
	}
}

// asNode declares what msgflo-nodejs declares for a component with an inport
// in and an outport out (wire sheet §2.1 and §2.3).
func asNode(ch *rabbit.Channel, role string, transient bool) error {
	in, out := role+".IN", role+".OUT"
	_, e1 := ch.QueueDeclare(in, !transient, transient, false, false, rabbit.Table{"x-dead-letter-exchange": "dead-" + in})
	e2 := ch.ExchangeDeclare(in, "fanout", !transient, transient, false, false, nil)
	e3 := ch.QueueBind(in, "", in, false, nil)
	e4 := ch.ExchangeDeclare(out, "fanout", !transient, transient, false, false, nil)
	_, e5 := ch.QueueDeclare("fbp", true, false, false, false, nil)
	return errors.Join(e1, e2, e3, e4, e5)
}

// TestDeclaresAsNode: a Node participant and a Go participant of one role get
// along, whichever comes first, and so does what was declared in advance.
func TestDeclaresAsNode(t *testing.T) {
	url := vhost(t)
	conn, err := rabbit.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	for role, transient := range map[string]bool{"first": false, "firsttransient": true, "second": false, "secondtransient": true} {
		d := inOut(pass)
		d.Inports, d.Outports = ports("in"), ports("out")
		d.Inports[0].Transient, d.Outports[0].Transient = transient, transient
		if role[0] == 's' {
			if err := asNode(ch, role, transient); err != nil {
				t.Fatal(err)
			}
		}
		start(t, url, role, d)
		if _, err := ch.QueueDeclarePassive(role+".IN", true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		if err := asNode(ch, role, transient); err != nil {
			t.Fatal(err)
		}
		// The queue is bound to the exchange of its name.
		if err := ch.PublishWithContext(t.Context(), role+".IN", "", false, false, rabbit.Publishing{Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ch.QueueDeclare("first.IN", true, false, false, false, nil); err == nil {
		t.Error("another declaration was accepted: this test sees no difference")
	}
	d := inOut(pass)
	d.Component = "c"
	bad := observer(t, url)
	if err := bad.Declare(t.Context(), transport.Topology{Queues: []transport.Queue{{Name: "plain.IN", Durable: true}}}); err != nil {
		t.Fatal(err)
	}
	if p, err := participant.Start(t.Context(), d, participant.Options{Role: "plain", Broker: url}); err == nil {
		p.Stop(t.Context())
		t.Error("a queue of another client's making was taken")
	}
}

// TestOnRabbit: on a virgin broker the first announcement already arrives;
// then a message that is refused, and one that is being worked on when the
// participant is to stop.
func TestOnRabbit(t *testing.T) {
	url := vhost(t)
	begun := make(chan struct{})
	d := inOut(func(_ context.Context, m participant.Message, send participant.Send) error {
		if string(m.Body) == "poison" {
			return errors.Join(send("error", "data"), errors.New("no"))
		}
		if string(m.Body) == "slow" {
			begun <- struct{}{}
			<-begun
		}
		return send("out", m.JSON())
	})
	p := start(t, url, "r", d)
	c := observer(t, url)
	fbp, err := c.Subscribe(t.Context(), wire.Queue, transport.SubscribeOptions{Prefetch: 1})
	if err != nil {
		t.Fatal(err)
	}
	var a wire.Announcement
	hello := transporttest.Next(t, fbp)
	if err := json.Unmarshal(hello.Body, &a); err != nil || a.Payload.ID != p.ID() || a.Payload.Role != "r" || hello.Persistent {
		t.Errorf("%s: %v", hello.Body, err)
	}
	out, failed, dead := collect(t, c, "r.OUT"), collect(t, c, "r.ERROR"), collect(t, c, "dead-r.IN")
	feed(t, c, "r.IN", "poison")
	if d := transporttest.Next(t, dead); string(d.Body) != "poison" || d.Headers["x-death"] == nil || d.Ack() != nil {
		t.Errorf("dead letter: %q %v", d.Body, d.Headers)
	}
	if d := transporttest.Next(t, failed); string(d.Body) != `"data"` || d.ContentType != "application/json" || !d.Persistent {
		t.Errorf("error data: %+v", d)
	}
	feed(t, c, "r.IN", "slow")
	<-begun
	feed(t, c, "r.IN", "prefetched")
	stopped := make(chan error)
	go func() { stopped <- p.Stop(t.Context()) }()
	// Nobody consumes any more once the other one's message is back.
	s, err := c.Subscribe(t.Context(), "r.IN", transport.SubscribeOptions{Prefetch: 1})
	if err != nil {
		t.Fatal(err)
	}
	if d := transporttest.Next(t, s); string(d.Body) != "prefetched" || d.Ack() != nil {
		t.Errorf("went back: %q", d.Body)
	}
	begun <- struct{}{}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if d := transporttest.Next(t, out); string(d.Body) != `"slow"` {
		t.Errorf("got %q", d.Body)
	}
}

// TestNothingLost: a thousand messages through a chain of two roles, one with
// two replicas, while the broker is killed and comes back.
func TestNothingLost(t *testing.T) {
	b := rabbittest.Own(t, rabbittest.Options{Plugins: []string{}})
	leaktest.Check(t, goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"))
	url := b.VhostURL("/")
	repeat, _ := builtin.New("msgflo/Repeat", nil)
	for _, role := range []string{"one", "two", "two"} {
		start(t, url, role, repeat)
	}
	c := observer(t, url)
	if err := c.Declare(t.Context(), transport.Topology{Bindings: []transport.Binding{{Queue: "two.IN", Exchange: "one.OUT"}}}); err != nil {
		t.Fatal(err)
	}
	out := collect(t, c, "two.OUT")
	const n = 1000
	sent := make(chan error, 1)
	go func() {
		var results []<-chan error
		for i := range n {
			m := transport.Message{Body: fmt.Appendf(nil, "%d", i), Persistent: true}
			results = append(results, c.Publish(t.Context(), transport.ToQueue("one.IN"), m))
		}
		var err error
		for _, r := range results {
			err = errors.Join(err, <-r)
		}
		sent <- err
	}()
	seen, total := map[string]bool{}, 0
	for len(seen) < n {
		d := transporttest.Next(t, out)
		if d.Ack() != nil {
			continue
		}
		seen[string(d.Body)] = true
		total++
		if total == n/2 {
			if err := errors.Join(b.Kill(), b.Restart()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages, %d deliveries", n, total)
}

// TestAnnouncesAgain: whoever lost the connection announces himself as soon as
// it is back, and not at the next heartbeat.
func TestAnnouncesAgain(t *testing.T) {
	url := vhost(t)
	host := url[strings.Index(url, "@")+1:]
	host = host[:strings.Index(host, "/")]
	proxy := transporttest.NewProxy(t, host, nil)
	p := start(t, strings.Replace(url, host, proxy.Addr, 1), "r", inOut(pass))
	fbp, err := observer(t, url).Subscribe(t.Context(), wire.Queue, transport.SubscribeOptions{Prefetch: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if d := transporttest.Next(t, fbp); !strings.Contains(string(d.Body), p.ID()) || d.Ack() != nil {
			t.Errorf("%s", d.Body)
		}
		proxy.Cut()
	}
}
