package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/transport"
)

// A Carrier is named without a role: topic:home/+/temp, exchange:events,
// queue:jobs. The name is whatever follows the colon.
type Carrier struct{ Kind, Name string }

// carrierKey is a carrier on a broker.
type carrierKey struct {
	broker addr.Provider
	Carrier
}

// String is the carrier as people write it.
func (c Carrier) String() string { return c.Kind + ":" + c.Name }

// The kinds of carriers.
const (
	Topic    = "topic"
	Exchange = "exchange"
	Queue    = "queue"
)

// ParseCarrier reads a carrier; false: the text is something else, a port.
func ParseCarrier(text string) (Carrier, bool) {
	kind, name, ok := strings.Cut(text, ":")
	switch kind {
	case Topic, Exchange, Queue:
		return Carrier{kind, name}, ok
	}
	return Carrier{}, false
}

// BrokerOf finds the broker that a carrier is on: the block of that name, or,
// where name is "", the only one that has such things.
func (m *Messages) BrokerOf(c Carrier, name string) (addr.Provider, error) {
	if c.Name == "" {
		return addr.Provider{}, fmt.Errorf("%s: stands before a name, as in %s", c.Kind, map[string]string{Topic: "topic:home/+/temp", Exchange: "exchange:events", Queue: "queue:jobs"}[c.Kind])
	}
	if name != "" {
		on, err := m.Broker(name)
		if err == nil && !m.has(on, c.Kind) {
			err = m.misfit(c, on)
		}
		return on, err
	}
	var fit []addr.Provider
	var names []string
	all := sortedProviders(m.brokers)
	for _, a := range all {
		if m.has(a, c.Kind) {
			fit, names = append(fit, a), append(names, a.Name)
		}
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) > 1:
		return addr.Provider{}, fmt.Errorf("the configuration has several brokers with a %s (%s): say which one with -broker", c.Kind, strings.Join(names, ", "))
	case len(all) == 0:
		return m.Broker("")
	}
	return addr.Provider{}, m.misfit(c, all[0])
}

func (m *Messages) has(on addr.Provider, kind string) bool {
	return (kind == Topic) == (m.brokers[on].Type.Name == "mqtt")
}

func (m *Messages) misfit(c Carrier, on addr.Provider) error {
	if c.Kind == Topic {
		return fmt.Errorf("%s is no MQTT broker and has no topics: write exchange:NAME or queue:NAME (MQTT's topics on RabbitMQ are routing keys of exchange:amq.topic, with . for /)", on)
	}
	return fmt.Errorf("%s is an MQTT broker and has topics only: write topic:%s", on, diag.Escape(c.Name))
}

// A carried is what is known of a queue or exchange.
type carried struct {
	absent    bool   // the broker says that there is none
	typ       string // direct, stream …; "" where nobody says it
	transient bool   // a queue that goes with its last consumer
}

func carriedOf(v cty.Value) carried {
	return carried{typ: attr.Text(v, "type"), transient: attr.Bool(v, "auto_delete", false)}
}

// look asks the broker about queues or exchanges by their names. What it does
// not tell (without its management API) is as it is declared.
func (m *Messages) look(ctx context.Context, on addr.Provider, kind string, names ...string) (map[string]carried, error) {
	p, err := m.s.pool.Open(on)
	if err != nil {
		return nil, err
	}
	queries := make([]providers.Query, len(names))
	for i, n := range names {
		queries[i] = providers.Query{Type: kind, Value: objectValue(m.brokers[on], kind, "", n)}
	}
	got, err := p.Read(ctx, queries)
	if err != nil {
		return nil, err
	}
	out := make(map[string]carried, len(names))
	for i, n := range names {
		var c carried
		if v := got[i].Value; got[i].Err == nil && v != cty.NilVal {
			c = carriedOf(v)
			c.absent = v.IsNull()
		}
		if c.typ == "" && !c.absent {
			c.typ = cmp.Or(m.declared[carrierKey{on, Carrier{kind, n}}].typ, builtin(n))
		}
		out[n] = c
	}
	return out, nil
}

// builtin is the type of an exchange that every vhost has, "" of others.
func builtin(exchange string) string {
	switch exchange {
	case "amq.direct", "amq.fanout", "amq.topic", "amq.headers":
		return strings.TrimPrefix(exchange, "amq.")
	case "amq.match":
		return "headers"
	case "amq.rabbitmq.trace", "amq.rabbitmq.log", "amq.rabbitmq.event":
		return "topic"
	}
	return ""
}

// find looks for one; the error says that there is none, and what there is.
func (m *Messages) find(ctx context.Context, on addr.Provider, c Carrier) (carried, error) {
	got, err := m.look(ctx, on, c.Kind, c.Name)
	if err != nil || !got[c.Name].absent {
		return got[c.Name], err
	}
	if _, ok := m.declared[carrierKey{on, c}]; ok {
		return carried{}, absence(c, "is declared, and not on the broker: `msgflo apply` makes it.")
	}
	other := Carrier{map[string]string{Queue: Exchange, Exchange: Queue}[c.Kind], c.Name}
	var names []string
	for k := range m.declared {
		if k.broker == on && k.Kind == c.Kind {
			names = append(names, k.Name)
		}
	}
	for _, o := range m.list(ctx, on) {
		if n := attr.Text(o.Value, "name"); o.Type == c.Kind {
			names = append(names, n)
		} else if o.Type == other.Kind && n == c.Name {
			return carried{}, absence(c, "is not on the broker, but there is "+diag.Escape(other.String())+".")
		}
	}
	return carried{}, absence(c, "is neither on the broker nor declared."+diag.DidYouMean(c.Name, slices.Sorted(slices.Values(names))))
}

// An absentError says that a queue or exchange is not on the broker.
type absentError struct {
	Carrier
	why string
}

func absence(c Carrier, why string) error { return &absentError{c, why} }

func (e *absentError) Error() string {
	return fmt.Sprintf("The %s %q %s", e.Kind, e.Name, e.why)
}
func (e *absentError) Summary() string { return "No such " + e.Kind }

// list is what is on the broker, in the vhost of its connections for messages; where it does not
// tell, nothing.
func (m *Messages) list(ctx context.Context, on addr.Provider) []providers.Object {
	p, err := m.s.pool.Open(on)
	l, ok := p.(providers.Lister)
	if err != nil || !ok {
		return nil
	}
	objs, err := l.List(ctx, attr.Text(queueValue(m.brokers[on], "", "x"), "vhost"), "")
	if err != nil {
		return nil
	}
	return objs
}

// linksOn are the bindings, those that are there and those that are declared.
func (m *Messages) linksOn(ctx context.Context, on addr.Provider) []transport.Link {
	var out []transport.Link
	for _, l := range m.links {
		if l.broker == on {
			out = append(out, l.Link)
		}
	}
	for _, o := range m.list(ctx, on) {
		if o.Type == "binding" {
			out = append(out, linkOf(o.Value))
		}
	}
	return out
}

// Known is an error where the broker says that there is no such thing.
func (m *Messages) Known(ctx context.Context, on addr.Provider, c Carrier) error {
	if c.Kind == Topic {
		return nil // it is there once somebody speaks of it
	}
	_, err := m.find(ctx, on, c)
	if _, absent := errors.AsType[*absentError](err); absent {
		return err
	}
	return nil // who cannot be asked does not say so
}

// Carrying says what to listen to for what passes a carrier; keys are routing
// keys of an exchange to listen to, none for all. Of a queue it is what leads into it. Whole: the
// carrier itself can be read without taking from it (a topic, a stream).
func (m *Messages) Carrying(ctx context.Context, on addr.Provider, c Carrier, keys []string) (sources []transport.Source, whole bool, err error) {
	switch {
	case c.Kind == Topic && strings.HasPrefix(c.Name, "$share/"):
		return nil, false, fmt.Errorf("%s is a shared subscription: it would take messages away from the others of its group. Listen to the topic itself, without $share/GROUP/", diag.Escape(c.String()))
	case c.Kind == Topic:
		return nil, true, nil
	}
	found, err := m.find(ctx, on, c)
	switch {
	case err != nil:
		return nil, false, err
	case c.Kind == Exchange:
		sources, err = m.exchangeTaps(ctx, on, c.Name, found.typ, keys)
		return sources, false, err
	case found.typ == "stream":
		return nil, true, nil
	}
	sources, err = m.queueTaps(ctx, on, c.Name)
	return sources, false, err
}

// exchangeTaps listens to an exchange with a queue bound as others are.
func (m *Messages) exchangeTaps(ctx context.Context, on addr.Provider, name, typ string, keys []string) ([]transport.Source, error) {
	if !copies(typ) {
		return nil, takes(name, typ)
	}
	switch {
	case typ == "fanout" || typ == "headers": // a headers binding without arguments takes all
		keys = []string{""}
	case len(keys) > 0:
	case typ == "topic":
		keys = []string{"#"}
	default:
		for _, l := range m.linksOn(ctx, on) {
			if l.Source == name {
				keys = append(keys, l.Key)
			}
		}
		if typ != "direct" { // it deals them as another type does: what is no pattern there is a key that nobody has
			keys = append(keys, "#", "")
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("the exchange %q is a direct one, which hands out messages by their exact routing keys, and nothing is bound to it that would tell any. Say which to listen to with -key", name)
	}
	out := make([]transport.Source, len(keys))
	for i, k := range keys {
		out[i] = transport.Source{Exchange: name, Key: k}
	}
	return out, nil
}

// copies reports whether each binding of an exchange of that type gets a copy
// of what it takes, so that one more takes from nobody.
func copies(typ string) bool {
	return slices.Contains([]string{"direct", "fanout", "topic", "headers", "x-delayed-message", "x-recent-history"}, typ)
}

func takes(name, typ string) error {
	if typ == "" {
		return fmt.Errorf("the type of the exchange %q is not known, and with some types to listen could take messages from the queues that are bound to it. Declare it here, or let the broker block have `management`, which tells it", name)
	}
	return fmt.Errorf("the exchange %q is of the type %s, where not every binding gets a copy of each message: to listen could take messages from the queues that are bound to it", name, diag.Escape(typ))
}

// queueTaps listens to the exchanges that lead into a queue. A queue itself
// gives each message to one consumer.
func (m *Messages) queueTaps(ctx context.Context, on addr.Provider, name string) ([]transport.Source, error) {
	const why = "a queue gives each message to one consumer, so that to read it would take messages from the others"
	var out []transport.Source
	var exchanges []string
	for _, l := range m.linksOn(ctx, on) {
		if s := (transport.Source{Exchange: l.Source, Key: l.Key}); !l.ToExchange && l.Destination == name && !slices.Contains(out, s) {
			out, exchanges = append(out, s), append(exchanges, l.Source)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s, and no exchange leads to the queue %q that could be listened to instead. `msgflo dump %s` takes a message out of it; with a binding from an exchange, `tap exchange:NAME` hears what comes that way", why, name, diag.Escape(name))
	}
	types, err := m.look(ctx, on, Exchange, exchanges...)
	if err != nil {
		return nil, err
	}
	for _, x := range exchanges {
		switch typ := types[x].typ; {
		case typ == "headers":
			return nil, fmt.Errorf("%s, and the exchange %q leads there by headers, which tap does not know. `tap exchange:%s` hears all that passes it", why, x, diag.Escape(x))
		case !copies(typ):
			return nil, fmt.Errorf("%s, and %w", why, takes(x, typ))
		}
	}
	return out, nil
}
