package desired

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/discovery/wire"
)

const (
	keeperType       = "keeper"
	announcementType = "announcement"
)

// keepers make the objects by which the agent declares bindings again that
// vanish with their transient ends.
func (e *evaluator) keepers(l *lowering) []*instance {
	owners := e.owners(l)
	var out []*instance
	for n := range l.low.Keepers {
		k := &l.low.Keepers[n]
		owner := owners[addr.Instance{Module: k.Module, Owner: k.Owner}]
		if owner == nil || owner.held || owner.failed {
			continue
		}
		bindings := make([]cty.Value, 0, len(k.Bindings))
		for _, a := range k.Bindings {
			if b := l.objects[a]; b != nil {
				bindings = append(bindings, binding(b.object.Value))
			}
		}
		if len(bindings) == 0 {
			continue
		}
		i := e.onLauncher(l, owner, keeperType, map[string]cty.Value{
			"name": cty.StringVal(addr.Instance{Module: k.Module, Owner: k.Owner}.String()), "bindings": cty.ListVal(bindings),
		})
		if i != nil {
			i.lowered.after = k.Bindings
			out = append(out, i)
		}
	}
	return out
}

// binding is what a keeper has to know of one: the broker's identity of it.
func binding(v cty.Value) cty.Value {
	vals := map[string]cty.Value{}
	for _, name := range []string{"vhost", "source", "destination", "destination_type", "routing_key"} {
		vals[name] = cty.NullVal(cty.String)
		if v.Type().HasAttribute(name) {
			vals[name] = v.GetAttr(name)
		}
	}
	return cty.ObjectVal(vals)
}

// announcements are spoken for foreign participants that ask for it.
func (e *evaluator) announcements(l *lowering) []*instance {
	var out []*instance
	for _, p := range l.players {
		if !isTrue(p.inst.val("announce")) {
			continue
		}
		if !p.foreign && !known(p.inst.val("foreign")) {
			continue
		}
		if !p.foreign {
			e.errorf(p.inst.at("announce"), "Announces itself", "%s is launched here, and a participant announces itself. announce is for one that runs elsewhere: it needs foreign = true.", p.label())
			continue
		}
		if p.failed || p.held || p.inst.failed || p.inst.held {
			continue
		}
		i := e.onLauncher(l, p.inst, announcementType, map[string]cty.Value{"role": cty.StringVal(p.role.Name), "message": cty.StringVal(p.announcement())})
		if i != nil {
			r := l.low.Processes[p.role]
			i.lowered.within, i.lowered.after = r.Within, r.After
			out = append(out, i)
		}
	}
	return out
}

// onLauncher makes an object that a launcher holds for a participant or graph.
func (e *evaluator) onLauncher(l *lowering, owner *instance, typ string, attrs map[string]cty.Value) *instance {
	on := e.launcherOf(owner)
	if on == nil {
		return nil
	}
	schema := on.typ.Resources[typ]
	if schema == nil {
		e.errorf(owner.decl(), "Not available there", "%s needs a %s, which %s has not.", owner.label(), typ, on.addr)
		return nil
	}
	link, ok := e.agentURL(l.broker)
	if !ok {
		return nil
	}
	attrs["broker"], attrs["url"] = cty.StringVal(l.broker.addr.Name), cty.StringVal(link)
	i := e.newDerived(owner, addr.Instance{Module: owner.addr.Module, Owner: owner.owner(), Type: typ}, &on.broker, e.info(schema), owner.decl())
	i.lowered.serves = l.broker
	if !e.fill(i, attrs, nil) {
		return nil
	}
	return i
}

// announcement is the message of the discovery protocol (msgflo-wire.md §1.2).
// The id is the role, as foreign participants of the original have it; a
// component must not be empty there, so it is the role where none is said.
func (p *player) announcement() string {
	ports := func(of []*flow.Port) []wire.Port {
		out := make([]wire.Port, 0, len(of))
		for _, f := range of {
			doc := p.docs[f]
			t := attr.Text(doc, "type")
			if t == "" {
				t = "any"
			}
			out = append(out, wire.Port{ID: f.ID, Queue: f.Queue, Type: t, Description: attr.Text(doc, "description"), Schema: attr.Text(doc, "schema")})
		}
		return out
	}
	component, label, icon := p.role.Name, text(p.val("label")), text(p.val("icon"))
	if p.comp != nil {
		component = p.comp.name
		if p.comp.own != nil {
			label, icon = p.comp.own.Description, p.comp.own.Icon
		}
	}
	return string(wire.Participant{
		ID: p.role.Name, Role: p.role.Name, Component: component, Label: label, Icon: icon,
		Inports: ports(p.role.Inports), Outports: ports(p.role.Outports),
	}.Encode())
}
