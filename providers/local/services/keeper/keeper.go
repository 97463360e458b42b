// Package keeper declares bindings again that vanish with transient queues and
// exchanges: some clients declare theirs non-durable or auto-delete, and bring them back
// unbound after a restart (msgflo-wire.md §2.3). It never makes an end, and never
// deletes anything.
//
// It imports providers/discovery, providers/transport, the connections of
// providers/local/services and config/diag.
package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/discovery"
	"github.com/msgflo/msgflo/providers/local/services"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/retry"
)

// A Spec is what to keep.
type Spec struct {
	Broker   string    `json:"broker"`
	Name     string    `json:"name"`
	Bindings []Binding `json:"bindings"`
}

// A Binding as objects of the type "binding" have it.
type Binding struct {
	VHost           string `json:"vhost"`
	Source          string `json:"source"`
	Destination     string `json:"destination"`
	DestinationType string `json:"destination_type"` // queue, which is also "", or exchange
	RoutingKey      string `json:"routing_key"`
}

func (b Binding) link() transport.Link {
	return transport.Link{Source: b.Source, Destination: b.Destination, ToExchange: b.DestinationType == "exchange", Key: b.RoutingKey}
}

// How often is looked without any sign that something changed: soon where an
// end is absent, since not everybody announces itself at its start, seldom else.
const (
	defaultMissing = 2 * time.Second
	defaultCalm    = 30 * time.Second
)

// A Service keeps one set of bindings.
type Service struct {
	connections *services.Connections
	env         services.Env
	byURL       map[string][]Binding // one connection a vhost
	missing     time.Duration
	calm        time.Duration
}

// New checks what to keep, and starts nothing.
func New(spec, secret json.RawMessage, connections *services.Connections, env services.Env) (*Service, error) {
	var s Spec
	sec, err := services.Decode(spec, secret, &s)
	if err != nil {
		return nil, err
	}
	out := &Service{connections: connections, env: env, byURL: map[string][]Binding{}, missing: defaultMissing, calm: defaultCalm}
	for _, b := range s.Bindings {
		if b.DestinationType != "" && b.DestinationType != "queue" && b.DestinationType != "exchange" {
			return nil, fmt.Errorf("a binding to keep leads to a %q; it is a queue or an exchange", b.DestinationType)
		}
		u, err := inVHost(sec.URL, b.VHost)
		if err != nil {
			return nil, err
		}
		out.byURL[u] = append(out.byURL[u], b)
	}
	return out, nil
}

// inVHost is a broker's URL with another vhost; "" leaves it.
func inVHost(raw, vhost string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "", errors.New("the URL of the broker that bindings are kept on cannot be read")
	}
	if vhost == "" {
		return raw, nil
	}
	u.Path, u.RawPath = "/"+vhost, "/"+url.PathEscape(vhost)
	return u.String(), nil
}

// Run keeps the bindings until ctx ends. It is ready once it has tried them
// all, also where ends are absent: they are transient.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	notes := &notes{say: s.env.Note, of: make([]string, len(s.byURL)), tried: make([]bool, len(s.byURL)), ready: s.env.Ready}
	if len(s.byURL) == 0 {
		s.env.Ready()
	}
	i := 0
	for u, bindings := range s.byURL {
		place := i
		i++
		g.Go(func() error {
			return s.keep(ctx, u, bindings, func(text string, tried bool) { notes.set(place, text, tried) })
		})
	}
	err := g.Wait()
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

// keep keeps those of one vhost.
func (s *Service) keep(ctx context.Context, u string, bindings []Binding, note func(string, bool)) error {
	conn, release, err := s.connections.TakePatiently(ctx, u, func(err error) { note(err.Error(), false) }, retry.New(0, 0).Wait)
	if err != nil {
		return err
	}
	defer release()
	binder, ok := conn.(transport.Binder)
	if !ok {
		return errors.New("this kind of broker has no bindings to keep")
	}
	heard, stop := s.listen(ctx, conn)
	defer stop()
	for {
		changed := lifeline(conn)
		absent, err := s.bind(ctx, binder, bindings)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			s.env.Log.Warn("cannot keep a binding", "error", err)
			note(err.Error(), true)
		} else {
			note(describe(absent), true)
		}
		pause := s.calm
		if err != nil || len(absent) > 0 {
			pause = s.missing
		}
		if err := wait(ctx, pause, changed, heard); err != nil {
			return err
		}
	}
}

// wait returns when the pause is over, the connection changed, or somebody
// announced itself.
func wait(ctx context.Context, pause time.Duration, changed <-chan struct{}, heard <-chan discovery.Announcement) error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	case _, ok := <-heard:
		if !ok {
			return transport.ErrClosed
		}
		// One announcement is seldom alone: what else is there is of this turn.
		for range len(heard) {
			<-heard
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// lifeline is closed at the connection's next change; nil, which never is,
// where it does not tell.
func lifeline(conn transport.Conn) <-chan struct{} {
	if c, ok := conn.(transport.Changer); ok {
		return c.Changed()
	}
	return nil
}

// listen hears announcements where that is possible; else the schedule alone
// must do.
func (s *Service) listen(ctx context.Context, conn transport.Conn) (<-chan discovery.Announcement, func()) {
	w, err := discovery.Listen(ctx, conn)
	if err != nil {
		if ctx.Err() == nil {
			s.env.Log.Info("bindings are kept on schedule only", "reason", err)
		}
		return nil, func() {}
	}
	return w.Announcements(), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		_ = w.Close(ctx) // its queue ends with the connection if not now
	}
}

// farewell bounds taking leave of a broker that may be gone.
const farewell = 5 * time.Second

// bind declares all bindings. Absent ends are no error: they come with their
// participants. One error stands for all.
func (s *Service) bind(ctx context.Context, binder transport.Binder, bindings []Binding) (absent []string, err error) {
	for _, b := range bindings {
		e, end := binder.Bind(ctx, b.link()), ""
		switch {
		case errors.Is(e, transport.ErrNoQueue):
			end = b.Destination
		case errors.Is(e, transport.ErrNoExchange) && b.link().ToExchange: // one of them
			end = b.Source + " -> " + b.Destination
		case errors.Is(e, transport.ErrNoExchange):
			end = b.Source
		case e != nil && err == nil:
			err = e
		}
		if end != "" && !slices.Contains(absent, end) {
			absent = append(absent, end)
		}
	}
	return absent, err
}

// describe says what is waited for.
func describe(absent []string) string {
	if len(absent) == 0 {
		return ""
	}
	const shown = 3
	var names []string
	for _, a := range absent[:min(len(absent), shown)] {
		names = append(names, diag.Escape(a))
	}
	text := "waits for " + strings.Join(names, ", ")
	if more := len(absent) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text + ", which comes with its participant"
}
