package diagram

import (
	"cmp"
	"strings"

	"github.com/msgflo/msgflo/config/addr"
	lowering "github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/planner/plan"
)

// A flow is participants, the ways of messages between their ports, and what
// of queues, exchanges and topics is no participant's. What carries a port is
// part of the port; a way through what MsgFlo puts between two ports is one arrow.
type flow struct {
	model
	actions map[addr.Instance]plan.Action
	systems map[addr.Provider]*system
	parties []*party
	owners  map[string]*party // by its block's address
	takes   map[end][]port    // inports by what carries them
	gives   map[end][]port    // outports, likewise
	ids     map[end]string    // vertices of what is no participant's
	hidden  map[end]bool      // what MsgFlo puts between
	ways    map[end][]way
	sources []end // of ways, as they came
	seen    map[arrow]bool
	joined  map[[2]string]bool // vertices that an arrow leads from and to
	homes   map[string]home    // by vertex
}

type (
	// A system is what is known of a broker that participants are on.
	system struct {
		topics bool   // it has topics, no queues and exchanges
		vhost  string // of the participants' queues
	}
	// A port of a party, the n-th of its side.
	port struct {
		*party
		n    int
		name string
	}
	// A way is one hop of messages.
	way struct {
		to     end
		hop    hop
		key    string // routing key
		action plan.Action
		graph  string // address of the graph that wants it, or ""
	}
	// A home is where a vertex belongs.
	home struct {
		broker addr.Provider
		module string
		graphs []string // whose edges end there
	}
)

// A hop is how a message comes from one end to the next; of a way of several,
// the greatest counts.
type hop int

const (
	bound hop = iota
	roundRobin
	alternate
	deadLetter
)

func (h hop) String() string {
	return [...]string{"", "round-robin", "alternate", "dead letter"}[h]
}

// buildFlow makes the model of what has participants.
func buildFlow(d Drawing, sorted []Object) model {
	objects := make([]attrs, len(sorted))
	for i, o := range sorted {
		objects[i] = read(o)
	}
	f := &flow{actions: d.Actions, systems: map[addr.Provider]*system{}, takes: map[end][]port{}, gives: map[end][]port{}, ids: map[end]string{},
		hidden: map[end]bool{}, ways: map[end][]way{}, seen: map[arrow]bool{}, joined: map[[2]string]bool{}, owners: map[string]*party{}, homes: map[string]home{}}
	f.survey(objects)
	f.parties = partiesOf(d.Foreign, objects, d.Actions)
	for _, p := range f.parties {
		f.party(p)
	}
	for _, o := range objects {
		f.shape(o)
	}
	for _, o := range objects {
		f.way(o)
	}
	f.connect()
	for _, o := range objects {
		f.packets(o)
	}
	for _, o := range objects {
		f.references(o)
	}
	f.settle()
	return f.model
}

// survey finds out what the brokers have: nothing says it but their objects.
func (f *flow) survey(objects []attrs) {
	for _, o := range objects {
		switch o.Addr.Type {
		case "queue", "exchange", "binding":
			s := f.system(o.Provider)
			s.topics = false
			if o.Addr.Owner != "" && s.vhost == "" {
				s.vhost = o.text("vhost")
			}
		}
	}
}

func (f *flow) system(on addr.Provider) *system {
	if f.systems[on] == nil {
		f.systems[on] = &system{topics: true}
	}
	return f.systems[on]
}

// port is the end that carries a participant's port.
func (f *flow) port(on addr.Provider, kind, name string) end {
	s := f.system(on)
	if s.topics {
		kind = "topic"
	}
	return end{on, s.vhost, name, kind}
}

func (f *flow) party(p *party) {
	v := vertex{label: p.label(), below: p.below(), kind: "participant", action: p.action, foreign: p.Foreign}
	for _, q := range p.In {
		v.in = append(v.in, q.ID)
	}
	for _, q := range p.Out {
		v.out = append(v.out, q.ID)
	}
	p.id = f.vertex(v)
	f.owners[p.address()] = p
	f.homes[p.id] = home{broker: p.broker, module: p.Module}
	for n, q := range p.In {
		e := f.port(p.broker, "queue", q.Carrier)
		f.takes[e] = append(f.takes[e], port{p, n, q.ID})
	}
	for n, q := range p.Out {
		e := f.port(p.broker, "exchange", q.Carrier)
		f.gives[e] = append(f.gives[e], port{p, n, q.ID})
	}
}

// shape draws a queue or exchange that is no port.
func (f *flow) shape(o attrs) {
	if o.Addr.Type != "queue" && o.Addr.Type != "exchange" {
		return
	}
	e := end{o.Provider, o.text("vhost"), o.text("name"), o.Addr.Type}
	switch {
	case f.takes[e] != nil || f.gives[e] != nil:
	case o.Addr.Owner != "":
		f.hidden[e] = true
	default:
		f.other(e, e.kind, o.Addr.Module, f.actions[o.Addr])
	}
}

func (f *flow) other(e end, kind, module string, a plan.Action) string {
	id := f.vertex(vertex{label: e.kind + " " + e.name, kind: kind, action: a})
	f.ids[e] = id
	f.homes[id] = home{broker: e.provider, module: module}
	return id
}

// way notes where an object leads messages.
func (f *flow) way(o attrs) {
	vhost, w := o.text("vhost"), way{action: f.actions[o.Addr], graph: o.graph()}
	switch o.Addr.Type {
	case "binding":
		w.to = end{o.Provider, vhost, o.text("destination"), cmp.Or(o.text("destination_type"), "queue")}
		w.key = o.text("routing_key")
		if f.hidden[w.to] && strings.HasPrefix(w.to.name, lowering.OutPrefix) {
			w.hop = roundRobin
		}
		f.lead(end{o.Provider, vhost, o.text("source"), "exchange"}, w)
	case "route":
		w.to = end{o.Provider, vhost, o.text("to"), "topic"}
		f.lead(end{o.Provider, vhost, o.text("from"), "topic"}, w)
	case "queue":
		var v struct{ Exchange string }
		o.into("dead_letter", &v)
		f.overflow(o, v.Exchange, deadLetter)
	case "exchange":
		f.overflow(o, o.text("alternate"), alternate)
		// For clients that declare no argument a policy names this exchange.
		if name, ok := strings.CutPrefix(o.text("name"), lowering.DeadPrefix); ok && o.Addr.Owner != "" {
			f.lead(end{o.Provider, vhost, name, "queue"}, way{hop: deadLetter, action: w.action,
				to: end{o.Provider, vhost, o.text("name"), "exchange"}})
		}
	}
}

// overflow is a way without a binding, to an exchange that is managed here.
func (f *flow) overflow(o attrs, exchange string, h hop) {
	to := end{o.Provider, o.text("vhost"), exchange, "exchange"}
	if exchange != "" && (f.hidden[to] || f.ids[to] != "" || f.gives[to] != nil) {
		f.lead(end{o.Provider, to.vhost, o.text("name"), o.Addr.Type}, way{to: to, hop: h, action: f.actions[o.Addr]})
	}
}

func (f *flow) lead(from end, w way) {
	if f.ways[from] == nil {
		f.sources = append(f.sources, from)
	}
	f.ways[from] = append(f.ways[from], w)
}
