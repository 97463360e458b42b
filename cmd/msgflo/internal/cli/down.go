package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/local/control"
)

func (a *app) downCommand() *cli.Command {
	var lineage string
	return &cli.Command{
		Name: "down", Usage: "stop the agent and all it holds; the configuration is untouched", ArgsUsage: "[DIR]",
		Description: "Nothing is asked: nothing is lost. Queues and their messages stay on the broker, and the next `msgflo apply` or\n`msgflo agent` starts all of it again. `msgflo destroy` is for good.\nUntil then a plan says what was brought down and would be started: it is not empty (2 with -detailed-exitcode), and none\nof that counts as changed outside msgflo. -lineage is for what a state that was lost had started.",
		Flags: append(append(a.o.flagsBasic(), a.o.flagsVars()...), a.o.flagJSON(),
			&cli.StringFlag{Name: "lineage", Usage: "of the state of lineage `ID`, wherever that was, instead of a directory's", Destination: &lineage}),
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.IsSet("lineage") {
				if c.Args().Present() {
					return usagef("-lineage names the state whose agent is to end, so no directory is needed")
				}
				return a.downOf(ctx, lineage)
			}
			dir, err := a.o.dir(c.Args().Slice())
			if err != nil {
				return err
			}
			return a.onRunning(ctx, dir, func(k *running) error { return k.down(ctx) })
		},
	}
}

func (k *running) down(ctx context.Context) error {
	if err := k.report(k.orphans); err != nil {
		return err
	}
	if k.client == nil && !runs(k.here.Held) {
		if len(k.orphans) == 0 {
			k.say("Nothing runs here.")
		}
		return nil
	}
	client, err := k.agent(ctx) // without one: it takes over what a killed one left, and stops that
	if err != nil {
		return err
	}
	return k.bringDown(ctx, client)
}

// downOf is down for a state that no directory may have any more.
func (a *app) downOf(ctx context.Context, lineage string) error {
	a.begin()
	o, err := control.OtherOf(lineage)
	if err != nil {
		return err
	}
	if o == nil {
		return unknownLineage(lineage)
	}
	if !o.Agent && !runs(o.Held) {
		a.say("Nothing runs for this state.")
		return nil
	}
	client, err := control.Dial(ctx, lineage)
	if errors.Is(err, control.ErrNoAgent) {
		client, err = control.Ensure(ctx, control.Agent{Lineage: lineage, Dir: o.Dir, State: o.State, Env: a.env.Environ})
	}
	if err != nil {
		return err
	}
	return errors.Join(a.bringDown(ctx, client), client.Close())
}

func unknownLineage(lineage string) error {
	known, err := control.Lineages()
	if err != nil {
		return err
	}
	near := diag.DidYouMean(lineage, known)
	if near == "" {
		near = " `msgflo state pull` shows the lineage of a directory's state, and a plan that of a lost one which still runs."
	}
	return &roleError{"No such state here", fmt.Sprintf("No state of the lineage %q ever had an agent on this machine for this user.%s", lineage, near)}
}

func (a *app) bringDown(ctx context.Context, client *control.Client) error {
	out := ui.NewActs(a.env.Stdout, a.o.json)
	began := time.Now()
	verbs := ui.Verbs{Doing: "stopping", Did: "stopped"}
	const all = "all participants"
	out.Begin(all, verbs)
	err := client.Down(ctx, func(e control.Event) { out.Progress(all, e.Text) })
	out.End(all, verbs, time.Since(began), err)
	return errors.Join(err, out.Err())
}

// runs tells whether anything runs, though no agent may.
func runs(held []control.Held) bool { return slices.ContainsFunc(held, control.Held.Runs) }
