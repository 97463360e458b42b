// Package services is what the agent does beside supervising processes: its
// folders hold probes of readiness, keepers of transient bindings and announcements
// for foreign participants. Here are the connections that they share.
//
// It imports providers/transport only, and knows no kind of broker: who
// composes the agent says how to connect.
package services

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/msgflo/msgflo/providers/transport"
)

// Dial connects to a broker by its URL, as amqp.Dial does: one attempt, then
// the connection outlives the network's. The error has no secret in it.
type Dial func(ctx context.Context, url string) (transport.Conn, error)

// Connections are shared by URL: however many probes and services use one
// broker, there is one connection to it, closed when nobody has used it for a while.
type Connections struct {
	dial Dial
	idle time.Duration

	mu     sync.Mutex
	byURL  map[string]*shared
	closed bool
}

type shared struct {
	dialling sync.Mutex // held while connecting: one attempt at a time
	conn     transport.Conn
	users    int         // under Connections.mu, with timer
	timer    *time.Timer // closes it when it stays unused
}

// NewConnections makes an empty set. Idle is for how long an unused connection
// is kept.
func NewConnections(dial Dial, idle time.Duration) *Connections {
	return &Connections{dial: dial, idle: idle, byURL: map[string]*shared{}}
}

// ErrClosed says that the connections were closed for good.
var ErrClosed = errors.New("the agent is about to end")

// Take gives the connection to a URL, made where there is none, and what to
// call when it is not needed any more. The connection must not be closed by its user.
func (c *Connections) Take(ctx context.Context, url string) (transport.Conn, func(), error) {
	s, err := c.use(url)
	if err != nil {
		return nil, nil, err
	}
	release := sync.OnceFunc(func() { c.release(url, s) })
	s.dialling.Lock()
	defer s.dialling.Unlock()
	if s.conn == nil {
		conn, err := c.dial(ctx, url)
		if err != nil {
			release()
			return nil, nil, err
		}
		s.conn = conn
	}
	return s.conn, release, nil
}

// TakePatiently is Take that tries again until ctx ends, for a service that
// has nothing else to do. Failed is told each failure; wait waits between attempts, and
// says false when ctx has ended.
func (c *Connections) TakePatiently(ctx context.Context, url string, failed func(error), wait func(context.Context) bool) (transport.Conn, func(), error) {
	for {
		conn, release, err := c.Take(ctx, url)
		if err == nil || errors.Is(err, ErrClosed) {
			return conn, release, err
		}
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		failed(err)
		if !wait(ctx) {
			return nil, nil, context.Cause(ctx)
		}
	}
}

func (c *Connections) use(url string) (*shared, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	s := c.byURL[url]
	if s == nil {
		s = &shared{}
		c.byURL[url] = s
	}
	s.users++
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	return s, nil
}

func (c *Connections) release(url string, s *shared) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.users--; s.users > 0 {
		return
	}
	if c.closed { // its last user closes it
		c.drop(url, s)
		return
	}
	var t *time.Timer
	t = time.AfterFunc(c.idle, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if s.users == 0 && s.timer == t {
			c.drop(url, s)
		}
	})
	s.timer = t
}

// drop forgets a connection that nobody uses, and closes it. Under mu; nobody
// waits for it to be made, since who does uses it.
func (c *Connections) drop(url string, s *shared) {
	if c.byURL[url] == s {
		delete(c.byURL, url)
	}
	if s.conn != nil {
		_ = s.conn.Close() // ended either way
	}
}

// Open is how many connections there are.
func (c *Connections) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.byURL)
}

// Close closes what nobody uses now, and the rest as soon as its users are
// done.
func (c *Connections) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for url, s := range c.byURL {
		if s.timer != nil {
			s.timer.Stop()
		}
		if s.users == 0 {
			c.drop(url, s)
		}
	}
}

// Env is what a service may say of itself.
type Env struct {
	Log *slog.Logger
	// Ready says that it does its work: what put it there waits for that. It is
	// called once. Note says how it fares, for people, "" for well.
	Ready func()
	Note  func(string)
}

// Decode reads the spec and the secret of a service: what it does not know is
// an error, since it would not be done. The error repeats nothing of a secret.
func Decode(spec, secret json.RawMessage, into any) (Secret, error) {
	var s Secret
	if err := decode("spec", spec, into); err != nil {
		return s, err
	}
	return s, decode("secret", secret, &s)
}

func decode(what string, raw json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("the %s of the service cannot be read: it is not what this version of msgflo writes", what)
	}
	return nil
}

// A Secret is what a service needs beside its spec.
type Secret struct {
	URL string `json:"url"` // of the broker, with its credentials
}
