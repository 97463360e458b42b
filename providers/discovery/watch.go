package discovery

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/msgflo/msgflo/providers/discovery/wire"
	"github.com/msgflo/msgflo/providers/transport"
)

// prefetch of the listener. Announcements are small, and parsed in
// microseconds.
const prefetch = 100

// A Watch hears every announcement on one connection. Close it always.
type Watch struct {
	conn transport.Conn
	sub  transport.Subscription
	out  chan Announcement
	quit chan struct{} // closed by Close: nobody reads any more
	once sync.Once
	done chan struct{} // closed when run has ended

	mu     sync.Mutex
	counts Counts
}

// Counts is what a Watch met.
type Counts struct {
	Heard     int `json:"heard"`
	Malformed int `json:"malformed"` // no announcements, though they were where announcements are
	TooLarge  int `json:"too_large"`
	Other     int `json:"other"` // other messages of the protocol
}

// Dropped is how many messages were none that could be used.
func (c Counts) Dropped() int { return c.Malformed + c.TooLarge }

// Listen begins to listen: on AMQP with a temporary queue bound to Exchange,
// so that nothing is taken from anybody. On a broker where `msgflo apply` never put
// a participant that exchange is missing: the error is transport.ErrNoExchange then.
func Listen(ctx context.Context, conn transport.Conn) (*Watch, error) {
	source := Exchange
	if _, queues := conn.(transport.Tapper); !queues {
		source = wire.Queue // the topic itself
	}
	sub, err := transport.Tap(ctx, conn, []transport.Source{{Exchange: source}}, transport.SubscribeOptions{Prefetch: prefetch})
	if errors.Is(err, transport.ErrNoExchange) {
		return nil, fmt.Errorf("listening to announcements: %w as %s, which a policy on the queue %s leads announcements to; "+
			"`msgflo apply` makes both with the first participant", transport.ErrNoExchange, Exchange, wire.Queue)
	}
	if err != nil {
		return nil, fmt.Errorf("listening to announcements: %w", err)
	}
	w := &Watch{conn: conn, sub: sub, out: make(chan Announcement, prefetch), quit: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w, nil
}

// Announcements are closed when no more will come: after Close, or when the
// connection was closed.
func (w *Watch) Announcements() <-chan Announcement { return w.out }

// Counts is what was met so far.
func (w *Watch) Counts() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts
}

// Rivals is how many consumers the discovery queue itself has: an old
// coordinator, or `msgflo-setup --discover`. Each takes announcements away before they
// reach Exchange. It is 0 where there is no such queue, or none can be counted.
func (w *Watch) Rivals(ctx context.Context) (int, error) {
	i, ok := w.conn.(transport.Inspector)
	if !ok {
		return 0, nil
	}
	s, err := i.Inspect(ctx, wire.Queue)
	if errors.Is(err, transport.ErrNoQueue) {
		return 0, nil
	}
	return s.Consumers, err
}

// Close stops listening. It frees everything unless ctx ends first; then the
// connection's end does.
func (w *Watch) Close(ctx context.Context) error {
	w.once.Do(func() { close(w.quit) })
	if err := w.sub.Cancel(ctx); err != nil {
		return err
	}
	<-w.done
	return nil
}

func (w *Watch) run() {
	defer close(w.done)
	defer close(w.out)
	for d := range w.sub.Deliveries() {
		a, err := Parse(d.Body)
		w.count(err)
		_ = d.Ack() // it fails where the queue has gone, and then nothing is to be settled
		if err != nil {
			continue
		}
		a.Received = d.Received
		select {
		case w.out <- a:
		case <-w.quit:
		}
	}
}

func (w *Watch) count(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.counts.Heard++
	case errors.Is(err, ErrTooLarge):
		w.counts.TooLarge++
	case errors.Is(err, ErrOther):
		w.counts.Other++
	default:
		w.counts.Malformed++
	}
}
