package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/local/control"
)

// An act is something done to what runs, by the agent.
type act struct {
	name, usage, more string
	verbs             ui.Verbs
	do                func(ctx context.Context, c *control.Client, name string, progress func(control.Event)) error
}

func (a *app) actCommands() []*cli.Command {
	var out []*cli.Command
	for _, act := range []act{
		{"restart", "replace a role's processes by new ones", "As the participant's update block says: rolling starts new ones first. It returns when they are ready.",
			ui.Verbs{Doing: "restarting", Did: "restarted"},
			func(ctx context.Context, c *control.Client, name string, progress func(control.Event)) error {
				return c.Restart(ctx, name, progress)
			}},
		{"stop", "stop a role's processes, until start", "They stay stopped, over a reboot too, until `msgflo start`; their messages wait in their queues.",
			ui.Verbs{Doing: "stopping", Did: "stopped"},
			func(ctx context.Context, c *control.Client, name string, progress func(control.Event)) error {
				return c.Stop(ctx, name, progress)
			}},
		{"start", "start a role's processes that were stopped or have failed", "It returns when they are ready.",
			ui.Verbs{Doing: "starting", Did: "started"},
			func(ctx context.Context, c *control.Client, name string, progress func(control.Event)) error {
				return c.Start(ctx, name, progress)
			}},
	} {
		out = append(out, a.actCommand(act))
	}
	return append(out, a.scaleCommand(), a.downCommand())
}

func (a *app) actCommand(t act) *cli.Command {
	return &cli.Command{
		Name: t.name, Usage: t.usage, ArgsUsage: "ROLE …",
		Description: t.more + " Nothing of the configuration\nor the state changes. Examples:\n  msgflo " + t.name + " resize\n  msgflo " + t.name + " -chdir examples/thumbnails resize store",
		Flags:       append(append(a.o.flagsBasic(), a.o.flagsVars()...), a.o.flagJSON()),
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() == 0 {
				return usagef("%s takes the roles to %s; `msgflo status` lists them", t.name, t.name)
			}
			return a.onRunning(ctx, a.o.chdirOrHere(), func(k *running) error { return k.act(ctx, t, c.Args().Slice()) })
		},
	}
}

// actsAtOnce bounds how many roles are acted on together.
const actsAtOnce = 16

// act does the same to several roles at once. One that fails does not keep the
// others from it.
func (k *running) act(ctx context.Context, t act, names []string) error {
	roles, err := k.roles(names)
	if err != nil {
		return err
	}
	client, err := k.agent(ctx)
	if err != nil {
		return err
	}
	out := ui.NewActs(k.env.Stdout, k.o.json)
	var failed hcl.Diagnostics
	var mu sync.Mutex
	var all sync.WaitGroup
	turns := make(chan struct{}, actsAtOnce)
	for _, r := range unique(roles) {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			began := time.Now()
			out.Begin(r.Role, t.verbs)
			err := t.do(ctx, client, r.Key().Name, func(e control.Event) { out.Progress(r.Role, e.Text) })
			out.End(r.Role, t.verbs, time.Since(began), err)
			if err != nil && ctx.Err() == nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, actFailed(r.Role, t, err))
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		k.say("Not waited for: what the agent has begun it finishes. `msgflo status` shows how it goes.")
		return errShown
	}
	return errors.Join(k.report(failed), out.Err())
}

// actFailed is what is said where a role could not be acted on: the agent's own words, where it has some.
func actFailed(role string, t act, err error) *hcl.Diagnostic {
	if e, ok := errors.AsType[*control.Error](err); ok {
		return diag.Error(hcl.Range{}, e.Summary, diag.EscapeText(e.Detail))
	}
	return diag.Error(hcl.Range{}, "Cannot "+t.name, diag.Sentence(fmt.Sprintf("%s %s: %s", capitalized(t.verbs.Doing), diag.Escape(role), diag.EscapeText(err.Error()))))
}

func capitalized(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func unique(roles []*workspace.Role) []*workspace.Role {
	seen := map[control.Key]bool{}
	var out []*workspace.Role
	for _, r := range roles {
		if !seen[r.Key()] {
			out = append(out, r)
		}
		seen[r.Key()] = true
	}
	return out
}

func (a *app) scaleCommand() *cli.Command {
	return &cli.Command{
		Name: "scale", Usage: "change how many of a role run, between the bounds of its autoscale block", ArgsUsage: "ROLE=N …",
		Flags: append(a.o.flagsBasic(), a.o.flagsVars()...),
		Action: func(ctx context.Context, c *cli.Command) error {
			wanted, err := scales(c.Args().Slice())
			if err != nil {
				return err
			}
			return a.onRunning(ctx, a.o.chdirOrHere(), func(k *running) error { return k.scale(wanted) })
		},
	}
}

// A scaling is ROLE=N.
type scaling struct {
	role     string
	replicas int
}

func scales(args []string) ([]scaling, error) {
	if len(args) == 0 {
		return nil, usagef("scale takes roles and how many of each are to run: msgflo scale resize=3")
	}
	var out []scaling
	for _, arg := range args {
		i := strings.LastIndexByte(arg, '=') // an address may have one in its key
		if i <= 0 {
			return nil, usagef("%q is not ROLE=N, as in resize=3", arg)
		}
		n, err := strconv.Atoi(arg[i+1:])
		if err != nil || n < 0 {
			return nil, usagef("%q: %q is no number of processes, 0 or more", arg, arg[i+1:])
		}
		out = append(out, scaling{arg[:i], n})
	}
	return out, nil
}

// scale is refused where the configuration says how many there are: the next
// plan would undo it. This version has no autoscale block, so that is everywhere.
func (k *running) scale(wanted []scaling) error {
	all := k.r.Roles(k.recorded, k.here)
	var errs []error
	for _, w := range wanted {
		errs = append(errs, k.scaleOne(all, w))
	}
	return errors.Join(errs...)
}

func (k *running) scaleOne(all []workspace.Role, w scaling) error {
	r, err := workspace.FindRole(all, w.role)
	if err != nil {
		return err
	}
	if r.State == workspace.Foreign || r.State == workspace.Elsewhere {
		return k.ours(r)
	}
	at := r.Address
	if at == "" {
		at = "its participant block"
	}
	return &roleError{"No autoscale block", fmt.Sprintf("The role %q has no autoscale block, so the configuration alone says how many run (now %d), and the next plan would undo this. "+
		"Set replicas = %d in %s and run `msgflo apply`.", r.Role, r.Wanted, w.replicas, diag.Escape(at))}
}
