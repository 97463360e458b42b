package mqtt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/retry"
)

// A Client is a connection to a broker that is made again when it breaks: one
// session after another. Its methods may be called by several goroutines.
type Client struct {
	opts ClientOptions
	end  endpoint
	id   string
	log  *slog.Logger
	pub  *publisher

	mu      sync.Mutex
	current *session      // nil while there is none
	changed chan struct{} // closed when current changes
	filters map[string]*wanted
	closed  bool

	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup
}

// wanted is a subscription to be made again.
type wanted struct {
	qos byte
	on  *session // that granted it last; nil: none has yet
}

func newClient(o ClientOptions) (*Client, error) {
	end, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	end.block = o.TLS != nil
	c := &Client{opts: o, end: end, log: o.Log, id: o.ClientID, changed: make(chan struct{}), filters: map[string]*wanted{}}
	if c.id == "" {
		c.id = end.clientID
	}
	if c.id == "" && o.KeepSession {
		return nil, errors.New("a session that the broker is to keep needs a client id that stays; give one as ?clientId=ID in the URL")
	}
	if c.id == "" {
		c.id = newID("")
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.pub = newPublisher(c)
	return c, nil
}

// newID is a client id that nobody else has.
func newID(name string) string {
	if name != "" {
		name += "-"
	}
	return "msgflo-" + name + rand.Text()[:10]
}

// ID is the name of the session on the broker.
func (c *Client) ID() string { return c.id }

// Send hands m over; messages are published in the order of the calls. done is
// called once: with nil when the broker has taken a QoS 1 message, or one of
// QoS 0 is given to the network, else with why not. While the connection is down m waits;
// if it broke before the broker confirmed, m is sent again (so it may arrive
// twice). done must not wait for this client. When ctx ends first, nothing is
// known about m. Send itself blocks only while very many are on their way.
func (c *Client) Send(ctx context.Context, m Outgoing, done func(error)) {
	c.pub.send(ctx, m, done)
}

// Close ends everything at once: what was not acknowledged is delivered again
// if the broker keeps the session, what is not confirmed ends with ErrClosed.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel(transport.ErrClosed)
	c.tasks.Wait()
	return nil
}

// task runs f as a goroutine that Close waits for, unless it is too late.
func (c *Client) task(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.tasks.Go(f)
	}
}

// run keeps the connection up until Close. s is the first session; nil: it is
// made here.
func (c *Client) run(s *session) {
	level := slog.LevelDebug // the first time is no news
	for {
		if s == nil {
			if s = c.redial(level); s == nil {
				return
			}
		}
		level = slog.LevelInfo
		c.set(s)
		if c.opts.Up != nil {
			c.opts.Up(s.present)
		}
		c.stay(s)
		c.set(nil)
		if c.ctx.Err() != nil {
			s.end()
			return
		}
		c.log.Warn("connection lost", "broker", c.end.where(), "client", c.id, "reason", diag.Escape(s.reason()))
		s = nil
	}
}

// stay waits for the end of a session, or of the client. What the session was
// refused is asked for again meanwhile.
func (c *Client) stay(s *session) {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	c.tasks.Go(func() {
		select {
		case <-s.done:
			cancel()
		case <-ctx.Done():
		}
	})
	for pause := retry.New(c.opts.RetryMin, c.opts.RetryMax); len(s.refused) > 0 && pause.Wait(ctx); {
		c.askAgain(ctx, s)
	}
	<-ctx.Done()
}

// redial tries until it succeeds; nil when Close came first.
func (c *Client) redial(level slog.Level) *session {
	pause := retry.New(c.opts.RetryMin, c.opts.RetryMax)
	for {
		s, err := c.connect(c.ctx)
		if err == nil {
			if err = c.resubscribe(s); err == nil {
				c.log.Log(c.ctx, level, "connected", "broker", c.end.where(), "client", c.id)
				return s
			}
			s.end()
		}
		if c.ctx.Err() != nil {
			return nil
		}
		c.log.Warn("cannot connect, trying again", "broker", c.end.where(), "client", c.id, "error", err)
		if !pause.Wait(c.ctx) {
			return nil
		}
	}
}

func (c *Client) set(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = s
	close(c.changed)
	c.changed = make(chan struct{})
}

// session waits for a session that is up.
func (c *Client) session(ctx context.Context) (*session, error) {
	for {
		c.mu.Lock()
		s, changed := c.current, c.changed
		c.mu.Unlock()
		if c.ctx.Err() != nil {
			return nil, transport.ErrClosed
		}
		if s != nil && !s.over() {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-c.ctx.Done():
			return nil, transport.ErrClosed
		}
	}
}

// caughtUp waits until all that has come on this connection is handed over. Of
// one that ended it is.
func (c *Client) caughtUp() {
	c.mu.Lock()
	s := c.current
	c.mu.Unlock()
	if s != nil {
		s.caughtUp(c.ctx)
	}
}

// Received is a message that arrived.
type Received struct {
	Topic     string
	Body      []byte
	QoS       byte
	Retained  bool // the broker had kept it: it is no news
	Duplicate bool // it was delivered before

	ack     func()
	session *session
}

// Ack tells the broker that a QoS 1 message is done with; of QoS 0 it does
// nothing. The error is transport.ErrLost when the connection that brought the
// message is gone: the broker then delivers it again, if it keeps the session.
func (r Received) Ack() error {
	if r.QoS == AtMostOnce {
		return nil
	}
	if r.session.over() {
		return fmt.Errorf("acknowledging a message: %w", transport.ErrLost)
	}
	r.ack()
	return nil
}

// Lost is closed when the connection that brought the message is gone.
func (r Received) Lost() <-chan struct{} { return r.session.done }
