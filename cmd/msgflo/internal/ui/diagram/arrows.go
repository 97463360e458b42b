package diagram

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/msgflo/msgflo/config/addr"
)

// A tail is where an arrow begins: a party's outport (n), or a whole vertex (-1).
type tail struct {
	id, name string
	n        int
	isError  bool
}

// connect draws the ways from port to port, and from and to what is none.
func (f *flow) connect() {
	for _, p := range f.parties {
		for n, q := range p.Out {
			at := f.port(p.broker, "exchange", q.Carrier)
			t := tail{p.id, q.ID, n, strings.EqualFold(q.ID, "error")}
			if at.kind == "topic" && f.takes[at] != nil { // what is published there arrives
				f.arrive(t, at, way{})
			}
			f.follow(t, at, way{}, nil)
		}
		for _, q := range p.In { // dead letters; of a topic there are none, and what comes there is not of p
			if at := f.port(p.broker, "queue", q.Carrier); at.kind == "queue" {
				f.follow(tail{id: p.id, n: -1}, at, way{}, nil)
			}
		}
	}
	// What is neither a port nor between ports stands for itself.
	for _, at := range f.sources {
		if f.hidden[at] || f.takes[at] != nil && at.kind == "queue" || f.gives[at] != nil {
			continue
		}
		if takers := f.takes[at]; takers != nil { // an inport's topic, from which messages go on
			for _, p := range takers {
				f.follow(tail{id: p.party.id, n: -1}, at, way{}, nil)
			}
			continue
		}
		f.follow(tail{id: f.endOf(at), n: -1}, at, way{}, nil)
	}
}

// follow goes the ways from an end, through what is hidden. Past are the hidden
// ends on this way: bindings can go in circles.
func (f *flow) follow(t tail, at end, so way, past []end) {
	for _, w := range f.ways[at] {
		w.hop = max(w.hop, so.hop)
		if w.key == "" {
			w.key = so.key
		}
		if w.action == 0 {
			w.action = so.action
		}
		if w.graph == "" {
			w.graph = so.graph
		}
		switch {
		case !f.hidden[w.to]:
			f.arrive(t, w.to, w)
		case !slices.Contains(past, w.to):
			f.follow(t, w.to, w, append(slices.Clip(past), w.to))
		}
	}
}

// arrive draws what a way leads to.
func (f *flow) arrive(t tail, at end, w way) {
	a := arrow{from: t.id, action: w.action, label: w.hop.String(), dotted: w.hop == deadLetter || w.hop == alternate, dashed: t.isError && w.hop < alternate}
	if w.key != "" {
		a.label = strings.TrimPrefix(a.label+" "+w.key, " ")
	}
	if t.n >= 0 {
		a.outport, a.out = t.n+1, t.name
	}
	heads := f.takes[at]
	if at.kind == "exchange" {
		heads = f.gives[at]
	}
	for _, h := range heads {
		a.to, a.inport, a.in = h.party.id, h.n+1, h.name
		if at.kind == "exchange" { // bound before an outport: its receivers get it, too
			a.inport, a.in = 0, ""
		}
		f.draw(a, w.graph)
	}
	if len(heads) == 0 {
		a.to = f.endOf(at)
		f.draw(a, w.graph)
	}
}

// endOf is the vertex of an end that is no port, made where nobody declares it.
func (f *flow) endOf(e end) string {
	if id, ok := f.ids[e]; ok {
		return id
	}
	if e.kind == "topic" { // nobody declares a topic
		return f.other(e, "topic", "", 0)
	}
	return f.other(e, "other", "", 0)
}

func (f *flow) draw(a arrow, graph string) {
	if f.seen[a] {
		return
	}
	f.seen[a] = true
	f.joined[[2]string{a.from, a.to}] = true
	f.arrows = append(f.arrows, a)
	for _, id := range []string{a.from, a.to} {
		if h := f.homes[id]; graph != "" && !slices.Contains(h.graphs, graph) {
			h.graphs = append(h.graphs, graph)
			f.homes[id] = h
		}
	}
}

// packets draws what is sent once: initial packets and retained messages.
func (f *flow) packets(o attrs) {
	sent := map[end]string{}
	switch o.Addr.Type {
	case "initial":
		sent[f.port(o.Provider, "queue", o.text("queue"))] = o.text("payload")
	case "retained":
		sent[end{o.Provider, "", o.text("topic"), "topic"}] = o.text("payload")
	case "process":
		byTopic := map[string]string{}
		o.into("initial", &byTopic)
		on := addr.Provider{Kind: "broker", Name: o.text("broker")}
		for topic, data := range byTopic {
			sent[f.port(on, "queue", topic)] = data
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(sent), func(a, b end) int { return strings.Compare(a.name, b.name) }) {
		id := f.vertex(vertex{label: payload(sent[at]), kind: "packet", action: f.actions[o.Addr]})
		f.homes[id] = home{broker: at.provider, module: o.Addr.Module}
		f.arrive(tail{id: id, n: -1}, at, way{action: f.actions[o.Addr], graph: o.graph()})
	}
}

// payload is what a message holds, short.
func payload(s string) string {
	const most = 40
	if json.Valid([]byte(s)) {
		s = strings.Join(strings.Fields(s), " ")
	}
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// references draws that a participant's settings name another's queue, where no
// message of ours goes between the two: it knows what it does there.
func (f *flow) references(o attrs) {
	from := f.owners[ownerOf(o.Addr)]
	if o.Addr.Type != "process" || from == nil {
		return
	}
	for _, on := range o.After {
		to := f.owners[ownerOf(on)]
		if on.Type == "queue" && to != nil && to != from && !f.joined[[2]string{from.id, to.id}] && !f.joined[[2]string{to.id, from.id}] {
			f.draw(arrow{from: from.id, to: to.id, label: "refers to", dotted: true}, "")
		}
	}
}

// settle gives each vertex its place: in its broker where there are several, in
// its graph where it is in one, else in its module.
func (f *flow) settle() {
	brokers := map[addr.Provider]bool{}
	for _, h := range f.homes {
		brokers[h.broker] = true
	}
	for i := range f.vertices {
		v := &f.vertices[i]
		h := f.homes[v.id]
		if len(brokers) > 1 {
			v.path = append(v.path, h.broker.String())
		}
		switch {
		case len(h.graphs) == 1 && (v.kind == "participant" || v.kind == "packet"):
			v.path = append(v.path, h.graphs[0])
		case h.module != "":
			v.path = append(v.path, h.module)
		}
	}
}
