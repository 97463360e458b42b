package change

import (
	"slices"
	"strings"

	"github.com/msgflo/msgflo/config/addr"
)

// A Group is a part of a plan that people read together.
type Group struct {
	Module  string // "" is the root
	Owner   string // participant or graph; "" for blocks that stand by themselves
	Changes []*Change
}

// Arrange orders changes as the flow runs: by module, what stands by itself
// before what participants and graphs give rise to; in each vhosts and users
// first, then every queue between the exchanges that feed it and its bindings,
// then what acts on them.
func Arrange(cs []Change) []Group {
	type key struct{ module, owner string }
	groups := map[key]*Group{}
	var keys []key
	for i := range cs {
		c := &cs[i]
		if !c.Shown() {
			continue
		}
		k := key{c.Addr.Module, c.Addr.Owner}
		g := groups[k]
		if g == nil {
			g = &Group{Module: k.module, Owner: k.owner}
			groups[k] = g
			keys = append(keys, k)
		}
		g.Changes = append(g.Changes, c)
	}
	slices.SortFunc(keys, func(a, b key) int {
		if a.module != b.module {
			return strings.Compare(a.module, b.module)
		}
		return strings.Compare(a.owner, b.owner)
	})
	out := make([]Group, 0, len(keys))
	for _, k := range keys {
		g := groups[k]
		g.Changes = alongFlow(g.Changes)
		out = append(out, *g)
	}
	return out
}

// ranks says which types come before the flow and which after it; those not
// listed come last.
func rank(typ string) int {
	switch typ {
	case "vhost", "vhost_limit":
		return 0
	case "user", "user_limit", "permission", "topic_permission":
		return 1
	case "exchange", "queue", "binding", "route", "retained":
		return 2
	case "policy", "operator_policy":
		return 3
	}
	return 4
}

// A node is one end of a binding.
type node struct {
	provider    addr.Provider
	vhost, name string
	queue       bool
}

func nodeOf(c *Change) node {
	return node{c.Step.Provider, c.Facts.Vhost, c.name(), c.Addr.Type == "queue"}
}

func (c *Change) name() string {
	if c.Facts.Name != "" {
		return c.Facts.Name
	}
	return c.Addr.Name
}

func (c *Change) source() node {
	return node{provider: c.Step.Provider, vhost: c.Facts.Vhost, name: c.Facts.Source}
}

func (c *Change) destination() node {
	return node{c.Step.Provider, c.Facts.Vhost, c.Facts.Destination, c.Facts.DestinationType != "exchange"}
}

func alongFlow(cs []*Change) []*Change {
	slices.SortStableFunc(cs, func(a, b *Change) int {
		if ra, rb := rank(a.Addr.Type), rank(b.Addr.Type); ra != rb {
			return ra - rb
		}
		if a.Addr == b.Addr {
			return 0
		}
		if a.Addr.Less(b.Addr) {
			return -1
		}
		return 1
	})
	var before, flow, after []*Change
	for _, c := range cs {
		switch r := rank(c.Addr.Type); {
		case r < 2:
			before = append(before, c)
		case r == 2:
			flow = append(flow, c)
		default:
			after = append(after, c)
		}
	}
	return slices.Concat(before, weave(flow), after)
}

// weave walks from queue to queue: the exchanges that feed it, if not shown
// yet, the queue, its bindings. What is left follows, bindings behind the
// exchange or queue they end in.
func weave(flow []*Change) []*Change {
	w := weaver{ends: map[node]*Change{}, into: map[node][]*Change{}, done: map[*Change]bool{}}
	for _, c := range flow {
		if c.Addr.Type == "binding" {
			w.into[c.destination()] = append(w.into[c.destination()], c)
		} else {
			w.ends[nodeOf(c)] = c
		}
	}
	for _, want := range []string{"queue", "exchange", "binding", ""} {
		for _, c := range flow {
			if want == "" || c.Addr.Type == want {
				w.visit(c)
			}
		}
	}
	return w.out
}

type weaver struct {
	ends map[node]*Change
	into map[node][]*Change
	done map[*Change]bool
	out  []*Change
}

func (w *weaver) visit(c *Change) {
	if w.done[c] {
		return
	}
	w.done[c] = true
	if c.Addr.Type != "queue" && c.Addr.Type != "exchange" {
		w.out = append(w.out, c)
		return
	}
	in := w.into[nodeOf(c)]
	for _, b := range in {
		// Only one step back: a long chain of exchanges must not nest the walk.
		if src := w.ends[b.source()]; src != nil && !w.done[src] {
			w.done[src] = true
			w.out = append(w.out, src)
			w.bindings(w.into[nodeOf(src)])
		}
	}
	w.out = append(w.out, c)
	w.bindings(in)
}

func (w *weaver) bindings(bs []*Change) {
	for _, b := range bs {
		if !w.done[b] {
			w.done[b] = true
			w.out = append(w.out, b)
		}
	}
}
