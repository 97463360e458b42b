package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/providers/transport"
)

// A subscription goes on over sessions: a consumer on a channel of its own on
// each.
type subscription struct {
	conn     *Conn
	queue    string // "" of a tap
	prefetch int
	fetch    bool
	out      chan transport.Delivery
	// prepare makes, on each session, the queue to consume; nil: it is queue.
	prepare func(*amqp.Channel) (queue string, err error)

	stop     chan struct{} // closed by Cancel
	stopOnce sync.Once
	ended    chan struct{} // closed when out is
}

// A consumer is a subscription's part on one session.
type consumer struct {
	on         *session
	ch         *amqp.Channel
	deliveries <-chan amqp.Delivery
	closed     chan *amqp.Error // the channel's end
	cancel     func()           // tells the broker to stop; then deliveries is closed
}

const consumerTag = "msgflo" // unique on its channel, which has no other

// Subscribe implements transport.Conn.
func (c *Conn) Subscribe(ctx context.Context, queue string, o transport.SubscribeOptions) (transport.Subscription, error) {
	s := newSubscription(c, o)
	s.queue = queue
	return s.begin(ctx)
}

func newSubscription(c *Conn, o transport.SubscribeOptions) *subscription {
	prefetch := max(o.Prefetch, 1)
	return &subscription{
		conn: c, prefetch: prefetch, fetch: o.Fetch, out: make(chan transport.Delivery, prefetch),
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
}

func (s *subscription) begin(ctx context.Context) (transport.Subscription, error) {
	var first *consumer
	err := s.conn.in.request(ctx, func(on *session) (err error) {
		first, err = s.open(ctx, on)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !s.conn.task(func() { s.run(first) }) {
		return nil, transport.ErrClosed
	}
	return s, nil
}

func (s *subscription) Deliveries() <-chan transport.Delivery { return s.out }

func (s *subscription) Cancel(ctx context.Context) error {
	s.stopOnce.Do(func() { close(s.stop) })
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *subscription) open(ctx context.Context, on *session) (*consumer, error) {
	opened := make(chan *consumer, 1)
	err := on.call(ctx, func() error {
		c, err := s.consume(on)
		if err != nil {
			return err
		}
		if ctx.Err() != nil { // nobody waits any more
			return c.ch.Close()
		}
		opened <- c
		return nil
	})
	if err != nil {
		return nil, err
	}
	select {
	case c := <-opened:
		return c, nil
	default:
		return nil, context.Cause(ctx)
	}
}

func (s *subscription) consume(on *session) (*consumer, error) {
	ch, err := on.conn.Channel()
	if err != nil {
		return nil, err
	}
	c := &consumer{on: on, ch: ch, closed: ch.NotifyClose(make(chan *amqp.Error, 1))}
	queue := s.queue
	if s.prepare != nil {
		if queue, err = s.prepare(ch); err != nil {
			_ = ch.Close() // a refusal has closed it
			return nil, err
		}
	}
	if s.fetch {
		err = s.begins(c, queue)
	} else if err = ch.Qos(s.prefetch, 0, false); err == nil {
		c.cancel = func() { _ = ch.Cancel(consumerTag, false) }
		c.deliveries, err = ch.Consume(queue, consumerTag, false, false, false, false, nil)
	}
	if err == nil {
		return c, nil
	}
	_ = ch.Close() // a refusal has closed it
	var e *amqp.Error
	if errors.As(err, &e) && e.Code == amqp.NotFound {
		return nil, fmt.Errorf("consuming queue %q: %w", queue, transport.ErrNoQueue)
	}
	return nil, refusal(fmt.Sprintf("consuming queue %q", queue), err)
}

// run forwards from one consumer after the other.
func (s *subscription) run(c *consumer) {
	defer close(s.ended)
	defer close(s.out)
	for c != nil && s.forward(c) {
		c = s.reopen(c.on)
	}
}

// forward hands on what one consumer gets. It returns false when the
// subscription has ended, true when only the consumer has.
func (s *subscription) forward(c *consumer) (again bool) {
	lost := make(chan struct{})
	// Deliveries outlive Cancel, so their end is watched apart from this.
	s.conn.tasks.Go(func() {
		for range c.closed { // until the library closes it
		}
		close(lost)
	})
	for {
		select {
		case d, ok := <-c.deliveries:
			if !ok {
				_ = c.ch.Close() // where the broker ended just the consumer: its queue is gone
				return true
			}
			select {
			case s.out <- delivery(d, lost):
			case <-s.stop:
				_ = d.Nack(false, true) // failed: it goes back anyway
				return s.cancelled(c)
			case <-lost:
			case <-s.conn.ctx.Done():
				return false
			}
		case <-s.stop:
			return s.cancelled(c)
		case <-s.conn.ctx.Done():
			return false
		}
	}
}

// cancelled tells the broker to stop, and gives back what came meanwhile.
func (s *subscription) cancelled(c *consumer) bool {
	s.conn.tasks.Go(c.cancel)
	for {
		select {
		case d, ok := <-c.deliveries:
			if !ok {
				return false
			}
			_ = d.Nack(false, true)
		case <-s.conn.ctx.Done():
			return false
		}
	}
}

// reopen consumes again, on the same session if it still stands; nil when the
// subscription has ended.
func (s *subscription) reopen(last *session) *consumer {
	ctx, cancel := context.WithCancelCause(s.conn.ctx)
	defer cancel(nil)
	s.conn.tasks.Go(func() {
		select {
		case <-s.stop:
			cancel(transport.ErrClosed)
		case <-ctx.Done():
		}
	})
	pause := s.conn.pause()
	for {
		on, err := s.conn.in.session(ctx)
		if err != nil {
			return nil
		}
		if on == last { // the queue went away under us
			err = s.conn.redeclare(ctx, on, true)
		}
		var c *consumer
		if err == nil {
			if c, err = s.open(ctx, on); err == nil {
				return c
			}
		}
		last = on
		if !isLost(err) && ctx.Err() == nil {
			s.conn.opts.Log.Warn("cannot consume, trying again", "queue", s.queue, "error", err)
		}
		if !pause.Wait(ctx) {
			return nil
		}
	}
}

func delivery(d amqp.Delivery, lost <-chan struct{}) transport.Delivery {
	return transport.Delivery{
		Message: transport.Message{
			Body: d.Body, ContentType: d.ContentType, Persistent: d.DeliveryMode == amqp.Persistent, Headers: d.Headers,
		},
		Redelivered: d.Redelivered, Received: time.Now(), Lost: lost, Settler: settler{d}, Key: d.RoutingKey,
	}
}

type settler struct{ d amqp.Delivery }

func (s settler) Ack() error              { return gone(s.d.Ack(false)) }
func (s settler) Nack(requeue bool) error { return gone(s.d.Nack(false, requeue)) }

// gone: whatever went wrong, the channel is no more, and the broker has taken
// the message back.
func gone(err error) error {
	if err != nil {
		return fmt.Errorf("%w (%w)", transport.ErrLost, err)
	}
	return nil
}
