// Package flow says what a port, an edge and a role mean on each kind of
// broker: it lowers the participants and edges of one broker to the queues,
// exchanges, bindings, policies and routes that must exist, such that each
// client library's own declarations succeed (msgflo-wire.md §2.3 and §3). It is pure: no
// evaluation, no state, no I/O. It imports addr, diag, dag and cty, and no provider:
// that its attributes are those of the providers' schemas is a test.
//
// # Addresses
//
// Every object stands under what it was lowered from. The broker's prefix is
// left out of keys, so that a change of it does not move anything.
//
//	broker.NAME.queue["fbp"]  .policy["fbp"]  .exchange["msgflo.fbp"]
//	participant.X.queue["in"]           of an inport
//	participant.X.exchange["in"]        that msgflo-nodejs declares beside it
//	participant.X.binding["in"]         from the exchange of that queue's own name
//	participant.X.exchange["out"]       of an outport
//	participant.X.exchange["out-out"]   of a roundrobin edge from it, with .binding["out-out"]
//	participant.X.exchange["dead-in"]   of the dead letters of an inport
//	participant.X.policy["dead-in"]     that sends them there, where the client declares no argument
//	graph.G.binding["a.out -> b.in"]    of an edge (on MQTT, .route)
//	graph.G.binding["b.in -dead-> d.in"]
//	graph.G.initial["b.in"]
//
// Where two different objects would get one address (an inport and an outport
// of one name that are not one exchange), the second one's key says what it is
// for: exchange["x (outport)"].
//
// What several give rise to exists once: a port's before an edge's, and then
// the one whose owner comes first by address.
package flow

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
)

// A System is all that participants and graphs declare on one broker,
// evaluated.
type System struct {
	Broker   Broker
	Roles    []*Role // by name; names are unique
	Edges    []Edge  // in the order of their declarations
	Initials []Initial
	Exports  []Export
	// Declared are the broker's objects that have blocks of their own, by which
	// what is lowered can be related to them and does not declare them twice.
	Declared []Declared
}

// A Broker is where the system is.
type Broker struct {
	Addr  addr.Provider
	Kind  string // rabbitmq, mqtt
	VHost string // rabbitmq: where its roles' queues are
	// Prefix is what the names of roles begin with; it is left out of keys and
	// messages, so that addresses outlive a change of it.
	Prefix string
}

// A Role is what a participant plays on the broker.
type Role struct {
	Module, Owner string // of the participant: "module.eu", `participant.resize["a"]`
	Name          string // with the broker's prefix
	Client        string // nodejs, python, cpp …; "" for a foreign one that nobody knows
	Replicas      int
	Foreign       bool
	// Declared says that its component declares ports: an edge to another is an
	// error. Else ports are what edges imply.
	DeclaredIn, DeclaredOut bool
	Inports, Outports       []*Port // declared ones first; Lower adds what edges imply
	Decl                    hcl.Range
}

// A Port of a role.
type Port struct {
	ID string // as written
	// Queue is the name of what carries it, as written; "" for the convention of
	// the role's client. Lower fills it.
	Queue   string
	Durable bool // false: persistent:false of msgflo-nodejs
	Decl    hcl.Range
}

// An Edge leads from an outport to an inport. Port names are matched as they are,
// else without regard to case.
type Edge struct {
	Module, Owner string // of the graph: `graph.thumbs`
	From, To      End
	Delivery      string // pubsub, roundrobin
	DeadLetter    *End   // the inport that takes what To's role refuses
	Decl          hcl.Range
}

// An End of an edge.
type End struct {
	Role *Role
	Port string
	Decl hcl.Range
}

// String is the end as people write it: role.port.
func (e End) String() string { return e.Role.Name + "." + e.Port }

// An Initial packet, already JSON.
type Initial struct {
	Module, Owner string
	To            End
	Data          string
	Decl          hcl.Range
}

// An Export is a port of a graph under a name of its own. It gives rise to no
// objects: it is a name for who sends to or taps the graph. (The original makes a
// durable queue for an exported outport, which nobody ever removes: msgflo-wire.md
// §3.4, §12.) That its port exists is checked.
type Export struct {
	Module, Owner string
	Out           bool
	Name          string
	Of            End
	Decl          hcl.Range
}

// Declared is an object of the broker that has a block of its own.
type Declared struct {
	Addr  addr.Instance
	Value cty.Value // of its schema; unmarked
	Decl  hcl.Range
}

// An Object is one that must exist because of a role or an edge. Attrs are
// those of its type's schema that are not left to their defaults.
type Object struct {
	Addr  addr.Instance // Owner and Key say what it was lowered from
	Attrs map[string]cty.Value
	// Within: it dies with these. After: order only. Both name other Objects of
	// the answer, or Declared ones. Soft gives way where it would make a circle.
	Within, After, Soft []addr.Instance
	Shared              bool // see desired.Lifecycle
	Decl                hcl.Range
}

// Lowered is the answer.
type Lowered struct {
	Objects []Object // in address order; each once, however many edges share it
	// Processes says, by role, how its process stands to the objects: Within its
	// in-queues and out-exchanges, After fbp and the bindings of its edges; Soft after the
	// processes of consumers that must be up before it (a source's, and any whose queue is
	// not durable), given by their owners' address with the type "process".
	Processes map[*Role]Relations
	// Keepers are transient bindings that the agent declares again, by owner.
	Keepers []Keeper
	// Initial packets by role and topic, on MQTT: the role's process carries them.
	Initial map[*Role]map[string]string
}

// Relations of a process.
type Relations struct{ Within, After, Soft []addr.Instance }

// A Keeper is a set of bindings of one owner that vanish with transient ends.
type Keeper struct {
	Module, Owner string
	Bindings      []addr.Instance // objects of the answer
	Decl          hcl.Range
}
