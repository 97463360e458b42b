package cli

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/diagram"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/tfjson"
	"github.com/msgflo/msgflo/planner/plan"
)

func printJSON(w io.Writer, doc any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

func (a *app) showCommand() *cli.Command {
	var markdown bool
	return &cli.Command{
		Name: "show", Usage: "show the state, or a saved plan", ArgsUsage: "[DIR | PLANFILE]",
		Description: "Examples:\n  msgflo show examples/topology\n  msgflo show -markdown prod.plan\n  msgflo show -json prod.plan",
		Flags: append(append(a.o.flagsBasic(), a.o.flagsVars()...), a.o.flagJSON(),
			&cli.BoolFlag{Name: "markdown", Usage: "a plan for a pull request", Destination: &markdown},
			&cli.BoolFlag{Name: "concise", Usage: "print a line an object, only what changes", Destination: &a.o.concise}),
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() == 1 && isFile(c.Args().First()) {
				return a.showPlan(c.Args().First(), markdown)
			}
			if markdown {
				return usagef("-markdown shows a saved plan: give its file, made with `msgflo plan -out FILE`")
			}
			return a.showState(ctx, c)
		},
	}
}

func (a *app) showPlan(file string, markdown bool) error {
	p, err := plan.Read(file)
	if err != nil {
		return err
	}
	switch {
	case a.o.json:
		return printJSON(a.env.Stdout, tfjson.NewPlan(p, tfjson.PlanOptions{Version: a.env.Version, Schemas: a.schemas(), Types: a.typeOf, Now: time.Now()}))
	case markdown:
		return ui.Markdown(a.env.Stdout, p, a.viewOptions())
	}
	v := a.human()
	v.Plan(p)
	return v.Err()
}

func (a *app) showState(ctx context.Context, c *cli.Command) error {
	dir, err := a.o.dir(c.Args().Slice())
	if err != nil {
		return err
	}
	k, err := a.openDir(dir)
	if err != nil {
		return err
	}
	snap, diags := k.w.Read(ctx)
	if err := k.report(diags); err != nil {
		return err
	}
	if a.o.json {
		return printJSON(a.env.Stdout, tfjson.NewState(snap, tfjson.StateOptions{Version: a.env.Version, Schemas: a.schemas()}))
	}
	return ui.ShowState(a.env.Stdout, snap, a.schemas(), a.terminal().Color)
}

func (a *app) outputCommand() *cli.Command {
	var raw bool
	return &cli.Command{
		Name: "output", Usage: "print output values", ArgsUsage: "[NAME]",
		Description: "Examples:\n  msgflo output\n  msgflo output -raw queue_name\n  msgflo output -json -chdir examples/topology",
		Flags: append(append(a.o.flagsBasic(), a.o.flagsVars()...), a.o.flagJSON(),
			&cli.BoolFlag{Name: "raw", Usage: "one string, number or bool as it is, for scripts", Destination: &raw}),
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() > 1 || raw && c.Args().Len() == 0 {
				return usagef("give one output's name%s", map[bool]string{true: " with -raw", false: " at the most"}[raw])
			}
			k, err := a.openDir(a.o.chdirOrHere())
			if err != nil {
				return err
			}
			snap, diags := k.w.Read(ctx)
			if err := k.report(diags); err != nil {
				return err
			}
			return a.printOutputs(snap.Outputs, c.Args().First(), a.o.json, raw)
		},
	}
}

func (a *app) graphCommand() *cli.Command {
	var format, file string
	var objects bool
	return &cli.Command{
		Name: "graph", Usage: "draw the flow between participants, or what is on the broker", ArgsUsage: "[DIR]",
		Description: "Participants with their ports, the edges between them (errors dashed, dead letters dotted), initial packets, and what of\n" +
			"queues, exchanges and topics is no port. Where nothing participates, or with -objects: all objects and how they relate. Examples:\n" +
			"  msgflo graph examples/thumbnails | dot -Tsvg > flow.svg\n  msgflo graph -format mermaid >> README.md    (in a ```mermaid fence)\n  msgflo graph -plan prod.plan",
		Flags: append(append(a.o.flagsBasic(), a.o.flagsVars()...),
			&cli.StringFlag{Name: "format", Usage: "`FORMAT`: dot or mermaid", Value: "dot", Destination: &format},
			&cli.BoolFlag{Name: "objects", Usage: "draw the objects on the broker, also those that carry ports", Destination: &objects},
			&cli.StringFlag{Name: "plan", Usage: "colour by the saved plan in `FILE`", Destination: &file}),
		Action: func(ctx context.Context, c *cli.Command) error {
			if format != "dot" && format != "mermaid" {
				return usagef("-format %q: there are dot and mermaid (svg comes later; `dot -Tsvg` makes one)", format)
			}
			k, err := a.open(c)
			if err != nil {
				return err
			}
			var p *plan.Plan
			if file != "" {
				if p, err = plan.Read(file); err != nil {
					return err
				}
			}
			d, err := k.drawing(ctx, p)
			if err != nil {
				return err
			}
			d.Topology = objects
			if format == "mermaid" {
				return diagram.Mermaid(a.env.Stdout, d)
			}
			return diagram.Dot(a.env.Stdout, d)
		},
	}
}
