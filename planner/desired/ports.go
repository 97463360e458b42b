package desired

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
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
		if nb.label == "" || strings.ContainsFunc(nb.label, control) {
			e.errorf(nb.body.decl, "Invalid port", "The name of a port, %q, is empty or has a control character.", diag.Escape(nb.label))
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

// portPath is what follows participant.NAME.in or .out in a reference to one
// port, nil where it is something else.
func portPath(b *block, tail hcl.Traversal) []string {
	if b.cfg.Type != participantType || b.cfg.Data || len(tail) < 2 || len(tail) > 3 {
		return nil
	}
	if dir := stepName(tail[0]); dir != "in" && dir != "out" {
		return nil
	}
	out := make([]string, 0, 2)
	for _, s := range tail[1:] {
		name := stepName(s)
		if name == "" {
			return nil
		}
		out = append(out, name)
	}
	return out
}

// name notes the port that a reference names, so that the port is there
// whoever asks for the participant as a whole: ports that nobody declares
// are implied.
func (b *block) name(rest hcl.Traversal) {
	if b.cfg.Type != participantType || b.cfg.Data {
		return
	}
	if len(rest) > 0 {
		if ix, ok := rest[0].(hcl.TraverseIndex); ok && keyOfValue(ix.Key) != "" && stepName(ix) != "in" && stepName(ix) != "out" {
			rest = rest[1:]
		}
	}
	if path := portPath(b, rest[:min(2, len(rest))]); path != nil {
		b.namePort(stepName(rest[0]) == "out", path[0])
	}
}

func (b *block) namePort(out bool, port string) {
	n := 0
	if out {
		n = 1
	}
	if !slices.Contains(b.asked[n], port) {
		b.asked[n] = append(b.asked[n], port)
	}
}

// namePorts is name for participant.x[KEY].out.PORT.
func (e *evaluator) namePorts(x *expression, n *hclsyntax.RelativeTraversalExpr) {
	ix, ok := unwrap(n.Source).(*hclsyntax.IndexExpr)
	if !ok {
		return
	}
	coll, ok := unwrap(ix.Collection).(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		return
	}
	at := coll.Traversal.SourceRange()
	for i := range x.refs {
		if r := &x.refs[i]; r.block != nil && r.rng == at {
			r.block.name(n.Traversal)
		}
	}
}

// played is the value of an attribute of a participant that is not as it is
// written: its role with the broker's prefix, and its ports.
func (e *evaluator) played(i *instance, attr string, at hcl.Range) (cty.Value, bool) {
	if i.block.cfg.Type != participantType || i.block.cfg.Data || attr != "in" && attr != "out" && attr != "role" {
		return cty.NilVal, false
	}
	p := e.playerOf(i)
	if p == nil || p.unclear {
		return missing(i.held), true
	}
	if attr == "role" {
		return cty.StringVal(p.role.Name), true
	}
	if !e.cast(p) {
		return brokenVal, true
	}
	if p.vague && !p.failed {
		return missing(true), true
	}
	out := attr == "out"
	ports, vals := p.ports(out), map[string]cty.Value{}
	for _, port := range ports {
		vals[port.ID] = e.portOf(i, out, []string{port.ID}, at)
	}
	for _, id := range e.impliedPorts(p, out) {
		if _, ok := vals[id]; !ok {
			vals[id] = e.portOf(i, out, []string{id}, at)
		}
	}
	return cty.ObjectVal(vals), true
}

// missing stands for what cannot be known now.
func missing(waits bool) cty.Value {
	if waits {
		return cty.DynamicVal.Mark(held)
	}
	return brokenVal
}

func (p *player) ports(out bool) []*flow.Port {
	if out {
		return p.role.Outports
	}
	return p.role.Inports
}

// impliedPorts are the ports that references and labels of edges name, where
// the component declares none.
func (e *evaluator) impliedPorts(p *player, out bool) []string {
	n, declared := 0, p.role.DeclaredIn
	if out {
		n, declared = 1, p.role.DeclaredOut
	}
	if declared {
		return nil
	}
	ids := slices.Concat(p.inst.block.asked[n], e.labelledPorts()[n][p.short])
	slices.Sort(ids)
	return slices.Compact(ids)
}

// labelledPorts are the inports and outports that labels of edges name, by
// role as a label without more dots has it.
func (e *evaluator) labelledPorts() *[2]map[string][]string {
	if e.labelled != nil && e.labelledIn == len(e.modules) {
		return e.labelled
	}
	out := &[2]map[string][]string{{}, {}}
	for _, m := range e.modules {
		for _, b := range m.resources {
			if b.cfg.Graph == nil {
				continue
			}
			for _, edge := range b.cfg.Graph.Edges {
				for n, end := range []string{edge.To, edge.From} {
					if dot := strings.LastIndexByte(end, '.'); dot > 0 {
						out[n][end[:dot]] = append(out[n][end[:dot]], end[dot+1:])
					}
				}
			}
		}
	}
	e.labelled, e.labelledIn = out, len(e.modules)
	return out
}

// portOf is the value of one port: what it is called on the broker is known
// before anything is made there. The path is the port, and maybe one of its attributes.
func (e *evaluator) portOf(i *instance, out bool, path []string, at hcl.Range) cty.Value {
	p := e.playerOf(i)
	if p == nil || p.unclear {
		return missing(i.held)
	}
	if !e.cast(p) || p.failed {
		return brokenVal
	}
	if p.vague {
		return missing(true)
	}
	port := findPort(p.ports(out), path[0])
	declared := p.role.DeclaredIn && !out || p.role.DeclaredOut && out
	if port == nil && declared {
		e.noPort(p, out, path[0], at)
		return brokenVal
	}
	if port == nil {
		port = &flow.Port{ID: path[0], Durable: true, Decl: at}
	}
	queue := cty.UnknownVal(cty.String).Mark(broken)
	if name, ok := p.queueOf(port); ok {
		queue = cty.StringVal(name)
	} else if len(path) > 1 && path[1] == "queue" {
		e.errorf(at, "Queue not known", "What carries the port %q of %s is not known: nothing says which client library it is written with. Write client in it, or queue in its port's block.",
			diag.Escape(path[0]), p.label())
	}
	vals := map[string]cty.Value{"role": cty.StringVal(p.role.Name), "port": cty.StringVal(port.ID), "queue": queue}
	if len(path) == 1 {
		return cty.ObjectVal(vals)
	}
	v, ok := vals[path[1]]
	if !ok {
		e.errorf(at, "Unsupported attribute", "A port has no attribute %q.%s", diag.Escape(path[1]), diag.DidYouMean(path[1], sortedKeys(vals)))
		return brokenVal
	}
	return v
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
	e.errorf(at, "No such port", "%s has no %s %q.%s %s", p.label(), kind, diag.Escape(id), diag.DidYouMean(id, names), has)
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

// isPort reports whether an object is the value of a port.
func isPort(ty cty.Type) bool {
	return ty.IsObjectType() && len(ty.AttributeTypes()) == 3 && ty.HasAttribute("role") && ty.HasAttribute("port") && ty.HasAttribute("queue")
}

// playerDeps is what a reference to a participant makes one come after: to its
// ports, what carries them; to anything else nothing, as all of it is
// known at plan time.
func (e *evaluator) playerDeps(b *block, key, attr string) []dep {
	if attr != "in" && attr != "out" {
		return nil
	}
	ds := e.blockDeps(b, key)
	for n := range ds {
		ds[n].ports = true
	}
	return ds
}

// directDeps is playerDeps for a direct path, whose index may differ by instance.
func (e *evaluator) directDeps(d *direct, s *scope) []dep {
	inst, ok := e.target(d, s)
	var out []dep
	if d.key != nil {
		out = e.appendDeps(out, d.key, s)
	}
	switch {
	case !ok || d.attr != "in" && d.attr != "out":
		return out
	case inst == nil:
		return append(out, dep{block: d.block, ports: true})
	}
	return append(out, dep{inst: inst, ports: true})
}

// triggersOf is what a reference in replace_triggered_by stands for: there a
// participant means all that it gives rise to.
func (e *evaluator) triggersOf(x *expression, s *scope) []dep {
	ds := e.deps(x, s)
	if x.direct != nil && x.direct.block.lowers() {
		if inst, ok := e.target(x.direct, s); ok && inst != nil {
			return append(ds, dep{inst: inst})
		}
		return append(ds, dep{block: x.direct.block})
	}
	return ds
}

// playerWants is wants for a participant: an index that differs by instance
// asks for the attribute after it, not for all that there is, since all of two
// participants that name each other's ports would be a circle.
func (e *evaluator) playerWants(x *expression, same func(*reference) bool, m mode) []want {
	var out []want
	for i := range x.refs {
		r := &x.refs[i]
		if !same(r) {
			continue
		}
		w := r.want(m)
		if r.indexed {
			for _, ix := range x.indexed {
				if ix.block == r.block {
					w = want{attr: ix.attr}
				}
			}
		}
		out = append(out, w)
	}
	return out
}

// nameTree puts a text at a path of an object.
func nameTree(v cty.Value, path []string, text string) cty.Value {
	if len(path) == 0 {
		return cty.StringVal(text)
	}
	vals := map[string]cty.Value{}
	if v != cty.NilVal {
		vals = v.AsValueMap()
	}
	vals[path[0]] = nameTree(vals[path[0]], path[1:], text)
	return cty.ObjectVal(vals)
}

// withoutKeys drops the instance from what is wanted: it is not known before
// evaluation which one it is.
func withoutKeys(ws []want) []want {
	var out []want
	for _, w := range ws {
		out = append(out, want{attr: w.attr})
	}
	return out
}
