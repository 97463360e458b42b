package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/transport"
)

func (a *app) sendCommand() *cli.Command {
	var m mail
	var queue, key, file string
	return &cli.Command{
		Name: "send", Usage: "send a message to a port, a topic, exchange or queue", ArgsUsage: "ROLE.PORT | topic:NAME | exchange:NAME | queue:NAME [PAYLOAD]",
		Description: "The payload is the argument, the file of -file, or what comes on stdin, and has to be JSON: msgflo send resize.in '{\"width\": 300}'.\n" +
			"It is persistent, and sent when the broker has confirmed it. To an outport it is sent as if the role had: to all that is bound there.\n" +
			"To exchange:NAME it is sent with the routing key of -key, or none. Examples:\n" +
			"  msgflo send topic:home/livingroom/lamp '\"on\"'\n  msgflo send -key order.new exchange:events '{\"id\": 1}'",
		Flags: append(a.flagsMail(&m),
			&cli.StringFlag{Name: "queue", Usage: "send to the queue (on MQTT the topic) `NAME`: as queue:NAME", Destination: &queue},
			&cli.StringFlag{Name: "key", Usage: "the routing `KEY` for exchange:NAME", Destination: &key},
			&cli.StringFlag{Name: "file", Usage: "send what `FILE` holds; - is stdin", Destination: &file},
			&cli.BoolFlag{Name: "raw", Usage: "send the bytes as they are, JSON or not", Destination: &m.raw},
		),
		Action: func(ctx context.Context, c *cli.Command) error {
			args := c.Args().Slice()
			target := ""
			if queue == "" {
				if len(args) == 0 {
					return usagef("send takes what to send to: a port, as role.port, or topic:NAME, exchange:NAME, queue:NAME")
				}
				target, args = args[0], args[1:]
			}
			if len(args) > 1 {
				return usagef("send takes one payload, but there are %d more arguments; quote JSON for the shell: '{\"width\": 300}'", len(args))
			}
			body, err := a.payload(args, file, m.raw)
			if err != nil {
				return err
			}
			return a.send(ctx, &m, parcel{target, queue, key, body})
		},
	}
}

// payload is what to send.
func (a *app) payload(args []string, file string, raw bool) ([]byte, error) {
	var body []byte
	var err error
	switch {
	case len(args) > 0 && file != "":
		return nil, usagef("give the payload once: as an argument or with -file")
	case len(args) > 0:
		body = []byte(args[0])
	case file != "" && file != "-":
		body, err = os.ReadFile(file)
	case term.IsTerminal(int(a.env.Stdin.Fd())) && file == "":
		return nil, usagef("what is to be sent? Give it as an argument, with -file, or on stdin")
	default:
		body, err = io.ReadAll(a.env.Stdin)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the payload: %w", err)
	}
	if raw {
		return body, nil
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, usagef("there is nothing to send: give the payload as an argument, with -file, or on stdin; -raw sends an empty message too")
	}
	if !json.Valid(body) {
		return nil, usagef("the payload is not JSON, which is what MsgFlo participants expect. Write text in quotes ('\"like this\"'), or send the bytes as they are with -raw")
	}
	return body, nil
}

// A parcel is what to send, and to what: a target, or a queue by its name.
type parcel struct {
	target, queue, key string
	body               []byte
}

func (a *app) send(ctx context.Context, m *mail, p parcel) error {
	msg := transport.Message{Body: p.body, Persistent: true}
	if !m.raw {
		msg.ContentType = "application/json"
	}
	var to transport.Address
	var what string
	pick := func(ms *workspace.Messages) (on addr.Provider, err error) {
		on, to, what, err = destination(ctx, ms, p, m.broker)
		return on, err
	}
	return a.messages(ctx, pick, func(c transport.Conn) error {
		err := transport.Publish(ctx, c, to, msg)
		switch {
		case errors.Is(err, transport.ErrNoQueue):
			return messageError{"No such queue", fmt.Sprintf("The message was not sent: there is no queue %q now. `msgflo apply` makes what the configuration declares; "+
				"some participants make theirs when they start.", to.Key)}
		case errors.Is(err, transport.ErrUnroutable):
			return messageError{"Nobody takes it", unroutable(to, p.target)}
		case err != nil:
			return err
		}
		a.say("Sent %d bytes to %s.", len(p.body), diag.Escape(what))
		return nil
	})
}

func unroutable(to transport.Address, target string) string {
	x := to.Exchange
	switch _, bare := workspace.ParseCarrier(target); {
	case !bare:
		return fmt.Sprintf("The message was sent nowhere: nothing is bound to the exchange %q of %s.", x, diag.Escape(target))
	case to.Key == "":
		return fmt.Sprintf("The message was sent nowhere: nothing is bound to the exchange %q that takes a message without a routing key. -key gives it one.", x)
	}
	return fmt.Sprintf("The message was sent nowhere: nothing is bound to the exchange %q that takes the routing key %q.", x, to.Key)
}

// destination finds what a parcel is for: the broker, the address there, and how people
// call it.
func destination(ctx context.Context, ms *workspace.Messages, p parcel, broker string) (on addr.Provider, to transport.Address, what string, err error) {
	c, bare := workspace.ParseCarrier(p.target)
	if p.key != "" && c.Kind != workspace.Exchange {
		return on, to, "", fmt.Errorf("-key is the routing key of a message to an exchange, as in `send -key order.new exchange:events`; %s takes messages without one", diag.Escape(cmp.Or(p.target, p.queue)))
	}
	switch {
	case p.target == "":
		on, err = ms.Broker(broker)
		return on, transport.ToQueue(p.queue), fmt.Sprintf("queue %q", p.queue), err
	case bare:
		if on, err = ms.BrokerOf(c, broker); err != nil {
			return on, to, "", err
		}
		to = transport.ToQueue(c.Name)
		if c.Kind == workspace.Exchange {
			to = transport.Address{Exchange: c.Name, Key: p.key, Mandatory: true}
		}
		return on, to, fmt.Sprintf("%s %q", c.Kind, c.Name), ms.Known(ctx, on, c)
	}
	ports, err := ms.Ports(p.target, broker)
	if err != nil {
		return on, to, "", err
	}
	port := inportFirst(ports)
	to = transport.ToQueue(port.Carrier)
	if !port.In {
		to = transport.Address{Exchange: port.Carrier, Mandatory: true}
	}
	return port.Broker, to, port.String(), nil
}

// inportFirst: where an inport and an outport have one name, messages are sent
// to the inport.
func inportFirst(ports []workspace.Endpoint) workspace.Endpoint {
	for _, p := range ports {
		if p.In {
			return p
		}
	}
	return ports[0]
}

// A messageError says why a message did not get through.
type messageError struct{ headline, detail string }

func (e messageError) Error() string   { return e.detail }
func (e messageError) Summary() string { return e.headline }
