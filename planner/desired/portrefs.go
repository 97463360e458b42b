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

// This file is what references to participants and their ports mean. A port is
// there because somebody refers to it, unless the component declares its ports.

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
			path[0], p.label())
	}
	vals := map[string]cty.Value{"role": cty.StringVal(p.role.Name), "port": cty.StringVal(port.ID), "queue": queue}
	if len(path) == 1 {
		return cty.ObjectVal(vals)
	}
	v, ok := vals[path[1]]
	if !ok {
		e.errorf(at, "Unsupported attribute", "A port has no attribute %q.%s", path[1], diag.DidYouMean(path[1], sortedKeys(vals)))
		return brokenVal
	}
	return v
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
