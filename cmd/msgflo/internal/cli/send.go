package cli

import (
	"bytes"
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
	var queue, file string
	return &cli.Command{
		Name: "send", Usage: "send a message to a port or a queue", ArgsUsage: "ROLE.PORT [PAYLOAD]",
		Description: "The payload is the argument, the file of -file, or what comes on stdin, and has to be JSON: msgflo send resize.in '{\"width\": 300}'.\n" +
			"It is persistent, and sent when the broker has confirmed it. To an outport it is sent as if the role had: to all that is bound there.",
		Flags: append(a.flagsMail(&m),
			&cli.StringFlag{Name: "queue", Usage: "send to the queue (on MQTT the topic) `NAME` instead of a port", Destination: &queue},
			&cli.StringFlag{Name: "file", Usage: "send what `FILE` holds; - is stdin", Destination: &file},
			&cli.BoolFlag{Name: "raw", Usage: "send the bytes as they are, JSON or not", Destination: &m.raw},
		),
		Action: func(ctx context.Context, c *cli.Command) error {
			args := c.Args().Slice()
			target := ""
			if queue == "" {
				if len(args) == 0 {
					return usagef("send takes the port to send to, as role.port, or -queue NAME")
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
			return a.send(ctx, &m, target, queue, body)
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
	if !json.Valid(body) {
		return nil, usagef("the payload is not JSON, which is what MsgFlo participants expect. Write text in quotes ('\"like this\"'), or send the bytes as they are with -raw")
	}
	return body, nil
}

func (a *app) send(ctx context.Context, m *mail, target, queue string, body []byte) error {
	msg := transport.Message{Body: body, Persistent: true}
	if !m.raw {
		msg.ContentType = "application/json"
	}
	to, what := transport.ToQueue(queue), fmt.Sprintf("queue %q", queue)
	pick := func(ms *workspace.Messages) (addr.Provider, error) {
		if target == "" {
			return ms.Broker(m.broker)
		}
		ports, err := ms.Ports(target, m.broker)
		if err != nil {
			return addr.Provider{}, err
		}
		p := inportFirst(ports)
		what = p.String()
		to = transport.ToQueue(p.Carrier)
		if !p.In {
			to = transport.Address{Exchange: p.Carrier, Mandatory: true}
		}
		return p.Broker, nil
	}
	return a.messages(ctx, pick, func(c transport.Conn) error {
		err := transport.Publish(ctx, c, to, msg)
		switch {
		case errors.Is(err, transport.ErrNoQueue):
			return messageError{"No such queue", fmt.Sprintf("The message was not sent: there is no queue %q now. `msgflo apply` makes what the configuration declares; "+
				"some participants make theirs when they start.", diag.Escape(to.Key))}
		case errors.Is(err, transport.ErrUnroutable):
			return messageError{"Nobody takes it", fmt.Sprintf("The message was sent nowhere: nothing is bound to the exchange %q of %s.", diag.Escape(to.Exchange), diag.Escape(what))}
		case err != nil:
			return err
		}
		a.say("Sent %d bytes to %s.", len(body), diag.Escape(what))
		return nil
	})
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
