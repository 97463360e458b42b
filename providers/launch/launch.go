// Package launch has the words that all launchers share: what to run (Spec),
// how it is kept running (Restart, Stop, Ready, Update) and how it fares
// (Status), with the schema of the object "process" that participants are
// lowered to. It imports providers and cty; it starts nothing.
package launch

import "time"

// A Spec is what to run for one role: the value of a process object, without
// its secrets.
type Spec struct {
	Broker    string `json:"broker"` // the broker block's name; with Role it names the process
	Role      string `json:"role"`   // with the broker's prefix
	Component string `json:"component"`
	Client    string `json:"client"`
	// Command is an argument vector; its first word is looked up in PATH, or is
	// relative to Directory where it has a slash. A component of msgflo's own has
	// the word Builtin first, then its name: the launcher runs it with its own
	// program's `component run`, the role in MSGFLO_ROLE.
	Command   []string          `json:"command"`
	Directory string            `json:"directory"` // relative to the configuration's directory, "." for it
	Env       map[string]string `json:"env,omitempty"`
	Replicas  int               `json:"replicas"`
	Version   string            `json:"version,omitempty"`
	Watched   string            `json:"watched,omitempty"` // digest of the watched files
	Restart   Restart           `json:"restart"`
	Stop      Stop              `json:"stop"`
	Ready     Ready             `json:"ready"`
	Update    Update            `json:"update"`
	Inports   []Port            `json:"inports,omitempty"`
	Outports  []Port            `json:"outports,omitempty"`
	// Initial packets by topic, on MQTT only: sent after each start, once ready.
	Initial map[string]string `json:"initial,omitempty"`
}

// Builtin stands for the msgflo program in a Command.
const Builtin = "msgflo://component"

// A Port with its queue, exchange or topic.
type Port struct {
	ID    string `json:"id"`
	Queue string `json:"queue"`
}

// Restart says when a process that ended is started again: after Backoff,
// doubled each time up to BackoffMax, with jitter; at most Max times Within a
// while, then it has failed.
type Restart struct {
	Policy              string // always, on-failure, never
	Max                 int
	Within              time.Duration
	Backoff, BackoffMax time.Duration
}

// Stop says how a process is asked to end: Signal to its whole group, and
// SIGKILL to what is left of it after Timeout.
type Stop struct {
	Signal  string // SIGTERM …
	Timeout time.Duration
}

// What Ready.When may say.
const (
	Announced = "announced" // it spoke on the discovery queue
	Consuming = "consuming" // the consumer count of each in-queue rose
	Started   = "started"   // its program runs
	Exec      = "exec"      // Command ends with 0
	HTTP      = "http"      // URL answers with 2xx or 3xx
	TCP       = "tcp"       // Address takes a connection
)

// Ready says when a started process counts as ready, and how long that may take.
type Ready struct {
	When    string
	Timeout time.Duration
	Command []string
	URL     string
	Address string // host:port
}

// Update says how replicas are replaced: rolling starts new ones first,
// MaxParallel at a time; recreate stops all first.
type Update struct {
	Strategy    string
	MaxParallel int
}

// State of one replica.
type State string

// The states of a replica.
const (
	Starting State = "starting" // runs, not ready yet
	Running  State = "running"  // runs and was ready
	Waiting  State = "waiting"  // ended; waits to be started again
	Stopping State = "stopping"
	Stopped  State = "stopped" // on purpose, by `msgflo stop`, or it ended well
	Failed   State = "failed"  // ended too often, or cannot be started
)

// A Replica is one process of a role.
type Replica struct {
	Index    int       `json:"index"`
	State    State     `json:"state"`
	PID      int       `json:"pid,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Restarts int       `json:"restarts"`         // since it was put there
	Reason   string    `json:"reason,omitempty"` // why it is not running, for people: "exit status 1"
	Log      string    `json:"log"`              // path of its newest log file
}

// A Status is how a role fares on this machine.
type Status struct {
	Broker   string    `json:"broker"`
	Role     string    `json:"role"`
	Wanted   int       `json:"wanted"` // replicas
	Held     bool      `json:"held"`   // stopped by `msgflo stop` until `msgflo start`
	Replicas []Replica `json:"replicas"`
	// Mismatch says how the participant's announcement differs from its
	// declaration; "" where it does not, or none was heard.
	Mismatch string `json:"mismatch,omitempty"`
}
