package memory

import (
	"context"
	"fmt"

	"github.com/msgflo/msgflo/providers/transport"
)

// A Conn is one client's connection.
type Conn struct {
	broker *Broker

	// Under broker.mu.
	closed  bool
	subs    map[*subscription]bool
	changed chan struct{} // closed by Break
}

var _ transport.Conn = (*Conn)(nil)

// Declare implements transport.Conn.
func (c *Conn) Declare(ctx context.Context, t transport.Topology) error {
	if err := c.usable(ctx); err != nil {
		return err
	}
	return c.broker.declare(t)
}

// Publish implements transport.Conn; it is confirmed at once.
func (c *Conn) Publish(ctx context.Context, to transport.Address, m transport.Message) <-chan error {
	result := make(chan error, 1)
	err := c.usable(ctx)
	if err == nil {
		err = c.broker.publish(to, m)
	}
	result <- err
	return result
}

func (c *Conn) usable(ctx context.Context) error {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if c.closed {
		return transport.ErrClosed
	}
	return context.Cause(ctx)
}

// Subscribe implements transport.Conn.
func (c *Conn) Subscribe(ctx context.Context, name string, o transport.SubscribeOptions) (transport.Subscription, error) {
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queues[name]
	if q == nil {
		return nil, fmt.Errorf("consuming queue %q: %w", name, transport.ErrNoQueue)
	}
	return c.subscribe(q, o), nil
}

// subscribe adds a consumer to a queue. Under the broker's mu.
func (c *Conn) subscribe(q *queue, o transport.SubscribeOptions) *subscription {
	b := c.broker
	prefetch := max(o.Prefetch, 1)
	s := &subscription{
		broker: b, queue: q, prefetch: prefetch, out: make(chan transport.Delivery, prefetch),
		unsettled: map[*settler]bool{}, lost: make(chan struct{}),
	}
	q.consumers = append(q.consumers, s)
	c.subs[s] = true
	q.dispatch()
	return s
}

// Close implements transport.Conn.
func (c *Conn) Close() error {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	for s := range c.subs {
		s.cancel()
		close(s.lost)
		s.lose()
	}
	return nil
}

// Break takes back what this connection has not settled, as a lost network
// connection does; the subscriptions go on.
func (c *Conn) Break() {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	for s := range c.subs {
		close(s.lost)
		s.lost = make(chan struct{})
		s.lose()
	}
	close(c.changed)
	c.changed = make(chan struct{})
}
