package amqp

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/providers/transport"
)

// window is how many messages may be on their way unconfirmed. The library's
// notifications are buffered that far, so that it never waits for us.
const window = 256

// A publisher sends messages in the order given, on a connection of its own
// that is made at the first one. What was not confirmed when a connection or
// channel breaks is sent again on the next, in the same order.
type publisher struct {
	link     *link
	start    sync.Once
	requests chan *request
	pending  []*request // not confirmed, in order; of the goroutine that runs
	sent     int        // so many of them were sent on this channel

	// careful is how many messages are still to be sent one by one. A message
	// that the broker answers by closing the channel (too large; no such
	// exchange; no permission) takes all that are on their way along: sent
	// alone, the guilty one is found.
	careful int
}

type request struct {
	ctx    context.Context
	to     transport.Address
	msg    transport.Message
	result chan error // holds one
	id     string     // what the broker hands it back by; "" where it will not
	faults int        // channels that it closed, sent alone
}

func newPublisher(c *Conn) *publisher {
	return &publisher{link: newLink(c, "publishing"), requests: make(chan *request, window)}
}

func (p *publisher) publish(ctx context.Context, to transport.Address, m transport.Message) <-chan error {
	r := &request{ctx: ctx, to: to, msg: m, result: make(chan error, 1)}
	conn := p.link.conn
	p.start.Do(func() {
		conn.task(func() { p.link.run(conn.ctx, nil) })
		conn.task(func() { p.run(conn.ctx) })
	})
	if conn.ctx.Err() != nil {
		r.result <- transport.ErrClosed
		return r.result
	}
	select {
	case p.requests <- r:
		if conn.ctx.Err() != nil { // closed just now: nobody may take it any more
			p.refuseLate()
		}
	case <-ctx.Done():
		r.result <- context.Cause(ctx)
	case <-conn.ctx.Done():
		r.result <- transport.ErrClosed
	}
	return r.result
}

func (p *publisher) run(ctx context.Context) {
	defer func() {
		for _, r := range p.pending {
			r.result <- transport.ErrClosed
		}
		p.refuseLate()
	}()
	pause := p.link.conn.pause()
	for {
		s, err := p.link.session(ctx)
		if err != nil {
			return
		}
		confirmed, err := p.serve(ctx, s)
		if ctx.Err() != nil {
			return
		}
		if confirmed {
			pause.Reset()
		}
		if isLost(err) {
			select {
			case <-s.done:
			case <-ctx.Done():
				return
			}
			continue
		}
		// The channel is gone, the connection stands: something that is
		// published to went away, or must not be used.
		p.link.conn.opts.Log.Warn("publishing was interrupted, trying again", "error", err)
		if err := p.link.conn.redeclare(ctx, s, false); err != nil && !isLost(err) {
			p.link.conn.opts.Log.Warn("cannot declare again", "error", err)
		}
		if !pause.Wait(ctx) {
			return
		}
	}
}

// refuseLate ends what was handed over and not taken any more. A publish that
// comes still later finds the connection closed, or its request is here: it
// looks again after handing over.
func (p *publisher) refuseLate() {
	for {
		select {
		case r := <-p.requests:
			r.result <- transport.ErrClosed
		default:
			return
		}
	}
}

// A line is a channel in confirm mode.
type line struct {
	*amqp.Channel
	confirms chan amqp.Confirmation
	returns  chan amqp.Return
	closed   chan *amqp.Error
	back     map[string]bool // ids of what came back
}

func openLine(ctx context.Context, s *session) (*line, error) {
	l := &line{
		back:     map[string]bool{},
		confirms: make(chan amqp.Confirmation, window), returns: make(chan amqp.Return, window),
		closed: make(chan *amqp.Error, 1),
	}
	err := s.call(ctx, func() (err error) {
		if l.Channel, err = s.conn.Channel(); err != nil {
			return err
		}
		l.NotifyClose(l.closed)
		l.NotifyPublish(l.confirms)
		l.NotifyReturn(l.returns)
		return l.Confirm(false)
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// serve publishes on one channel until it or ctx ends. It says whether
// anything was confirmed there.
func (p *publisher) serve(ctx context.Context, s *session) (confirmed bool, err error) {
	l, err := openLine(ctx, s)
	if err != nil {
		return false, err
	}
	p.sent = 0
	for {
		if err := p.send(l); err != nil {
			return confirmed, p.broken(l, s, err)
		}
		requests := p.requests
		if len(p.pending) >= window {
			requests = nil
		}
		select {
		case r := <-requests:
			p.pending = append(p.pending, r)
		case c, ok := <-l.confirms:
			if !ok {
				return confirmed, p.broken(l, s, nil)
			}
			confirmed = true
			p.settle(l, c.Ack)
		case <-ctx.Done():
			return confirmed, context.Cause(ctx)
		}
	}
}

// send writes what may be on its way. Who has stopped waiting is left out.
func (p *publisher) send(l *line) error {
	for p.sent < len(p.pending) && (p.sent == 0 || p.careful == 0 && p.sent < window) {
		r := p.pending[p.sent]
		if r.ctx.Err() != nil {
			r.result <- context.Cause(r.ctx)
			p.pending = append(p.pending[:p.sent], p.pending[p.sent+1:]...)
			continue
		}
		m := amqp.Publishing{Body: r.msg.Body, ContentType: r.msg.ContentType, Headers: r.msg.Headers}
		if r.msg.Persistent {
			m.DeliveryMode = amqp.Persistent
		}
		mandatory := r.to.Exchange == "" || r.to.Mandatory
		if mandatory {
			r.id = strconv.FormatUint(l.GetNextPublishSeqNo(), 10)
			m.MessageId = r.id
		}
		if err := m.Headers.Validate(); err != nil {
			r.result <- fmt.Errorf("publishing to %s: a header has a value that AMQP has no type for: %w", r.to, err)
			p.pending = append(p.pending[:p.sent], p.pending[p.sent+1:]...)
			continue
		}
		// An error is that of a socket that broke, and the channel's end follows.
		if err := l.PublishWithContext(r.ctx, r.to.Exchange, r.to.Key, mandatory, false, m); err != nil {
			return err
		}
		p.sent++
	}
	return nil
}

// settle ends the oldest message; the library gives confirmations in order.
// The broker hands back what it cannot route before it confirms it.
func (p *publisher) settle(l *line, ack bool) {
	if p.sent == 0 {
		return
	}
	r := p.pending[0]
	p.pending = p.pending[1:]
	p.sent--
	p.careful = max(p.careful-1, 0)
	r.result <- r.verdict(ack, l.takeReturned(r.id))
}

// takeReturned reports whether the message of that id came back. All that came
// back so far is in the channel's buffer, this one among others sent later.
func (l *line) takeReturned(id string) bool {
	for len(l.returns) > 0 {
		if ret, ok := <-l.returns; ok {
			l.back[ret.MessageId] = true
		}
	}
	was := l.back[id]
	delete(l.back, id)
	return was
}

func (r *request) verdict(ack, returned bool) error {
	switch {
	case returned && r.to.Exchange != "":
		return fmt.Errorf("publishing to exchange %q: %w", r.to.Exchange, transport.ErrUnroutable)
	case returned:
		return fmt.Errorf("publishing to queue %q: %w", r.to.Key, transport.ErrNoQueue)
	case !ack:
		return fmt.Errorf("publishing to %s: %w", r.to, transport.ErrRefused)
	}
	return nil
}

// broken finds out why the channel ended, and who is to blame.
func (p *publisher) broken(l *line, s *session, err error) error {
	// Closed by the library at the end of a channel, whatever ended it.
	if reason := <-l.closed; reason != nil {
		err = reason
	}
	if err == nil {
		err = amqp.ErrClosed
	}
	if isLost(err) || s.conn.IsClosed() {
		return amqp.ErrClosed
	}
	if p.sent == 1 && len(p.pending) > 0 {
		r := p.pending[0]
		if r.faults++; r.faults > 1 { // declared again in between, and still
			r.result <- refusal(fmt.Sprintf("publishing to %s", r.to), err)
			p.pending = p.pending[1:]
		}
	}
	p.careful = len(p.pending)
	return refusal("publishing", err)
}
