package desired

import (
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/desired/flow"
)

// portsDeclared fills the role's ports: the component's, with what the
// participant's own blocks say of them. A port block of a foreign participant
// without component declares as a component's does.
func (e *evaluator) portsDeclared(p *player) {
	r := p.role
	if c := p.comp; c != nil && c.own != nil {
		r.DeclaredIn, r.DeclaredOut = true, true
		for _, b := range c.own.Inports {
			p.addPort(&r.Inports, b.ID, cty.ObjectVal(map[string]cty.Value{"type": cty.StringVal(b.Type), "description": cty.StringVal(b.Description)}))
		}
		for _, b := range c.own.Outports {
			p.addPort(&r.Outports, b.ID, cty.ObjectVal(map[string]cty.Value{"type": cty.StringVal(b.Type), "description": cty.StringVal(b.Description)}))
		}
	}
	for _, dir := range []struct {
		block    string
		to       *[]*flow.Port
		declared *bool
	}{{"inport", &r.Inports, &r.DeclaredIn}, {"outport", &r.Outports, &r.DeclaredOut}} {
		if p.comp != nil && p.comp.cfg != nil {
			e.portBlocks(p, dir.to, p.val(dir.block), &p.comp.body.fields[p.comp.in.index[dir.block]])
			*dir.declared = len(*dir.to) > 0
		}
		e.portBlocks(p, dir.to, p.inst.val(dir.block), &p.inst.body.fields[p.inst.in.index[dir.block]])
		if p.comp == nil {
			*dir.declared = len(*dir.to) > 0
		}
		slices.SortFunc(*dir.to, func(a, b *flow.Port) int { return strings.Compare(a.ID, b.ID) })
	}
}

func (p *player) addPort(to *[]*flow.Port, id string, doc cty.Value) *flow.Port {
	port := &flow.Port{ID: id, Durable: true, Decl: p.inst.decl()}
	if doc != cty.NilVal {
		p.docs[port] = doc
	}
	*to = append(*to, port)
	return port
}

// portBlocks adds what nested port blocks say: only what is written in one
// takes precedence over what an outer one said.
func (e *evaluator) portBlocks(p *player, to *[]*flow.Port, blocks cty.Value, f *field) {
	if blocks.IsNull() || !plainTop(blocks).IsKnown() {
		return
	}
	v := plain(blocks)
	for n := range f.nested {
		nb := &f.nested[n]
		key := cty.StringVal(nb.label)
		if has := v.HasIndex(key); !has.IsKnown() || has.False() {
			continue
		}
		if nb.label == "" || strings.ContainsFunc(nb.label, unicode.IsControl) {
			e.errorf(nb.body.decl, "Invalid port", "The name of a port, %q, is empty or has a control character.", nb.label)
			p.failed = true
			continue
		}
		if e.secretPort(p, blocks, key, nb) {
			continue
		}
		doc := v.Index(key)
		var port *flow.Port
		if at := slices.IndexFunc(*to, func(o *flow.Port) bool { return o.ID == nb.label }); at >= 0 {
			port = (*to)[at]
		} else {
			port = p.addPort(to, nb.label, doc)
		}
		port.Decl = nb.body.decl
		if q := doc.GetAttr("queue"); !q.IsKnown() {
			p.held, p.vague = true, true
		} else if !q.IsNull() {
			port.Queue = q.AsString()
			if port.Queue == "" {
				e.errorf(nb.body.decl, "Invalid port", "The queue of the port %q of %s is an empty name. Leave it out for the name that the client library gives it.", nb.label, p.label())
				p.failed = true
			}
		}
		if d := nb.body.field("durable"); d != nil && d.x != nil {
			port.Durable = doc.GetAttr("durable").IsKnown() && !doc.GetAttr("durable").IsNull() && doc.GetAttr("durable").True()
		}
	}
}

// secretPort refuses secrets in what names a queue.
func (e *evaluator) secretPort(p *player, blocks, key cty.Value, nb *nested) bool {
	if !marked(blocks) {
		return false
	}
	top, _ := blocks.Unmark()
	t := traitsOf(top.Index(key))
	if t.sensitive {
		e.errorf(nb.body.decl, "Invalid port", "The port %q of %s has a sensitive value. What a port is called and what its messages are is shown in plans and announced on the broker.", nb.label, p.label())
		p.failed = true
	}
	p.held, p.vague = p.held || t.held, p.vague || t.held
	return t.sensitive || t.held || t.broken
}

// findPort finds a port as flow does: as it is written, else without regard to case.
func findPort(ports []*flow.Port, id string) *flow.Port {
	for _, same := range []func(string) bool{
		func(s string) bool { return s == id }, func(s string) bool { return strings.EqualFold(s, id) },
	} {
		if n := slices.IndexFunc(ports, func(p *flow.Port) bool { return same(p.ID) }); n >= 0 {
			return ports[n]
		}
	}
	return nil
}

func (p *player) ports(out bool) []*flow.Port {
	if out {
		return p.role.Outports
	}
	return p.role.Inports
}

func (e *evaluator) noPort(p *player, out bool, id string, at hcl.Range) {
	kind, ports := "inport", p.ports(out)
	if out {
		kind = "outport"
	}
	names := make([]string, len(ports))
	for n := range ports {
		names[n] = ports[n].ID
	}
	has := "It declares none."
	if len(names) > 0 {
		has = "It has " + strings.Join(names, ", ") + "."
	}
	e.errorf(at, "No such port", "%s has no %s %q.%s %s", p.label(), kind, id, diag.DidYouMean(id, names), has)
}

// queueOf is what carries a port: as it is written, else by the convention of
// the role's client library.
func (p *player) queueOf(port *flow.Port) (string, bool) {
	if port.Queue != "" {
		return port.Queue, true
	}
	name := flow.QueueName(p.role.Client, p.role.Name, port.ID)
	return name, name != ""
}

// imply adds the ports that references name to a role whose component declares
// none: whoever refers to a port wants what carries it to be there. What plays the
// instances of one block has the same ports.
func (p *player) imply() {
	for n, dir := range []struct {
		to       *[]*flow.Port
		declared bool
	}{{&p.role.Inports, p.role.DeclaredIn}, {&p.role.Outports, p.role.DeclaredOut}} {
		ids := slices.Sorted(slices.Values(p.inst.block.asked[n]))
		for _, id := range ids {
			if !dir.declared && findPort(*dir.to, id) == nil {
				p.addPort(dir.to, id, cty.NilVal)
			}
		}
	}
}
