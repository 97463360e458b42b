package amqp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// dialTimeout bounds connecting, TLS and login together.
	dialTimeout = 15 * time.Second
	// callTimeout bounds one method call. A broker that is alive answers in
	// milliseconds; one whose quorum has no leader may never.
	callTimeout = 60 * time.Second
	// closeTimeout bounds the farewell; after it the socket is just closed.
	closeTimeout = time.Second
	// heartbeat finds a dead peer within twice this time.
	heartbeat = 10 * time.Second
)

// A session is one network connection, from login to its end.
type session struct {
	conn   *amqp.Connection
	raw    net.Conn
	closed chan *amqp.Error // of the library: why it ended
	done   chan struct{}    // closed when it ended

	mu    sync.Mutex
	ended bool
	calls sync.WaitGroup
}

var errNoAnswer = errors.New("the broker did not answer in time")

// connect logs in and declares what is known. Only the connection that
// consumes may declare exclusive queues: they belong to their connection.
func (c *Conn) connect(ctx context.Context, exclusive bool) (*session, error) {
	s, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.redeclare(ctx, s, exclusive); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

func (c *Conn) dial(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, errNoAnswer)
	defer cancel()
	s := &session{done: make(chan struct{})}
	stop := func() bool { return true }
	config := amqp.Config{
		TLSClientConfig: c.opts.TLS, Heartbeat: heartbeat, Locale: "en_US",
		Properties: amqp.Table{"product": "msgflo"},
		// The library has no context: ending the socket is how a dial ends.
		Dial: func(network, addr string) (net.Conn, error) {
			raw, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			s.raw = raw
			stop = context.AfterFunc(ctx, func() { raw.Close() })
			return raw, nil
		},
	}
	if c.opts.Name != "" {
		config.Properties["connection_name"] = c.opts.Name
	}
	conn, err := amqp.DialConfig(c.opts.URL, config)
	if err == nil && stop() {
		s.conn = conn
		s.closed = conn.NotifyClose(make(chan *amqp.Error, 1))
		return s, nil
	}
	if conn != nil {
		_ = conn.CloseDeadline(time.Now().Add(closeTimeout))
	}
	if s.raw != nil {
		s.raw.Close()
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return nil, dialError(c.opts.URL, err)
}

// call runs f, which asks the broker on this session. When ctx ends first call
// returns, and f ends with the broker's answer or with the session: whatever f
// opened it must close itself if it finds ctx ended.
func (s *session) call(ctx context.Context, f func() error) error {
	answer := make(chan error, 1)
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return amqp.ErrClosed
	}
	s.calls.Go(func() { answer <- f() })
	s.mu.Unlock()
	t := time.NewTimer(callTimeout)
	defer t.Stop()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		s.raw.Close()
		return errNoAnswer
	}
}

// end takes leave and frees everything.
func (s *session) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	_ = s.conn.CloseDeadline(time.Now().Add(closeTimeout))
	s.raw.Close()
	s.calls.Wait()
}

// isLost reports whether the connection, or the channel under a call, went
// away, so that the call may be tried on the next one.
func isLost(err error) bool {
	if e, ok := errors.AsType[*amqp.Error](err); ok {
		return errors.Is(err, amqp.ErrClosed) || e.Code == amqp.ConnectionForced || e.Code == amqp.FrameError ||
			e.Code == amqp.InternalError || e.Code == amqp.UnexpectedFrame
	}
	var n net.Error
	return errors.As(err, &n) || errors.Is(err, net.ErrClosed) || errors.Is(err, errNoAnswer)
}

// refusal explains what the broker said to a call about one object.
func refusal(what string, err error) error {
	var e *amqp.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", what, err)
	}
	hint := ""
	switch e.Code {
	case amqp.PreconditionFailed:
		hint = "; it exists and differs from what this client declares. Delete it, or have msgflo plan it for the right client library"
	case amqp.AccessRefused:
		hint = "; the user lacks a permission for it"
	case amqp.ResourceLocked:
		hint = "; another connection holds it for itself"
	}
	return fmt.Errorf("%s: %w%s", what, &brokerError{e}, hint)
}
