package change

import (
	"encoding/json"
	"slices"
	"strings"

	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
)

// Schemas finds the schema of an object's type on a provider; it may be nil
// and may return nil.
type Schemas func(p addr.Provider, typ string) *providers.Schema

// For is the schema, nil where none is known.
func (s Schemas) For(p addr.Provider, typ string) *providers.Schema {
	if s == nil {
		return nil
	}
	return s(p, typ)
}

// A Change is what a plan does to one object, as people see it.
type Change struct {
	Addr   addr.Instance
	Action plan.Action // also plan.Replace
	Step   *plan.Step  // of a replace, the create
	Delete *plan.Step  // of a replace, the delete; else nil
	Facts  Facts       // the few attributes that say how it stands to others
}

// Merge lists the plan's changes in its order, deletes and creates of one
// address as one replace.
func Merge(p *plan.Plan) []Change {
	out := make([]Change, 0, len(p.Steps))
	at := make(map[addr.Instance]int, len(p.Steps))
	for i := range p.Steps {
		s := &p.Steps[i]
		j, seen := at[s.Addr]
		if !seen || !out[j].join(s) {
			at[s.Addr] = len(out)
			out = append(out, Change{Addr: s.Addr, Action: s.Action, Step: s})
		}
	}
	for i := range out {
		out[i].Facts = factsOf(&out[i])
	}
	return out
}

// join makes a replace of the change if the step is its other half. A step
// that only records is part of whatever else happens to its object.
func (c *Change) join(s *plan.Step) bool {
	switch {
	case c.Action == plan.Delete && s.Action == plan.Create:
		c.Action, c.Delete, c.Step = plan.Replace, c.Step, s
	case c.Action == plan.Create && s.Action == plan.Delete:
		c.Action, c.Delete = plan.Replace, s
	case s.Action == plan.Record:
	case c.Action == plan.Record:
		c.Action, c.Step = s.Action, s
	default:
		return false
	}
	return true
}

// Before is the value that is there now.
func (c *Change) Before() json.RawMessage {
	if c.Delete != nil {
		return c.Delete.Before
	}
	return c.Step.Before
}

// After is the value that will be there.
func (c *Change) After() json.RawMessage { return c.Step.After }

// Reason is why, in words for people.
func (c *Change) Reason() string {
	if c.Step.Reason == "" && c.Delete != nil {
		return c.Delete.Reason
	}
	return c.Step.Reason
}

// Risk is what the change endangers; nil where nothing.
func (c *Change) Risk() *plan.Risk {
	if c.Delete != nil && c.Delete.Risk != nil {
		return c.Delete.Risk
	}
	return c.Step.Risk
}

// both lists what either half of a replace says.
func (c *Change) both(of func(*plan.Step) []string) []string {
	out := of(c.Step)
	if c.Delete == nil {
		return out
	}
	out = slices.Clone(out)
	for _, p := range of(c.Delete) {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// Changed are the paths that differ.
func (c *Change) Changed() []string {
	return c.both(func(s *plan.Step) []string { return s.Changed })
}

// ForceNew are those of them that make it a replace.
func (c *Change) ForceNew() []string {
	return c.both(func(s *plan.Step) []string { return s.ForceNew })
}

// Secrets are the paths never shown: recorded ones, secret holes, the schema's.
func (c *Change) Secrets(s *providers.Schema) value.Paths {
	paths := slices.Clone(c.both(func(s *plan.Step) []string { return s.Sensitive }))
	for _, h := range c.Step.Holes {
		if h.Secret {
			paths = append(paths, h.Path)
		}
	}
	return value.SecretPaths(paths, s)
}

// Values decodes both sides, secrets masked and holes filled in.
func (c *Change) Values(s *providers.Schema) (before, after map[string]any) {
	secrets := c.Secrets(s)
	before, _ = value.Mask(value.Decode(c.Before(), s), secrets).(map[string]any)
	after, _ = value.Mask(value.Decode(c.After(), s), secrets).(map[string]any)
	if c.Action == plan.Delete || c.Action == plan.Forget {
		return before, nil
	}
	for _, h := range c.Step.Holes {
		var leaf any = value.Unknown{}
		if h.Secret {
			leaf = value.Secret{}
		}
		if m, ok := value.Put(after, h.Path, leaf).(map[string]any); ok {
			after = m
		}
	}
	return before, after
}

// Shown reports whether the change is one that people are told of: what only
// brings the state up to date is not.
func (c *Change) Shown() bool { return c.Action != plan.Record || c.Step.Imported }

// Facts are the attributes that place an object among others.
type Facts struct {
	Name, Vhost         string
	Source, Destination string
	DestinationType     string
	RoutingKey          string
	Exchange, User      string
	Role, Broker        string // of a process
}

// factJSON takes any JSON where a text may stand, so that one odd attribute
// does not hide the rest.
type factJSON struct {
	Name            text `json:"name"`
	Vhost           text `json:"vhost"`
	Source          text `json:"source"`
	Destination     text `json:"destination"`
	DestinationType text `json:"destination_type"`
	RoutingKey      text `json:"routing_key"`
	Exchange        text `json:"exchange"`
	User            text `json:"user"`
	Role            text `json:"role"`
	Broker          text `json:"broker"`
}

type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if len(b) > 0 && b[0] == '"' && json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// FactsOf reads the facts of a recorded value; those that paths mark as secret
// are left out.
func FactsOf(raw json.RawMessage, secrets []string) Facts {
	var j factJSON
	if len(raw) == 0 || json.Unmarshal(raw, &j) != nil {
		return Facts{}
	}
	f := Facts{string(j.Name), string(j.Vhost), string(j.Source), string(j.Destination),
		string(j.DestinationType), string(j.RoutingKey), string(j.Exchange), string(j.User), string(j.Role), string(j.Broker)}
	if len(secrets) == 0 {
		return f
	}
	p := value.NewPaths(secrets...)
	for name, field := range map[string]*string{"name": &f.Name, "vhost": &f.Vhost, "source": &f.Source,
		"destination": &f.Destination, "destination_type": &f.DestinationType,
		"routing_key": &f.RoutingKey, "exchange": &f.Exchange, "user": &f.User, "role": &f.Role, "broker": &f.Broker} {
		if below, all := p.Key(name); *field != "" && (all || len(below) > 0) {
			*field = value.SecretText
		}
	}
	return f
}

func factsOf(c *Change) Facts {
	raw := c.After()
	if len(raw) == 0 || string(raw) == "null" {
		raw = c.Before()
	}
	return FactsOf(raw, c.secretPaths())
}

func (c *Change) secretPaths() []string {
	return c.both(func(s *plan.Step) []string { return s.Sensitive })
}

// Label is how an object is called in a sentence: `"jobs"`, for a binding its
// two ends, for what has no name of its own its label.
func Label(a addr.Instance, f Facts) string {
	switch {
	case f.Source != "" && f.Destination != "":
		return value.Name(f.Source) + " → " + value.Name(f.Destination)
	case f.Name != "":
		return value.Quote(f.Name)
	case f.User != "":
		return value.Quote(f.User)
	case f.Role != "":
		return value.Quote(f.Role)
	case a.Name == "" && f.Broker != "":
		return value.Quote(f.Broker)
	case a.Name != "":
		return value.Quote(a.Name) + escapeKey(a.Key)
	}
	return escapeKey(a.Key)
}

// escapeKey: keys are quoted as HCL quotes them already (addr.StringKey).
func escapeKey(k string) string { return strings.TrimSpace(k) }

// LiveID is the text by which `import` finds the live object: the schema's
// form, or where that cannot be made, its name.
func (c *Change) LiveID(s *providers.Schema) string {
	raw := c.After()
	if len(raw) == 0 {
		raw = c.Before()
	}
	if s != nil && s.ID != nil && len(c.secretPaths()) == 0 {
		if v, err := ctyjson.Unmarshal(raw, s.ImpliedType()); err == nil && !v.IsNull() && v.IsWhollyKnown() {
			return s.ID(v)
		}
	}
	f := c.Facts
	id := f.Name
	switch {
	case f.Source != "":
		id = f.Source + "/" + f.Destination + "/" + f.RoutingKey
	case id == "" && f.User != "":
		id = f.User
	case id == "":
		id = c.Addr.Name
	}
	if f.Vhost != "" && c.Addr.Type != "vhost" {
		id += "@" + f.Vhost
	}
	return id
}
