package desired

import (
	"slices"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/desired/flow"
)

// A lowering is one broker with its roles, on the way to objects.
type lowering struct {
	broker  *broker
	players []*player
	byShort map[string]*player // by the role as it is written
	byName  map[string]*player // with the broker's prefix
	graphs  []*instance
	waiting map[*flow.Role]bool // roles with initial packets that wait for data
	waits   bool                // for what may give its roles more ports
	low     *flow.Lowered
	objects map[addr.Instance]*instance // that came of it
}

// lowered says how an object that a participant or graph gives rise to stands
// to others.
type lowered struct {
	within, after, soft []addr.Instance
	carries             bool    // it carries the messages of a port
	serves              *broker // of what a launcher holds: whose it is
}

// relate adds those of the relations that lead to objects which are there.
func (l *lowered) relate(rel *related, byAddr map[addr.Instance]*instance) {
	if l == nil {
		return
	}
	for _, a := range l.within {
		if to := byAddr[a]; to != nil {
			rel.within = append(rel.within, to)
		}
	}
	for _, a := range l.after {
		if to := byAddr[a]; to != nil {
			rel.hard = append(rel.hard, dep{inst: to})
		}
	}
	for _, a := range l.soft {
		if to := byAddr[a]; to != nil {
			rel.soft = append(rel.soft, to)
		}
	}
}

func (e *evaluator) lowerOn(b *broker) *lowering {
	l := e.lowering[b]
	if l == nil {
		l = &lowering{broker: b, byShort: map[string]*player{}, byName: map[string]*player{}, waiting: map[*flow.Role]bool{}, objects: map[addr.Instance]*instance{}}
		e.lowering[b] = l
	}
	return l
}

func (e *evaluator) sortedLowerings() []*lowering {
	out := make([]*lowering, 0, len(e.lowering))
	for _, l := range e.lowering {
		out = append(out, l)
	}
	sort.Slice(out, func(a, b int) bool { return out[a].broker.addr.Name < out[b].broker.addr.Name })
	return out
}

// derive makes the objects that participants and graphs give rise to, and
// returns them with the declared ones, in address order.
func (e *evaluator) derive(declared []*instance) []*instance {
	e.gather()
	byBroker := map[*broker][]*instance{}
	if len(e.lowering) > 0 {
		for _, i := range declared {
			byBroker[i.broker] = append(byBroker[i.broker], i)
		}
	}
	all := slices.Clip(declared)
	for _, l := range e.sortedLowerings() {
		if l.broker.passed {
			continue
		}
		all = append(all, e.lowerFlow(l, byBroker[l.broker])...)
	}
	all = append(all, e.hosts(all)...)
	e.importDerived()
	if len(all) == len(declared) {
		return declared
	}
	slices.SortFunc(all, byAddress)
	return all
}

// gather finds the participants and graphs of each broker and evaluates what
// they say of the flow.
func (e *evaluator) gather() {
	e.lowering = map[*broker]*lowering{}
	for _, p := range e.everyPlayer() {
		e.cast(p)
		l := e.lowerOn(p.inst.broker)
		if p.unclear {
			continue
		}
		if o := l.byShort[p.short]; o != nil {
			e.sameRole(o, p)
			continue
		}
		l.byShort[p.short], l.byName[p.role.Name] = p, p
		l.players = append(l.players, p)
	}
	var graphs []*instance
	e.everyInstance(graphType, func(i *instance) {
		if e.name(i) && i.in != nil && !i.failed {
			graphs = append(graphs, i)
		}
	})
	for _, i := range graphs {
		e.lowerOn(i.broker)
	}
	for _, i := range graphs {
		l := e.lowerOn(i.broker)
		l.graphs = append(l.graphs, i)
		e.graphOf(i, l)
	}
}

func (e *evaluator) sameRole(a, b *player) {
	hint := ""
	if a.inst.block == b.inst.block && isNull(a.inst.val("role")) {
		hint = " Without a role written, all instances have that of the block: write one, as in role = " + a.inst.block.example() + "."
	}
	e.errorf(b.decl(), "Role taken twice", "%s and %s both have the role %q on %s. A role is unique on a broker, whichever graph or module it comes from: "+
		"its processes share its queues. For several processes of one role, write replicas. The other one is declared at %s.%s",
		a.label(), b.label(), a.short, a.inst.broker.addr, a.decl(), hint)
	b.inst.failed = true
}

// flowBroker is the broker as flow sees it.
func (e *evaluator) flowBroker(b *broker) flow.Broker {
	return flow.Broker{Addr: b.addr, Kind: b.typ.Name, VHost: e.vhostOf(b), Prefix: text(b.setting("prefix"))}
}

// vhostOf is the vhost that a queue is in where it does not say; "" on brokers
// that have none.
func (e *evaluator) vhostOf(b *broker) string {
	if b.typ.Defaults == nil || b.typ.Resources["queue"] == nil {
		return ""
	}
	attrs := map[string]cty.Value{"name": cty.StringVal(""), "vhost": cty.NullVal(cty.String)}
	b.typ.Defaults(b.config, "queue", attrs)
	return text(attrs["vhost"])
}

// lowerFlow lowers all that is on one broker.
func (e *evaluator) lowerFlow(l *lowering, declared []*instance) []*instance {
	s := &flow.System{Broker: e.flowBroker(l.broker)}
	for _, p := range l.players {
		if v := p.inst.val("replicas"); known(v) && !isNull(v) {
			p.role.Replicas = e.replicas(p, v)
		}
		p.imply()
		s.Roles = append(s.Roles, p.role)
	}
	sort.Slice(s.Roles, func(a, b int) bool { return s.Roles[a].Name < s.Roles[b].Name })
	waits, _ := e.unexpanded()
	for _, p := range l.players {
		waits = waits || p.vague
	}
	for _, i := range l.graphs {
		s.Edges = append(s.Edges, i.flow.edges...)
		for _, in := range i.flow.initials {
			if p := l.byName[in.To.Role.Name]; p == nil || !e.takesPackets(p, in) {
				s.Initials = append(s.Initials, in)
			}
		}
		s.Exports = append(s.Exports, i.flow.exports...)
		waits = waits || i.held
	}
	for _, i := range declared {
		s.Declared = append(s.Declared, flow.Declared{Addr: i.addr, Value: i.object.Value, Decl: i.object.Decl})
	}
	l.waits = waits
	low, diags := flow.Lower(s)
	if !waits || !diags.HasErrors() { // what waits for data is judged once they are there
		e.report(diags...)
	}
	l.low = low
	var out []*instance
	if !diags.HasErrors() {
		out = e.flowObjects(l)
	}
	out = append(out, e.processes(l)...)
	out = append(out, e.keepers(l)...)
	return append(out, e.announcements(l)...)
}

// flowObjects makes instances of what flow answered.
func (e *evaluator) flowObjects(l *lowering) []*instance {
	owners := e.owners(l)
	out := make([]*instance, 0, len(l.low.Objects))
	for n := range l.low.Objects {
		o := &l.low.Objects[n]
		owner := owners[addr.Instance{Module: o.Addr.Module, Owner: o.Addr.Owner}]
		if owner != nil && (owner.held || owner.failed) {
			continue
		}
		schema := l.broker.typ.Resources[o.Addr.Type]
		if schema == nil {
			e.errorf(o.Decl, "Not available on this broker", "%s needs a %s, and %s is of the kind %s, which has none.", o.Addr, o.Addr.Type, l.broker.addr, l.broker.typ.Name)
			continue
		}
		i := e.newDerived(owner, o.Addr, l.broker, e.info(schema), o.Decl)
		i.life.Shared = o.Shared
		i.lowered = &lowered{within: o.Within, after: o.After, soft: o.Soft, carries: o.Addr.Type == "queue" || o.Addr.Type == "exchange"}
		if e.fill(i, o.Attrs, nil) {
			l.objects[i.addr] = i
			out = append(out, i)
		}
	}
	return out
}

// owners are the participants and graphs of a broker, by what their objects'
// addresses begin with.
func (e *evaluator) owners(l *lowering) map[addr.Instance]*instance {
	out := make(map[addr.Instance]*instance, len(l.players)+len(l.graphs))
	for _, p := range l.players {
		out[addr.Instance{Module: p.role.Module, Owner: p.role.Owner}] = p.inst
	}
	for _, i := range l.graphs {
		out[addr.Instance{Module: i.addr.Module, Owner: i.owner()}] = i
	}
	return out
}

// newDerived makes an instance that no block declares. What concerns its whole
// owner concerns it: its lifecycle, what its module and, for a graph, its owner
// come after. A participant's own order is that of its process.
func (e *evaluator) newDerived(owner *instance, at addr.Instance, on *broker, in *schemaInfo, decl hcl.Range) *instance {
	mod := e.root
	all := &struct { // one piece of memory where four would do
		i instance
		l lowered
		b block
		c config.Resource
	}{c: config.Resource{Type: at.Type, Decl: decl}}
	i, b := &all.i, &all.b
	*i = instance{addr: at, broker: on, in: in, named: done, full: done, lowered: &all.l}
	*b = block{cfg: &all.c, state: done}
	if owner != nil {
		mod = owner.block.mod
		i.life = Lifecycle{PreventDestroy: owner.life.PreventDestroy, IgnoreAll: owner.life.IgnoreAll, Adopt: owner.life.Adopt}
		b.depends = mod.outer
		if owner.block.cfg.Type == graphType || owner.player != nil && owner.player.foreign {
			b.depends, i.deps = owner.block.depends, owner.deps
		}
		owner.derived = append(owner.derived, i)
	}
	b.mod = mod
	i.block, i.scope = b, mod.scope
	return i
}

// fill gives a derived instance its value and makes its object. Where
// attributes are written is known for those that follow from one.
func (e *evaluator) fill(i *instance, attrs map[string]cty.Value, written map[string]hcl.Range) bool {
	i.vals = make([]cty.Value, len(i.in.attrs))
	o := &Object{Addr: i.addr, Provider: i.broker.addr, Type: i.addr.Type, Lifecycle: i.life, Decl: i.decl(), AttrDecl: written, ImportID: e.importOf(i.addr)}
	vals := e.scratch
	clear(vals)
	for n := range i.in.attrs {
		a := &i.in.attrs[n]
		v, ok := attrs[a.Name]
		if ok && !isNull(v) {
			if v, ok = e.derivedValue(i, a, v); !ok {
				i.failed = true
				return false
			}
		} else {
			v = a.unwritten()
		}
		i.vals[n] = v
		vals[a.Name] = o.unmark(a, v)
	}
	o.Value = cty.ObjectVal(vals)
	if validate := i.in.schema.Validate; validate != nil {
		for _, err := range validate(o.Value) {
			e.errorf(i.decl(), "Invalid value", "%s cannot be made: %s", i.addr, diag.Sentence(pathText(err)))
			i.failed = true
		}
	}
	i.object = o
	return !i.failed
}

func (a *attrInfo) unwritten() cty.Value {
	switch {
	case a.fallback != cty.NilVal:
		return a.fallback
	case a.Computed || a.ReadOnly:
		return a.unknown
	}
	return a.null
}

func (e *evaluator) derivedValue(i *instance, a *attrInfo, v cty.Value) (cty.Value, bool) {
	c, err := converted(v, a.ty)
	if err == nil && a.Check != nil && whollyKnown(c) && !a.IsBlock() {
		err = a.Check(plain(c))
	}
	if err == nil {
		return c, true
	}
	why := diag.Sentence(pathText(err))
	if traitsOf(v).sensitive || len(a.secret) > 0 {
		why = "It follows from a sensitive value, so what is wrong with it is not shown."
	}
	e.errorf(i.decl(), "Invalid value", "The %s of %s is not valid: %s", a.Name, i.addr, why)
	return v, false
}
