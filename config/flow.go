package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/launch"
)

// Clients lists the client libraries that a component can be written with, in
// the order of the language's reference: they decide what its ports' queues are called
// and how they are declared (msgflo-wire.md §2).
func Clients() []string {
	return []string{"nodejs", "python", "cpp", "rust", "arduino", "browser", "noflo", "go", "plain"}
}

// ParticipantSchema describes what a participant block takes beside the
// arguments that all blocks have, and launcher. It is new at each call: a Load
// has one, which all its participants share.
func ParticipantSchema() *providers.Schema {
	return &providers.Schema{Doc: "a role on a broker: a component that plays it, or a foreign participant that runs elsewhere", Attrs: append([]providers.Attr{
		{Name: "role", Type: cty.String, Doc: "the role's name on the broker, unique there; the label where it is not written, and needed with count and for_each", ChangeMeans: "replace"},
		{Name: "component", Type: cty.String, Doc: "component.X, a library's \"core/Repeat\", or built-in \"msgflo/Repeat\"", ChangeMeans: "restart"},
		{Name: "client", Type: cty.String, Doc: "the client library of a foreign participant; else the component says", Check: knownClient, ChangeMeans: "replace"},
		{Name: "replicas", Type: cty.Number, Default: cty.NumberIntVal(1), Doc: "how many run", Check: wholeNumber},
		{Name: "env", Type: cty.Map(cty.String), Doc: "environment variables, beside the component's and before them; sensitive values go to the process only", ChangeMeans: "restart"},
		{Name: "version", Type: cty.String, Doc: "of what it runs, any text (a git hash)", ChangeMeans: "restart"},
		{Name: "watch", Type: cty.List(cty.String), Doc: "file patterns whose content is hashed; what changes there changes it", ChangeMeans: "restart"},
		{Name: "foreign", Type: cty.Bool, Default: cty.False, Doc: "it runs elsewhere: declared and bound here, never launched"},
		{Name: "announce", Type: cty.Bool, Default: cty.False, Doc: "speak discovery for a foreign participant"},
		// What others refer to: the ports with what carries them.
		{Name: "in", Type: cty.DynamicPseudoType, Computed: true, ReadOnly: true, Doc: "its inports by name: objects of role, port and queue"},
		{Name: "out", Type: cty.DynamicPseudoType, Computed: true, ReadOnly: true, Doc: "its outports by name: objects of role, port and queue (an exchange or a topic)"},
		{Name: "autoscale", NotYet: "replicas stay as they are written", Attrs: []providers.Attr{{Name: "max", Type: cty.Number}}},
	}, append(ports(), launch.Blocks()...)...)}
}

// ComponentSchema describes a component block. Command is a list of strings, or
// one string with shell. It is new at each call, as ParticipantSchema.
func ComponentSchema() *providers.Schema {
	return &providers.Schema{Doc: "how to run a component, its ports, and the client library it is written with", Attrs: append([]providers.Attr{
		{Name: "command", Type: cty.DynamicPseudoType, Doc: "the argument vector, never a shell; may use self.role, self.component, self.file and self.iips (JSON). No secrets: those go to env", ChangeMeans: "restart"},
		{Name: "shell", Type: cty.Bool, Default: cty.False, Doc: "command is one string, run by sh -c", ChangeMeans: "restart"},
		{Name: "directory", Type: cty.String, Doc: "where it runs; the configuration's directory where it is not written", ChangeMeans: "restart"},
		{Name: "env", Type: cty.Map(cty.String), Doc: "environment variables; sensitive values go to the process only. MSGFLO_BROKER and MSGFLO_ROLE are always set", ChangeMeans: "restart"},
		{Name: "env_file", Type: cty.String, Doc: "a file of NAME=value lines, read at each plan", ChangeMeans: "restart"},
		{Name: "client", Type: cty.String, Doc: "the client library: " + strings.Join(Clients(), ", "), Check: knownClient, ChangeMeans: "replace"},
		{Name: "icon", Type: cty.String, Doc: "a Font Awesome icon, without its prefix"},
		{Name: "label", Type: cty.String, Doc: "a line for people"},
		{Name: "description", Type: cty.String, Doc: "the same, longer"},
	}, ports()...)}
}

// ports are the blocks inport "x" and outport "x".
func ports() []providers.Attr {
	of := func(name, carrier string) providers.Attr {
		return providers.Attr{Name: name, Label: "port", Doc: "an " + name + " by its name", Attrs: []providers.Attr{
			{Name: "queue", Type: cty.String, Doc: carrier + "; by the client library's convention where it is not written", ChangeMeans: "replace"},
			{Name: "durable", Type: cty.Bool, Default: cty.True, Doc: "false: not durable and auto-delete, as msgflo-nodejs's persistent: false", ChangeMeans: "replace"},
			{Name: "type", Type: cty.String, Doc: "the datatype of its messages"},
			{Name: "schema", Type: cty.String, Doc: "the URL of a JSON schema"},
			{Name: "description", Type: cty.String, Doc: "for people"},
		}}
	}
	return []providers.Attr{of("inport", "its queue (a topic on MQTT)"), of("outport", "its exchange (a topic on MQTT)")}
}

// GraphSchema describes a graph block's own arguments; GraphBlocks has the rest.
// It is new at each call, as ParticipantSchema.
func GraphSchema() *providers.Schema {
	later := "write participants, edges and initial packets in HCL"
	return &providers.Schema{Doc: "edges between participants, exported ports and initial packets", Attrs: []providers.Attr{
		{Name: "source", Type: cty.String, NotYet: later},
		{Name: "flow", Type: cty.String, NotYet: later},
	}}
}

// GraphBlocks describes what a graph block holds beside participants. Label has
// what the block's labels are called, a word each. Each may repeat: these are
// no attributes of a value, but Module's Graph.
func GraphBlocks() []providers.Attr {
	str, anything := cty.String, cty.DynamicPseudoType
	how := []providers.Attr{
		{Name: "delivery", Type: str, Default: cty.StringVal("pubsub"), Doc: "pubsub (each role gets a copy) or roundrobin (one role, with a dead letter for what it refuses)"},
		{Name: "dead_letter", Type: anything, Doc: "the inport that takes what is refused: \"role.port\", or participant.X.in.PORT"},
	}
	return []providers.Attr{
		{Name: "edge", Label: "from to", Doc: "an edge from one port to another, each written role.port", Attrs: how},
		{Name: "connection", Doc: "an edge whose ends are expressions", Attrs: append([]providers.Attr{
			{Name: "from", Type: anything, Required: true, Doc: "participant.X.out.PORT, or \"role.port\""},
			{Name: "to", Type: anything, Required: true, Doc: "participant.X.in.PORT, or \"role.port\""},
		}, how...)},
		{Name: "initial", Label: "port", Doc: "a packet that is sent to a port once, and again when it changes; on MQTT after each start", Attrs: []providers.Attr{
			{Name: "data", Type: anything, Required: true, Doc: "any value; it is sent as JSON"},
		}},
		{Name: "inport", Label: "name", Doc: "an inport of the graph", Attrs: []providers.Attr{
			{Name: "to", Type: anything, Required: true, Doc: "the inport behind it"},
		}},
		{Name: "outport", Label: "name", Doc: "an outport of the graph", Attrs: []providers.Attr{
			{Name: "from", Type: anything, Required: true, Doc: "the outport behind it"},
		}},
	}
}

func knownClient(v cty.Value) error {
	if slices.Contains(Clients(), v.AsString()) {
		return nil
	}
	return errors.New("it is " + diag.OneOf(v.AsString(), Clients()))
}

func wholeNumber(v cty.Value) error {
	if f := v.AsBigFloat(); !f.IsInt() || f.Sign() < 0 {
		return fmt.Errorf("it is a whole number from 0 on")
	}
	return nil
}
