package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/plan"
)

func (a *app) planCommand() *cli.Command {
	flags := append(append(a.o.flagsBasic(), a.o.flagsPlan()...),
		&cli.StringFlag{Name: "out", Usage: "save the plan to `FILE` for `msgflo apply FILE`", Destination: &a.o.out},
		&cli.BoolFlag{Name: "destroy", Usage: "plan to remove all that is managed here", Destination: &a.o.destroy},
		flagDetailed(&a.o))
	return &cli.Command{
		Name: "plan", Usage: "show how the live brokers differ from the configuration", ArgsUsage: "[DIR]", Flags: flags,
		Description: "Examples:\n  msgflo plan examples/topology\n  msgflo plan -out prod.plan -var-file prod.flovars.hcl\n  msgflo plan -target 'queue.jobs[\"eu\"]' -concise",
		Action: func(ctx context.Context, c *cli.Command) error {
			a.stream = true
			if err := checkOut(a.o.out); err != nil {
				return err
			}
			o, err := a.o.planOptions()
			if err != nil {
				return err
			}
			k, err := a.open(c)
			if err != nil {
				return err
			}
			return k.session(ctx, "plan", func(s *workspace.Session) error {
				p, err := k.plan(ctx, s, o)
				if err != nil {
					return err
				}
				if err := k.savePlan(s, p); err != nil {
					return err
				}
				if a.o.detailed && !nothingToDo(p.Plan) {
					return codeError(exitChanges)
				}
				return nil
			})
		},
	}
}

// mode is what the flags ask for.
func (o *options) mode() (planner.Mode, error) {
	switch {
	case o.destroy && o.refreshOnly:
		return 0, usagef("-destroy and -refresh-only exclude each other: one removes, the other changes nothing")
	case o.destroy && o.noDestroy:
		return 0, usagef("-destroy and -no-destroy exclude each other")
	case len(o.replace) > 0 && (o.destroy || o.refreshOnly):
		return 0, usagef("-replace makes an object anew, which neither -destroy nor -refresh-only does; leave one of them out")
	case o.destroy:
		return planner.Destroy, nil
	case o.refreshOnly:
		return planner.RefreshOnly, nil
	}
	return planner.Normal, nil
}

// nothingToDo reports whether a plan asks for nothing. Of a refresh-only plan
// what changed outside asks, as in Terraform: taking note of it is what such a
// plan is made for.
func nothingToDo(p *plan.Plan) bool {
	return p.Empty() && (p.Mode != planner.RefreshOnly.String() || p.Summary().Drifted == 0)
}

func (o *options) planOptions() (workspace.PlanOptions, error) {
	mode, err := o.mode()
	p := workspace.PlanOptions{Mode: mode, NoDestroy: o.noDestroy, Unmanaged: o.unmanaged}
	if err != nil {
		return p, err
	}
	if p.Only, err = targets("-target", o.target); err != nil {
		return p, err
	}
	if p.Exclude, err = targets("-exclude", o.exclude); err != nil {
		return p, err
	}
	if p.Replace, err = targets("-replace", o.replace); err != nil {
		return p, err
	}
	p.AllowLoss, err = targets("-allow-message-loss", o.allow)
	return p, err
}

// plan makes a plan and shows it, also where it cannot be carried out.
func (k *work) plan(ctx context.Context, s *workspace.Session, o workspace.PlanOptions) (*workspace.Planned, error) {
	if s.Interrupted() {
		k.view.Diagnostics(hcl.Diagnostics{diag.Warning(hcl.Range{}, "An earlier run was cut short",
			"What it had done is part of this plan, which carries on from there.")}, nil)
	}
	p, diags := s.Plan(ctx, o)
	if p != nil && p.Plan != nil && (!diags.HasErrors() || !p.Plan.Empty()) { // "no changes" is no answer to a mistake
		k.view.Plan(p.Plan)
		diags = append(diags, needConsent(p.Plan)...)
	}
	return p, k.report(diags)
}

// fewBlocked is how many steps an error names that need consent.
const fewBlocked = 10

// needConsent is the error of a plan that would lose messages: one for all
// steps, each of which the plan shows with what it would lose.
func needConsent(p *plan.Plan) hcl.Diagnostics {
	steps := p.Blocked()
	if len(steps) == 0 {
		return nil
	}
	names := make([]string, 0, fewBlocked)
	for _, st := range steps[:min(len(steps), fewBlocked)] {
		names = append(names, diag.Escape(st.Addr.String()))
	}
	at, each := strings.Join(names, ", "), ""
	if more := len(steps) - len(names); more > 0 {
		at += fmt.Sprintf(" and %d more", more)
	}
	if len(steps) > 1 {
		each = fmt.Sprintf(" for each of the %d", len(steps))
	}
	return hcl.Diagnostics{diag.Error(steps[0].Decl, "Messages or unmanaged objects at risk",
		fmt.Sprintf("The plan above would lose what is named at %s. Nothing was changed and no plan was saved. If that loss is meant, "+
			"give -allow-message-loss='%s'%s; -auto-approve never implies it.", at, names[0], each))}
}

// savePlan writes the plan to -out.
func (k *work) savePlan(s *workspace.Session, p *workspace.Planned) error {
	if k.o.out == "" {
		return nil
	}
	if err := k.report(s.Embed(p)); err != nil {
		return err
	}
	if err := plan.Write(k.o.out, p.Plan); err != nil {
		return fmt.Errorf("saving the plan: %w", err)
	}
	if !k.o.json {
		k.say("Saved the plan to %s. To carry out exactly this, run:\n\n    msgflo apply %s\n", k.o.out, diag.ShellWord(k.o.out))
	}
	return nil
}

// checkOut finds before anything is planned that -out cannot be what was meant.
func checkOut(file string) error {
	if file == "" {
		return nil
	}
	for _, end := range []string{".hcl", ".flo.json", ".flostate", ".flostate.backup"} {
		if strings.HasSuffix(file, end) {
			return usagef("-out %s would overwrite what looks like a configuration or a state; give the plan another name, as in -out prod.plan", diag.Escape(file))
		}
	}
	if st, err := os.Stat(file); err == nil && !st.Mode().IsRegular() {
		return usagef("-out %s: there is something else than a file of that name", diag.Escape(file))
	}
	if st, err := os.Stat(filepath.Dir(file)); err != nil || !st.IsDir() {
		return usagef("-out %s: there is no directory %q", diag.Escape(file), filepath.Dir(file))
	}
	return nil
}

// say prints a line for people.
func (a *app) say(format string, args ...any) {
	_, _ = fmt.Fprintf(a.env.Stderr, format+"\n", args...)
}

// isFile reports whether the argument is a plan file rather than a directory.
func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}
