package router

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// A lane is one session on the broker, whose filters do not overlap.
type lane struct {
	run    *run
	client *mqtt.Client
	has    map[string]byte // filters that are subscribed, and their QoS; of the loop
	table  atomic.Pointer[table]
	acks   acks
	again  bool        // it stood before; of the client's Up
	forgot atomic.Bool // the broker forgot the session: has is no longer true
}

// A table is what a lane does with what it gets; it is never changed.
type table struct{ index routes.Index[*target] }

// A target is a route at work.
type target struct {
	routes.Route
	replay atomic.Pointer[replay] // nil: none is under way
}

// dial connects a lane's session. What it is given at once, since the broker
// kept it, is forwarded by the table that is set already.
func (r *run) dial(ctx context.Context, number int, t *table) (*lane, error) {
	l := &lane{run: r, has: map[string]byte{}}
	l.table.Store(t)
	o := r.dials
	o.ClientID = routes.ClientID(r.opts.Lineage, number)
	var err error
	l.client, err = mqtt.DialClient(ctx, mqtt.ClientOptions{Options: o, KeepSession: true, Receive: l.receive, Up: l.up})
	return l, err
}

func (l *lane) up(present bool) {
	if l.again && !present {
		l.forgot.Store(true) // what was granted may be refused now: the loop asks again, and says so
		l.run.inbox.wake()
		const text = "the broker forgot the router's session when it was down: what was published meanwhile is lost (Mosquitto keeps sessions only with persistence true)"
		l.run.log.Warn(text)
		l.run.faults.set(aboutSession, text)
	} else if l.again {
		l.run.faults.set(aboutSession, "")
	}
	l.again = true
}

// receive forwards a message. While the desk has too much under way it waits,
// and with it the broker: nothing piles up here.
func (l *lane) receive(m mqtt.Received) {
	// Protected: #-like filters match our own documents. Retained: what the
	// broker had kept when we subscribed is no news; see replay.
	if m.Retained || routes.Protected(m.Topic) {
		l.skip(m)
		return
	}
	if m.QoS == mqtt.AtMostOnce {
		l.table.Load().index.Each(m.Topic, func(t *target) { t.send(l.run, m, l.forget) })
		return
	}
	// One more than there are targets, until all have been sent.
	a := l.acks.add(m)
	if a == nil {
		return
	}
	l.table.Load().index.Each(m.Topic, func(t *target) {
		a.open.Add(1)
		t.send(l.run, m, func(err error) { l.forwarded(a, t, err) })
	})
	l.forwarded(a, nil, nil)
}

func (l *lane) skip(m mqtt.Received) {
	if m.QoS == mqtt.AtMostOnce {
		return
	}
	if a := l.acks.add(m); a != nil {
		l.forwarded(a, nil, nil)
	}
}

// closeLanes ends the connections of lanes; the broker keeps the sessions. What is
// on its way is acknowledged first, so that who comes next need not send it
// twice; what still comes is left to him.
func (r *run) closeLanes(lanes ...*lane) {
	var all []*acks
	for _, l := range lanes {
		all = append(all, &l.acks)
	}
	drain(farewell, all...)
	if r.ctx.Err() != nil {
		r.endSends() // one that is stuck would keep its client from ending
	}
	for _, l := range lanes {
		_ = l.client.Close() // it has no error
	}
}

// drain adds nothing more, and waits until all that was added is done; not
// longer than patience in all.
func drain(patience time.Duration, all ...*acks) {
	late, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, q := range all {
		q.drain()
	}
	for _, q := range all {
		select {
		case <-q.drain():
		case <-late.Done():
		}
	}
}

func (t *target) send(r *run, m mqtt.Received, done func(error)) {
	out := mqtt.Outgoing{Topic: t.To, Body: m.Body, QoS: min(m.QoS, t.QoS), Retained: t.Retain}
	if p := t.replay.Load(); p != nil {
		p.live(m.Topic, func() { r.desk.Send(r.sends, out, done) })
		return
	}
	r.desk.Send(r.sends, out, done)
}

// forget is the end of a QoS 0 message.
func (l *lane) forget(err error) {
	if err != nil && !ended(err) {
		l.run.refused("", err)
	}
}

// forwarded is one end of a QoS 1 message; after the last it is acknowledged.
// What the broker will not have is given up: it would hold up all others.
func (l *lane) forwarded(a *ack, t *target, err error) {
	switch {
	case err == nil:
	case ended(err):
		return // not acknowledged: who comes next gets it again
	default:
		l.run.refused(t.To, err)
	}
	if a.open.Add(-1) == 0 {
		l.acks.settle(a)
	}
}

func ended(err error) bool {
	return errors.Is(err, transport.ErrClosed) || errors.Is(err, context.Canceled)
}

func (r *run) refused(topic string, err error) {
	r.log.Error("a message could not be forwarded, and is lost", "target", diag.Escape(topic), "error", err)
	r.faults.lost()
}

// acks acknowledges messages in the order in which they came, as MQTT wants it
// (3.1.1, 4.6), whenever what they became is done with.
type acks struct {
	mu      sync.Mutex
	queue   []*ack
	drained chan struct{} // not nil: nothing is added any more; closed when all are done
}

type ack struct {
	msg  mqtt.Received
	open atomic.Int64 // sends that are not done
	done bool         // under acks.mu
}

// add begins with a message; nil: it is left to who comes next.
func (q *acks) add(m mqtt.Received) *ack {
	a := &ack{msg: m}
	a.open.Store(1)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.drained != nil {
		return nil
	}
	q.queue = append(q.queue, a)
	return a
}

// drain adds no more; what it returns is closed when all are done.
func (q *acks) drain() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.drained == nil {
		q.drained = make(chan struct{})
		if len(q.queue) == 0 {
			close(q.drained)
		}
	}
	return q.drained
}

func (q *acks) settle(a *ack) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a.done = true
	for len(q.queue) > 0 && q.queue[0].done {
		// Lost with its connection: the broker delivers it again.
		_ = q.queue[0].msg.Ack()
		q.queue[0] = nil
		q.queue = q.queue[1:]
		if len(q.queue) == 0 && q.drained != nil {
			close(q.drained)
		}
	}
}
