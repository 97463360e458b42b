package desired

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/desired/flow"
)

// graphParts are the edges, packets and exported ports of one graph, evaluated.
type graphParts struct {
	edges    []flow.Edge
	initials []flow.Initial
	exports  []flow.Export
}

// A graphScope is where the parts of one graph are evaluated.
type graphScope struct {
	e     *evaluator
	i     *instance
	l     *lowering
	owner string
}

// graphOf evaluates a graph's edges, once the roles of its broker are known.
func (e *evaluator) graphOf(i *instance, l *lowering) {
	cfg := i.block.cfg.Graph
	i.flow = &graphParts{}
	if cfg == nil {
		return
	}
	g := &graphScope{e: e, i: i, l: l, owner: i.owner()}
	for _, c := range cfg.Edges {
		g.edge(c)
	}
	for _, c := range cfg.Initials {
		g.initial(c)
	}
	for _, c := range cfg.Exports {
		if end, ok := g.end("", c.End, hcl.Range{}, c.Out); ok {
			i.flow.exports = append(i.flow.exports, flow.Export{Module: i.addr.Module, Owner: g.owner, Out: c.Out, Name: c.Name, Of: end, Decl: c.Decl})
		}
	}
	i.deps = unique(i.deps)
}

func (g *graphScope) edge(c *config.Edge) {
	from, ok := g.end(c.From, c.FromExpr, c.FromRange, true)
	to, ok2 := g.end(c.To, c.ToExpr, c.ToRange, false)
	out := flow.Edge{Module: g.i.addr.Module, Owner: g.owner, From: from, To: to, Delivery: "pubsub", Decl: c.Decl}
	if c.Delivery != nil {
		s, given := g.word(c.Delivery, "delivery")
		ok = ok && given
		switch {
		case !given:
		case s != "pubsub" && s != "roundrobin":
			known := []string{"pubsub", "roundrobin"}
			g.fail(c.Delivery.Range(), "Invalid value", "delivery is \"pubsub\" (each role gets a copy; the default) or \"roundrobin\" (what a role refuses goes to the dead letter), not %q."+
				diag.DidYouMean(s, known), s)
			ok = false
		default:
			out.Delivery = s
		}
	}
	if c.DeadLetter != nil {
		end, given := g.end("", c.DeadLetter, c.DeadLetter.Range(), false)
		out.DeadLetter = &end
		ok = ok && given
	}
	if ok && ok2 {
		g.i.flow.edges = append(g.i.flow.edges, out)
	}
}

func (g *graphScope) initial(c *config.Initial) {
	to, ok := g.end(c.To, nil, c.ToRange, false)
	v, t := g.value(c.Data)
	switch {
	case t.broken:
		return
	case t.held:
		if ok {
			g.l.waiting[to.Role] = true
		}
		return
	case !v.IsWhollyKnown():
		g.fail(c.Data.Range(), "Value not known", "The data of an initial packet must be known at plan time: they are sent as they are planned.")
		return
	case t.sensitive:
		g.fail(c.Decl, "Secret in an initial packet", "The data of this initial packet are sensitive, or follow from a sensitive value. What was sent is recorded in state, since a broker cannot tell. "+
			"Hand a secret over in env, where it goes to the process only.")
		return
	}
	data, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		g.fail(c.Data.Range(), "Unsuitable value", "The data of an initial packet must be a value that JSON can hold: %s.", err)
		return
	}
	if ok {
		g.i.flow.initials = append(g.i.flow.initials, flow.Initial{Module: g.i.addr.Module, Owner: g.owner, To: to, Data: string(data), Decl: c.Decl})
	}
}

func (g *graphScope) fail(at hcl.Range, summary, format string, args ...any) {
	g.e.errorf(at, summary, format, args...)
	g.i.failed = true
}

// value evaluates an expression of the graph; what it refers to, the graph's
// objects come after. Without its value the graph fails, or waits.
func (g *graphScope) value(src hcl.Expression) (cty.Value, traits) {
	x := g.e.compile(g.i.block.mod, src, nil)
	v := g.e.eval(x, g.i.scope)
	for _, d := range g.e.deps(x, g.i.scope) {
		if !d.ports { // flow relates what it makes to the ports
			g.i.deps = append(g.i.deps, d)
		}
	}
	t := traitsOf(v)
	g.i.failed = g.i.failed || t.broken
	g.i.held = g.i.held || t.held && !t.broken
	return plain(v), t
}

// word evaluates a string that has to be known.
func (g *graphScope) word(src hcl.Expression, what string) (string, bool) {
	v, t := g.value(src)
	switch {
	case t.broken || t.held:
	case t.sensitive:
		g.fail(src.Range(), "Unsuitable value", "%s cannot be a sensitive value: how messages go is shown in plans.", what)
	default:
		c, err := converted(v, cty.String)
		if err == nil && c.IsKnown() && !c.IsNull() {
			return c.AsString(), true
		}
		g.fail(src.Range(), "Unsuitable value", "%s must be a string that is known at plan time.", what)
	}
	return "", false
}

// end finds the port that a label, or an expression, means.
func (g *graphScope) end(label string, src hcl.Expression, at hcl.Range, out bool) (flow.End, bool) {
	if src == nil {
		return g.named(label, at)
	}
	at = src.Range()
	x := g.e.compile(g.i.block.mod, src, nil)
	if d := x.direct; d != nil && d.port != nil {
		if (d.attr == "out") != out {
			kind, want, other := "An edge begins at an outport", "out", "in"
			if !out {
				kind, want, other = "What this leads to is an inport", "in", "out"
			}
			g.fail(at, "Wrong end", "%s, and this is the .%s of a participant. Write participant.NAME.%s.PORT.", kind, other, want)
			return flow.End{}, false
		}
	}
	v, t := g.value(src)
	switch {
	case t.broken || t.held:
	case isPort(v.Type()):
		return g.port(x, v, at)
	case v.Type() == cty.String && v.IsKnown() && !v.IsNull() && !t.sensitive:
		return g.named(v.AsString(), at)
	default:
		g.fail(at, "Port expected", "An end of an edge is a port: \"role.port\", or participant.NAME.out.PORT and participant.NAME.in.PORT.")
	}
	return flow.End{}, false
}

// port finds the role of a port that was given as a value. Whose it is shows in
// the expression; the role's name alone could be that of one on another broker.
func (g *graphScope) port(x *expression, v cty.Value, at hcl.Range) (flow.End, bool) {
	role, port := text(v.GetAttr("role")), text(v.GetAttr("port"))
	var found *player
	for _, d := range g.e.deps(x, g.i.scope) {
		for _, i := range d.participants() {
			if p := i.player; p != nil && p.role.Name == role && (found == nil || p.inst.broker == g.i.broker) {
				found = p
			}
		}
	}
	if found == nil {
		found = g.l.byName[role]
	}
	switch {
	case found == nil || found.unclear:
		g.unknownRole(role, at)
	case found.inst.broker != g.i.broker:
		g.across(found, at)
	default:
		return flow.End{Role: found.role, Port: port, Decl: at}, true
	}
	return flow.End{}, false
}

// participants are the participants that a dependency is on.
func (d dep) participants() []*instance {
	switch {
	case d.inst != nil:
		return []*instance{d.inst}
	case d.block != nil:
		return d.block.instances
	}
	return nil
}

// named finds the longest declared role that a text begins with, else splits it
// at the last dot: roles may have dots, and ports too.
func (g *graphScope) named(s string, at hcl.Range) (flow.End, bool) {
	last := strings.LastIndexByte(s, '.')
	if last <= 0 || last == len(s)-1 {
		g.fail(at, "Port expected", "%q is no port: an end of an edge is written role.port, as in \"resize.in\".", s)
		return flow.End{}, false
	}
	for n := last; n > 0; n = strings.LastIndexByte(s[:n], '.') {
		if p := g.l.byShort[s[:n]]; p != nil {
			return flow.End{Role: p.role, Port: s[n+1:], Decl: at}, true
		}
	}
	g.unknownRole(s[:last], at)
	return flow.End{}, false
}

// unknownRole says that nobody plays a role, unless that may still turn out
// otherwise.
func (g *graphScope) unknownRole(role string, at hcl.Range) {
	waits, failed := g.e.unexpanded()
	g.i.held, g.i.failed = g.i.held || waits, g.i.failed || failed
	if waits || failed {
		return
	}
	for _, o := range g.e.sortedLowerings() {
		if p := o.byShort[role]; p != nil && o != g.l {
			g.across(p, at)
			return
		}
	}
	hint := diag.DidYouMean(role, sortedKeys(g.l.byShort))
	for _, key := range sortedKeys(g.l.byName) {
		if p := g.l.byName[key]; p.inst.block.cfg.Name == role {
			hint = " " + p.label() + " plays the role \"" + diag.Escape(p.short) + "\": edges name roles."
			break
		}
	}
	if hint == "" {
		hint = rolesThere(sortedKeys(g.l.byShort))
	}
	g.fail(at, "Unknown role", "No participant on %s has the role %q.%s", g.i.broker.addr, role, hint)
}

// rolesThere names the roles that an edge could have meant, where none of them
// looks like what is written.
func rolesThere(roles []string) string {
	const most = 8
	if len(roles) == 0 {
		return " There is no participant on it at all."
	}
	more := ""
	if n := len(roles) - most; n > 0 {
		roles, more = roles[:most], fmt.Sprintf(" and %d more", n)
	}
	return " The roles there are " + diag.Escape(strings.Join(roles, ", ")) + more + "."
}

func (g *graphScope) across(p *player, at hcl.Range) {
	g.fail(at, "Edge between brokers", "%s is on %s, and %s is on %s. An edge leads from one role to another on the same broker. "+
		"To connect two brokers, let a participant take messages from one and send them to the other, or on RabbitMQ use a shovel.", p, p.inst.broker.addr, g.i.label(), g.i.broker.addr)
}
