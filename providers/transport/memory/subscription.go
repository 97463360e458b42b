package memory

import (
	"context"
	"time"

	"github.com/msgflo/msgflo/providers/transport"
)

type subscription struct {
	broker    *Broker
	queue     *queue
	prefetch  int
	out       chan transport.Delivery
	unsettled map[*settler]bool
	order     []*settler // as delivered, to requeue in order
	lost      chan struct{}
	cancelled bool
}

// deliver never blocks: what a broken connection left in out makes room first.
// Under mu.
func (s *subscription) deliver(m message) {
	t := &settler{sub: s, message: m}
	s.unsettled[t] = true
	s.order = append(s.order, t)
	d := transport.Delivery{Message: m.Message, Redelivered: m.redelivered, Received: time.Now(), Lost: s.lost, Settler: t}
	for {
		select {
		case s.out <- d:
			return
		default:
		}
		select {
		case <-s.out:
		default:
		}
	}
}

// lose requeues, in order and before what waits, all that is unsettled.
// Under mu.
func (s *subscription) lose() {
	var back []message
	for _, t := range s.order {
		if s.unsettled[t] {
			m := t.message
			m.redelivered = true
			back = append(back, m)
		}
	}
	clear(s.unsettled)
	s.order = nil
	s.queue.messages = append(back, s.queue.messages...)
	s.queue.dispatch()
}

// cancel ends the deliveries. Under mu.
func (s *subscription) cancel() {
	if s.cancelled {
		return
	}
	s.cancelled = true
	close(s.out)
	var rest []*subscription
	for _, c := range s.queue.consumers {
		if c != s {
			rest = append(rest, c)
		}
	}
	s.queue.consumers = rest
	if len(rest) == 0 && s.queue.decl.AutoDelete {
		s.broker.delete(s.queue.decl.Name)
	}
}

func (s *subscription) Deliveries() <-chan transport.Delivery { return s.out }

func (s *subscription) Cancel(context.Context) error {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	s.cancel()
	return nil
}

type settler struct {
	sub     *subscription
	message message
}

func (t *settler) Ack() error { return t.settle(func() {}) }

func (t *settler) Nack(requeue bool) error {
	return t.settle(func() {
		q := t.sub.queue
		if !requeue {
			t.sub.broker.refuse(q, t.message)
			return
		}
		t.message.redelivered = true
		q.messages = append([]message{t.message}, q.messages...)
	})
}

func (t *settler) settle(how func()) error {
	t.sub.broker.mu.Lock()
	defer t.sub.broker.mu.Unlock()
	if !t.sub.unsettled[t] {
		return transport.ErrLost
	}
	delete(t.sub.unsettled, t)
	for len(t.sub.order) > 0 && !t.sub.unsettled[t.sub.order[0]] {
		t.sub.order = t.sub.order[1:]
	}
	how()
	t.sub.queue.dispatch()
	return nil
}
