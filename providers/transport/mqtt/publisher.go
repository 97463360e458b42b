package mqtt

import (
	"context"
	"errors"
	"fmt"
	"sync"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/msgflo/msgflo/providers/transport"
)

const (
	// window is how many messages may be on their way unconfirmed.
	window = 256
	// maxFaults is how many connections one message may cost: what a broker
	// ends the connection for each time, sent alone, is to blame.
	maxFaults = 3
)

// A publisher sends messages in the order given. What was not confirmed when a
// connection breaks is sent again on the next, in the same order.
type publisher struct {
	client   *Client
	start    sync.Once
	requests chan *request
	pending  []*request // not confirmed, in order; of the goroutine that runs
	sent     int        // so many of them were sent on this session

	// careful is how many messages are still to be sent one by one, after a
	// connection that broke: one that the broker will not have (too large, not
	// allowed) takes all that are on their way along.
	careful int
}

type request struct {
	ctx    context.Context
	msg    Outgoing
	done   func(error)
	token  paho.Token
	faults int // connections that broke under it, sent alone
}

func newPublisher(c *Client) *publisher {
	return &publisher{client: c, requests: make(chan *request, window)}
}

func (p *publisher) send(ctx context.Context, m Outgoing, done func(error)) {
	if err := check(m); err != nil {
		done(err)
		return
	}
	c := p.client
	p.start.Do(func() { c.task(p.run) })
	if c.ctx.Err() != nil {
		done(transport.ErrClosed)
		return
	}
	select {
	case p.requests <- &request{ctx: ctx, msg: m, done: done}:
		if c.ctx.Err() != nil { // closed just now: nobody may take it any more
			p.refuseLate()
		}
	case <-ctx.Done():
		done(context.Cause(ctx))
	case <-c.ctx.Done():
		done(transport.ErrClosed)
	}
}

// check finds what a broker would end the connection for.
func check(m Outgoing) error {
	if err := CheckTopic(m.Topic); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	if len(m.Body) > maxBody {
		return fmt.Errorf("publishing to topic %q: the message has %d bytes, and MQTT's limit is %d", m.Topic, len(m.Body), maxBody)
	}
	return nil
}

func (p *publisher) run() {
	defer func() {
		for _, r := range p.pending {
			r.done(transport.ErrClosed)
		}
		p.pending = nil
		p.refuseLate()
	}()
	for {
		s, err := p.client.session(p.client.ctx)
		if err != nil {
			return
		}
		p.serve(s)
		if p.client.ctx.Err() != nil {
			return
		}
		p.broken()
	}
}

// refuseLate ends what was handed over and not taken any more. One that comes
// still later finds the client closed, or its request is here: send looks
// again after handing over.
func (p *publisher) refuseLate() {
	for {
		select {
		case r := <-p.requests:
			r.done(transport.ErrClosed)
		default:
			return
		}
	}
}

// serve publishes on one session until it or the client ends.
func (p *publisher) serve(s *session) {
	p.sent = 0
	for {
		p.write(s)
		if p.more() || p.confirmed() {
			continue
		}
		requests := p.requests
		if len(p.pending) >= window {
			requests = nil
		}
		var confirmed <-chan struct{}
		if p.sent > 0 {
			confirmed = p.pending[0].token.Done()
		}
		select {
		case r := <-requests:
			p.pending = append(p.pending, r)
		case <-confirmed:
			if p.pending[0].token.Error() != nil { // that of a socket that broke
				p.awaitEnd(s)
				return
			}
			p.confirm(0)
		case <-s.done:
			return
		case <-p.client.ctx.Done():
			return
		}
	}
}

// more takes a request that is there already. In a flood it saves waking up for
// each message, and for each confirmation.
func (p *publisher) more() bool {
	if len(p.pending) >= window {
		return false
	}
	select {
	case r := <-p.requests:
		p.pending = append(p.pending, r)
		return true
	default:
		return false
	}
}

// confirmed ends the oldest message if it is confirmed already.
func (p *publisher) confirmed() bool {
	if p.sent == 0 {
		return false
	}
	select {
	case <-p.pending[0].token.Done():
		if p.pending[0].token.Error() == nil {
			p.confirm(0)
			return true
		}
	default:
	}
	return false
}

// write sends what may be on its way. Who has stopped waiting is left out.
func (p *publisher) write(s *session) {
	for p.sent < len(p.pending) && (p.sent == 0 || p.careful == 0) && !s.over() {
		r := p.pending[p.sent]
		if r.ctx.Err() != nil {
			r.done(context.Cause(r.ctx))
			p.pending = append(p.pending[:p.sent], p.pending[p.sent+1:]...)
			continue
		}
		if r.msg.QoS == AtMostOnce && p.sent == 0 { // behind others it must not overtake them
			if s.write(r.msg) != nil {
				p.awaitEnd(s)
				return
			}
			p.sent++
			p.confirm(0)
			continue
		}
		r.token = s.client.Publish(r.msg.Topic, r.msg.QoS, r.msg.Retained, r.msg.Body)
		select {
		case <-r.token.Done():
			if r.token.Error() != nil { // not taken: the session ends, or the way is blocked
				if p.client.ctx.Err() != nil {
					return
				}
				if !s.client.IsConnectionOpen() {
					p.awaitEnd(s)
				}
				continue
			}
		default:
		}
		p.sent++
	}
}

// awaitEnd waits for the end of a session that is known to be broken.
func (p *publisher) awaitEnd(s *session) {
	select {
	case <-s.done:
	case <-p.client.ctx.Done():
	}
}

// confirm ends the message at i.
func (p *publisher) confirm(i int) {
	r := p.pending[i]
	if i == 0 {
		p.pending[0] = nil
		p.pending = p.pending[1:]
	} else {
		p.pending = append(p.pending[:i], p.pending[i+1:]...)
	}
	p.sent--
	p.careful = max(p.careful-1, 0)
	r.done(nil)
}

// broken sorts what was on its way when the session ended.
func (p *publisher) broken() {
	alone := p.sent == 1
	for i := 0; i < p.sent; {
		t := p.pending[i].token
		select {
		case <-t.Done():
			if t.Error() == nil {
				p.confirm(i)
				continue
			}
		default:
		}
		i++
	}
	if p.sent == 0 {
		return
	}
	p.careful = len(p.pending)
	if r := p.pending[0]; alone {
		if r.faults++; r.faults >= maxFaults {
			p.pending = p.pending[1:]
			r.done(fmt.Errorf("publishing to topic %q: %w", r.msg.Topic, errCostly))
		}
	}
}

var errCostly = errors.New("the broker ended the connection each time it got this message; it may be larger than the broker takes, or the user may lack a permission for the topic")
