package cli

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/tfjson"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/config/addr"
)

func (a *app) initCommand() *cli.Command {
	return &cli.Command{
		Name: "init", Usage: "check modules, backend and brokers; never needed before plan", ArgsUsage: "[DIR]",
		Flags: append(append(append(a.o.flagsBasic(), a.o.flagsVars()...), a.o.flagsLock()...),
			&cli.BoolFlag{Name: "input", Usage: "taken for Terraform's sake: init asks nothing", Value: true}),
		Action: func(ctx context.Context, c *cli.Command) error {
			k, err := a.open(c)
			if err != nil {
				return err
			}
			return k.session(ctx, "init", func(s *workspace.Session) error {
				a.say("Backend: %s", s.Describe())
				err := k.report(s.Ping(ctx, func(p addr.Provider, line string) { a.say("%s: %s", p, line) }))
				if err == nil {
					a.say("Ready. `msgflo plan` shows what is to be done.")
				}
				return err
			})
		},
	}
}

func (a *app) forceUnlockCommand() *cli.Command {
	return &cli.Command{
		Name: "force-unlock", Usage: "free a lock that a dead run left", ArgsUsage: "LOCK-ID",
		Flags: append(append(a.o.flagsBasic(), a.o.flagsVars()...),
			&cli.BoolFlag{Name: "force", Usage: "taken for Terraform's sake: nothing is asked, for the lock's id says which run is meant"}),
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() != 1 {
				return usagef("give the lock's id, as the error about the lock names it")
			}
			k, err := a.openDir(a.o.chdirOrHere())
			if err != nil {
				return err
			}
			err = k.report(k.w.ForceUnlock(ctx, c.Args().First()))
			if err == nil {
				a.say("The lock is free.")
			}
			return err
		},
	}
}

// chdirOrHere is the directory of commands whose positional argument is
// something else.
func (o *options) chdirOrHere() string {
	switch {
	case o.chdir != "":
		return o.chdir
	case o.rootChdir != "":
		return o.rootChdir // msgflo -chdir=DIR plan, as Terraform has it
	}
	return "."
}

func (a *app) versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the version", Flags: []cli.Flag{a.o.flagJSON()},
		Action: func(context.Context, *cli.Command) error {
			if a.o.json {
				return printJSON(a.env.Stdout, tfjson.NewVersion(a.env.Version, a.env.Revision, a.typeNames()))
			}
			return ui.VersionText(a.env.Stdout, a.env.Version, a.env.Revision, a.typeNames())
		},
	}
}

func (a *app) typeNames() []string {
	var names []string
	for _, t := range a.env.Types {
		names = append(names, t.Name)
	}
	return names
}

func (a *app) providersCommand() *cli.Command {
	schema := &cli.Command{
		Name: "schema", Usage: "print every block's attributes for machines (-json)", Flags: []cli.Flag{a.o.flagJSON()},
		Action: func(context.Context, *cli.Command) error {
			if !a.o.json {
				return usagef("`msgflo providers schema` prints for machines only: add -json. docs/language.md has the same for people")
			}
			return printJSON(a.env.Stdout, tfjson.NewSchemas(a.env.Types))
		},
	}
	return &cli.Command{Name: "providers", Usage: "what kinds of broker there are", Commands: []*cli.Command{schema}, Action: needsSub}
}

func needsSub(_ context.Context, c *cli.Command) error {
	if c.Args().Len() > 0 {
		return usagef("There is no command %q; see `%s -h`", c.FullName()+" "+c.Args().First(), c.FullName())
	}
	return cli.ShowSubcommandHelp(c)
}
