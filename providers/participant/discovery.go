package participant

import (
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/msgflo/msgflo/providers/discovery/wire"
	"github.com/msgflo/msgflo/providers/transport"
)

// announcement is the message of an instance of a definition.
func (d Definition) announcement(role, id string) []byte {
	return wire.Participant{
		ID: id, Role: role, Component: d.Component, Label: d.Label, Icon: d.Icon,
		Inports: announced(d.Inports), Outports: announced(d.Outports),
	}.Encode()
}

// announced leaves out what cannot be wired, as msgflo-nodejs does.
func announced(ports []Port) []wire.Port {
	out := []wire.Port{}
	for _, p := range ports {
		if p.Queue == "" {
			continue
		}
		a := wire.Port{ID: p.ID, Queue: p.Queue, Type: p.Type, Hidden: p.Hidden, Description: p.Description, Schema: p.Schema}
		if p.Transient {
			a.Persistent = new(bool)
		}
		out = append(out, a)
	}
	return out
}

// newID names a process. Several processes of one role have several.
func newID(role string) string { return role + "-" + uuid.NewString() }

// parsePeriod reads MSGFLO_DISCOVERY_PERIOD: seconds, "" the default.
func parsePeriod(text string) (time.Duration, error) {
	if text == "" {
		return wire.Period, nil
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || !(s >= 0.001 && s <= 1e6) {
		return 0, fmt.Errorf("MSGFLO_DISCOVERY_PERIOD is %q; it must be a number of seconds, as 60", text)
	}
	return time.Duration(s * float64(time.Second)), nil
}

// topology is what msgflo-nodejs declares for the same ports; anything else
// would be refused where a queue exists already.
func (d Definition) topology() transport.Topology {
	t := transport.Topology{Queues: []transport.Queue{{Name: wire.Queue, Durable: true}}}
	exchange := func(p Port) {
		t.Exchanges = append(t.Exchanges, transport.Exchange{Name: p.Queue, Kind: "fanout", Durable: !p.Transient, AutoDelete: p.Transient})
	}
	for _, p := range d.Outports {
		if p.Queue != "" {
			exchange(p)
		}
	}
	for _, p := range d.Inports {
		if p.Queue == "" {
			continue
		}
		exchange(p)
		t.Queues = append(t.Queues, transport.Queue{
			Name: p.Queue, Durable: !p.Transient, AutoDelete: p.Transient,
			Arguments: map[string]any{transport.KeyDeadLetter: "dead-" + p.Queue},
		})
		t.Bindings = append(t.Bindings, transport.Binding{Queue: p.Queue, Exchange: p.Queue})
	}
	return t
}
