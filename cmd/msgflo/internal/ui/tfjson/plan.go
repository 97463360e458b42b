package tfjson

import (
	"encoding/json"
	"time"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/state"
)

// PlanVersion is the format_version of plan documents, StateVersion that of
// states (Terraform 1.9's).
const (
	PlanVersion  = "1.2"
	StateVersion = "1.0"
)

// Plan is what `show -json PLANFILE` prints.
type Plan struct {
	FormatVersion    string                     `json:"format_version"`
	TerraformVersion string                     `json:"terraform_version"`
	Variables        map[string]PlanVariable    `json:"variables,omitempty"`
	PlannedValues    Values                     `json:"planned_values"`
	ResourceDrift    []ResourceChange           `json:"resource_drift,omitempty"`
	ResourceChanges  []ResourceChange           `json:"resource_changes"`
	OutputChanges    map[string]ValueChange     `json:"output_changes,omitempty"`
	PriorState       *State                     `json:"prior_state,omitempty"`
	Configuration    map[string]json.RawMessage `json:"configuration"`
	Timestamp        string                     `json:"timestamp,omitempty"`
	Applyable        bool                       `json:"applyable"`
	Complete         bool                       `json:"complete"`
	Errored          bool                       `json:"errored"`
	Msgflo           PlanExtension              `json:"msgflo"`
}

// PlanVariable is the value of a root variable that is not sensitive.
type PlanVariable struct {
	Value json.RawMessage `json:"value"`
}

// PlanExtension is what Terraform's format has no place for.
type PlanExtension struct {
	Mode      string           `json:"mode"`
	Lineage   string           `json:"lineage"`
	Serial    uint64           `json:"serial"`
	Unchanged int              `json:"unchanged"`
	Moved     []plan.Moved     `json:"moved,omitempty"`
	Withheld  []plan.Withheld  `json:"withheld,omitempty"`
	Unmanaged []UnmanagedEntry `json:"unmanaged,omitempty"`
	Edges     []EdgeChange     `json:"edges,omitempty"`
	Messages  int64            `json:"messages_at_risk"`
}

// UnmanagedEntry is an object that is neither declared nor in state.
type UnmanagedEntry struct {
	Provider string `json:"provider"`
	Type     string `json:"type"`
	Name     string `json:"name"`
}

// EdgeChange is a way of messages that the plan opens or closes.
type EdgeChange struct {
	Action      string `json:"action"` // open, close
	Provider    string `json:"provider"`
	Vhost       string `json:"vhost,omitempty"`
	Source      string `json:"source"`
	Destination string `json:"destination"`
	Type        string `json:"destination_type"`
	RoutingKey  string `json:"routing_key"`
}

// ResourceChange is one change of one object.
type ResourceChange struct {
	Address         string          `json:"address"`
	PreviousAddress string          `json:"previous_address,omitempty"`
	ModuleAddress   string          `json:"module_address,omitempty"`
	Mode            string          `json:"mode"`
	Type            string          `json:"type"`
	Name            string          `json:"name"`
	Index           any             `json:"index,omitempty"`
	ProviderName    string          `json:"provider_name"`
	Change          ValueChange     `json:"change"`
	ActionReason    string          `json:"action_reason,omitempty"`
	Msgflo          ChangeExtension `json:"msgflo"`
}

// ChangeExtension says what msgflo does in its own words.
type ChangeExtension struct {
	Action  string     `json:"action"` // create, update, delete, replace, migrate, adopt, forget, …
	Broker  string     `json:"broker"`
	Reason  string     `json:"reason,omitempty"`
	Drift   bool       `json:"drift,omitempty"`
	Changed []string   `json:"changed,omitempty"`
	Risk    *plan.Risk `json:"risk,omitempty"`
	Gone    bool       `json:"gone,omitempty"` // of drift: the object is not there
}

// ValueChange is a value before and after.
type ValueChange struct {
	Actions         []string   `json:"actions"`
	Before          any        `json:"before"`
	After           any        `json:"after"`
	AfterUnknown    any        `json:"after_unknown"`
	BeforeSensitive any        `json:"before_sensitive"`
	AfterSensitive  any        `json:"after_sensitive"`
	ReplacePaths    []any      `json:"replace_paths,omitempty"`
	Importing       *Importing `json:"importing,omitempty"`
}

// Importing names the live object that is taken over.
type Importing struct {
	ID string `json:"id"`
}

// PlanOptions is what a plan document is made with.
type PlanOptions struct {
	Version string // of this program
	Schemas change.Schemas
	Types   func(addr.Provider) string // provider type by address: rabbitmq; nil: the block's kind
	Prior   *state.Snapshot            // may be nil
	Now     time.Time                  // zero: no timestamp
}

// NewPlan makes the document of a plan.
func NewPlan(p *plan.Plan, o PlanOptions) Plan {
	cs := change.Merge(p)
	n := change.Count(cs)
	doc := Plan{
		FormatVersion: PlanVersion, TerraformVersion: o.Version,
		ResourceChanges: make([]ResourceChange, 0, len(cs)),
		Configuration:   map[string]json.RawMessage{"root_module": json.RawMessage("{}")},
		Applyable:       (len(p.Steps) > 0 || !p.Empty()) && len(p.Blocked()) == 0, Complete: !p.Targeted && len(p.Withheld) == 0,
		Msgflo: PlanExtension{Mode: p.Mode, Lineage: p.Lineage, Serial: p.Serial, Unchanged: p.Unchanged,
			Moved: p.Moved, Withheld: p.Withheld, Messages: n.Messages},
	}
	if !o.Now.IsZero() {
		doc.Timestamp = o.Now.UTC().Format(time.RFC3339)
	}
	for name, v := range p.Variables {
		if doc.Variables == nil {
			doc.Variables = map[string]PlanVariable{}
		}
		doc.Variables[name] = PlanVariable{orNull(v)}
	}
	planned := newTree()
	for i := range cs {
		doc.ResourceChanges = append(doc.ResourceChanges, o.resourceChange(&cs[i], planned))
	}
	o.kept(planned, cs)
	doc.PlannedValues = Values{RootModule: planned.root()}
	doc.outputs(p)
	for i := range p.Drift {
		doc.ResourceDrift = append(doc.ResourceDrift, o.drift(&p.Drift[i]))
	}
	for _, u := range p.Unmanaged {
		doc.Msgflo.Unmanaged = append(doc.Msgflo.Unmanaged, UnmanagedEntry{u.Provider.String(), u.Type, u.Name})
	}
	for _, e := range change.Edges(cs) {
		doc.Msgflo.Edges = append(doc.Msgflo.Edges, edge(e))
	}
	if o.Prior != nil {
		st := NewState(o.Prior, StateOptions{Version: o.Version, Schemas: o.Schemas})
		doc.PriorState = &st
	}
	return doc
}

func edge(e change.Edge) EdgeChange {
	c := EdgeChange{Action: "close", Provider: e.Provider.String(), Vhost: e.Vhost, Source: e.Source,
		Destination: e.Destination, Type: "queue", RoutingKey: e.RoutingKey}
	if e.Opens {
		c.Action = "open"
	}
	if e.ToExchange {
		c.Type = "exchange"
	}
	return c
}

func (o PlanOptions) providerName(p addr.Provider) string {
	if o.Types != nil {
		if t := o.Types(p); t != "" {
			return providerName(t)
		}
	}
	return providerName(p.Kind)
}

func (o PlanOptions) resourceChange(c *change.Change, planned *tree) ResourceChange {
	s := o.Schemas.For(c.Step.Provider, c.Addr.Type)
	before, after := c.Values(s)
	if after == nil && (c.Action == plan.Adopt || c.Action == plan.Record) {
		after = before
	}
	bp, _, bs := split(object(before))
	ap, au, as := split(object(after))
	r := ResourceChange{
		Address: c.Addr.String(), ModuleAddress: c.Addr.Module, Mode: "managed", Type: c.Addr.Type, Name: Name(c.Addr),
		Index: Index(c.Addr), ProviderName: o.providerName(c.Step.Provider), ActionReason: actionReason(c),
		Change: ValueChange{Actions: Actions(c.Action), Before: bp, After: ap, AfterUnknown: marks(au, after != nil),
			BeforeSensitive: marks(bs, before != nil), AfterSensitive: marks(as, after != nil)},
		Msgflo: ChangeExtension{Action: c.Action.String(), Broker: c.Step.Provider.String(), Reason: c.Reason(),
			Drift: c.Step.Drift, Changed: c.Changed(), Risk: PublicRisk(c.Risk())},
	}
	if c.Step.Prev != nil {
		r.PreviousAddress = c.Step.Prev.String()
	}
	for _, p := range c.ForceNew() {
		r.Change.ReplacePaths = append(r.Change.ReplacePaths, value.Steps(p))
	}
	if c.Action == plan.Adopt || c.Step.Imported {
		r.Change.Importing = &Importing{ID: c.LiveID(s)}
	}
	if after != nil {
		planned.add(c.Addr, resource(c.Addr, ap, as, r.ProviderName, c.Step.SchemaVersion))
	}
	return r
}

// PublicRisk leaves the values of collateral out: nobody has said which of
// their parts are secret.
func PublicRisk(r *plan.Risk) *plan.Risk {
	if r == nil {
		return nil
	}
	out := *r
	out.Collateral = make([]plan.Collateral, len(r.Collateral))
	for i, c := range r.Collateral {
		c.Value = nil
		out.Collateral[i] = c
	}
	return &out
}

// kept adds what the plan leaves as it is: the prior objects not mentioned.
func (o PlanOptions) kept(planned *tree, cs []change.Change) {
	if o.Prior == nil {
		return
	}
	mentioned := make(map[addr.Instance]bool, len(cs))
	for i := range cs {
		mentioned[cs[i].Addr] = true
		if p := cs[i].Step.Prev; p != nil {
			mentioned[*p] = true
		}
	}
	so := StateOptions{Schemas: o.Schemas}
	for i := range o.Prior.Objects {
		if ob := &o.Prior.Objects[i]; !mentioned[ob.Addr] {
			planned.add(ob.Addr, so.resource(ob))
		}
	}
}

func (doc *Plan) outputs(p *plan.Plan) {
	for n, out := range p.Outputs {
		c := ValueChange{Actions: []string{"no-op"}, AfterUnknown: out.Unknown, BeforeSensitive: out.Sensitive, AfterSensitive: out.Sensitive}
		if out.Changed {
			c.Actions = outputActions(out)
		}
		v := OutputValue{Sensitive: out.Sensitive}
		if !out.Sensitive {
			c.Before, c.After = value.DecodeWrapped(out.Before), value.DecodeWrapped(out.After)
			v.Value, v.Type = raw(c.After), wrappedType(out.After)
		}
		if doc.OutputChanges == nil {
			doc.OutputChanges = map[string]ValueChange{}
			doc.PlannedValues.Outputs = map[string]OutputValue{}
		}
		doc.OutputChanges[n] = c
		doc.PlannedValues.Outputs[n] = v
	}
}

func outputActions(o plan.Output) []string {
	switch {
	case len(o.Before) == 0 && !o.Sensitive:
		return []string{"create"}
	case len(o.After) == 0 && !o.Unknown && !o.Sensitive:
		return []string{"delete"}
	}
	return []string{"update"}
}

func wrappedType(doc json.RawMessage) json.RawMessage {
	var w struct {
		Type json.RawMessage `json:"type"`
	}
	if json.Unmarshal(doc, &w) != nil {
		return nil
	}
	return w.Type
}

func (o PlanOptions) drift(d *plan.Drift) ResourceChange {
	s := o.Schemas.For(d.Provider, d.Addr.Type)
	secrets := value.SecretPaths(d.Sensitive, s)
	was, _ := value.Mask(value.Decode(d.Recorded, s), secrets).(map[string]any)
	is, _ := value.Mask(value.Decode(d.Live, s), secrets).(map[string]any)
	actions := []string{"update"}
	if d.Gone {
		is, actions = nil, []string{"delete"}
	}
	bp, _, bs := split(object(was))
	ap, _, as := split(object(is))
	return ResourceChange{
		Address: d.Addr.String(), ModuleAddress: d.Addr.Module, Mode: "managed", Type: d.Addr.Type, Name: Name(d.Addr),
		Index: Index(d.Addr), ProviderName: o.providerName(d.Provider),
		Change: ValueChange{Actions: actions, Before: bp, After: ap, AfterUnknown: marks(nil, is != nil),
			BeforeSensitive: marks(bs, was != nil), AfterSensitive: marks(as, is != nil)},
		Msgflo: ChangeExtension{Action: actions[0], Broker: d.Provider.String(), Reason: d.Note, Drift: true, Changed: d.Changed, Gone: d.Gone},
	}
}

// Actions are Terraform's words for an action: what it has no word for becomes
// the nearest that a policy check would have to look at.
func Actions(a plan.Action) []string {
	switch a {
	case plan.Create:
		return []string{"create"}
	case plan.Update, plan.Restart:
		return []string{"update"}
	case plan.Delete:
		return []string{"delete"}
	case plan.Replace, plan.Migrate:
		return []string{"delete", "create"}
	case plan.Forget:
		return []string{"forget"}
	}
	return []string{"no-op"}
}

// actionReason is Terraform's fixed word for why, where one fits.
func actionReason(c *change.Change) string {
	switch {
	case (c.Action == plan.Replace || c.Action == plan.Migrate) && len(c.ForceNew()) > 0:
		return "replace_because_cannot_update"
	case c.Action == plan.Replace:
		return "replace_by_triggers"
	case c.Action == plan.Delete && c.Step.Decl.Filename == "":
		return "delete_because_no_resource_config"
	}
	return ""
}
