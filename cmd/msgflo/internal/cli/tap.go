package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/transport"
)

func (a *app) tapCommand() *cli.Command {
	var m mail
	return &cli.Command{
		Name: "tap", Usage: "watch what passes a port, an edge, a topic, exchange or queue, without taking from it",
		ArgsUsage: "ROLE.PORT | 'FROM.OUT -> TO.IN' | topic:NAME | exchange:NAME | queue:NAME",
		Description: "Prints each message's payload on a line, until Ctrl-C or -n. It listens with a temporary queue of its own, bound to the\n" +
			"exchange: nobody gets less. What was sent to a queue directly passes no exchange and is not seen. With wildcards (topic:home/+/temp),\n" +
			"and where several routing keys are heard, the topic or key stands before the payload. Of queue:NAME it hears what exchanges lead there: to\n" +
			"read the queue itself would take from it, and `dump` does. (A stream can be read as it is.) Examples:\n" +
			"  msgflo tap resize.in\n  msgflo tap 'topic:home/#'\n  msgflo tap -key 'order.*' exchange:events",
		Flags: append(a.flagsMail(&m), a.o.flagJSON(),
			list("key", "only messages with the routing `KEY` (exchange:NAME); may be repeated", &m.keys),
			flagCount(&m, 0, "stop after `N` messages"),
			flagRaw(&m)),
		Action: func(ctx context.Context, c *cli.Command) error {
			target, err := a.printsOne(c, &m, "tap takes one port, as role.port, or one edge in quotes: 'web.out -> resize.in', or topic:NAME, exchange:NAME, queue:NAME")
			if err != nil {
				return err
			}
			return a.tap(ctx, &m, target)
		},
	}
}

// A listening is what tap listens to.
type listening struct {
	sources []transport.Source
	whole   string // a topic or stream that is read itself, instead of sources
	named   bool   // messages come with several topics or keys
}

// tapped is a message for machines.
type tapped struct {
	Time        time.Time       `json:"time"`
	Target      string          `json:"target"`
	Topic       string          `json:"topic,omitempty"` // on MQTT
	Key         string          `json:"key,omitempty"`   // routing key, on RabbitMQ
	Retained    bool            `json:"retained,omitempty"`
	Payload     json.RawMessage `json:"payload"`
	ContentType string          `json:"content_type,omitempty"`
	Headers     map[string]any  `json:"headers,omitempty"`
}

func (a *app) tap(ctx context.Context, m *mail, target string) error {
	var l listening
	pick := func(ms *workspace.Messages) (on addr.Provider, err error) {
		on, l, err = listen(ctx, ms, target, m)
		return on, err
	}
	return a.messages(ctx, pick, func(c transport.Conn) error {
		s, err := l.open(ctx, c)
		if errors.Is(err, transport.ErrNoExchange) || errors.Is(err, transport.ErrNoQueue) {
			return messageError{"Nothing to listen to", fmt.Sprintf("%s `msgflo apply` makes what the configuration declares; some participants make theirs when they start.", diag.Sentence(err.Error()))}
		}
		if err != nil {
			return err
		}
		a.say("Listening to %s. Ctrl-C ends.", l.describe(target))
		return each(ctx, s, m.count, func(d transport.Delivery) error { return a.printTapped(m, target, l.named, d) })
	})
}

func (l listening) open(ctx context.Context, c transport.Conn) (transport.Subscription, error) {
	o := transport.SubscribeOptions{Prefetch: 100}
	if l.whole != "" {
		return c.Subscribe(ctx, l.whole, o)
	}
	return transport.Tap(ctx, c, l.sources, o)
}

// describe says what is listened to, also where that is not what was said.
func (l listening) describe(target string) string {
	if c, ok := workspace.ParseCarrier(target); !ok || c.Kind != workspace.Queue || l.whole != "" {
		return diag.Escape(target)
	}
	var from []string
	for _, s := range l.sources {
		if x := diag.Escape(s.Exchange); !slices.Contains(from, x) {
			from = append(from, x)
		}
	}
	return fmt.Sprintf("what comes to %s from exchange %s", diag.Escape(target), strings.Join(from, ", "))
}

func (a *app) printTapped(m *mail, target string, named bool, d transport.Delivery) error {
	if !a.o.json {
		if named && !m.raw {
			if _, err := fmt.Fprint(a.env.Stdout, diag.Escape(cmp.Or(d.Topic, d.Key, `""`)), " "); err != nil {
				return err
			}
		}
		return a.printPayload(d.Body, m.raw)
	}
	line := tapped{Time: d.Received.UTC(), Target: target, Topic: d.Topic, Key: d.Key, Retained: d.Retained, Payload: payloadJSON(d.Body), ContentType: d.ContentType, Headers: d.Headers}
	b, err := json.Marshal(line)
	if err != nil { // a header that JSON has no form for
		line.Headers = nil
		if b, err = json.Marshal(line); err != nil {
			return err
		}
	}
	return a.printPayload(b, false)
}

// listen is what to listen to for a target, and the broker that has it.
func listen(ctx context.Context, ms *workspace.Messages, target string, m *mail) (on addr.Provider, l listening, err error) {
	c, bare := workspace.ParseCarrier(target)
	if len(m.keys) > 0 && c.Kind != workspace.Exchange {
		return on, l, fmt.Errorf("-key chooses among the messages of an exchange, as in `tap -key 'order.*' exchange:events`; of %s all that comes is heard", diag.Escape(target))
	}
	if !bare {
		on, l.sources, err = tapSources(ms, target, m.broker)
		return on, l, err
	}
	if on, err = ms.BrokerOf(c, m.broker); err != nil {
		return on, l, err
	}
	sources, whole, err := ms.Carrying(ctx, on, c, m.keys)
	if l.sources = sources; whole {
		l.whole = c.Name
	}
	keys := map[string]bool{}
	for _, s := range sources {
		keys[s.Key] = true
		l.named = l.named || len(keys) > 1 || strings.ContainsAny(s.Key, "*#")
	}
	l.named = l.named || c.Kind == workspace.Topic && strings.ContainsAny(c.Name, "+#")
	return on, l, err
}

// tapSources is what to listen to for a port or an edge.
func tapSources(ms *workspace.Messages, target, broker string) (addr.Provider, []transport.Source, error) {
	from, to, edge := strings.Cut(target, "->")
	from, to = strings.TrimSpace(from), strings.TrimSpace(to)
	ports, err := ms.Ports(from, broker)
	if err != nil {
		return addr.Provider{}, nil, err
	}
	if !edge {
		p := outportFirst(ports)
		sources := ms.Taps(p)
		if len(sources) == 0 {
			return addr.Provider{}, nil, fmt.Errorf("nothing leads to %s that could be listened to: what is sent to its queue %q directly passes no exchange. `msgflo dump %s` takes a message out of it",
				diag.Escape(p.String()), p.Carrier, diag.Escape(p.Carrier))
		}
		return p.Broker, sources, nil
	}
	ends, err := ms.Ports(to, broker)
	if err != nil {
		return addr.Provider{}, nil, err
	}
	out, in := outportFirst(ports), inportFirst(ends)
	if out.In || !in.In || out.Broker != in.Broker || !ms.Leads(out, in) {
		return addr.Provider{}, nil, fmt.Errorf("there is no edge from %s to %s", diag.Escape(from), diag.Escape(to))
	}
	// All that leaves the outport goes along each of its edges.
	return out.Broker, ms.Taps(out), nil
}

func outportFirst(ports []workspace.Endpoint) workspace.Endpoint {
	for _, p := range ports {
		if !p.In {
			return p
		}
	}
	return ports[0]
}
