// Package wire has MsgFlo's discovery protocol as it is spoken (msgflo-wire.md §1):
// what an announcement looks like, where it goes, and how often. Who listens has
// discovery.Parse: other clients write it in many other ways.
//
// It imports the standard library only.
package wire

import (
	"encoding/json"
	"time"
)

// Queue is where participants announce themselves, on MQTT the topic. It is a
// work queue: who consumes it takes from all others.
const Queue = "fbp"

// What an announcement says of itself; other messages of the queue say
// something else.
const (
	Protocol = "discovery"
	Command  = "participant"
)

// Period is after how long without an announcement a participant may be taken
// for gone, where nothing else is said. It is that of msgflo-nodejs.
const Period = 60 * time.Second

// Heartbeat is how often to announce within a period: as msgflo-nodejs, so
// that one lost announcement does no harm.
func Heartbeat(period time.Duration) time.Duration { return time.Duration(float64(period) / 2.2) }

// An Announcement is a message on the queue.
type Announcement struct {
	Protocol string      `json:"protocol"`
	Command  string      `json:"command"`
	Payload  Participant `json:"payload"`
}

// A Participant is who announces itself.
type Participant struct {
	ID        string `json:"id"` // of one process; the role for who cannot tell
	Role      string `json:"role"`
	Component string `json:"component"` // never empty: listeners drop it then
	Label     string `json:"label,omitempty"`
	Icon      string `json:"icon,omitempty"`
	Inports   []Port `json:"inports"` // never nil: listeners want a list
	Outports  []Port `json:"outports"`
}

// A Port of a Participant.
type Port struct {
	ID          string `json:"id"`
	Queue       string `json:"queue"` // queue, exchange or topic
	Type        string `json:"type,omitempty"`
	Hidden      bool   `json:"hidden"`
	Description string `json:"description,omitempty"`
	Schema      string `json:"schema,omitempty"`
	Persistent  *bool  `json:"persistent,omitempty"` // msgflo-nodejs's own: false, or absent
}

// Encode is the announcement of a participant.
func (p Participant) Encode() []byte {
	b, _ := json.Marshal(Announcement{Protocol: Protocol, Command: Command, Payload: p}) // texts and bools always marshal
	return b
}
