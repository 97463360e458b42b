package amqp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/providers/transport"
)

const (
	// tapPrefix begins the names of temporary queues, for who looks at the broker.
	tapPrefix = "msgflo.tap."
	// tapLength is how many messages a temporary queue holds for a slow reader.
	tapLength = 10_000
)

var (
	_ transport.Tapper    = (*Conn)(nil)
	_ transport.Inspector = (*Conn)(nil)
	_ transport.Binder    = (*Conn)(nil)
	_ transport.Changer   = (*Conn)(nil)
)

// Tap implements transport.Tapper. The queue is made on each session anew,
// under another name: the broker may not have noticed yet that the last session is
// gone, and would refuse its queue's name.
func (c *Conn) Tap(ctx context.Context, sources []transport.Source, o transport.SubscribeOptions) (transport.Subscription, error) {
	s := newSubscription(c, o)
	s.prepare = func(ch *amqp.Channel) (string, error) {
		name := tapPrefix + uuid.NewString()
		// Exclusive: it dies with the connection. Auto-delete: it dies with the subscription.
		if _, err := ch.QueueDeclare(name, false, true, true, false, amqp.Table{"x-max-length": int64(tapLength)}); err != nil {
			return "", refusal("making a temporary queue", err)
		}
		for _, from := range sources {
			if err := ch.QueueBind(name, from.Key, from.Exchange, false, nil); err != nil {
				return "", absence(fmt.Sprintf("listening to exchange %q", from.Exchange), err)
			}
		}
		return name, nil
	}
	return s.begin(ctx)
}

// Inspect implements transport.Inspector.
func (c *Conn) Inspect(ctx context.Context, queue string) (transport.QueueState, error) {
	return ask(ctx, c, func(ch *amqp.Channel) (transport.QueueState, error) {
		q, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil)
		if err != nil {
			return transport.QueueState{}, absence(fmt.Sprintf("looking at queue %q", queue), err)
		}
		return transport.QueueState{Messages: q.Messages, Consumers: q.Consumers}, nil
	})
}

// Bind implements transport.Binder.
func (c *Conn) Bind(ctx context.Context, l transport.Link) error {
	_, err := ask(ctx, c, func(ch *amqp.Channel) (struct{}, error) {
		bind := ch.QueueBind
		if l.ToExchange {
			bind = ch.ExchangeBind
		}
		if err := bind(l.Destination, l.Key, l.Source, false, nil); err != nil {
			return struct{}{}, absence("binding "+l.String(), err)
		}
		return struct{}{}, nil
	})
	return err
}

// Changed implements transport.Changer.
func (c *Conn) Changed() <-chan struct{} {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return c.in.changed
}

// ask makes a call on a channel of its own, which a refusal closes, on the
// next session where one is lost.
func ask[T any](ctx context.Context, c *Conn, f func(*amqp.Channel) (T, error)) (T, error) {
	var v T
	err := c.in.request(ctx, func(s *session) error {
		answer := make(chan T, 1)
		err := s.call(ctx, func() error {
			ch, err := s.conn.Channel()
			if err != nil {
				return err
			}
			defer func() { _ = ch.Close() }() // a refusal has closed it
			got, err := f(ch)
			answer <- got
			return err
		})
		if err == nil {
			v = <-answer
		}
		return err
	})
	return v, err
}

// absence tells what is not there from what is refused.
func absence(what string, err error) error {
	e, ok := errors.AsType[*amqp.Error](err)
	switch {
	case !ok || e.Code != amqp.NotFound:
		return refusal(what, err)
	case strings.Contains(e.Reason, "no exchange"):
		return fmt.Errorf("%s: %w", what, transport.ErrNoExchange)
	}
	return fmt.Errorf("%s: %w", what, transport.ErrNoQueue)
}
