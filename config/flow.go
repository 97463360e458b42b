package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/launch"
)

// Clients are the client libraries that a component can be written with: they
// decide what its ports' queues are called and how they are declared
// (msgflo-wire.md §2).
var clients = []string{"nodejs", "python", "cpp", "rust", "arduino", "browser", "noflo", "go", "plain"}

// Clients lists the client libraries, in the order of the language's reference.
func Clients() []string { return slices.Clone(clients) }

// ParticipantSchema describes what a participant block takes beside the
// arguments that all blocks have, and launcher.
func ParticipantSchema() *providers.Schema {
	return &providers.Schema{Doc: "a role on a broker: a component that plays it, or a foreign participant that runs elsewhere", Attrs: append([]providers.Attr{
		{Name: "role", Type: cty.String, Doc: "the role's name on the broker; the label where it is not written"},
		{Name: "component", Type: cty.String, Doc: "component.X, a library's \"core/Repeat\", or built-in \"msgflo/Repeat\""},
		{Name: "client", Type: cty.String, Doc: "the client library of a foreign participant; else the component says", Check: knownClient},
		{Name: "replicas", Type: cty.Number, Default: cty.NumberIntVal(1), Doc: "how many run"},
		{Name: "env", Type: cty.Map(cty.String), Doc: "environment variables, beside the component's and before them"},
		{Name: "version", Type: cty.String, Doc: "of what it runs, any text (a git hash); a change restarts"},
		{Name: "watch", Type: cty.List(cty.String), Doc: "file patterns whose content is hashed; a change restarts"},
		{Name: "foreign", Type: cty.Bool, Default: cty.False, Doc: "it runs elsewhere: declared and bound here, never launched"},
		{Name: "announce", Type: cty.Bool, Default: cty.False, Doc: "speak discovery for a foreign participant"},
		// What others refer to: the ports with what carries them, each an object of role, port and queue.
		{Name: "in", Type: cty.DynamicPseudoType, Computed: true, ReadOnly: true, Doc: "its inports by name: objects of role, port and queue"},
		{Name: "out", Type: cty.DynamicPseudoType, Computed: true, ReadOnly: true, Doc: "its outports by name: objects of role, port and queue (an exchange or a topic)"},
		{Name: "autoscale", NotYet: "replicas stay as they are written", Attrs: []providers.Attr{{Name: "max", Type: cty.Number}}},
	}, append(ports(), launch.Blocks()...)...)}
}

// ComponentSchema describes a component block. Command is a list of strings, or
// one string with shell.
func ComponentSchema() *providers.Schema {
	return &providers.Schema{Doc: "how to run a component, its ports, and the client library it is written with", Attrs: append([]providers.Attr{
		{Name: "command", Type: cty.DynamicPseudoType, Doc: "the argument vector; may use self.role, self.component, self.file and self.iips"},
		{Name: "shell", Type: cty.Bool, Default: cty.False, Doc: "command is one string, run by sh -c"},
		{Name: "directory", Type: cty.String, Doc: "where it runs; the configuration's directory where it is not written"},
		{Name: "env", Type: cty.Map(cty.String), Doc: "environment variables; sensitive values go to the process only"},
		{Name: "env_file", Type: cty.String, Doc: "a file of NAME=value lines, read at each plan"},
		{Name: "client", Type: cty.String, Doc: "the client library: " + strings.Join(clients, ", "), Check: knownClient},
		{Name: "icon", Type: cty.String, Doc: "a Font Awesome icon, without its prefix"},
		{Name: "label", Type: cty.String, Doc: "a line for people"},
		{Name: "description", Type: cty.String, Doc: "the same, longer"},
	}, ports()...)}
}

// ports are the blocks inport "x" and outport "x".
func ports() []providers.Attr {
	of := func(name, carrier string) providers.Attr {
		return providers.Attr{Name: name, Label: "port", Doc: "an " + name + " by its name", Attrs: []providers.Attr{
			{Name: "queue", Type: cty.String, Doc: carrier + "; by the client library's convention where it is not written"},
			{Name: "durable", Type: cty.Bool, Default: cty.True, Doc: "false: not durable and auto-delete, as msgflo-nodejs's persistent: false"},
			{Name: "type", Type: cty.String, Doc: "the datatype of its messages"},
			{Name: "schema", Type: cty.String, Doc: "the URL of a JSON schema"},
			{Name: "description", Type: cty.String, Doc: "for people"},
		}}
	}
	return []providers.Attr{of("inport", "its queue (a topic on MQTT)"), of("outport", "its exchange (a topic on MQTT)")}
}

// GraphSchema describes a graph block's own arguments; its edges are in Graph.
func GraphSchema() *providers.Schema {
	later := "write participants, edges and initial packets in HCL"
	return &providers.Schema{Doc: "edges between participants, exported ports and initial packets", Attrs: []providers.Attr{
		{Name: "source", Type: cty.String, NotYet: later},
		{Name: "flow", Type: cty.String, NotYet: later},
	}}
}

func knownClient(v cty.Value) error {
	if slices.Contains(clients, v.AsString()) {
		return nil
	}
	return fmt.Errorf("it is one of %s", strings.Join(clients, ", "))
}
