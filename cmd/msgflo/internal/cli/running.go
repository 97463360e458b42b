package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/local/control"
)

// running is a command on what a directory runs: its roles, and the agent if
// there is one. A configuration that is being edited does not stand in its way.
type running struct {
	*work
	r        *workspace.Running
	recorded *workspace.Recorded
	client   *control.Client // nil: no agent answers
	here     workspace.Here
	orphans  hcl.Diagnostics // see workspace.Orphans
	broken   bool            // the configuration has errors
}

// openRunning loads what it can of a directory. Close it.
func (a *app) openRunning(ctx context.Context, dir string) (*running, error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	view := a.begin()
	w, configured := workspace.Open(a.workspaceOptions(dir))
	k := &running{work: &work{app: a, w: w, view: view}, r: w.Running(), broken: configured.HasErrors()}
	if err := k.refresh(ctx); err != nil {
		// Where the state is may stand in the configuration: what is wrong there comes first.
		return nil, errors.Join(k.report(configured), err, k.Close())
	}
	if configured.HasErrors() && k.recorded.Lineage == "" {
		return nil, errors.Join(k.report(configured), k.Close())
	}
	return k, nil
}

// onRunning runs f on what a directory runs.
func (a *app) onRunning(ctx context.Context, dir string, f func(*running) error) error {
	k, err := a.openRunning(ctx, dir)
	if err != nil {
		return err
	}
	return errors.Join(interrupted(ctx, f(k)), k.Close())
}

// refresh reads the state and asks the agent anew.
func (k *running) refresh(ctx context.Context) error {
	rec, diags := k.r.Recorded(ctx)
	if diags.HasErrors() {
		return k.report(diags)
	}
	k.recorded, k.here = rec, workspace.Here{Machine: control.Machine()}
	if k.broken {
		k.here.Notes = append(k.here.Notes, "The configuration has errors (msgflo validate names them), so that what it declares may be incomplete here.")
	}
	k.orphans = k.w.Orphans(ctx, rec.Lineage)
	for _, d := range k.orphans {
		k.here.Notes = append(k.here.Notes, d.Summary+". "+d.Detail)
	}
	if rec.Lineage == "" {
		return nil
	}
	if err := k.ask(ctx); err != nil {
		if ctx.Err() != nil {
			return errShown
		}
		k.here.Notes = append(k.here.Notes, "What runs on this machine is not known: "+diag.Sentence(err.Error()))
	}
	return nil
}

// ask learns from the agent what it holds; where there is none, from its folder.
func (k *running) ask(ctx context.Context) error {
	if k.client == nil {
		c, err := control.Dial(ctx, k.recorded.Lineage)
		if err != nil && !errors.Is(err, control.ErrNoAgent) {
			return err
		}
		k.client = c
	}
	if k.client != nil {
		hello, err := k.client.Hello(ctx)
		if err == nil {
			k.here.Agent = &hello
			k.here.Held, err = k.client.List(ctx)
		}
		if !errors.Is(err, control.ErrNoAgent) {
			return err
		}
		_ = k.client.Close() // it has ended
		k.client, k.here.Agent = nil, nil
	}
	held, err := control.ReadFolder(k.recorded.Lineage)
	k.here.Held = held
	return err
}

// Close lets the agent and the brokers go.
func (k *running) Close() error {
	var err error
	if k.client != nil {
		err = k.client.Close()
	}
	return errors.Join(err, k.r.Close())
}

// agent is the agent of the directory; one is started where there is none and
// something to supervise: it takes over what runs.
func (k *running) agent(ctx context.Context) (*control.Client, error) {
	if k.recorded.Lineage == "" {
		return nil, nothingApplied(k.w.Dir())
	}
	if k.client != nil {
		return k.client, nil
	}
	dir, err := realPath(k.w.Dir())
	if err != nil {
		return nil, err
	}
	k.client, err = control.Ensure(ctx, control.Agent{Lineage: k.recorded.Lineage, Dir: dir, State: k.w.StateAt(), Env: k.env.Environ})
	return k.client, err
}

// roles finds the roles that people named, all of them on this machine and held.
func (k *running) roles(names []string) ([]*workspace.Role, error) {
	all := k.r.Roles(k.recorded, k.here)
	var out []*workspace.Role
	for _, name := range names {
		role, err := workspace.FindRole(all, name)
		if err != nil {
			return nil, err
		}
		if err := k.ours(role); err != nil {
			return nil, err
		}
		out = append(out, role)
	}
	return out, nil
}

// ours says why a role's processes cannot be acted on from here.
func (k *running) ours(r *workspace.Role) error {
	name := "The role " + strconv.Quote(r.Role)
	switch r.State {
	case workspace.Foreign:
		return &roleError{"Foreign participant", fmt.Sprintf("%s is foreign: it runs elsewhere, and msgflo neither starts nor stops it.", name)}
	case workspace.LeftOver:
		return &roleError{"No longer declared", fmt.Sprintf("%s is no longer declared and has no processes: `msgflo apply` removes what is left of it.", name)}
	case workspace.Elsewhere:
		return &roleError{"Runs on another machine", fmt.Sprintf("%s was started on %s: run this command there. This is %s.", name, diag.Escape(r.Machine), diag.Escape(k.here.Machine))}
	case workspace.NotApplied:
		return &roleError{"Not started yet", fmt.Sprintf("%s is declared and was never started: `msgflo apply` does that.", name)}
	}
	for i := range k.here.Held {
		if k.here.Held[i].Key == r.Key() {
			return nil
		}
	}
	return &roleError{"Not held on this machine", fmt.Sprintf("%s is recorded as running here, and nothing here knows of it: `msgflo apply` starts it again.", name)}
}

// A roleError says why a role cannot be acted on.
type roleError struct{ summary, text string }

func (e *roleError) Error() string   { return e.text }
func (e *roleError) Summary() string { return e.summary }

func nothingApplied(dir string) error {
	return &roleError{"Nothing applied yet", fmt.Sprintf("Nothing was applied in %q, so there is nothing to run: `msgflo apply` starts what is declared there.", dir)}
}
