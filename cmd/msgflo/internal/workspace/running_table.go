package workspace

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

type (
	roleKey     struct{ broker, role string }
	brokerQueue struct {
		provider addr.Provider
		queue    string
	}
	edgeKey struct{ graph, from, to, broker string }
)

// A table gathers roles and edges from several sources; the first that knows
// something is believed.
type table struct {
	here   Here
	roles  map[roleKey]*Role
	vhosts map[brokerQueue]string
	edges  map[edgeKey]*Edge
}

// foreign takes the declared participants that nobody launches.
func (t *table) foreign(played map[addr.Provider][]*flow.Role) {
	for on, roles := range played {
		for _, p := range roles {
			if !p.Foreign {
				continue
			}
			r := &Role{Broker: on.Name, Role: p.Name, Address: p.Owner, Client: p.Client, State: Foreign, Declared: true,
				Replicas: []launch.Replica{}, Inports: lowered(p.Inports), Outports: lowered(p.Outports)}
			if p.Module != "" {
				r.Address = p.Module + "." + p.Owner
			}
			t.roles[roleKey{on.Name, p.Name}] = r
		}
	}
}

func lowered(ps []*flow.Port) []Port {
	out := make([]Port, len(ps))
	for i, p := range ps {
		out[i] = Port{ID: p.ID, Queue: p.Queue}
	}
	return out
}

// add takes the objects of one source: processes, then what is left of
// participants that are not known otherwise, then edges.
func (t *table) add(facts []fact) {
	for i := range facts {
		if facts[i].addr.Type == "process" {
			t.process(&facts[i])
		}
	}
	told := map[string]bool{}
	for _, r := range t.roles {
		told[r.Address] = told[r.Address] || r.State != LeftOver
	}
	for i := range facts {
		f := &facts[i]
		if f.addr.Type == "queue" {
			t.vhost(f)
		}
		switch {
		case f.of("participant") && !f.declared && !told[f.owner()]:
			t.leftOver(f)
		case f.of("graph"):
			t.edge(f)
		}
	}
}

func (t *table) vhost(f *fact) {
	k := brokerQueue{f.provider, f.text("name")}
	if t.vhosts[k] == "" {
		t.vhosts[k] = f.text("vhost")
	}
}

func (t *table) process(f *fact) {
	k := roleKey{f.text("broker"), f.text("role")}
	if k.role == "" { // not known yet: it depends on a variable without a value
		k.role = strings.TrimPrefix(f.addr.Owner, "participant.")
	}
	r := t.roles[k]
	if r == nil {
		r = &Role{
			Broker: k.broker, Role: k.role, Address: f.owner(), Component: f.text("component"), Client: f.text("client"), Wanted: f.number("replicas"),
			Declared: f.declared, State: NotApplied, Replicas: []launch.Replica{}, Inports: f.ports("inports"), Outports: f.ports("outports"),
		}
		t.roles[k] = r
	}
	if f.declared {
		return
	}
	r.Machine, r.State = f.text("machine"), Unknown // until the agent says more
	if r.Machine != "" && t.here.Machine != "" && r.Machine != t.here.Machine {
		r.State = Elsewhere
	}
}

// leftOver makes a role of a participant that was declared once, from its queues
// and exchanges.
func (t *table) leftOver(f *fact) {
	if f.addr.Type != "queue" && f.addr.Type != "exchange" {
		return
	}
	k := roleKey{f.provider.Name, strings.TrimPrefix(f.addr.Owner, "participant.")}
	r := t.roles[k]
	if r == nil {
		r = &Role{Broker: k.broker, Role: k.role, Address: f.owner(), State: LeftOver,
			Replicas: []launch.Replica{}, Inports: []Port{}, Outports: []Port{}}
		t.roles[k] = r
	}
	port := Port{ID: f.key(), Queue: f.text("name")}
	has := func(ps []Port) bool {
		return slices.ContainsFunc(ps, func(p Port) bool { return p.Queue == port.Queue })
	}
	switch f.addr.Type {
	case "queue":
		if !has(r.Inports) {
			r.Inports = append(r.Inports, port)
		}
	case "exchange":
		if !has(r.Outports) {
			r.Outports = append(r.Outports, port)
		}
	}
}

func (t *table) edge(f *fact) {
	from, to, ok := f.ends()
	if !ok || f.addr.Type != "binding" && f.addr.Type != "route" {
		return
	}
	k := edgeKey{f.owner(), from, to, f.provider.Name}
	e := t.edges[k]
	if e == nil {
		e = &Edge{From: from, To: to, Graph: k.graph, Broker: k.broker}
		t.edges[k] = e
	}
	if f.addr.Type == "binding" && f.text("destination_type") != "exchange" && e.Queue == "" {
		e.Queue = f.text("destination")
	}
}

// held adds what the agent says of a process, also of one that is neither
// declared nor recorded.
func (t *table) held(h *control.Held) {
	if h.Kind != control.Process {
		return
	}
	var spec launch.Spec
	_ = json.Unmarshal(h.Spec, &spec) // what is unreadable stays empty: its name says the rest
	broker, role, _ := strings.Cut(h.Name, "/")
	k := roleKey{broker, role}
	r := t.roles[k]
	if r == nil {
		r = &Role{Broker: k.broker, Role: k.role, Inports: []Port{}, Outports: []Port{}}
		t.roles[k] = r
	}
	r.Component, r.Client, r.Machine, r.Wanted = spec.Component, spec.Client, t.here.Machine, spec.Replicas
	r.Inports, r.Outports = portsOf(spec.Inports), portsOf(spec.Outports)
	r.Replicas = []launch.Replica{}
	r.State = Unknown
	if s := h.Status; s != nil {
		r.status(s)
	}
}

// status takes over what the agent says of the role's replicas.
func (r *Role) status(s *launch.Status) {
	r.Wanted, r.Held, r.Mismatch = s.Wanted, s.Held, s.Mismatch
	if s.Replicas != nil {
		r.Replicas = s.Replicas
	}
	for _, p := range r.Replicas {
		r.Restarts += p.Restarts
		if p.State == launch.Running {
			r.Ready++
		}
		if up := p.State == launch.Running || p.State == launch.Starting; up && !p.Started.IsZero() && (r.Since == nil || p.Started.After(*r.Since)) {
			at := p.Started
			r.Since = &at
		}
	}
	r.State = worst(r.Replicas)
	if r.State == NotApplied {
		r.State = State(launch.Stopped)
	}
}

// fill tells ports and edges what the broker said of their queues.
func (t *table) fill(p addr.Provider, answers map[string]*Traffic) {
	for _, r := range t.roles {
		if r.Broker != p.Name {
			continue
		}
		for i := range r.Inports {
			r.Inports[i].Traffic = answers[r.Inports[i].Queue]
		}
	}
	for _, e := range t.edges {
		if e.Broker == p.Name && e.Queue != "" {
			e.Traffic = answers[e.Queue]
		}
	}
}

func (t *table) sorted() []Role {
	all := slices.SortedFunc(maps.Values(t.roles), compareRoles)
	out := make([]Role, len(all))
	for i, r := range all {
		out[i] = *r
	}
	return out
}

func (t *table) edgeList() []Edge {
	out := []Edge{}
	for _, e := range t.edges {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b Edge) int {
		return cmp.Or(strings.Compare(a.Graph, b.Graph), strings.Compare(a.From, b.From), strings.Compare(a.To, b.To), strings.Compare(a.Broker, b.Broker))
	})
	return out
}
