package config

import (
	"fmt"
	"slices"

	"github.com/msgflo/msgflo/config/funcs"
	"github.com/msgflo/msgflo/providers"
)

// A vocabulary is the names that the given provider types and the language
// make known.
type vocabulary struct {
	resources     map[string]*kind
	data          map[string]*kind
	broker        []providers.Attr // the union of the types' broker settings
	brokerOf      *form
	launcherTypes map[string]*kind // by the kind that a launcher block says
	component     *kind
	// lowered are the types of the objects that participants and graphs give rise to.
	lowered   map[string]bool
	inGraph   []providers.Attr // the blocks of a graph
	functions map[string]bool
	top       *form
	nested    map[*providers.Attr]*form // made at first use
}

// A kind is a block type that makes or reads objects.
type kind struct {
	name     string
	of       *providers.Type
	schema   *providers.Schema
	form     *form
	launched bool // it takes a launcher
}

func newVocabulary(types []*providers.Type) *vocabulary {
	v := &vocabulary{
		resources: map[string]*kind{}, data: map[string]*kind{}, functions: map[string]bool{},
		launcherTypes: map[string]*kind{}, lowered: map[string]bool{}, inGraph: GraphBlocks(),
		nested: map[*providers.Attr]*form{},
	}
	for _, t := range types {
		for name, s := range t.Resources {
			v.lowered[name] = true
			if v.resources[name] == nil && !s.Derived {
				v.resources[name] = &kind{name: name, of: t, schema: s, form: resourceForm(name, s, false)}
			}
		}
		for name, s := range t.Data {
			if v.data[name] == nil {
				v.data[name] = &kind{name: name, of: t, schema: s, form: resourceForm(name, s, true)}
			}
		}
		if t.Launcher {
			v.launcherTypes[t.Name] = &kind{name: t.Name, of: t, schema: &t.Config, form: schemaForm(fmt.Sprintf("a launcher %q block", t.Name), t.Config.Attrs, nil)}
			continue
		}
		v.broker = mergeAttrs(v.broker, t.Config.Attrs)
	}
	v.flow()
	v.brokerOf = brokerForm(v.broker)
	for _, name := range funcs.Names() {
		v.functions[name] = true
	}
	v.top = topForm(v)
	return v
}

// flow adds the blocks that no provider type brings: what they make is lowered
// to objects of the types.
func (v *vocabulary) flow() {
	participant, graph, component := ParticipantSchema(), GraphSchema(), ComponentSchema()
	v.resources["participant"] = &kind{name: "participant", schema: participant, form: participantForm(participant), launched: true}
	v.resources["graph"] = &kind{name: "graph", schema: graph, form: graphForm(graph)}
	v.nestedForm(v.graphBlock("inport")).refused["from"] = refusal{"Unknown argument", "A message comes in by an exported inport and goes to a port of the graph: write to = \"role.port\"."}
	v.nestedForm(v.graphBlock("outport")).refused["to"] = refusal{"Unknown argument", "A message comes from a port of the graph and leaves by the exported outport: write from = \"role.port\"."}
	v.component = &kind{name: "component", schema: component, form: componentForm(component)}
}

// isFlow says whether objects of the schema are lowered to others.
func (v *vocabulary) isFlow(s *providers.Schema) bool {
	return s == v.resources["participant"].schema || s == v.resources["graph"].schema
}

// graphBlock is the description of a graph's nested block.
func (v *vocabulary) graphBlock(name string) *providers.Attr { return findAttr(v.inGraph, name) }

// mergeAttrs adds the attributes that are not there yet; blocks are merged
// within. What a broker's scheme does not know is the provider's to refuse.
func mergeAttrs(have, more []providers.Attr) []providers.Attr {
	out := slices.Clone(have)
	for _, a := range more {
		i := slices.IndexFunc(out, func(b providers.Attr) bool { return a.Name == b.Name })
		if i < 0 {
			// Whether it must be written depends on the provider type, known
			// only when the URL is.
			a.Required = a.Required && len(have) == 0
			out = append(out, a)
			continue
		}
		out[i].Attrs = mergeAttrs(out[i].Attrs, a.Attrs)
		out[i].Required = out[i].Required && a.Required
		if out[i].NotYet == "" || a.NotYet == "" {
			out[i].NotYet = ""
		}
	}
	return out
}
