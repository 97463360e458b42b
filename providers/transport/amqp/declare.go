package amqp

import (
	"context"
	"fmt"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/providers/transport"
)

// Declare implements transport.Conn.
func (c *Conn) Declare(ctx context.Context, t transport.Topology) error {
	err := c.in.request(ctx, func(s *session) error {
		return s.call(ctx, func() error { return declare(s, t) })
	})
	if err == nil {
		c.remember(t)
	}
	return err
}

func (c *Conn) remember(t transport.Topology) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range t.Exchanges {
		if !slices.ContainsFunc(c.topology.Exchanges, func(o transport.Exchange) bool { return o.Name == e.Name }) {
			c.topology.Exchanges = append(c.topology.Exchanges, e)
		}
	}
	for _, q := range t.Queues {
		if !slices.ContainsFunc(c.topology.Queues, func(o transport.Queue) bool { return o.Name == q.Name }) {
			c.topology.Queues = append(c.topology.Queues, q)
		}
	}
	for _, b := range t.Bindings {
		if !slices.Contains(c.topology.Bindings, b) {
			c.topology.Bindings = append(c.topology.Bindings, b)
		}
	}
}

// redeclare makes again what was declared before.
func (c *Conn) redeclare(ctx context.Context, s *session, exclusive bool) error {
	c.mu.Lock()
	t := transport.Topology{Exchanges: slices.Clone(c.topology.Exchanges)}
	skipped := map[string]bool{}
	for _, q := range c.topology.Queues {
		if q.Exclusive && !exclusive {
			skipped[q.Name] = true
			continue
		}
		t.Queues = append(t.Queues, q)
	}
	for _, b := range c.topology.Bindings {
		if !skipped[b.Queue] {
			t.Bindings = append(t.Bindings, b)
		}
	}
	c.mu.Unlock()
	if len(t.Exchanges)+len(t.Queues) == 0 {
		return nil
	}
	return s.call(ctx, func() error { return declare(s, t) })
}

// declare uses a channel of its own: a refused declaration closes it.
func declare(s *session, t transport.Topology) error {
	ch, err := s.conn.Channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }() // a refusal has closed it
	for _, e := range t.Exchanges {
		if err := ch.ExchangeDeclare(e.Name, e.Kind, e.Durable, e.AutoDelete, false, false, amqp.Table(e.Arguments)); err != nil {
			return refusal(fmt.Sprintf("declaring exchange %q", e.Name), err)
		}
	}
	for _, q := range t.Queues {
		if _, err := ch.QueueDeclare(q.Name, q.Durable, q.AutoDelete, q.Exclusive, false, amqp.Table(q.Arguments)); err != nil {
			return refusal(fmt.Sprintf("declaring queue %q", q.Name), err)
		}
	}
	for _, b := range t.Bindings {
		if err := ch.QueueBind(b.Queue, b.Key, b.Exchange, false, nil); err != nil {
			return refusal(fmt.Sprintf("binding queue %q to exchange %q", b.Queue, b.Exchange), err)
		}
	}
	return nil
}
