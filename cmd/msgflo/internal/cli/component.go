package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/config/component"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/participant"
	"github.com/msgflo/msgflo/providers/participant/builtin"
)

func (a *app) componentCommand() *cli.Command {
	list := &cli.Command{
		Name: "list", Usage: "print the built-in components with their ports", Flags: []cli.Flag{a.o.flagJSON()},
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Args().Len() > 0 {
				return usagef("component list takes no arguments")
			}
			return a.listComponents()
		},
	}
	var iips, broker string
	run := &cli.Command{
		Name: "run", Usage: "run a built-in component as a participant, until Ctrl-C or SIGTERM", ArgsUsage: "NAME [ROLE]",
		Description: "The role is that of MSGFLO_ROLE where it is not given. It is a worker under a supervisor, so that to be asked to stop\n" +
			"(Ctrl-C, SIGTERM, -timeout) is no failure: it ends with 0 when all it had begun is settled, and with 130 only when a second\n" +
			"signal cut that short. One line on stdout says that it has started.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "iips", Usage: "initial packets: `JSON` object of inports and what they get at the start", Destination: &iips},
			&cli.StringFlag{Name: "broker", Usage: "`URL` of the broker, which others see in the list of processes; else MSGFLO_BROKER, CLOUDAMQP_URL, amqp://localhost", Destination: &broker},
			&cli.DurationFlag{Name: "timeout", Usage: "stop as with Ctrl-C after `DURATION`", Destination: &a.o.timeout, HideDefault: true},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			role := c.Args().Get(1)
			if role == "" {
				role = a.env.lookup("MSGFLO_ROLE")
			}
			if n := c.Args().Len(); n == 0 || n > 2 || role == "" {
				return usagef("component run takes the component's name and the role that it plays: msgflo component run msgflo/Repeat echo")
			}
			return a.runComponent(ctx, c.Args().Get(0), role, participant.Options{Broker: broker}, iips)
		},
	}
	return &cli.Command{
		Name: "component", Usage: "the built-in components", Commands: []*cli.Command{list, run}, Action: needsSub,
	}
}

// listedComponent is a component for machines.
type listedComponent struct {
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Icon        string       `json:"icon"`
	Inports     []listedPort `json:"inports"`
	Outports    []listedPort `json:"outports"`
}

type listedPort struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	Description string `json:"description"`
}

func listedPorts(ps []component.Port) []listedPort {
	out := []listedPort{}
	for _, p := range ps {
		out = append(out, listedPort(p))
	}
	return out
}

func (a *app) listComponents() error {
	all := component.Builtins()
	if a.o.json {
		out := make([]listedComponent, len(all))
		for i, c := range all {
			out[i] = listedComponent{c.Name, c.Description, c.Icon, listedPorts(c.Inports), listedPorts(c.Outports)}
		}
		return printJSON(a.env.Stdout, out)
	}
	w := tabwriter.NewWriter(a.env.Stdout, 0, 0, 2, ' ', 0)
	for i, c := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s\n  %s.\n", c.Name, c.Description)
		for _, p := range c.Inports {
			fmt.Fprintf(w, "  in\t%s\t%s\n", p.ID, p.Description)
		}
		for _, p := range c.Outports {
			fmt.Fprintf(w, "  out\t%s\t%s\n", p.ID, p.Description)
		}
	}
	return w.Flush()
}

// initialPackets reads -iips: an object of inports and any JSON.
func initialPackets(text string) (map[string][]byte, error) {
	if text == "" {
		return nil, nil
	}
	var values map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	if err := dec.Decode(&values); err != nil {
		return nil, usagef("-iips is not a JSON object as '{\"interval\": 1000}': %v", err)
	}
	if dec.More() {
		return nil, usagef("-iips has more after its JSON object")
	}
	out := make(map[string][]byte, len(values))
	for k, v := range values {
		out[k] = v
	}
	return out, nil
}

func (a *app) runComponent(ctx context.Context, name, role string, o participant.Options, iips string) error {
	d, ok := builtin.New(name, a.env.Stdout)
	if !ok {
		names := component.Names()
		return usagef("there is no built-in component %q.%s There is %s.", name, diag.DidYouMean(name, names), strings.Join(names, ", "))
	}
	var err error
	if o.Initial, err = initialPackets(iips); err != nil {
		return err
	}
	o.Role, o.Env = role, a.env.lookup
	o.Log = slog.New(slog.NewTextHandler(a.env.Stderr, nil))
	a.run.limit(a.o.timeout)
	// Before it has started the first signal ends it; from then on it stops it
	// gracefully, and only the second one ends it.
	p, err := participant.Start(ctx, d, o)
	if ctx.Err() != nil && p == nil {
		return errShown
	}
	if err != nil {
		return err
	}
	a.run.graceful.Store(true)
	fmt.Fprintf(a.env.Stdout, "%s (%s) has started\n", diag.Escape(role), name)
	select {
	case <-p.Done():
	case <-a.run.stop:
	case <-ctx.Done():
	}
	err = p.Stop(ctx)
	if ctx.Err() == nil && err == nil {
		// To be asked to stop is how such a process ends: no failure to whoever
		// supervises it.
		a.run.interrupted.Store(false)
	}
	if errors.Is(err, context.Canceled) {
		return errShown
	}
	return err
}
