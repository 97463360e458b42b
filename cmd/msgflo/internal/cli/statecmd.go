package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/state"
)

func (a *app) stateCommand() *cli.Command {
	return &cli.Command{
		Name: "state", Usage: "look at and edit what is recorded", Action: needsSub,
		Commands: []*cli.Command{
			a.stateSub("list", "[ADDR …]", "list recorded addresses", false, a.stateList),
			a.stateSub("show", "ADDR", "show one recorded object", false, a.stateShow),
			a.stateSub("pull", "", "print the state document", false, a.statePull),
			a.stateEdit("mv", "FROM TO", "give recorded objects another address", a.stateMove),
			a.stateEdit("rm", "ADDR …", "forget objects; they stay on the broker", a.stateRemove),
			a.statePushCommand(), later("recover"),
		},
	}
}

type stateAction func(ctx context.Context, k *work, args []string) error

func (a *app) stateSub(name, args, usage string, locks bool, f stateAction) *cli.Command {
	flags := append(a.o.flagsBasic(), a.o.flagsVars()...)
	if locks {
		flags = append(flags, a.o.flagsLock()...)
	}
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: args, Flags: flags,
		Action: func(ctx context.Context, c *cli.Command) error {
			k, err := a.openDir(a.o.chdirOrHere())
			if err != nil {
				return err
			}
			return f(ctx, k, c.Args().Slice())
		},
	}
}

// stateEdit is a command that changes what is recorded, or says what it would change.
func (a *app) stateEdit(name, args, usage string, f func(ctx context.Context, k *work, args []string, dry bool) error) *cli.Command {
	var dry bool
	c := a.stateSub(name, args, usage, true, func(ctx context.Context, k *work, args []string) error { return f(ctx, k, args, dry) })
	c.Flags = append(c.Flags, &cli.BoolFlag{Name: "dry-run", Usage: "only say what would change", Destination: &dry})
	return c
}

func (a *app) stateList(ctx context.Context, k *work, args []string) error {
	ts, err := targets("state list", args)
	if err != nil {
		return err
	}
	snap, diags := k.w.Read(ctx)
	if err := k.report(diags); err != nil {
		return err
	}
	var shown []state.Object
	for i := range snap.Objects {
		if o := snap.Objects[i]; len(ts) == 0 || matchesAny(ts, o.Addr) {
			shown = append(shown, o)
		}
	}
	return ui.ListState(a.env.Stdout, shown)
}

func matchesAny(ts []addr.Target, a addr.Instance) bool {
	for _, t := range ts {
		if t.Matches(a) {
			return true
		}
	}
	return false
}

func (a *app) stateShow(ctx context.Context, k *work, args []string) error {
	if len(args) != 1 {
		return usagef("give one address, as in: msgflo state show queue.jobs")
	}
	ts, err := targets("state show", args)
	if err != nil {
		return err
	}
	snap, diags := k.w.Read(ctx)
	if err := k.report(diags); err != nil {
		return err
	}
	found, err := state.Lookup(snap, ts[0])
	if err != nil {
		return err
	}
	shown := make([]state.Object, len(found))
	for i, o := range found {
		shown[i] = *o
	}
	return ui.ShowObjects(a.env.Stdout, shown, a.schemas(), a.terminal().Color)
}

func (a *app) statePull(ctx context.Context, k *work, _ []string) error {
	snap, diags := k.w.Read(ctx)
	if err := k.report(diags); err != nil {
		return err
	}
	if snap.Serial == 0 {
		return usagef("no state was written here yet")
	}
	b, err := state.Encode(snap)
	if err == nil {
		_, err = a.env.Stdout.Write(b)
	}
	return err
}

func (a *app) stateMove(ctx context.Context, k *work, args []string, dry bool) error {
	if len(args) != 2 {
		return usagef("give two addresses, as in: msgflo state mv queue.jobs queue.orders")
	}
	ts, err := targets("state mv", args)
	if err != nil {
		return err
	}
	return a.edit(ctx, k, "state mv", dry, func(s *state.Snapshot) ([]string, error) {
		moved, err := state.Move(s, ts[0], ts[1])
		var says []string
		for _, m := range moved {
			says = append(says, fmt.Sprintf("Moved %s to %s.", m.From, m.To))
		}
		return says, err
	})
}

func (a *app) stateRemove(ctx context.Context, k *work, args []string, dry bool) error {
	if len(args) == 0 {
		return usagef("give the addresses to forget, as in: msgflo state rm queue.jobs")
	}
	ts, err := targets("state rm", args)
	if err != nil {
		return err
	}
	return a.edit(ctx, k, "state rm", dry, func(s *state.Snapshot) ([]string, error) {
		gone, err := state.Remove(s, ts)
		var says []string
		for _, g := range gone {
			says = append(says, fmt.Sprintf("Forgot %s.", g))
		}
		return says, err
	})
}

// edit changes the state and says so, a line an object. What is only tried is
// not stored.
func (a *app) edit(ctx context.Context, k *work, operation string, dry bool, change func(*state.Snapshot) ([]string, error)) error {
	return k.session(ctx, operation, func(s *workspace.Session) error {
		var says []string
		err := k.report(s.Edit(ctx, func(snap *state.Snapshot) (bool, error) {
			var err error
			says, err = change(snap)
			return len(says) > 0 && !dry, err
		}))
		if err != nil {
			return err
		}
		for _, line := range says {
			a.say("%s", diag.Escape(line))
		}
		if dry {
			a.say("Only tried: nothing was stored.")
		}
		return nil
	})
}

func (a *app) statePushCommand() *cli.Command {
	var force bool
	c := a.stateSub("push", "FILE | -", "replace the stored state by a file's", true, func(ctx context.Context, k *work, args []string) error {
		if len(args) != 1 {
			return usagef("give the file to push, or - for stdin")
		}
		b, err := a.readFile(args[0])
		if errors.Is(err, fs.ErrNotExist) {
			return usagef("there is no file %q to push", args[0])
		}
		if err != nil {
			return err
		}
		pushed, edited, err := state.DecodeEdited(b)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		s, diags := k.w.BeginPush(ctx, force)
		return k.in(s, diags, func(s *workspace.Session) error {
			err := k.report(s.Push(ctx, pushed, force))
			if err != nil {
				return err
			}
			if edited {
				a.say("%s was changed by hand since msgflo wrote it (its checksum does not fit).", diag.Escape(args[0]))
			}
			a.say("Stored, as serial %d.", s.Snapshot().Serial)
			return nil
		})
	})
	c.Flags = append(c.Flags, &cli.BoolFlag{Name: "force", Usage: "also a state of another lineage, or an older one", Destination: &force})
	return c
}

func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.env.Stdin)
	}
	return os.ReadFile(name)
}
