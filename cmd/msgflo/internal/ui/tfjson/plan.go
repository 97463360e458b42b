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

// PlanOptions is what a plan document is made with.
type PlanOptions struct {
	Version string // of this program
	Schemas change.Schemas
	// Types gives a provider's type, as rabbitmq, by its address and the type of
	// an object of it; nil: the block's kind.
	Types func(p addr.Provider, object string) string
	Prior *state.Snapshot // may be nil
	Now   time.Time       // zero: no timestamp
}

// NewPlan makes the document of a plan.
func NewPlan(p *plan.Plan, o PlanOptions) Plan {
	cs := change.Merge(p)
	doc := Plan{
		FormatVersion: PlanVersion, TerraformVersion: o.Version,
		ResourceChanges: make([]ResourceChange, 0, len(cs)),
		Configuration:   map[string]json.RawMessage{"root_module": json.RawMessage("{}")},
		Applyable:       (len(p.Steps) > 0 || !p.Empty()) && len(p.Blocked()) == 0, Complete: !p.Targeted && len(p.Withheld) == 0,
		Msgflo: extension(p, cs),
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
		if p.Drift[i].Note == "" {
			doc.ResourceDrift = append(doc.ResourceDrift, o.drift(&p.Drift[i]))
		}
	}
	if o.Prior != nil {
		st := NewState(o.Prior, StateOptions{Version: o.Version, Schemas: o.Schemas})
		doc.PriorState = &st
	}
	return doc
}

func extension(p *plan.Plan, cs []change.Change) PlanExtension {
	x := PlanExtension{Mode: p.Mode, Lineage: p.Lineage, Serial: p.Serial, Unchanged: p.Unchanged,
		Moved: p.Moved, Withheld: p.Withheld, Messages: change.Count(cs).Messages}
	for _, u := range p.Unmanaged {
		x.Unmanaged = append(x.Unmanaged, UnmanagedEntry{u.Provider.String(), u.Type, u.Name})
	}
	for _, d := range p.Drift {
		if d.Note != "" {
			x.Away = append(x.Away, AwayEntry{d.Addr, d.Note})
		}
	}
	for _, e := range change.Edges(cs) {
		x.Edges = append(x.Edges, edge(e))
	}
	return x
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

func (o PlanOptions) providerName(p addr.Provider, object string) string {
	if o.Types != nil {
		if t := o.Types(p, object); t != "" {
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
		Index: Index(c.Addr), ProviderName: o.providerName(c.Step.Provider, c.Addr.Type), ActionReason: actionReason(c),
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
		action := OutputAction(out)
		c := ValueChange{Actions: []string{action}, AfterUnknown: out.Unknown, BeforeSensitive: out.Sensitive, AfterSensitive: out.Sensitive}
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
		if action != "delete" { // what goes is no planned value
			doc.PlannedValues.Outputs[n] = v
		}
	}
}

// OutputAction is Terraform's word for what a plan does to an output.
func OutputAction(o plan.Output) string {
	switch {
	case !o.Changed:
		return "no-op"
	case o.New, len(o.Before) == 0 && !o.Sensitive:
		return "create"
	case o.Gone, len(o.After) == 0 && !o.Unknown && !o.Sensitive:
		return "delete"
	}
	return "update"
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
		Index: Index(d.Addr), ProviderName: o.providerName(d.Provider, d.Addr.Type),
		Change: ValueChange{Actions: actions, Before: bp, After: ap, AfterUnknown: marks(nil, is != nil),
			BeforeSensitive: marks(bs, was != nil), AfterSensitive: marks(as, is != nil)},
		Msgflo: ChangeExtension{Action: actions[0], Broker: d.Provider.String(), Drift: true, Changed: d.Changed, Gone: d.Gone},
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
