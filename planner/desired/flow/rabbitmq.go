package flow

import (
	"cmp"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
)

// The prefixes of exchanges that MsgFlo puts between ports (§3.2).
const (
	OutPrefix  = "out-"
	DeadPrefix = "dead-"
)

// rabbitmq lowers to queues, exchanges, bindings and policies.
func (l *lowering) rabbitmq() {
	l.indexPolicies()
	l.discovery()
	for _, p := range l.parties {
		if !p.failed {
			l.declarePorts(p)
		}
	}
	l.bindNamesakes()
	l.oneTarget()
	for _, k := range l.links {
		l.edge(k)
	}
	l.deadLetters()
	l.initials()
}

// declarePorts makes what §2.3 has the ports of a role need.
func (l *lowering) declarePorts(p *party) {
	for _, q := range allPorts(p) {
		if !q.Durable && !p.client.canBeTransient(q) {
			l.errorf(q.decl(), "Port is always durable", "The %s has durable = false, which is msgflo-nodejs's persistent: false. The client %s declares a %s in any case: "+
				"leave durable out.", q.described(), p.Client, p.client.always(q))
			continue
		}
		if !q.out && q.Queue == fbp {
			l.errorf(q.decl(), "Queue of the announcements", "The %s has the queue %q. Participants announce themselves through that queue, and each announcement "+
				"reaches one consumer: this one would take them from all others. Bind a queue of its own to the exchange %q to get a copy of each.", q.described(), fbp, announcements)
			continue
		}
		if p.Client != "" {
			l.declarePort(q)
		}
	}
}

func allPorts(p *party) []*port {
	return append(append(make([]*port, 0, len(p.in.list)+len(p.out.list)), p.in.list...), p.out.list...)
}

// canBeTransient reports whether durable = false can be said of a port: where
// the client has a choice, where it is so in any case, or where nothing is declared.
func (c client) canBeTransient(q *port) bool {
	return c.chooses || q.party.Client == "" || !q.out && c.inTransient
}

func (c client) always(q *port) declaration {
	if q.out {
		return c.exchange(true)
	}
	return c.inport(q.Queue, true)
}

func (l *lowering) declarePort(q *port) {
	p, c := q.party, q.claim()
	if q.out {
		p.relations.within(l.declare(place{typeExchange, q.Queue}, p.client.exchange(q.Durable), c))
		return
	}
	queue := place{typeQueue, q.Queue}
	p.relations.within(l.declare(queue, p.client.inport(q.Queue, q.Durable), c))
	if p.client.selfBound {
		p.relations.after(l.declare(place{typeExchange, q.Queue}, p.client.exchange(q.Durable), c))
		p.relations.after(l.bind(q.Queue, queue, c, true))
	}
}

// bindNamesakes joins inports and outports whose queue and exchange have one
// name: that is an edge everywhere else in MsgFlo (§2.1, §3.4; on MQTT it is one
// topic), so it does not depend on the client library here.
func (l *lowering) bindNamesakes() {
	sources := map[string]bool{}
	for _, p := range l.parties {
		for _, q := range p.out.list {
			if !p.failed {
				sources[q.Queue] = true
			}
		}
	}
	for _, p := range l.parties {
		for _, q := range p.in.list {
			if !p.failed && !p.client.selfBound && sources[q.Queue] {
				p.relations.after(l.bind(q.Queue, place{typeQueue, q.Queue}, q.claim(), false))
			}
		}
	}
}

// oneTarget refuses roundrobin edges from one exchange to several queues: each
// would get a copy, which is what pubsub is.
func (l *lowering) oneTarget() {
	first := map[string]*link{}
	for _, k := range l.links {
		if k.Delivery != roundrobin {
			continue
		}
		switch f := first[k.from.Queue]; {
		case f == nil:
			first[k.from.Queue] = k
		case f.to.Queue != k.to.Queue:
			at, other := k, f
			if compareRanges(at.Decl, other.Decl) < 0 {
				at, other = f, k
			}
			l.errorf(at.Decl, "Roundrobin to several targets", "%s leads to %s with delivery = \"roundrobin\", and %s to %s. Each of them would get a copy of every message. "+
				"For several workers that share them, let one role have replicas; for a copy each, leave delivery out.", at.from, at.to, other.from, other.to)
		}
	}
}

// edge makes what one edge needs (§3.2).
func (l *lowering) edge(k *link) {
	queue := place{typeQueue, k.to.Queue}
	c := k.claim(k.key())
	from := &k.from.party.relations
	if k.Delivery == roundrobin {
		l.roundrobin(k, queue, c)
	} else {
		from.after(l.bind(k.from.Queue, queue, c, false))
	}
	k.from.party.sendsTo(k.to)
	if k.dead != nil {
		l.deadLetter(k)
	}
}

// roundrobin puts a direct exchange between. It works because publishers of
// this world leave the routing key empty.
func (l *lowering) roundrobin(k *link, queue place, c *claim) {
	name := OutPrefix + k.from.Queue
	if !l.short(name, k) {
		return
	}
	between := k.from.derived(OutPrefix, roundrobin, "a roundrobin edge from", k.Decl)
	out := l.declare(place{typeExchange, name}, declaration{kind: direct, durable: true}, between)
	k.from.party.relations.after(out,
		l.bind(k.from.Queue, place{typeExchange, name}, between, false),
		l.bind(name, queue, c, false))
}

// short refuses a name that grew too long by what was put before it.
func (l *lowering) short(name string, k *link) bool {
	if why := l.badName(name, true); why != "" {
		l.errorf(k.Decl, "Invalid name", "The edge %q needs an exchange %q. %s", k.key(), name, why)
		return false
	}
	return true
}

// sendsTo has the process of a role come after that of one it sends to, where
// that makes a difference. A role that no edge leads to is a source and sends
// from its first instant, so its consumers are up before it. One that edges lead
// to sends what it gets, and that waits in durable queues: a deep pipeline need
// not boot one process after the other. A queue that comes and goes with its
// consumer would miss messages, so there everybody waits.
func (p *party) sendsTo(to *port) {
	if !p.fed || !to.party.client.inport(to.Queue, to.Durable).durable {
		p.relations.consumer(p, to.party)
	}
}

// consumer has a role's process come after that of one it sends to.
func (r *Relations) consumer(sender, to *party) {
	if sender != to && !to.Foreign && to.Owner != "" {
		r.Soft = append(r.Soft, to.process())
	}
}

// initials are messages that are published to the inport's queue, once.
func (l *lowering) initials() {
	for i := range l.Initials {
		in := &l.Initials[i]
		to := l.port(in.To, false)
		if to == nil {
			continue
		}
		c := &claim{owner: ownerKey{in.Module, in.Owner}, key: to.String(), decl: cmp.Or(in.Decl, in.To.Decl)}
		name := addr.Instance{Module: in.Module, Owner: in.Owner, Type: typeInitial, Key: addr.StringKey(c.key)}
		if l.used[name] {
			l.twoInitials(to, c)
			continue
		}
		o := l.add(typeInitial, c, map[string]cty.Value{
			"name": cty.StringVal(name.String()), "queue": cty.StringVal(to.Queue), "payload": cty.StringVal(in.Data)})
		o.after(l.find(place{typeQueue, to.Queue}))
		if !to.party.Foreign {
			o.Soft = append(o.Soft, to.party.process())
		}
	}
}

func (l *lowering) twoInitials(to *port, c *claim) {
	l.errorf(c.decl, "Two initial packets", "%s has an initial packet already. A port gets one from each graph: it is a setting, not a stream.", to)
}
