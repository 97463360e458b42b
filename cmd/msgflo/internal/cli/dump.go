package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/transport"
)

func (a *app) dumpCommand() *cli.Command {
	var m mail
	return &cli.Command{
		Name: "dump", Usage: "take messages out of a queue and print them", ArgsUsage: "QUEUE | queue:NAME | topic:NAME",
		Description: "Takes as many messages as -n says, waiting for them, and prints each payload on a line, as JSON. A message is gone from the\n" +
			"queue once it is printed, not before. `tap` watches without taking.",
		Flags: append(a.flagsMail(&m),
			flagCount(&m, 1, "take `N` messages"),
			&cli.BoolFlag{Name: "json", Usage: "print one JSON array", Destination: &a.o.json},
			flagRaw(&m)),
		Action: func(ctx context.Context, c *cli.Command) error {
			queue, err := a.printsOne(c, &m, "dump takes the name of one queue")
			if err != nil {
				return err
			}
			return a.dump(ctx, &m, queue)
		},
	}
}

func (a *app) dump(ctx context.Context, m *mail, queue string) error {
	fetch := false
	pick := func(ms *workspace.Messages) (on addr.Provider, err error) {
		switch c, bare := workspace.ParseCarrier(queue); { // the words of send and tap
		case !bare:
			on, err = ms.Broker(m.broker)
		case c.Kind == workspace.Exchange:
			err = fmt.Errorf("an exchange keeps no messages that could be taken out: `tap %s` listens to it, and dump takes queue:NAME or topic:NAME", diag.Escape(queue))
		default:
			queue = c.Name
			on, err = ms.BrokerOf(c, m.broker)
		}
		if err == nil {
			fetch = ms.Transient(ctx, on, queue)
		}
		return on, err
	}
	return a.messages(ctx, pick, func(c transport.Conn) error {
		// One at a time: what is not printed stays with the queue's other consumers. And where the
		// queue would go with us, and its messages with it, we are none of them.
		s, err := c.Subscribe(ctx, queue, transport.SubscribeOptions{Prefetch: 1, Fetch: fetch})
		if errors.Is(err, transport.ErrNoQueue) {
			return messageError{"No such queue", fmt.Sprintf("There is no queue %q. `msgflo apply` makes what the configuration declares; some participants make theirs when they start.", queue)}
		}
		if err != nil {
			return err
		}
		a.say("Waiting for messages of %s. Ctrl-C ends.", diag.Escape(queue))
		if !a.o.json {
			return each(ctx, s, m.count, func(d transport.Delivery) error { return a.printPayload(d.Body, m.raw) })
		}
		between := "["
		err = each(ctx, s, m.count, func(d transport.Delivery) error {
			_, err := io.WriteString(a.env.Stdout, between+jsonText(d.Body))
			between = ",\n"
			return err
		})
		end := "]\n"
		if between == "[" { // interrupted before the first
			end = "[]\n"
		}
		_, werr := io.WriteString(a.env.Stdout, end)
		return errors.Join(err, werr)
	})
}
