package amqp

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// How often an empty queue is asked again: seldomer the longer it is empty.
const (
	askSoon = 10 * time.Millisecond
	askLate = 500 * time.Millisecond
)

// begins fetches instead of consuming. That the queue is not there shows at
// once.
func (s *subscription) begins(c *consumer, queue string) error {
	first, some, err := c.ch.Get(queue, false)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.conn.ctx)
	closed := c.ch.NotifyClose(make(chan *amqp.Error, 1))
	out := make(chan amqp.Delivery)
	c.deliveries, c.cancel = out, cancel
	s.conn.tasks.Go(func() {
		defer cancel()
		defer close(out)
		fetch(ctx, c.ch, queue, first, some, out)
	})
	s.conn.tasks.Go(func() {
		for range closed { // until the library closes it
		}
		cancel()
	})
	return nil
}

// A single delivery is settled before the next is asked for.
type single struct {
	amqp.Acknowledger
	settled chan<- struct{} // takes one value without waiting
}

func (s single) Ack(tag uint64, multiple bool) error {
	defer func() { s.settled <- struct{}{} }()
	return s.Acknowledger.Ack(tag, multiple)
}

func (s single) Nack(tag uint64, multiple, requeue bool) error {
	defer func() { s.settled <- struct{}{} }()
	return s.Acknowledger.Nack(tag, multiple, requeue)
}

// fetch hands on one message after the other until the context or the channel
// ends.
func fetch(ctx context.Context, ch *amqp.Channel, queue string, d amqp.Delivery, some bool, out chan<- amqp.Delivery) {
	for wait := askSoon; ; {
		if some {
			wait = askSoon
			settled := make(chan struct{}, 1)
			raw := d
			d.Acknowledger = single{d.Acknowledger, settled}
			select {
			case out <- d:
			case <-ctx.Done():
				_ = raw.Nack(false, true) // failed: it goes back anyway
				return
			}
			select { // what is held can still be settled when we have gone
			case <-settled:
			case <-ctx.Done():
				return
			}
		} else {
			select {
			case <-time.After(wait):
				wait = min(2*wait, askLate)
			case <-ctx.Done():
				return
			}
		}
		var err error
		if d, some, err = ch.Get(queue, false); err != nil {
			return
		}
	}
}
