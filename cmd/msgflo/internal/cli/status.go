package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui"
)

// watchEvery is how often -watch looks again.
const watchEvery = 2 * time.Second

func (a *app) statusCommand() *cli.Command {
	var watch bool
	return &cli.Command{
		Name: "status", Usage: "show participants and edges as they are now", ArgsUsage: "[DIR]",
		Description: "Processes, restarts, and of each inport the messages that wait (+ those being worked on), its consumers and rates.\n" +
			"Then whether each broker answers (asked at once, for five seconds at most), and what is wrong with what the agent does for them:\n" +
			"a router, a keeper of bindings, an embedded broker. -json has the same in brokers and services. Examples:\n  msgflo status examples/thumbnails\n  msgflo status -watch\n  msgflo status -json | jq '.roles[] | select(.state != \"running\") | .role'",
		Flags: append(append(a.o.flagsBasic(), a.o.flagsVars()...), a.o.flagJSON(),
			&cli.BoolFlag{Name: "watch", Usage: "look again every two seconds, until Ctrl-C; with -json a document a line", Destination: &watch}),
		Action: func(ctx context.Context, c *cli.Command) error {
			dir, err := a.o.dir(c.Args().Slice())
			if err != nil {
				return err
			}
			return a.onRunning(ctx, dir, func(k *running) error {
				if watch {
					return k.watch(ctx)
				}
				return k.show(ctx, false)
			})
		},
	}
}

// show prints the status once; again: over the last one.
func (k *running) show(ctx context.Context, again bool) error {
	s := k.r.Status(ctx, k.recorded, k.here)
	if err := ctx.Err(); err != nil {
		return err
	}
	if k.o.json {
		return ui.StatusJSON(k.env.Stdout, s)
	}
	t := k.terminal()
	if !again || !t.Rewrite {
		return ui.Status(t.Out, s, time.Now(), t.Color)
	}
	var b strings.Builder
	if err := ui.Status(&b, s, time.Now(), t.Color); err != nil {
		return err
	}
	_, height, err := term.GetSize(int(k.env.Stdout.Fd()))
	if err != nil {
		height = 0
	}
	_, err = t.Out.Write([]byte(ui.Redraw(b.String(), height)))
	return err
}

// watch shows the status again and again. Ctrl-C is how it ends.
func (k *running) watch(ctx context.Context) error {
	t := k.terminal()
	if t.Rewrite && !k.o.json {
		if _, err := fmt.Fprint(t.Out, ui.ClearScreen); err != nil {
			return err
		}
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		err := k.show(ctx, true)
		if err == nil && !t.Rewrite && !k.o.json {
			_, err = fmt.Fprintln(t.Out)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errShown
		case <-tick.C:
		}
		if err := k.refresh(ctx); err != nil {
			return err
		}
	}
}
