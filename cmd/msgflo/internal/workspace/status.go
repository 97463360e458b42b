package workspace

import (
	"time"

	"github.com/msgflo/msgflo/providers/launch"
)

// A Status is a system as it is now: what `status -json` prints, as one
// document. A field may be added under the same FormatVersion; none goes or
// changes what it means.
type Status struct {
	FormatVersion string `json:"format_version"` // StatusVersion
	// Lineage of the state, "" where nothing was ever applied.
	Lineage string `json:"lineage"`
	// Machine is the one that this was asked on, as process objects record it.
	Machine string `json:"machine"`
	Agent   *Agent `json:"agent"` // null: none runs for this lineage on this machine
	Roles   []Role `json:"roles"` // by broker and role
	Edges   []Edge `json:"edges"` // by graph, then from, then to
	// Brokers are those that the configuration declares, by name.
	Brokers []Broker `json:"brokers"`
	// Services are what the agent holds beside processes, by kind and name.
	Services []Service `json:"services"`
	// Notes say in sentences what is not known, and why: a broker that does not answer.
	Notes []string `json:"notes"`
}

// StatusVersion is the version of the document Status.
const StatusVersion = "1.0"

// An Agent is the supervisor of this lineage on this machine.
type Agent struct {
	PID     int       `json:"pid"`
	Version string    `json:"version"` // of msgflo
	Started time.Time `json:"started"`
}

// A Broker is one that is declared.
type Broker struct {
	Name string `json:"name"` // of its block
	// Answers tells whether it took a login or told how its queues fare; null:
	// it could not be asked. Problem says why it did not, or could not be asked, "" where it answers.
	Answers *bool  `json:"answers"`
	Problem string `json:"problem,omitempty"`
}

// A Service is what the agent does for brokers: it hosts one (kind server),
// carries routes (router), keeps bindings (keeper), announces (announcement).
type Service struct {
	Kind string `json:"kind"`
	Name string `json:"name"` // its broker's, and of an announcement the role: BROKER/ROLE
	// Note says what is wrong with it, "" where all is well.
	Note string `json:"note,omitempty"`
}

// A State says in one word how a role fares, all its replicas together. Those of
// launch.State are among them.
type State string

// The states of a role, beside launch's: the worst of its replicas counts.
const (
	Foreign    State = "foreign"     // it runs elsewhere; nobody here knows how it is
	Elsewhere  State = "elsewhere"   // it was started on another machine: Role.Machine
	LeftOver   State = "left over"   // only its queues are recorded, and nothing declares it
	NotApplied State = "not applied" // declared, and not started yet
	Unknown    State = "unknown"     // recorded here, and no agent to ask
)

// A Role is a participant, or what is left of one.
type Role struct {
	Broker    string `json:"broker"`            // the broker block's name
	Role      string `json:"role"`              // with the broker's prefix
	Address   string `json:"address,omitempty"` // of its participant block
	Component string `json:"component,omitempty"`
	Client    string `json:"client,omitempty"`
	State     State  `json:"state"`
	Wanted    int    `json:"wanted"` // replicas
	Ready     int    `json:"ready"`  // of them
	Restarts  int    `json:"restarts"`
	// Since is when the replica started that runs the shortest, or, where none
	// does, null.
	Since *time.Time `json:"since"`
	// Machine is where it was started, "" where it was not.
	Machine string `json:"machine,omitempty"`
	// Declared: the configuration has it. False for what only runs, or is only
	// recorded: the next apply removes it.
	Declared bool `json:"declared"`
	// Held: stopped by `msgflo stop` until `msgflo start`.
	Held     bool             `json:"held"`
	Mismatch string           `json:"mismatch,omitempty"` // see launch.Status
	Replicas []launch.Replica `json:"replicas"`
	Inports  []Port           `json:"inports"`
	Outports []Port           `json:"outports"`
}

// A Port of a role.
type Port struct {
	ID string `json:"id"`
	// Queue carries an inport: a queue, on MQTT a topic. Of an outport it is the
	// exchange or topic.
	Queue string `json:"queue"`
	// Traffic is null where it is not known (Status.Notes say why) and for outports.
	Traffic *Traffic `json:"traffic"`
}

// Traffic is how a queue fares now. What the broker does not tell is null.
type Traffic struct {
	Ready     *int64 `json:"ready"`   // messages that wait
	Unacked   *int64 `json:"unacked"` // messages that a consumer works on
	Consumers *int64 `json:"consumers"`
	// InRate and OutRate are messages a second, as the broker's statistics have them.
	InRate  *float64 `json:"in_rate"`
	OutRate *float64 `json:"out_rate"`
	// Missing: there is no such queue on the broker.
	Missing bool `json:"missing"`
}

// An Edge leads from an outport to an inport.
type Edge struct {
	From    string   `json:"from"` // role.port
	To      string   `json:"to"`
	Graph   string   `json:"graph,omitempty"` // its graph block's address
	Broker  string   `json:"broker"`
	Queue   string   `json:"queue,omitempty"` // of the inport it leads to
	Traffic *Traffic `json:"traffic"`
}
