// Package control is the protocol between the command line and the agent of
// one state lineage on this machine: what is said, where the socket and the
// agent's folder are and what is in it, and a client, which also starts an agent. It is
// HTTP with JSON over a unix socket; an answer that takes long is a stream of Events,
// one a line. It imports launch and ground rooms (diag, journal); it knows no workspace and
// supervises nothing.
package control

import (
	"encoding/json"
	"time"

	"github.com/msgflo/msgflo/providers/launch"
)

// Protocol is the version of the conversation. It is in every path: /1/hello.
// A client asks /hello, which never changes, first.
const Protocol = 1

// A Hello is what an agent says of itself.
type Hello struct {
	Protocol int       `json:"protocol"`
	Version  string    `json:"version"` // of msgflo
	Build    string    `json:"build"`   // digest of its program: another one is replaced in place
	PID      int       `json:"pid"`
	Lineage  string    `json:"lineage"`
	Dir      string    `json:"dir"` // of the configuration, absolute
	Machine  string    `json:"machine"`
	Started  time.Time `json:"started"`
}

// Kinds of what an agent holds. The specs of all but the process belong to the
// services that cmd composes; to the agent they are opaque.
const (
	Process      = "process"      // launch.Spec; secret: map of environment variables
	Keeper       = "keeper"       // transient bindings that are declared again
	Announcement = "announcement" // discovery for a foreign participant
	Server       = "server"       // an embedded MQTT broker
	Router       = "router"       // carries MQTT routes
)

// A Key names one object that an agent holds: of a process, Name is
// `BROKER/ROLE`.
type Key struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// An Object is what an agent is to hold. Dir is the configuration's directory,
// absolute, which relative paths in Spec start from.
type Object struct {
	Key
	Spec   json.RawMessage `json:"spec"`
	Secret json.RawMessage `json:"secret,omitempty"` // kept in a 0600 file, never sent back
	Dir    string          `json:"dir"`
}

// A Held object is one that the agent has. Digest is a salted SHA-256 of its
// secret: SecretSum tells whether a wanted secret is the one held.
type Held struct {
	Key
	Spec   json.RawMessage `json:"spec"`
	Salt   []byte          `json:"salt,omitempty"`
	Digest []byte          `json:"digest,omitempty"`
	Dir    string          `json:"dir"`
	// Status of a process; Note is how a service fares, "" where all is well.
	Status *launch.Status `json:"status,omitempty"`
	Note   string         `json:"note,omitempty"`
}

// An Event is one line of a streamed answer. The last one has Done.
type Event struct {
	Text  string `json:"text,omitempty"` // progress, for people
	Count int64  `json:"count,omitempty"`
	Total int64  `json:"total,omitempty"`
	Done  bool   `json:"done,omitempty"`
	Error *Error `json:"error,omitempty"` // with Done: it failed
	Held  *Held  `json:"held,omitempty"`  // with Done: what is there now, also when it failed
}

// An Error is a failure as the agent reports it.
type Error struct {
	Summary string `json:"summary"` // fixed text: "Participant not ready"
	Detail  string `json:"detail"`  // role, which probe, the last lines of its log, what to do; escaped
}

func (e *Error) Error() string { return e.Detail }
