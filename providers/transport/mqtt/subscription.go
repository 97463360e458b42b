package mqtt

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"time"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/transport"
)

const (
	// backlog is how many QoS 0 messages of one subscription may wait here.
	// MQTT has no way to slow down their senders; what comes beyond is dropped,
	// which is what "at most once" allows. Those of QoS 1 are bounded by the
	// broker, which sends only so many (Mosquitto: 20) unacknowledged.
	backlog = 10_000
	// linger is for how long what comes after the broker's last word on a
	// subscription is still taken: it may go on with what it had queued (MQTT 3.1.1,
	// 3.10.4). Which it has, nobody tells.
	linger = 100 * time.Millisecond
)

// A subscription hands on what its client receives, at most the prefetch of it
// at a time.
type subscription struct {
	conn   *Conn
	client *Client
	name   string // as asked for
	filter string // as the broker knows it
	out    chan transport.Delivery
	slots  chan struct{} // one for each that is handed out and not settled
	wake   chan struct{} // holds one: something is waiting

	mu        sync.Mutex
	waiting   []*item
	flood     int // of waiting: QoS 0
	dropped   int
	unsettled int // QoS 1, waiting or handed out
	cancelled bool

	once   sync.Once
	ending chan struct{} // closed when the broker sends no more
}

var _ transport.OneWay = (*subscription)(nil)

// An item is a message from its arrival to its settlement.
type item struct {
	sub      *subscription
	msg      Received
	received time.Time
	again    bool // it was handed out before

	settled sync.Once
}

// OneWay implements transport.OneWay.
func (s *subscription) OneWay() {}

func (s *subscription) Deliveries() <-chan transport.Delivery { return s.out }

// receive never waits: the client would miss its own answers.
func (s *subscription) receive(m Received) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.QoS == AtMostOnce {
		if s.flood >= backlog {
			if s.dropped++; bits.OnesCount(uint(s.dropped)) == 1 { // 1, 2, 4 …
				s.conn.log.Warn("messages that were published with QoS 0 arrive faster than they are worked on; some were dropped", "topic", s.name, "dropped", s.dropped)
			}
			return
		}
		s.flood++
	} else {
		s.unsettled++
	}
	s.waiting = append(s.waiting, &item{sub: s, msg: m, received: time.Now()})
	s.signal()
}

func (s *subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// next takes the first that waits.
func (s *subscription) next() *item {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return nil
	}
	i := s.waiting[0]
	s.waiting[0] = nil
	s.waiting = s.waiting[1:]
	if i.msg.QoS == AtMostOnce {
		s.flood--
	}
	return i
}

// left is how many of QoS 1 were never settled.
func (s *subscription) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsettled
}

// run hands out what arrives until the subscription ends, and then waits for
// what is not settled yet: it needs the connection.
func (s *subscription) run() {
	for s.slot() {
		i := s.await()
		if i == nil {
			<-s.slots
			break
		}
		s.out <- s.delivery(i) // there is room: a slot is held
	}
	close(s.out)
	for range cap(s.slots) {
		if !s.slot() {
			return // the connection closes what is left
		}
	}
	s.discard()
}

// slot takes one; false: the connection was closed.
func (s *subscription) slot() bool {
	select {
	case s.slots <- struct{}{}:
		return s.conn.ctx.Err() == nil
	case <-s.conn.ctx.Done():
		return false
	}
}

// await waits for a message; nil when there will be no more.
func (s *subscription) await() *item {
	for {
		if s.conn.ctx.Err() != nil {
			return nil
		}
		if i := s.next(); i != nil {
			return i
		}
		select {
		case <-s.wake:
		case <-s.ending:
			if i := s.next(); i != nil {
				return i
			}
			return nil
		case <-s.conn.ctx.Done():
			return nil
		}
	}
}

func (s *subscription) delivery(i *item) transport.Delivery {
	return transport.Delivery{
		Message:     transport.Message{Body: i.msg.Body, Persistent: i.msg.QoS > AtMostOnce, Retained: i.msg.Retained},
		Redelivered: i.again || i.msg.Duplicate, Received: i.received, Topic: i.msg.Topic,
		// The broker forgets a clean session, and would not deliver again: a
		// break changes nothing for what is here already.
		Lost: s.conn.ctx.Done(), Settler: i,
	}
}

// Cancel implements transport.Subscription. What the broker has delivered by
// then is still handed out; Deliveries is closed after it.
func (s *subscription) Cancel(ctx context.Context) error {
	var err error
	s.once.Do(func() {
		s.mu.Lock()
		s.cancelled = true
		s.mu.Unlock()
		s.conn.task(func() { s.finish(ctx) })
	})
	select {
	case <-s.ending:
	case <-s.conn.ctx.Done():
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return err
}

func (s *subscription) finish(ctx context.Context) {
	defer close(s.ending)
	if err := s.client.Unsubscribe(ctx, s.filter); err != nil {
		s.conn.log.Debug("cannot unsubscribe", "topic", s.name, "error", diag.Escape(err.Error()))
		return
	}
	s.client.caughtUp()
	t := time.NewTimer(linger)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.conn.ctx.Done():
	}
}

// discard ends one that never began.
func (s *subscription) discard() {
	s.conn.mu.Lock()
	delete(s.conn.subs, s)
	s.conn.mu.Unlock()
	_ = s.client.Close() // it has no error
}

var errOneWay = errors.New("MQTT takes no message back, and its subscription was ended: the message is lost")

// Ack implements transport.Settler.
func (i *item) Ack() error {
	return i.settle(func() error {
		// Where the connection broke meanwhile the broker has forgotten about it.
		if err := i.msg.Ack(); err != nil && !errors.Is(err, transport.ErrLost) {
			return err
		}
		return nil
	})
}

// Nack implements transport.Settler. With requeue the message comes again on
// this subscription; without, it is acknowledged and gone.
func (i *item) Nack(requeue bool) error {
	if !requeue {
		return i.Ack()
	}
	s := i.sub
	s.mu.Lock()
	gone := s.cancelled
	s.mu.Unlock()
	if gone {
		return i.settle(func() error { return fmt.Errorf("requeueing: %w", errOneWay) })
	}
	if s.conn.ctx.Err() != nil {
		return transport.ErrLost
	}
	i.settled.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if i.msg.QoS == AtMostOnce {
			s.flood++
		}
		s.waiting = append([]*item{{sub: s, msg: i.msg, received: i.received, again: true}}, s.waiting...)
		s.signal()
		<-s.slots // not before: another would be handed out first
	})
	return nil
}

// settle settles once.
func (i *item) settle(how func() error) error {
	s := i.sub
	if s.conn.ctx.Err() != nil {
		return transport.ErrLost
	}
	var err error
	i.settled.Do(func() {
		err = how()
		s.mu.Lock()
		if i.msg.QoS > AtMostOnce {
			s.unsettled--
		}
		s.mu.Unlock()
		<-s.slots
	})
	return err
}
