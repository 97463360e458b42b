package participant

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/msgflo/msgflo/providers/transport"
)

// DiscoveryQueue is where participants announce themselves.
const DiscoveryQueue = "fbp"

// defaultPeriod is after how long without an announcement a participant may be
// taken for gone; it announces itself more than twice in that time.
const defaultPeriod = 60 * time.Second

// An Announcement is a message on the discovery queue: protocol "discovery",
// command "participant".
type Announcement struct {
	Protocol string    `json:"protocol"`
	Command  string    `json:"command"`
	Payload  Announced `json:"payload"`
}

// Announced is who announces itself. Unknown keys of other clients are to be
// tolerated.
type Announced struct {
	ID        string          `json:"id"` // of this process: ROLE-UUID
	Role      string          `json:"role"`
	Component string          `json:"component"`
	Label     string          `json:"label,omitempty"`
	Icon      string          `json:"icon,omitempty"`
	Inports   []AnnouncedPort `json:"inports"`
	Outports  []AnnouncedPort `json:"outports"`
}

// AnnouncedPort is a port in an announcement.
type AnnouncedPort struct {
	ID          string `json:"id"`
	Queue       string `json:"queue,omitempty"`
	Type        string `json:"type,omitempty"`
	Hidden      bool   `json:"hidden"`
	Description string `json:"description,omitempty"`
	Schema      string `json:"schema,omitempty"`
	Persistent  *bool  `json:"persistent,omitempty"` // msgflo-nodejs's own: false, or absent
}

// announcement is the message of an instance of a definition.
func (d Definition) announcement(role, id string) ([]byte, error) {
	return json.Marshal(Announcement{Protocol: "discovery", Command: "participant", Payload: Announced{
		ID: id, Role: role, Component: d.Component, Label: d.Label, Icon: d.Icon,
		Inports: announced(d.Inports), Outports: announced(d.Outports),
	}})
}

// announced leaves out what cannot be wired, as msgflo-nodejs does.
func announced(ports []Port) []AnnouncedPort {
	out := []AnnouncedPort{}
	for _, p := range ports {
		if p.Queue == "" {
			continue
		}
		a := AnnouncedPort{ID: p.ID, Queue: p.Queue, Type: p.Type, Hidden: p.Hidden, Description: p.Description, Schema: p.Schema}
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
		return defaultPeriod, nil
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || !(s >= 0.001 && s <= 1e6) {
		return 0, fmt.Errorf("MSGFLO_DISCOVERY_PERIOD is %q; it must be a number of seconds, as 60", text)
	}
	return time.Duration(s * float64(time.Second)), nil
}

// heartbeat is how often to announce within a period: as msgflo-nodejs, so
// that one lost announcement does no harm.
func heartbeat(period time.Duration) time.Duration { return time.Duration(float64(period) / 2.2) }

// topology is what msgflo-nodejs declares for the same ports; anything else
// would be refused where a queue exists already.
func (d Definition) topology() transport.Topology {
	t := transport.Topology{Queues: []transport.Queue{{Name: DiscoveryQueue, Durable: true}}}
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
