// Package amqp is the transport of AMQP 0-9-1 brokers, RabbitMQ above all. A
// connection that breaks is made again, with growing pauses and jitter; what
// the client declared is declared again, its subscriptions go on, and what was
// not confirmed is published again.
//
// It imports providers/transport, config/diag and the client library; it knows
// nothing of participants.
package amqp

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/retry"
)

// Options of a connection. Only URL is needed.
type Options struct {
	URL string      // amqp://user:password@host:port/vhost, or amqps://
	TLS *tls.Config // for amqps; nil: the system's roots, or what the URL's cacertfile, certfile and keyfile name
	// Name is what the broker's overview shows; "" is the program's own.
	Name string
	// Log gets what happens to the connection. Nil: nothing is logged.
	Log *slog.Logger
	// RetryMin and RetryMax bound the pause between two attempts to connect
	// again; it doubles, with jitter. 0: 200 ms and 5 s.
	RetryMin, RetryMax time.Duration
}

// A Conn is two network connections: one consumes, one publishes. The broker
// blocks publishers when it runs short of memory or disk, and acknowledgements
// must get through just then.
type Conn struct {
	opts Options
	in   *link
	out  *publisher
	// again holds one: the connection that consumes stands again
	again chan struct{}

	mu       sync.Mutex
	topology transport.Topology // declared, to be declared again
	closed   bool

	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup
}

var (
	_ transport.Conn     = (*Conn)(nil)
	_ transport.Notifier = (*Conn)(nil)
)

// Reconnected implements transport.Notifier: what was declared is declared
// again by then.
func (c *Conn) Reconnected() <-chan struct{} { return c.again }

// Dial connects. A broker that cannot be reached, or refuses the login, is an
// error at once, without a second attempt; a connection that breaks later is
// made again until Close. The error never repeats the URL's password.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	if _, err := parseURL(o.URL); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Conn{opts: o, again: make(chan struct{}, 1)}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.in = newLink(c, "consuming")
	s, err := c.connect(ctx, true)
	if err != nil {
		return nil, err
	}
	c.task(func() { c.in.run(c.ctx, s) })
	c.out = newPublisher(c)
	return c, nil
}

// Publish implements transport.Conn.
func (c *Conn) Publish(ctx context.Context, to transport.Address, m transport.Message) <-chan error {
	return c.out.publish(ctx, to, m)
}

// Close implements transport.Conn.
func (c *Conn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel(transport.ErrClosed)
	c.tasks.Wait()
	return nil
}

// task runs f as a goroutine that Close waits for; false: it is too late.
func (c *Conn) task(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.tasks.Go(f)
	}
	return !c.closed
}

// pause is the waiting time between attempts.
func (c *Conn) pause() *retry.Pause { return retry.New(c.opts.RetryMin, c.opts.RetryMax) }
