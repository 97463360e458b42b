package cli

import (
	"context"
	"errors"
	"runtime"

	"github.com/hashicorp/hcl/v2"
	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
)

// work is a command on a workspace: its session, if it needs one, and its view.
type work struct {
	*app
	w    *workspace.Workspace
	view ui.View
	// slack is never touched, so it takes no memory. It counts as live where the
	// collector decides when to run next: a command that makes a lot at once and ends soon
	// then spends a quarter less, and a large one hardly more memory than before.
	slack []byte
}

const slackSize = 64 << 20

// options for opening the directory.
func (a *app) workspaceOptions(dir string) workspace.Options {
	return workspace.Options{
		Dir: dir, Types: a.env.Types, Version: a.env.Version, VarArgs: a.o.vars, Environ: a.env.Environ,
		Lock: a.o.lock, LockTimeout: a.o.lockTimeout, Parallelism: a.o.parallelism, Log: a.log, AcceptEmpty: a.o.acceptEmpty,
	}
}

// begin is the start of every command: the clock, then the view.
func (a *app) begin() ui.View {
	a.run.limit(a.o.timeout)
	return a.speak()
}

// open loads the directory of a command; what is wrong there is shown.
func (a *app) open(c *cli.Command) (*work, error) {
	dir, err := a.o.dir(c.Args().Slice())
	if err != nil {
		return nil, err
	}
	return a.openDir(dir)
}

func (a *app) openDir(dir string) (*work, error) {
	k := &work{app: a, view: a.begin(), slack: make([]byte, slackSize)}
	var diags hcl.Diagnostics
	k.w, diags = workspace.Open(a.workspaceOptions(dir))
	return k, k.report(diags)
}

// report shows diagnostics with their sources; errors end the command.
func (k *work) report(ds hcl.Diagnostics) error {
	if len(ds) > 0 {
		k.view.Diagnostics(ds, k.w.Files())
		k.errored(ds)
	}
	if ds.HasErrors() {
		return errShown
	}
	return nil
}

// errored prints a state that could be stored nowhere.
func (k *work) errored(ds hcl.Diagnostics) {
	for _, d := range ds {
		if b, ok := d.Extra.(workspace.ErroredState); ok {
			_, _ = k.env.Stderr.Write(append(b, '\n'))
		}
	}
}

// session runs f with the state locked and read, and frees everything after.
func (k *work) session(ctx context.Context, operation string, f func(*workspace.Session) error) error {
	s, diags := k.w.Begin(ctx, operation)
	return k.in(s, diags, f)
}

func (k *work) in(s *workspace.Session, diags hcl.Diagnostics, f func(*workspace.Session) error) error {
	if s == nil {
		return k.report(diags)
	}
	err := k.report(diags)
	if err == nil {
		err = f(s)
	}
	err = errors.Join(err, k.report(s.Close()))
	runtime.KeepAlive(k.slack)
	return err
}
