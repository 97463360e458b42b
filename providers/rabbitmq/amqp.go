package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

const (
	// connectionsPerVhost bounds the connections of one vhost's pool. One
	// connection's frames are parsed by one process of the broker; four keep
	// two cores busy.
	connectionsPerVhost = 4
	// channelsPerConnection is how many channels a connection gets before
	// another is opened.
	channelsPerConnection = 16
	// dialTimeout bounds connecting, TLS and login together.
	dialTimeout = 15 * time.Second
	// callTimeout bounds one method call. A broker that is alive answers in
	// milliseconds; one whose quorum has no leader may never.
	callTimeout = 60 * time.Second
)

// A pool holds the AMQP connections of one vhost, and the channels on them
// that nobody uses at the moment. A call has a channel to itself: AMQP answers
// in order on each, so many channels are what pipelines calls.
type pool struct {
	settings *settingsOfBroker
	vhost    string
	away     distance // of the broker

	mu     sync.Mutex
	conns  []*connection
	idle   []*channel
	dialMu sync.Mutex // one dial at a time: a refused login is tried once, not 32 times
	failed error      // the dial's error; ends all later work of this vhost
	closed bool
}

type connection struct {
	*amqp.Connection
	raw      net.Conn
	channels int // made and not broken; under pool.mu
}

type channel struct {
	*amqp.Channel
	conn *connection
}

// do runs call on a channel of its own. A channel that an error has closed is
// not used again. If ctx ends, or the broker does not answer within
// callTimeout, the connection is cut, since the library has no other way to
// end a call.
func (p *pool) do(ctx context.Context, call func(*amqp.Channel) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ch, err := p.take(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errNoAnswer)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { ch.conn.raw.Close() })
	err = call(ch.Channel)
	if !stop() && err != nil {
		p.drop(ch)
		if cause := context.Cause(ctx); errors.Is(cause, errNoAnswer) {
			return &providers.ConnectionError{Headline: "Broker does not answer", Err: cause, Detail: fmt.Sprintf(
				"the broker at %s did not answer within %s; it may be out of memory or disk (see its alarms), or a quorum queue has no leader", p.settings.url.address(), callTimeout)}
		}
		return context.Cause(ctx)
	}
	if err != nil && (isLost(err) || errors.Is(err, amqp.ErrClosed)) {
		p.drop(ch)
		return connectionError(p.settings, p.vhost, err)
	}
	if err != nil || ch.IsClosed() {
		p.drop(ch)
		return err
	}
	p.put(ch)
	return nil
}

var errNoAnswer = errors.New("no answer in time")

func (p *pool) take(ctx context.Context) (*channel, error) {
	for {
		p.mu.Lock()
		if p.closed || p.failed != nil {
			defer p.mu.Unlock()
			if p.failed != nil {
				return nil, p.failed
			}
			return nil, amqp.ErrClosed
		}
		if n := len(p.idle); n > 0 {
			ch := p.idle[n-1]
			p.idle = p.idle[:n-1]
			p.mu.Unlock()
			if !ch.IsClosed() {
				return ch, nil
			}
			p.drop(ch)
			continue
		}
		conn := p.roomy()
		if conn != nil {
			conn.channels++
			p.mu.Unlock()
			return p.open(ctx, conn)
		}
		p.mu.Unlock()
		if err := p.dial(ctx); err != nil {
			return nil, err
		}
	}
}

// roomy is the live connection with the fewest channels, nil where another
// connection should be made. Under mu.
func (p *pool) roomy() *connection {
	var best *connection
	live := p.conns[:0]
	for _, c := range p.conns {
		if c.IsClosed() {
			continue
		}
		live = append(live, c)
		if best == nil || c.channels < best.channels {
			best = c
		}
	}
	p.conns = live
	if best != nil && best.channels >= channelsPerConnection && len(live) < connectionsPerVhost {
		return nil
	}
	return best
}

func (p *pool) open(ctx context.Context, conn *connection) (*channel, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errNoAnswer)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.raw.Close() })
	ch, err := conn.Channel()
	if !stop() && err != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		p.mu.Lock()
		conn.channels--
		p.mu.Unlock()
		return nil, connectionError(p.settings, p.vhost, err)
	}
	return &channel{Channel: ch, conn: conn}, nil
}

func (p *pool) put(ch *channel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, ch)
}

func (p *pool) drop(ch *channel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ch.conn.channels--
}

// dial makes one more connection, unless another caller just did.
func (p *pool) dial(ctx context.Context) error {
	p.dialMu.Lock()
	defer p.dialMu.Unlock()
	p.mu.Lock()
	have := p.roomy() != nil || len(p.idle) > 0
	failed := p.failed
	p.mu.Unlock()
	if have || failed != nil {
		return failed
	}
	conn, err := connect(ctx, p.settings, p.vhost)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		var refused *vhostError // the vhost may be made yet
		if ctx.Err() == nil && !errors.As(err, &refused) {
			p.failed = err
		}
		return err
	}
	if p.closed {
		_ = conn.Close()
		return amqp.ErrClosed
	}
	p.conns = append(p.conns, conn)
	return nil
}

func (p *pool) close() {
	p.mu.Lock()
	conns := p.conns
	p.conns, p.idle, p.closed = nil, nil, true
	p.mu.Unlock()
	for _, c := range conns {
		_ = c.CloseDeadline(time.Now().Add(time.Second))
		c.raw.Close()
	}
}

// connect logs in to a vhost. The error is a *providers.ConnectionError, or
// that of ctx.
func connect(ctx context.Context, s *settingsOfBroker, vhost string) (*connection, error) {
	password, err := s.password.Of(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, errNoAnswer)
	defer cancel()
	d := &dialing{ctx: ctx, settings: s, stop: func() bool { return true }}
	config := loginConfig(s, vhost, password)
	config.Dial = d.dial
	conn, err := amqp.DialConfig("amqp://"+s.url.address(), config)
	if err != nil && d.secure.failure() != nil {
		err = d.secure.failure() // the library may only know that the connection is closed
	}
	if d.stop() && err == nil {
		s.spoke.Store(true)
		return &connection{Connection: conn, raw: d.raw}, nil
	}
	if conn != nil {
		_ = conn.Close()
	}
	if d.raw != nil {
		d.raw.Close()
	}
	switch cause := context.Cause(ctx); {
	case cause != nil && !errors.Is(cause, errNoAnswer):
		return nil, cause
	case cause != nil:
		err = cause
	}
	return nil, connectionError(s, vhost, err)
}

func loginConfig(s *settingsOfBroker, vhost, password string) amqp.Config {
	login := amqp.Authentication(&amqp.PlainAuth{Username: s.username, Password: password})
	if len(s.tls.Certificates) > 0 && s.url.tls && password == "" {
		login = &amqp.ExternalAuth{}
	}
	return amqp.Config{
		Vhost:      vhost,
		SASL:       []amqp.Authentication{login},
		Heartbeat:  10 * time.Second,
		Locale:     "en_US",
		Properties: amqp.Table{"product": "msgflo", "connection_name": "msgflo"},
	}
}

// dialing is one attempt to connect, until the login is done.
type dialing struct {
	ctx      context.Context
	settings *settingsOfBroker
	raw      net.Conn
	secure   *secureConn // nil without TLS
	stop     func() bool // ends the watch on ctx; false: ctx ended first
}

func (d *dialing) dial(network, addr string) (net.Conn, error) {
	raw, err := (&net.Dialer{}).DialContext(d.ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.raw, d.stop = raw, context.AfterFunc(d.ctx, func() { raw.Close() })
	if !d.settings.url.tls {
		return raw, nil
	}
	if d.secure, err = handshake(d.ctx, raw, d.settings.tls); err != nil {
		return nil, err
	}
	return d.secure, nil
}

// dialProblem is the headline and the detail of a connection's failure.
func dialProblem(s *settingsOfBroker, err error) (headline, detail string) {
	where, user := s.url.address(), s.username
	switch {
	case errors.Is(err, errNoAnswer):
		return "Broker does not answer", fmt.Sprintf("the broker at %s did not answer within %s; check host and port, and that it speaks AMQP there", where, dialTimeout)
	case errors.Is(err, amqp.ErrCredentials):
		return "Login refused", fmt.Sprintf("the broker at %s refused the login of user %q; check username and password of the broker block (the user guest may log in from the broker's own machine only)", where, user)
	case errors.Is(err, amqp.ErrSASL):
		return "Login refused", fmt.Sprintf("the broker at %s offers no way to log in that is known here; it has to allow PLAIN", where)
	}
	if s.spoke.Load() && wentAway(err) {
		return "Connection lost", fmt.Sprintf("the broker at %s answered before and does not any more: it was stopped, is starting again, or the way to it is cut. Run again once it is back", where)
	}
	if h, d, ok := transportProblem(err, s.url); ok {
		return h, d
	}
	return "Broker unreachable", fmt.Sprintf("the connection to the broker at %s failed: %s", where, diag.Escape(err.Error()))
}
