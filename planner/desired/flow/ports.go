package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
)

// A party is a role while it is lowered.
type party struct {
	*Role
	label     string // the role's name without the broker's prefix
	client    client
	failed    bool // reported; its ports are passed over
	in, out   ports
	relations Relations
	fed       bool // an edge leads to it
}

func (p *party) owner() ownerKey { return ownerKey{p.Module, p.Owner} }

// process is the address of what runs the role.
func (p *party) process() addr.Instance {
	return addr.Instance{Module: p.Module, Owner: p.Owner, Type: "process"}
}

// A port is one end of edges.
type port struct {
	*Port
	party *party
	out   bool
}

func (p *port) kind() string {
	if p.out {
		return "outport"
	}
	return "inport"
}

// String is the port as people write it in an edge.
func (p *port) String() string { return p.party.label + "." + p.ID }

// described is the port in a sentence.
func (p *port) described() string {
	return fmt.Sprintf("%s %q of %s", p.kind(), p.ID, p.party.owner())
}

func (p *port) decl() hcl.Range { return cmp.Or(p.Decl, p.party.Decl) }

// ports are those of a role in one direction.
type ports struct {
	list   []*port
	exact  map[string]*port
	folded map[string]*port // the first of those that differ in case alone
}

func (ps *ports) add(p *port) {
	if ps.exact == nil {
		ps.exact, ps.folded = map[string]*port{}, map[string]*port{}
	}
	if ps.exact[p.ID] != nil {
		return
	}
	ps.list = append(ps.list, p)
	ps.exact[p.ID] = p
	if low := strings.ToLower(p.ID); ps.folded[low] == nil {
		ps.folded[low] = p
	}
}

// find looks a port up as it is written, else without regard to case: ports of
// .fbp files are in lower case, whatever the participant calls them (§12).
func (ps *ports) find(id string) *port {
	if p := ps.exact[id]; p != nil {
		return p
	}
	return ps.folded[strings.ToLower(id)]
}

func (ps *ports) names() []string {
	names := make([]string, len(ps.list))
	for i, p := range ps.list {
		names[i] = p.ID
	}
	slices.Sort(names)
	return names
}

// A link is an edge whose ends are ports.
type link struct {
	*Edge
	from, to, dead *port
}

func (k *link) owner() ownerKey { return ownerKey{k.Module, k.Owner} }

func (k *link) key() string { return k.from.String() + " -> " + k.to.String() }

// mention is a port that an edge, an initial packet or an export names.
type mention struct {
	End
	out bool
	at  hcl.Range // where End has no place of its own
}

func (m *mention) decl() hcl.Range { return cmp.Or(m.Decl, m.at) }

// resolve makes ports of the ends of all edges. First the ports that they
// imply, in an order that has nothing to do with that of the edges: of two that
// differ in case alone, one is the port.
func (l *lowering) resolve() {
	for _, p := range l.parties {
		for _, q := range p.Inports {
			p.in.add(&port{Port: q, party: p})
		}
		for _, q := range p.Outports {
			p.out.add(&port{Port: q, party: p, out: true})
		}
	}
	mentions := l.mentions()
	slices.SortStableFunc(mentions, func(a, b mention) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), compareRanges(a.decl(), b.decl()))
	})
	for i := range mentions {
		l.imply(&mentions[i])
	}
	l.nameQueues()
	l.link()
}

func (l *lowering) mentions() []mention {
	all := make([]mention, 0, 2*len(l.Edges)+len(l.Initials)+len(l.Exports))
	for i := range l.Edges {
		e := &l.Edges[i]
		all = append(all, mention{e.From, true, e.Decl}, mention{e.To, false, e.Decl})
		if e.DeadLetter != nil {
			all = append(all, mention{*e.DeadLetter, false, e.Decl})
		}
	}
	for _, i := range l.Initials {
		all = append(all, mention{i.To, false, i.Decl})
	}
	for _, x := range l.Exports {
		all = append(all, mention{x.Of, x.Out, x.Decl})
	}
	return all
}

// side is a role's ports in one direction.
func (p *party) side(out bool) (side, other *ports, declared bool) {
	if out {
		return &p.out, &p.in, p.DeclaredOut
	}
	return &p.in, &p.out, p.DeclaredIn
}

// imply adds a port that is used and not there, or reports it.
func (l *lowering) imply(m *mention) {
	p := l.byRole[m.Role]
	switch {
	case m.Role == nil:
		l.errorf(m.decl(), "No such participant", "An end of this names no participant.")
		return
	case p == nil:
		l.errorf(m.decl(), "Edge across brokers", "%q is not on %s. A graph's edges join participants of one broker: "+
			"put both on the same one, or move messages between brokers with a shovel.", m.Role.Name, l.Broker.Addr)
		return
	case p.failed:
		return
	}
	side, other, declared := p.side(m.out)
	what := (&port{out: m.out}).kind()
	switch {
	case side.find(m.Port) != nil:
		return
	case m.Port == "":
		l.errorf(m.decl(), "No port", "%q names a participant and no port: write %s.PORT.", p.label, p.label)
		return
	case declared:
		l.undeclared(m, p, what, side, other)
		return
	}
	q := &Port{ID: m.Port, Durable: true, Decl: m.decl()}
	if m.out {
		p.Outports = append(p.Outports, q)
	} else {
		p.Inports = append(p.Inports, q)
	}
	side.add(&port{Port: q, party: p, out: m.out})
}

func (l *lowering) undeclared(m *mention, p *party, what string, side, other *ports) {
	names := side.names()
	hint := diag.DidYouMean(m.Port, names)
	if o := other.find(m.Port); o != nil {
		hint = fmt.Sprintf(" %q is an %s.", o.ID, o.kind())
	}
	has := fmt.Sprintf("It declares no %ss", what)
	if len(names) > 0 {
		has = fmt.Sprintf("It declares the %ss %s", what, quoted(names))
	}
	l.errorf(m.decl(), "No such port", "%s has no %s %q. %s.%s", p.owner(), what, m.Port, has, hint)
}

func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, ", ")
}

// nameQueues gives every port the name of its queue.
func (l *lowering) nameQueues() {
	for _, p := range l.parties {
		if p.failed {
			continue
		}
		for _, q := range slices.Concat(p.in.list, p.out.list) {
			if q.Queue == "" {
				if p.Client == "" {
					l.nameless(q)
					continue
				}
				q.Queue = p.client.conventional(p.Name, q.ID)
			}
			if why := l.badName(q.Queue, p.Client != ""); why != "" {
				l.errorf(q.decl(), "Invalid name", "The %s has the %s %q. %s", q.described(), l.carrier(q), q.Queue, why)
				p.failed = true
			}
		}
	}
}

// nameless: only who knows the client library can tell what it calls things.
func (l *lowering) nameless(q *port) {
	l.errorf(q.decl(), "Queue not known", "What the %s is called depends on the client library that it is written with. "+
		"Say which, as in client = \"nodejs\", or name the %s: %s %q { queue = \"…\" }.", q.described(), l.carrier(q), q.kind(), q.ID)
	q.party.failed = true
}

// carrier is what carries a port's messages.
func (l *lowering) carrier(q *port) string {
	switch {
	case l.Broker.Kind == kindMQTT:
		return "topic"
	case q.out:
		return typeExchange
	}
	return typeQueue
}

// link makes links of the edges whose ends are all there.
func (l *lowering) link() {
	for i := range l.Edges {
		e := &l.Edges[i]
		k := &link{Edge: e, from: l.port(e.From, true), to: l.port(e.To, false)}
		if e.DeadLetter != nil {
			k.dead = l.port(*e.DeadLetter, false)
		}
		if k.from != nil && k.to != nil && (k.dead != nil || e.DeadLetter == nil) && l.delivers(e) {
			l.links = append(l.links, k)
			k.to.party.fed = true
		}
	}
	slices.SortStableFunc(l.links, func(a, b *link) int {
		return cmp.Or(a.owner().compare(b.owner()), cmp.Compare(a.key(), b.key()), compareRanges(a.Decl, b.Decl))
	})
}

// port is the port that an end names; nil where that was reported.
func (l *lowering) port(e End, out bool) *port {
	p := l.byRole[e.Role]
	if p == nil || p.failed {
		return nil
	}
	side, _, _ := p.side(out)
	return side.find(e.Port)
}

const (
	pubsub     = "pubsub"
	roundrobin = "roundrobin"
)

func (l *lowering) delivers(e *Edge) bool {
	known := []string{pubsub, roundrobin}
	if e.Delivery == "" || slices.Contains(known, e.Delivery) {
		return true
	}
	l.errorf(e.Decl, "Unknown delivery", "delivery is %q. It is pubsub, where each role gets a copy, or roundrobin.%s", e.Delivery, diag.DidYouMean(e.Delivery, known))
	return false
}
