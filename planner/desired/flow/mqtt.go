package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/planner/dag"
)

// A path is what makes a route one and the same.
type path struct{ from, to string }

// A lane is a route with the edge that wants it.
type lane struct {
	path
	thing *thing
	link  *link // nil for a declared route that no edge wants
}

// mqtt lowers to routes between topics (§4).
func (l *lowering) mqtt() {
	routes := map[path]*lane{}
	var lanes []*lane
	for _, k := range l.links {
		if !l.canRoute(k) {
			continue
		}
		k.from.party.relations.consumer(k.from.party, k.to.party)
		p := path{k.from.Queue, k.to.Queue}
		if p.from == p.to {
			continue // what is published there arrives
		}
		r := routes[p]
		if r == nil {
			r = &lane{path: p, thing: l.route(p, k), link: k}
			routes[p] = r
			lanes = append(lanes, r)
		}
		k.from.party.relations.after(r.thing)
	}
	for p, t := range l.declared.routes {
		if routes[p] == nil {
			lanes = append(lanes, &lane{path: p, thing: t})
		}
	}
	l.circles(lanes)
	l.packets()
}

// canRoute refuses what MQTT has no means for.
func (l *lowering) canRoute(k *link) bool {
	switch {
	case k.Delivery == roundrobin:
		l.errorf(k.Decl, "No roundrobin on MQTT", "The edge %q has delivery = \"roundrobin\". Every subscriber of an MQTT topic gets every message, so that nothing can hand them out in turn. "+
			"Leave delivery out, and let a client that shares subscriptions (go) have replicas; or use RabbitMQ.", k.key())
	case k.dead != nil:
		l.errorf(cmp.Or(k.DeadLetter.Decl, k.Decl), "No dead letters on MQTT", "The edge %q has a dead_letter. MQTT has no way to refuse a message, so that there would never be one. "+
			"Let %s send what it cannot handle from an outport of its own (an edge from %s.error), or use RabbitMQ.", k.key(), k.to.party.label, k.to.party.label)
	default:
		return true
	}
	return false
}

func (l *lowering) route(p path, k *link) *thing {
	if t := l.declared.routes[p]; t != nil {
		return t
	}
	o := l.add(typeRoute, k.claim(k.key()), map[string]cty.Value{
		"from": cty.StringVal(p.from), "to": cty.StringVal(p.to), "qos": cty.NumberIntVal(1), "retain": cty.False})
	return &thing{at: o.Addr, made: o}
}

// circles refuses routes that lead back to where they begin: a message there
// would go round for ever.
func (l *lowering) circles(lanes []*lane) {
	ids := map[string]int{}
	for _, r := range lanes {
		for _, topic := range []string{r.from, r.to} {
			if _, ok := ids[topic]; !ok {
				ids[topic] = len(ids)
			}
		}
	}
	next := make([][]int, len(ids))
	for _, r := range lanes {
		next[ids[r.from]] = append(next[ids[r.from]], ids[r.to])
	}
	component := dag.Components(next)
	rounds := map[int][]*lane{}
	for _, r := range lanes {
		if c := component[ids[r.from]]; c == component[ids[r.to]] {
			rounds[c] = append(rounds[c], r)
		}
	}
	for _, round := range rounds {
		l.circle(round)
	}
}

func (l *lowering) circle(round []*lane) {
	if !slices.ContainsFunc(round, func(r *lane) bool { return r.link != nil }) {
		return // declared routes alone
	}
	slices.SortFunc(round, func(a, b *lane) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	next := map[string][]string{}
	var topics []string
	for _, r := range round {
		if next[r.from] == nil {
			topics = append(topics, r.from)
		}
		next[r.from] = append(next[r.from], r.to)
	}
	var at hcl.Range
	for _, r := range round {
		if r.link != nil && compareRanges(r.link.Decl, at) > 0 {
			at = r.link.Decl
		}
	}
	circle := dag.Circle(topics, func(t string) []string { return next[t] })
	words := make([]string, len(circle))
	for i, t := range circle {
		words[i] = fmt.Sprintf("%q", t)
	}
	l.errorf(at, "Edges in a circle", "The topics %s are joined in a circle by edges and routes alone, with no participant between: a message would go round for ever. "+
		"An inport and an outport of different participants have one topic here; give one of them another.", strings.Join(words, " → "))
}

// packets are the initial ones: a process carries those of its role, since on
// MQTT nothing waits for it.
func (l *lowering) packets() {
	for i := range l.Initials {
		in := &l.Initials[i]
		to := l.port(in.To, false)
		if to == nil {
			continue
		}
		c := &claim{decl: cmp.Or(in.Decl, in.To.Decl)}
		if to.party.Foreign {
			l.errorf(c.decl, "No initial packet for a foreign participant", "%s runs elsewhere, and on MQTT an initial packet must be sent after each start of a participant. "+
				"Publish a retained message to the topic %q instead (a retained block).", to.party.owner(), to.Queue)
			continue
		}
		of := l.initial[to.party.Role]
		if of == nil {
			of = map[string]string{}
			l.initial[to.party.Role] = of
		}
		if _, twice := of[to.Queue]; twice {
			l.twoInitials(to, c)
			continue
		}
		of[to.Queue] = in.Data
	}
}
