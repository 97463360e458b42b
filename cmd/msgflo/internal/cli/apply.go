package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
)

func (a *app) flagApprove() cli.Flag {
	return &cli.BoolFlag{Name: "auto-approve", Usage: "do not ask before changing anything; never implies consent to message loss", Destination: &a.o.autoApprove}
}

func (a *app) applyCommand() *cli.Command {
	flags := append(append(a.o.flagsBasic(), a.o.flagsPlan()...), a.flagApprove(),
		&cli.BoolFlag{Name: "destroy", Usage: "remove all that is managed here", Destination: &a.o.destroy})
	return &cli.Command{
		Name: "apply", Usage: "make the live brokers as the configuration says, or carry out a saved plan", ArgsUsage: "[DIR | PLANFILE]", Flags: flags,
		Description: "Examples:\n  msgflo apply examples/topology\n  msgflo apply -auto-approve -var url=amqp://broker.internal\n  msgflo apply prod.plan",
		Action: func(ctx context.Context, c *cli.Command) error {
			a.stream = true
			if args := c.Args().Slice(); len(args) == 1 && isFile(args[0]) {
				if err := decidedByPlan(c, args[0]); err != nil {
					return err
				}
				return a.applySaved(ctx, args[0])
			}
			return a.applyDir(ctx, c, "apply")
		},
	}
}

func (a *app) destroyCommand() *cli.Command {
	return &cli.Command{
		Name: "destroy", Usage: "remove all that is managed here: apply -destroy", ArgsUsage: "[DIR]",
		Flags:       append(append(a.o.flagsBasic(), a.o.flagsPlan()...), a.flagApprove()),
		Description: "What was only adopted stays on the broker; what would lose messages wants consent. Examples:\n  msgflo destroy examples/topology\n  msgflo destroy -auto-approve -target 'module.eu'\n  msgflo destroy -allow-message-loss queue.jobs",
		Action: func(ctx context.Context, c *cli.Command) error {
			a.stream, a.o.destroy = true, true
			return a.applyDir(ctx, c, "destroy")
		},
	}
}

func (a *app) applyDir(ctx context.Context, c *cli.Command, operation string) error {
	if a.o.json && !a.o.autoApprove {
		return usagef("`msgflo %s -json` asks no questions: add -auto-approve, or carry out a saved plan", operation)
	}
	o, err := a.o.planOptions()
	if err != nil {
		return err
	}
	k, err := a.open(c)
	if err != nil {
		return err
	}
	return k.session(ctx, operation, func(s *workspace.Session) error {
		p, err := k.plan(ctx, s, o)
		if err != nil {
			return err
		}
		if !nothingToDo(p.Plan) && !a.o.autoApprove {
			if err := a.approve(ctx); err != nil {
				return err
			}
		}
		return k.carryOut(ctx, s, p)
	})
}

// decidedByPlan refuses flags that a saved plan leaves nothing to decide for.
func decidedByPlan(c *cli.Command, file string) error {
	for _, name := range []string{"destroy", "refresh-only", "no-destroy", "target", "exclude", "replace", "allow-message-loss", "unmanaged", "accept-empty-broker"} {
		if c.IsSet(name) {
			return usagef("-%s cannot change the saved plan %s: it is carried out as it is. Give the flag to `msgflo plan -out`, or leave the file out", name, diag.Escape(file))
		}
	}
	return nil
}

// applySaved carries out a plan file as it is.
func (a *app) applySaved(ctx context.Context, file string) error {
	view := a.begin()
	p, err := plan.Read(file)
	if err != nil {
		return err
	}
	dir := a.o.chdirOrHere()
	if dir == "." {
		dir = p.Dir
	}
	if err := checkDir(dir); err != nil {
		return fmt.Errorf("the plan was made in directory %q: %w; give it with -chdir", p.Dir, err)
	}
	w, diags := workspace.OpenSaved(a.workspaceOptions(dir), p)
	k := &work{app: a, w: w, view: view}
	if err := k.report(diags); err != nil {
		return err
	}
	return k.session(ctx, "apply "+file, func(s *workspace.Session) error {
		planned, diags := s.Saved(ctx, p)
		if err := k.report(diags); err != nil {
			return err
		}
		return k.carryOut(ctx, s, planned)
	})
}

// carryOut applies and shows how it goes. From here on the first Ctrl-C lets
// running steps finish.
func (k *work) carryOut(ctx context.Context, s *workspace.Session, p *workspace.Planned) error {
	k.run.graceful.Store(true)
	defer k.run.graceful.Store(false)
	k.view.Begin(p.Plan)
	stopTicks := ui.Ticking(k.view)
	applied, diags := s.Apply(ctx, p, workspace.ApplyHooks{Events: k.event, Stop: k.run.stop})
	stopTicks()
	err := k.report(diags)
	if applied.Done+applied.Failed+applied.Skipped == 0 && diags.HasErrors() {
		return errors.Join(err, k.view.Err()) // not even begun: there is nothing to sum up
	}
	k.view.Summary(ui.Ending{Destroy: k.o.destroy, Failed: diags.HasErrors(), Interrupted: k.run.interrupted.Load()})
	if err == nil && !k.o.destroy {
		k.view.Outputs(applied.Outputs)
	}
	return errors.Join(err, k.view.Err())
}

// event shows and logs one thing that happened to a step.
func (k *work) event(e plan.Event) {
	if k.log != nil && e.Step != nil {
		k.log.Debug("step "+string(e.Kind), "id", string(e.Step.ID), "took", e.Elapsed)
	}
	k.view.Event(e)
}

// approve asks for a yes. Without a terminal nothing is asked.
func (a *app) approve(ctx context.Context) error {
	if !a.o.input || !term.IsTerminal(int(a.env.Stdin.Fd())) {
		return approvalError("Nothing was changed: this needs a yes, and there is no terminal to ask on; give -auto-approve, or save the plan with `msgflo plan -out FILE` and carry it out with `msgflo apply FILE`")
	}
	return a.ask(ctx)
}

func (a *app) ask(ctx context.Context) error {
	_, _ = fmt.Fprint(a.env.Stderr, "\nDo you want to carry this out?\n  Only 'yes' is taken for a yes.\n\n  Answer: ")
	answer, err := readLine(ctx, a.env.Stdin)
	if ctx.Err() != nil {
		a.say("\nInterrupted; nothing was changed.")
		return errShown
	}
	if err != nil && !errors.Is(err, io.EOF) { // Ctrl-D is an answer too
		return err
	}
	if answer != "yes" {
		a.show(hcl.Diagnostics{diag.Error(hcl.Range{}, "Not carried out", "The answer was not 'yes'; nothing was changed.")})
		return errShown
	}
	return nil
}

// readLine reads one line, or gives up when the run is interrupted.
func readLine(ctx context.Context, in *os.File) (string, error) {
	type line struct {
		text string
		err  error
	}
	got := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(in).ReadString('\n')
		got <- line{strings.TrimSpace(text), err}
	}()
	select {
	case l := <-got:
		return l.text, l.err
	case <-ctx.Done():
		return "", errShown
	}
}
