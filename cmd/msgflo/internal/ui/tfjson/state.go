package tfjson

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/state"
)

// State is what `show -json` prints of a state.
type State struct {
	FormatVersion    string  `json:"format_version"`
	TerraformVersion string  `json:"terraform_version"`
	Values           *Values `json:"values,omitempty"`
}

// Values are objects by module, and outputs.
type Values struct {
	Outputs    map[string]OutputValue `json:"outputs,omitempty"`
	RootModule *Module                `json:"root_module"`
}

// Module is one instance of a module.
type Module struct {
	Address      string     `json:"address,omitempty"`
	Resources    []Resource `json:"resources,omitempty"`
	ChildModules []*Module  `json:"child_modules,omitempty"`
}

// Resource is one object.
type Resource struct {
	Address         string          `json:"address"`
	Mode            string          `json:"mode"`
	Type            string          `json:"type"`
	Name            string          `json:"name"`
	Index           any             `json:"index,omitempty"`
	ProviderName    string          `json:"provider_name"`
	SchemaVersion   int             `json:"schema_version"`
	Values          any             `json:"values,omitempty"`
	SensitiveValues json.RawMessage `json:"sensitive_values"`
	DependsOn       []string        `json:"depends_on,omitempty"`
}

// StateOptions is what a state document is made with.
type StateOptions struct {
	Version string
	Schemas change.Schemas
}

// NewState makes the document of a state; nil is an empty one.
func NewState(s *state.Snapshot, o StateOptions) State {
	doc := State{FormatVersion: StateVersion, TerraformVersion: o.Version}
	if s == nil || len(s.Objects) == 0 && len(s.Outputs) == 0 {
		return doc
	}
	t := newTree()
	for i := range s.Objects {
		t.add(s.Objects[i].Addr, o.resource(&s.Objects[i]))
	}
	doc.Values = &Values{RootModule: t.root()}
	if len(s.Outputs) > 0 {
		doc.Values.Outputs = Outputs(s.Outputs)
	}
	return doc
}

func (o StateOptions) resource(ob *state.Object) Resource {
	s := o.Schemas.For(ob.Provider, ob.Addr.Type)
	v := value.Recorded(ob.Attrs, s, ob.Sensitive, ob.Hashes)
	plain, _, sens := split(object(v))
	r := resource(ob.Addr, plain, sens, providerName(ob.ProviderType), ob.SchemaVersion)
	for _, a := range slices.Concat(ob.Within, ob.After) {
		r.DependsOn = append(r.DependsOn, a.String())
	}
	return r
}

func resource(a addr.Instance, plain, sens any, provider string, version int) Resource {
	return Resource{Address: a.String(), Mode: "managed", Type: a.Type, Name: Name(a), Index: Index(a),
		ProviderName: provider, SchemaVersion: version, Values: plain, SensitiveValues: raw(marks(sens, true))}
}

// A tree puts resources where their modules are.
type tree struct{ modules map[string]*Module }

func newTree() *tree { return &tree{modules: map[string]*Module{"": {}}} }

func (t *tree) add(a addr.Instance, r Resource) {
	m := t.module(a.Module)
	m.Resources = append(m.Resources, r)
}

func (t *tree) module(path string) *Module {
	if m := t.modules[path]; m != nil {
		return m
	}
	m := &Module{Address: path}
	t.modules[path] = m
	parent := t.module(parentOf(path))
	parent.ChildModules = append(parent.ChildModules, m)
	return m
}

// parentOf cuts the last `module.x["key"]` off; keys may hold anything, so the
// text is read from the left, quotes respected.
func parentOf(path string) string {
	cut, quoted := 0, false
	for i := 0; i < len(path); i++ {
		switch {
		case quoted && path[i] == '\\':
			i++
		case path[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(path[i:], ".module."):
			cut = i
		}
	}
	return path[:cut]
}

func (t *tree) root() *Module {
	for _, m := range t.modules {
		slices.SortFunc(m.Resources, func(a, b Resource) int { return strings.Compare(a.Address, b.Address) })
		slices.SortFunc(m.ChildModules, func(a, b *Module) int { return strings.Compare(a.Address, b.Address) })
	}
	return t.modules[""]
}
