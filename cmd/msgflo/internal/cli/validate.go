package cli

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/tfjson"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
)

func (a *app) validateCommand() *cli.Command {
	return &cli.Command{
		Name: "validate", Usage: "check everything that can be known without a broker", ArgsUsage: "[DIR]",
		Flags: append(append(a.o.flagsBasic(), a.o.flagsVars()...), a.o.flagJSON()),
		Action: func(_ context.Context, c *cli.Command) error {
			dir, err := a.o.dir(c.Args().Slice())
			if err != nil {
				return err
			}
			a.run.limit(a.o.timeout)
			w, diags := workspace.Open(a.workspaceOptions(dir))
			if !diags.HasErrors() {
				diags = append(diags, w.Validate()...)
			}
			if a.o.json {
				err = printJSON(a.env.Stdout, tfjson.NewValidation(diags, w.Files()))
			} else {
				a.human().Diagnostics(diags, w.Files())
				if !diags.HasErrors() {
					_, err = fmt.Fprintln(a.env.Stdout, "The configuration is valid.")
				}
			}
			if diags.HasErrors() {
				return errShown
			}
			return err
		},
	}
}
