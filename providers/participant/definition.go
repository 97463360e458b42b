// Package participant is a MsgFlo participant in Go: it declares its queues,
// announces itself, turns messages in into messages out, and acknowledges what
// came in once the broker has confirmed what came of it. On the wire it is as
// msgflo-nodejs: the same names, declarations and announcements.
//
// It imports providers/discovery/wire, providers/transport, config/diag and the
// standard library; it knows nothing of configurations, plans or launchers.
package participant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/msgflo/msgflo/config/diag"
)

// A Definition is what a participant is, whatever role it plays. Component and
// Process (or Start) are needed.
type Definition struct {
	Component string // its name in libraries: "img/Resize"
	Label     string // a line for people
	Icon      string // a Font Awesome icon, without its prefix
	Inports   []Port
	Outports  []Port

	// Process is called with each message that arrives, and with each initial
	// packet.
	Process Process
	// Start runs beside it, once the participant is ready: a source of messages.
	// It ends when ctx does; nil is a source that has run dry, and an error ends
	// the participant.
	Start func(ctx context.Context, send Send) error

	// Prefetch is how many messages an inport takes before the first is
	// settled. 0 is 2, as in msgflo-nodejs.
	Prefetch int
	// Concurrency is how many calls of Process may run at once for each inport.
	// 0 is 1: a port's messages are worked on one after the other and keep their
	// order (until a failure brings some of them again). Calls for different
	// ports always run side by side.
	Concurrency int
}

// A Port of a participant.
type Port struct {
	ID string // its name, as in graphs
	// Queue is the queue of an inport, the exchange of an outport. "" is
	// ROLE.ID with the id in capitals.
	Queue       string
	Type        string // any (the default), boolean, string …
	Description string
	Schema      string // the URL of a JSON schema
	// Hidden ports have no queue of their own accord and are not wirable.
	Hidden bool
	// Transient ports are msgflo-nodejs's persistent:false: not durable, and gone
	// with their last user.
	Transient bool
}

// A Process turns one message into any number of others.
//
// Nil: the message is acknowledged as soon as the broker has confirmed all that
// was sent. An error: what was sent is still published, and the message is
// refused; where its queue has a dead letter, it goes there (on MQTT, which has
// neither, it is gone). ErrRequeue instead gives it back to its queue; on MQTT
// this process gets it again. A panic is an error.
//
// ctx ends when the connection that brought the message is gone (the broker
// then delivers it again) or the time for a graceful stop is up.
type Process func(ctx context.Context, m Message, send Send) error

// Send gives a value to an outport. It is sent as JSON; Raw is sent as it is.
// In a Process it is published in the order of the calls and confirmed before
// the message is settled; in Start it returns when it is confirmed. A port
// without a queue takes nothing, without an error.
type Send func(port string, value any) error

// Raw is a body that is sent as it is, for what is no JSON, or must not change.
type Raw []byte

// ErrRequeue makes a Process give the message back to its queue, for another
// attempt here or elsewhere: errors.Is(err, ErrRequeue).
var ErrRequeue = errors.New("the message goes back to its queue")

// Stopping is closed when the participant was asked to stop and waits for the
// call that ctx belongs to. Who waits for long returns ErrRequeue then. On MQTT,
// which takes no message back, it is never closed: the call has the whole time
// of a graceful stop, and then ctx ends.
func Stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return c
}

type stoppingKey struct{}

// instance is a definition in a role: every port with its queue.
func (d Definition) instance(role string) (Definition, error) {
	if role == "" {
		return d, errors.New("a participant needs a role: give one, or set MSGFLO_ROLE")
	}
	if d.Component == "" {
		return d, fmt.Errorf("the participant %q needs the name of its component", role)
	}
	if d.Process == nil && (len(d.Inports) > 0 || d.Start == nil) {
		return d, fmt.Errorf("the component %q has no Process, which takes what arrives", d.Component)
	}
	var err error
	if d.Inports, err = withQueues(d.Inports, role); err == nil {
		d.Outports, err = withQueues(d.Outports, role)
	}
	if d.Prefetch < 1 {
		d.Prefetch = 2
	}
	d.Concurrency = max(d.Concurrency, 1)
	return d, err
}

func withQueues(ports []Port, role string) ([]Port, error) {
	out := make([]Port, len(ports))
	ids := map[string]bool{}
	for i, p := range ports {
		if p.ID == "" || ids[p.ID] {
			return nil, fmt.Errorf("the participant %q has a port without a name, or two of the name %q", role, p.ID)
		}
		ids[p.ID] = true
		if p.Queue == "" && !p.Hidden {
			p.Queue = role + "." + strings.ToUpper(p.ID)
		}
		if p.Type == "" {
			p.Type = "any"
		}
		out[i] = p
	}
	return out, nil
}

// port finds a port by its name.
func port(ports []Port, kind, id string) (Port, error) {
	ids := make([]string, 0, len(ports))
	for _, p := range ports {
		if p.ID == id {
			return p, nil
		}
		ids = append(ids, p.ID)
	}
	if len(ids) == 0 {
		return Port{}, fmt.Errorf("there is no %s %q; there are no %ss at all", kind, id, kind)
	}
	return Port{}, fmt.Errorf("there is no %s %q; there is %s.%s", kind, id, strings.Join(ids, ", "), diag.DidYouMean(id, ids))
}

// A Message is what arrived.
type Message struct {
	Port string // the inport
	Body []byte // as it came
	// Received is when it reached this process. It may have waited behind
	// others since.
	Received time.Time
	// Redelivered says that it was delivered before, here or elsewhere.
	Redelivered bool
	// Initial says that it is an initial packet, which no queue brought.
	Initial bool
}

// JSON is the message as JSON, always valid: a body that is none is a string,
// as for msgflo-nodejs.
func (m Message) JSON() json.RawMessage {
	if json.Valid(m.Body) {
		return m.Body
	}
	b, err := json.Marshal(string(m.Body))
	if err != nil {
		return json.RawMessage(`""`) // of a string there is none
	}
	return b
}

// Decode reads the message into v, as encoding/json does.
func (m Message) Decode(v any) error {
	if err := json.Unmarshal(m.JSON(), v); err != nil {
		return fmt.Errorf("the message on %s cannot be used: %w", m.Port, err)
	}
	return nil
}
