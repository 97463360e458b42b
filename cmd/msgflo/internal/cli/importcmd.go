package cli

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/config/addr"
)

func (a *app) importCommand() *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "take a live object over: it becomes ours as it is", ArgsUsage: "ADDR ID",
		Description: "The object's block must be written first. Nothing changes on the broker; the next plan shows\n" +
			"what differs. Example:\n  msgflo import queue.jobs jobs@/",
		Flags: append(append(append(a.o.flagsBasic(), a.o.flagsVars()...), a.o.flagsLock()...),
			&cli.BoolFlag{Name: "concise", Usage: "print a line an object", Destination: &a.o.concise}),
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() != 2 {
				return usagef("give an address and an id, as in: msgflo import queue.jobs jobs@/")
			}
			at, err := addr.Parse(c.Args().Get(0))
			if err != nil {
				return usagef("%v", err)
			}
			k, err := a.openDir(a.o.chdirOrHere())
			if err != nil {
				return err
			}
			return k.session(ctx, "import", func(s *workspace.Session) error {
				p, diags := s.Import(ctx, at, c.Args().Get(1))
				if err := k.report(diags); err != nil {
					return err
				}
				if _, diags = s.Apply(ctx, p, workspace.ApplyHooks{}); diags.HasErrors() {
					return k.report(diags)
				}
				a.say("Imported %s. Nothing changed on the broker; `msgflo plan` shows what differs from its block.", at)
				return nil
			})
		},
	}
}
