package change

import (
	"cmp"
	"maps"
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
// and what brokers give rise to before participants, those that send before those
// that they send to, and graphs last, when both ends of their edges are known; in each vhosts and users
// first, then every queue between the exchanges that feed it and its bindings,
// then what acts on them.
func Arrange(cs []Change) []Group {
	type key = owner
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
	place := senders(cs)
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(strings.Compare(a.module, b.module), chapter(a.owner)-chapter(b.owner),
			place[a]-place[b], strings.Compare(a.owner, b.owner))
	})
	out := make([]Group, 0, len(keys))
	for _, k := range keys {
		g := groups[k]
		g.Changes = alongFlow(g.Changes)
		out = append(out, *g)
	}
	return out
}

// owner is a participant, graph or broker of a module.
type owner struct{ module, owner string }

// chapter says in which part of a module's story an owner is told of.
func chapter(name string) int {
	kind, _, _ := strings.Cut(name, ".")
	switch kind {
	case "":
		return 0
	case "participant":
		return 2
	case "graph":
		return 3
	}
	return 1 // a broker or launcher: there before all participants
}

// senders gives participants their place along the edges that the plan shows:
// one that is sent to comes after all that send to it. Within a circle, and
// without edges, names decide.
func senders(cs []Change) map[owner]int {
	ports := map[string]owner{} // by exchange and queue: names have what they are before them
	next := map[owner]map[owner]bool{}
	for i := range cs {
		c := &cs[i]
		if within(c.Addr, "participant") && (c.Addr.Type == "queue" || c.Addr.Type == "exchange") {
			ports[c.Addr.Type+" "+c.name()] = owner{c.Addr.Module, c.Addr.Owner}
		}
	}
	for i := range cs {
		c := &cs[i]
		if c.Addr.Type != "binding" || !within(c.Addr, "graph") {
			continue
		}
		from, known := ports["exchange "+c.Facts.Source]
		to, ends := ports["queue "+c.Facts.Destination]
		if known && ends && from != to {
			if next[from] == nil {
				next[from] = map[owner]bool{}
			}
			next[from][to] = true
		}
	}
	return places(next)
}

// places numbers the ends of edges such that each edge leads upward, but for
// those that close a circle. It is the reverse of the order in which a depth-first
// walk leaves them, without recursion: a chain may be long.
func places(next map[owner]map[owner]bool) map[owner]int {
	byName := func(a, b owner) int { // backward: what is walked first is placed last
		return cmp.Or(strings.Compare(b.module, a.module), strings.Compare(b.owner, a.owner))
	}
	place, seen := map[owner]int{}, map[owner]bool{}
	number := 0
	for _, root := range slices.SortedFunc(maps.Keys(next), byName) {
		type visit struct {
			at   owner
			rest []owner
		}
		var path []visit
		enter := func(o owner) {
			if !seen[o] {
				seen[o] = true
				path = append(path, visit{o, slices.SortedFunc(maps.Keys(next[o]), byName)})
			}
		}
		enter(root)
		for len(path) > 0 {
			top := &path[len(path)-1]
			if len(top.rest) == 0 {
				number--
				place[top.at] = number
				path = path[:len(path)-1]
				continue
			}
			o := top.rest[0]
			top.rest = top.rest[1:]
			enter(o)
		}
	}
	return place
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
		return a.Addr.Compare(b.Addr)
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
