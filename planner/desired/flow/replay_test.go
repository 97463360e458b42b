package flow_test

import (
	"context"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// A live is a vhost of a real broker.
type live struct {
	testing.TB
	vhost    string
	provider providers.Provider
	conn     *amqp.Connection
}

func start(t testing.TB) *live {
	b := rabbittest.Shared(t)
	v := rabbittest.Vhost(t, b)
	config := rabbitmq.Type().Config
	p, err := rabbitmq.Type().Open(context.Background(), providers.Env{Lineage: "flow-test", Marks: true, Dir: t.TempDir(),
		Config: config.Complete(map[string]cty.Value{"url": cty.StringVal(b.VhostURL(v)), "management": cty.StringVal(b.ManagementURL)})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	conn, err := amqp.Dial(b.VhostURL(v))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &live{TB: t, vhost: v, provider: p, conn: conn}
}

func (l *live) channel() *amqp.Channel {
	l.Helper()
	ch, err := l.conn.Channel()
	if err != nil {
		l.Fatal(err)
	}
	return ch
}

func (l *live) make(typ string, v cty.Value, shared bool) {
	l.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := providers.Change{Type: typ, Before: cty.NullVal(v.Type()), After: v, Shared: shared}
	if _, err := l.provider.Apply(ctx, c); err != nil {
		l.Fatalf("making the %s %#v: %v", typ, v, err)
	}
}

// A library declares what a client library does, by msgflo-wire.md §2.1: written
// from there, not from the code under test. It ends at the first error, as they do.
type library struct {
	ch  *amqp.Channel
	err error
}

func (c *library) queue(name string, durable, autoDelete bool, args amqp.Table) {
	if c.err == nil {
		_, c.err = c.ch.QueueDeclare(name, durable, autoDelete, false, false, args)
	}
}

func (c *library) fanout(name string, durable, autoDelete bool) {
	if c.err == nil {
		c.err = c.ch.ExchangeDeclare(name, "fanout", durable, autoDelete, false, false, nil)
	}
}

func (c *library) inport(client string, p *flow.Port) {
	q := p.Queue
	switch client {
	case "nodejs", "noflo", "go":
		c.queue(q, p.Durable, !p.Durable, amqp.Table{"x-dead-letter-exchange": "dead-" + q})
		c.fanout(q, p.Durable, !p.Durable)
		if c.err == nil {
			c.err = c.ch.QueueBind(q, "", q, false, nil)
		}
	case "python":
		c.queue(q, false, true, nil)
	case "cpp", "rust", "plain":
		c.queue(q, p.Durable, !p.Durable, nil)
	}
}

func (c *library) outport(client string, p *flow.Port) {
	switch client {
	case "nodejs", "noflo", "go", "plain":
		c.fanout(p.Queue, p.Durable, !p.Durable)
	case "rust":
		c.fanout(p.Queue, true, false)
	case "python", "cpp":
		c.fanout(p.Queue, false, false)
	}
}

// participant is the start of one process of a role. Its connection's channel
// is closed by an error, else by who calls.
func (l *live) participant(r *flow.Role) (*amqp.Channel, error) {
	l.Helper()
	c := &library{ch: l.channel()}
	for _, p := range r.Inports {
		c.inport(r.Client, p)
	}
	for _, p := range r.Outports {
		c.outport(r.Client, p)
	}
	switch r.Client {
	case "nodejs", "noflo", "go", "rust":
		c.queue("fbp", true, false, nil)
	}
	return c.ch, c.err
}

// send publishes as participants do, transient and without a routing key.
func (l *live) send(ch *amqp.Channel, exchange, body string) {
	l.Helper()
	if err := ch.Publish(exchange, "", false, false, amqp.Publishing{Body: []byte(body)}); err != nil {
		l.Fatalf("publishing to %s: %v", exchange, err)
	}
}

// receive takes one message of the given body out of a queue, what else there is
// dropped on the way. False: it did not come in time.
func (l *live) receive(ch *amqp.Channel, queue, body string, in time.Duration) (amqp.Delivery, bool) {
	l.Helper()
	for deadline := time.Now().Add(in); ; time.Sleep(5 * time.Millisecond) {
		d, ok, err := ch.Get(queue, false)
		switch {
		case err != nil:
			l.Fatalf("receiving from %s: %v", queue, err)
		case ok && string(d.Body) == body:
			return d, true
		case ok:
			d.Ack(false)
		case time.Now().After(deadline):
			return amqp.Delivery{}, false
		}
	}
}
