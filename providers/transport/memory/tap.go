package memory

import (
	"context"
	"fmt"

	"github.com/msgflo/msgflo/providers/transport"
)

var (
	_ transport.Tapper    = (*Conn)(nil)
	_ transport.Inspector = (*Conn)(nil)
	_ transport.Binder    = (*Conn)(nil)
	_ transport.Changer   = (*Conn)(nil)
)

// Tap implements transport.Tapper.
func (c *Conn) Tap(ctx context.Context, sources []transport.Source, o transport.SubscribeOptions) (transport.Subscription, error) {
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range sources {
		if _, ok := b.exchanges[s.Exchange]; !ok {
			return nil, fmt.Errorf("listening to exchange %q: %w", s.Exchange, transport.ErrNoExchange)
		}
	}
	b.taps++
	q := &queue{decl: transport.Queue{Name: fmt.Sprintf("tap %d", b.taps), AutoDelete: true, Exclusive: true}}
	b.queues[q.decl.Name] = q
	for _, s := range sources {
		b.bindings[transport.Binding{Queue: q.decl.Name, Exchange: s.Exchange, Key: s.Key}] = true
	}
	return c.subscribe(q, o), nil
}

// Inspect implements transport.Inspector.
func (c *Conn) Inspect(ctx context.Context, queue string) (transport.QueueState, error) {
	if err := c.usable(ctx); err != nil {
		return transport.QueueState{}, err
	}
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	q := c.broker.queues[queue]
	if q == nil {
		return transport.QueueState{}, fmt.Errorf("looking at queue %q: %w", queue, transport.ErrNoQueue)
	}
	return transport.QueueState{Messages: len(q.messages), Consumers: len(q.consumers)}, nil
}

// Bind implements transport.Binder.
func (c *Conn) Bind(ctx context.Context, l transport.Link) error {
	if err := c.usable(ctx); err != nil {
		return err
	}
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	_, from := b.exchanges[l.Source]
	_, to := b.exchanges[l.Destination]
	switch {
	case !from || l.ToExchange && !to:
		return fmt.Errorf("binding %s: %w", l, transport.ErrNoExchange)
	case l.ToExchange:
		b.links[l] = true
	case b.queues[l.Destination] == nil:
		return fmt.Errorf("binding %s: %w", l, transport.ErrNoQueue)
	default:
		b.bindings[transport.Binding{Queue: l.Destination, Exchange: l.Source, Key: l.Key}] = true
	}
	return nil
}

// Changed implements transport.Changer.
func (c *Conn) Changed() <-chan struct{} {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	return c.changed
}
