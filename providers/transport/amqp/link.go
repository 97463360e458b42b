package amqp

import (
	"context"
	"log/slog"
	"sync"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/transport"
)

// A link is a connection that is made again when it breaks: one session after
// another.
type link struct {
	conn *Conn
	what string // for the log: consuming, publishing

	mu      sync.Mutex
	current *session      // nil while there is none
	changed chan struct{} // closed when current changes
}

func newLink(c *Conn, what string) *link {
	return &link{conn: c, what: what, changed: make(chan struct{})}
}

// run keeps the link up until ctx ends. s is the first session; nil: it is
// made here.
func (l *link) run(ctx context.Context, s *session) {
	level := slog.LevelDebug // the first time is no news
	for {
		if s == nil {
			if s = l.dial(ctx, level); s == nil {
				return
			}
		}
		l.set(s)
		if level == slog.LevelInfo && l == l.conn.in {
			select {
			case l.conn.again <- struct{}{}:
			default:
			}
		}
		level = slog.LevelInfo
		select {
		case <-ctx.Done():
			l.set(nil)
			close(s.done)
			s.end()
			return
		case err := <-s.closed:
			l.set(nil)
			close(s.done)
			s.end()
			reason := "the connection broke"
			if err != nil {
				reason = diag.Escape(err.Reason)
			}
			l.conn.opts.Log.Warn("connection lost", "for", l.what, "broker", Where(l.conn.opts.URL), "reason", reason)
			s = nil
		}
	}
}

// dial tries until it succeeds; nil when ctx ended first.
func (l *link) dial(ctx context.Context, level slog.Level) *session {
	pause := l.conn.pause()
	for {
		s, err := l.conn.connect(ctx, l == l.conn.in)
		if err == nil {
			l.conn.opts.Log.Log(ctx, level, "connected", "for", l.what, "broker", Where(l.conn.opts.URL))
			return s
		}
		if ctx.Err() != nil {
			return nil
		}
		l.conn.opts.Log.Warn("cannot connect, trying again", "for", l.what, "error", err)
		if !pause.Wait(ctx) {
			return nil
		}
	}
}

func (l *link) set(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = s
	close(l.changed)
	l.changed = make(chan struct{})
}

// request asks on one session after the other until one has answered.
func (l *link) request(ctx context.Context, ask func(*session) error) error {
	for {
		s, err := l.session(ctx)
		if err != nil {
			return err
		}
		if err = ask(s); !isLost(err) || ctx.Err() != nil {
			return err
		}
		select { // a session that is gone is replaced soon
		case <-s.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// session waits for a session that is up.
func (l *link) session(ctx context.Context) (*session, error) {
	for {
		l.mu.Lock()
		s, changed := l.current, l.changed
		l.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-l.conn.ctx.Done():
			return nil, transport.ErrClosed
		}
	}
}
