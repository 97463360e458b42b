package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
		Name: "tap", Usage: "watch what passes a port or an edge, without taking from it", ArgsUsage: "ROLE.PORT | 'FROM.OUT -> TO.IN'",
		Description: "Prints each message's payload on a line, until Ctrl-C or -n. It listens with a temporary queue of its own, bound to the\n" +
			"exchange: nobody gets less. What was sent to a queue directly passes no exchange and is not seen.",
		Flags: append(a.flagsMail(&m), a.o.flagJSON(),
			flagCount(&m, 0, "stop after `N` messages"),
			flagRaw(&m)),
		Action: func(ctx context.Context, c *cli.Command) error {
			target, err := a.printsOne(c, &m, "tap takes one port, as role.port, or one edge in quotes: 'web.out -> resize.in'")
			if err != nil {
				return err
			}
			return a.tap(ctx, &m, target)
		},
	}
}

// tapped is a message for machines.
type tapped struct {
	Time        time.Time       `json:"time"`
	Target      string          `json:"target"`
	Payload     json.RawMessage `json:"payload"`
	ContentType string          `json:"content_type,omitempty"`
	Headers     map[string]any  `json:"headers,omitempty"`
}

func (a *app) tap(ctx context.Context, m *mail, target string) error {
	var sources []transport.Source
	pick := func(ms *workspace.Messages) (on addr.Provider, err error) {
		on, sources, err = tapSources(ms, target, m.broker)
		return on, err
	}
	return a.messages(ctx, pick, func(c transport.Conn) error {
		s, err := transport.Tap(ctx, c, sources, transport.SubscribeOptions{Prefetch: 100})
		if errors.Is(err, transport.ErrNoExchange) {
			return messageError{"Nothing to listen to", fmt.Sprintf("%s. `msgflo apply` makes what the configuration declares; some participants make theirs when they start.", diag.Sentence(err.Error()))}
		}
		if err != nil {
			return err
		}
		a.say("Listening to %s. Ctrl-C ends.", diag.Escape(target))
		return each(ctx, s, m.count, func(d transport.Delivery) error { return a.printTapped(m, target, d) })
	})
}

func (a *app) printTapped(m *mail, target string, d transport.Delivery) error {
	if !a.o.json {
		return a.printPayload(d.Body, m.raw)
	}
	line := tapped{Time: d.Received.UTC(), Target: target, Payload: payloadJSON(d.Body), ContentType: d.ContentType, Headers: d.Headers}
	b, err := json.Marshal(line)
	if err != nil { // a header that JSON has no form for
		line.Headers = nil
		if b, err = json.Marshal(line); err != nil {
			return err
		}
	}
	return a.printPayload(b, false)
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
				diag.Escape(p.String()), diag.Escape(p.Carrier), diag.Escape(p.Carrier))
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
