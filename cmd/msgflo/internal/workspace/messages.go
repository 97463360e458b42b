package workspace

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/state"
)

// Messages is the configuration as send, tap and dump see it: the ports of its
// roles, what is bound to what, and connections to its brokers. It reads no state and
// changes none. Close it always.
type Messages struct {
	s        *Session
	brokers  map[addr.Provider]desired.Broker
	ports    []Endpoint
	links    []link
	declared map[carrierKey]carried // queues and exchanges
}

// An Endpoint is a port of a role, with what carries it.
type Endpoint struct {
	Broker   addr.Provider
	Role, ID string // as edges name them
	Name     string // of the role, with the broker's prefix
	In       bool
	Carrier  string // queue of an inport, exchange of an outport; on MQTT a topic
}

// String is the port as people write it.
func (p Endpoint) String() string { return p.Role + "." + p.ID }

// link is a binding.
type link struct {
	broker addr.Provider
	transport.Link
}

// Messages evaluates the configuration. Brokers are asked only for what data
// sources need.
func (w *Workspace) Messages(ctx context.Context) (*Messages, hcl.Diagnostics) {
	s := &Session{w: w, snap: state.New(state.NewLineage())}
	s.pool = newPool(w, s.snap.Lineage)
	res, _, diags := s.build(ctx)
	if diags.HasErrors() {
		_ = s.pool.Close() // nothing was changed through it
		return nil, diags
	}
	m := &Messages{s: s, brokers: map[addr.Provider]desired.Broker{}, declared: map[carrierKey]carried{}}
	for a, b := range res.Providers {
		if !b.Type.Launcher {
			m.brokers[a] = b
		}
	}
	for i := range res.Objects {
		m.enter(&res.Objects[i])
	}
	for _, on := range sortedProviders(res.Roles) {
		for _, r := range res.Roles[on] {
			m.enterPorts(r, on)
		}
	}
	return m, diags
}

// Close ends what was opened.
func (m *Messages) Close() error { return m.s.pool.Close() }

// Broker finds a broker by its block's name; "" is the only one.
func (m *Messages) Broker(name string) (addr.Provider, error) {
	all := sortedProviders(m.brokers)
	var names []string
	for _, a := range all {
		if a.Name == name {
			return a, nil
		}
		names = append(names, a.Name)
	}
	switch {
	case len(names) == 0:
		return addr.Provider{}, fmt.Errorf("the configuration has no broker block")
	case name != "":
		return addr.Provider{}, fmt.Errorf("there is no broker %q.%s There is %s", name, diag.DidYouMean(name, names), strings.Join(names, ", "))
	case len(names) > 1:
		return addr.Provider{}, fmt.Errorf("the configuration has several brokers (%s): say which one with -broker", strings.Join(names, ", "))
	}
	return all[0], nil
}

// Transient tells whether a queue goes with its last consumer, as far as the
// broker or the configuration can say.
func (m *Messages) Transient(ctx context.Context, on addr.Provider, queue string) bool {
	if m.declared[carrierKey{on, Carrier{Queue, queue}}].transient {
		return true
	}
	if !m.has(on, Queue) {
		return false
	}
	got, err := m.look(ctx, on, Queue, queue)
	return err == nil && got[queue].transient
}

// Dial connects to a broker for messages. The caller closes the connection.
func (m *Messages) Dial(ctx context.Context, a addr.Provider) (transport.Conn, error) {
	p, err := m.s.pool.Open(a)
	if err != nil {
		return nil, err
	}
	d, ok := p.(providers.Dialer)
	if !ok {
		return nil, fmt.Errorf("messages can neither be sent to %s nor read from it: this kind of broker has no such connection", a)
	}
	return d.Dial(ctx)
}

// Ports finds ports by role.port: as it is written, else without regard to
// case. Broker restricts it to the block of that name, "" to none. Several are
// returned where an inport and an outport have one name.
func (m *Messages) Ports(text, broker string) ([]Endpoint, error) {
	if broker != "" {
		if _, err := m.Broker(broker); err != nil {
			return nil, err
		}
	}
	var out []Endpoint
	var known []string
	for _, equal := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for _, p := range m.ports {
			if broker != "" && p.Broker.Name != broker {
				continue
			}
			known = append(known, p.String())
			if equal(p.String(), text) || equal(p.Name+"."+p.ID, text) {
				out = append(out, p)
			}
		}
		if len(out) > 0 {
			break
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no role here has a port %q.%s%s", text, diag.DidYouMean(text, known), portHint(text, known))
	}
	for _, p := range out {
		if p.Broker != out[0].Broker {
			return nil, fmt.Errorf("%q is a port on several brokers (%s, %s): say which one with -broker", text, out[0].Broker.Name, p.Broker.Name)
		}
	}
	return out, nil
}

// portHint says what ports the role has, or what a target looks like.
func portHint(text string, known []string) string {
	role, dotted := text, false
	if i := strings.LastIndexByte(text, '.'); i >= 0 {
		role, dotted = text[:i], true
	}
	var of []string
	for _, k := range known {
		if i := strings.LastIndexByte(k, '.'); i >= 0 && k[:i] == role && !slices.Contains(of, k[i+1:]) {
			of = append(of, k[i+1:])
		}
	}
	hint := ""
	if !dotted {
		hint = " A port is written as role.port."
	}
	if len(of) > 0 {
		slices.Sort(of)
		hint += fmt.Sprintf(" Role %q has the ports %s.", role, diag.Escape(strings.Join(of, ", ")))
	} else {
		hint += " What is no port is written topic:NAME, exchange:NAME or queue:NAME."
	}
	return hint
}

// Taps says what to listen to for what passes a port: an outport's exchange;
// for an inport all that leads into its queue. It is empty where nothing does.
func (m *Messages) Taps(p Endpoint) []transport.Source {
	if !p.In || m.brokers[p.Broker].Type.Name == "mqtt" {
		return []transport.Source{{Exchange: p.Carrier}}
	}
	var out []transport.Source
	add := func(s transport.Source) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, l := range m.links {
		if l.broker == p.Broker && !l.ToExchange && l.Destination == p.Carrier {
			add(transport.Source{Exchange: l.Source, Key: l.Key})
		}
	}
	// Node clients bind an exchange of their inport's name themselves.
	if _, ok := m.declared[carrierKey{p.Broker, Carrier{Exchange, p.Carrier}}]; ok {
		add(transport.Source{Exchange: p.Carrier})
	}
	return out
}

// Leads reports whether messages of an outport reach an inport's queue.
func (m *Messages) Leads(from, to Endpoint) bool {
	if from.Carrier == to.Carrier {
		return true
	}
	seen := map[string]bool{}
	work := []string{from.Carrier}
	for len(work) > 0 {
		at := work[0]
		work = work[1:]
		for _, l := range m.links {
			switch {
			case l.broker != from.Broker || l.Source != at:
			case !l.ToExchange && l.Destination == to.Carrier:
				return true
			case l.ToExchange && !seen[l.Destination]:
				seen[l.Destination] = true
				work = append(work, l.Destination)
			}
		}
	}
	return false
}

// enter takes note of what an object says of carriers and bindings.
func (m *Messages) enter(o *desired.Object) {
	switch o.Type {
	case Queue, Exchange:
		m.declared[carrierKey{o.Provider, Carrier{o.Type, attr.Text(o.Value, "name")}}] = carriedOf(o.Value)
	case "binding":
		m.links = append(m.links, link{o.Provider, linkOf(o.Value)})
	case "route":
		m.links = append(m.links, link{o.Provider, transport.Link{Source: attr.Text(o.Value, "from"), Destination: attr.Text(o.Value, "to")}})
	}
}

func linkOf(binding cty.Value) transport.Link {
	return transport.Link{Source: attr.Text(binding, "source"), Destination: attr.Text(binding, "destination"),
		ToExchange: attr.Text(binding, "destination_type") == "exchange", Key: attr.Text(binding, "routing_key")}
}

func (m *Messages) enterPorts(r *flow.Role, on addr.Provider) {
	role := strings.TrimPrefix(r.Name, attr.Text(m.brokers[on].Config, "prefix"))
	for _, p := range r.Inports {
		m.add(Endpoint{on, role, p.ID, r.Name, true, p.Queue})
	}
	for _, p := range r.Outports {
		m.add(Endpoint{on, role, p.ID, r.Name, false, p.Queue})
	}
}

func (m *Messages) add(p Endpoint) {
	if p.ID != "" && p.Carrier != "" && p.Broker != (addr.Provider{}) && !slices.Contains(m.ports, p) {
		m.ports = append(m.ports, p)
	}
}
