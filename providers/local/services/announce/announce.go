// Package announce speaks discovery for a participant that runs elsewhere and
// does not speak it itself, as a foreign participant with announce = true. It
// imports providers/discovery and its wire, providers/transport and the connections of
// providers/local/services.
package announce

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/msgflo/msgflo/providers/discovery"
	"github.com/msgflo/msgflo/providers/discovery/wire"
	"github.com/msgflo/msgflo/providers/local/services"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/retry"
)

// A Spec is what to announce.
type Spec struct {
	Broker string `json:"broker"`
	Role   string `json:"role"`
	// Message is the whole announcement: JSON, or a text that is JSON.
	Message json.RawMessage `json:"message"`
	// Period is after how long without an announcement the participant may be
	// taken for gone, as a duration ("60s") or in seconds. It is announced more than twice
	// in that time, as msgflo-nodejs does.
	Period json.RawMessage `json:"period"`
}

// A Service announces one participant.
type Service struct {
	connections *services.Connections
	env         services.Env
	url         string
	role        string
	message     []byte
	every       time.Duration
}

// New checks what to announce, and starts nothing.
func New(spec, secret json.RawMessage, connections *services.Connections, env services.Env) (*Service, error) {
	var s Spec
	sec, err := services.Decode(spec, secret, &s)
	if err != nil {
		return nil, err
	}
	period, err := parsePeriod(s.Period)
	if err != nil {
		return nil, err
	}
	message := []byte(s.Message)
	var text string
	if json.Unmarshal(message, &text) == nil {
		message = []byte(text)
	}
	a, err := discovery.Parse(message)
	if err != nil {
		return nil, fmt.Errorf("what is to be announced for role %q: %w", s.Role, err)
	}
	if a.Role != s.Role {
		return nil, fmt.Errorf("what is to be announced for role %q names the role %q", s.Role, a.Role)
	}
	return &Service{connections: connections, env: env, url: sec.URL, role: s.Role, message: message, every: wire.Heartbeat(period)}, nil
}

func parsePeriod(raw json.RawMessage) (time.Duration, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return wire.Period, nil
	}
	var seconds float64
	var text string
	d := time.Duration(0)
	switch {
	case json.Unmarshal(raw, &seconds) == nil:
		d = time.Duration(seconds * float64(time.Second))
	case json.Unmarshal(raw, &text) == nil:
		d, _ = time.ParseDuration(text)
	}
	if d < time.Millisecond || d > 1000*time.Hour {
		return 0, fmt.Errorf("the period of announcements is a duration such as 60s")
	}
	return d, nil
}

// Run announces until ctx ends: at once, then on schedule, however often the
// connection breaks meanwhile.
func (s *Service) Run(ctx context.Context) error {
	conn, release, err := s.connections.TakePatiently(ctx, s.url, func(err error) { s.env.Note(err.Error()) }, retry.New(0, 0).Wait)
	if err != nil {
		return ended(ctx, err)
	}
	defer release()
	// As every Node client does: where nobody declared the queue, the message
	// would be refused. What MQTT has no queue for it does not declare.
	queue := transport.Topology{Queues: []transport.Queue{{Name: wire.Queue, Durable: true}}}
	if err := conn.Declare(ctx, queue); err != nil {
		return ended(ctx, fmt.Errorf("announcing: %w", err))
	}
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	ready := s.env.Ready
	for {
		err := s.announce(ctx, conn)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			s.env.Note(err.Error())
			s.env.Log.Warn("cannot announce", "role", s.role, "error", err)
		} else {
			s.env.Note("")
			ready()
			ready = func() {}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// announce publishes once. It waits no longer than until the next is due: a
// connection that is down must not make a heap of old announcements.
func (s *Service) announce(ctx context.Context, conn transport.Conn) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.every, fmt.Errorf("the broker did not take an announcement within %s", s.every))
	defer cancel()
	return transport.Publish(ctx, conn, transport.ToQueue(wire.Queue), transport.Message{Body: s.message, ContentType: "application/json"})
}

// ended is no error where the service was asked to end.
func ended(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}
