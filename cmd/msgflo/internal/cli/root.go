package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sort"
	"strings"
	"syscall"

	"github.com/hashicorp/hcl/v2"
	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// Exit codes, as lifecycle.md lists them.
const (
	exitOK          = 0
	exitError       = 1
	exitChanges     = 2 // -detailed-exitcode: the plan is not empty
	exitInterrupted = 130
)

// errShown says that the error's diagnostics were shown already.
var errShown = errors.New("shown")

// codeError is no mistake: it only carries an exit code.
type codeError int

func (e codeError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// Main runs the program and returns its exit code. It never panics on what a
// user gives it.
func Main(ctx context.Context, env Env) int {
	ctx, r := newRun(ctx, env.Interrupts)
	defer r.close()
	a := &app{env: env, run: r}
	root := a.root()
	err := a.listen()
	if err == nil {
		err = root.Run(ctx, normal(env.Args))
	}
	code := exitOK
	var with codeError
	if a.view != nil && (err == nil || errors.As(err, &with)) {
		err = errors.Join(a.view.Err(), err)
	}
	switch {
	case err == nil:
	case errors.As(err, &with) && (a.view == nil || a.view.Err() == nil):
		code = int(with)
	case errors.Is(err, errShown), errors.Is(err, syscall.EPIPE):
		// Whoever reads a pipe may close it (`| head`): nothing to complain of.
		code = exitError
	default:
		a.show(diag.At(err, hcl.Range{}))
		code = exitError
	}
	if r.expired.Load() {
		a.show(hcl.Diagnostics{diag.Error(hcl.Range{}, "Time is up",
			fmt.Sprintf("The run was interrupted after the %s that -timeout gives it.", a.o.timeout))})
	}
	if r.interrupted.Load() {
		return exitInterrupted
	}
	return code
}

// app is one run of the program.
type app struct {
	env Env
	run *run
	o   options
	// view is how the command at work speaks; stream: a line an event with -json.
	view   ui.View
	stream bool
	log    *slog.Logger
}

// normal writes what people try first as the commands it means.
func normal(args []string) []string {
	if len(args) < 2 {
		return args
	}
	switch args[1] {
	case "help":
		return append(append(args[:1:1], args[2:]...), "-h")
	case "-v", "-version", "--version":
		return append([]string{args[0], "version"}, args[2:]...)
	}
	return args
}

// listen sets up the log that the environment asks for.
func (a *app) listen() error {
	l, err := logger(a.env.Stderr, a.env.lookup)
	a.log = l
	return err
}

// terminal is how people are spoken to, once the flags are known.
func (a *app) terminal() ui.Terminal {
	return ui.Open(a.env.Stdout, a.env.Stderr, a.o.noColor, a.env.lookup)
}

func (a *app) viewOptions() ui.Options {
	return ui.Options{Schemas: a.schemas(), Concise: a.o.concise, CompactWarnings: a.o.compact}
}

// schemas finds an object's schema by its block type alone: what is shown may
// come from a state or plan whose brokers are not declared here.
func (a *app) schemas() change.Schemas {
	return func(_ addr.Provider, typ string) *providers.Schema {
		for _, t := range a.env.Types {
			if s := t.Resources[typ]; s != nil {
				return s
			}
		}
		return nil
	}
}

// human is the view for people, whatever -json says.
func (a *app) human() ui.View { return ui.NewHuman(a.terminal(), a.viewOptions()) }

// speak is the view of the command at work, begun where it has not been.
func (a *app) speak() ui.View {
	if a.view != nil {
		return a.view
	}
	a.view = a.human()
	if a.stream && a.o.json {
		a.view = ui.NewJSON(a.terminal(), a.viewOptions())
		a.view.Version(a.env.Version)
	}
	return a.view
}

// show prints diagnostics that have no sources.
func (a *app) show(ds hcl.Diagnostics) { a.speak().Diagnostics(ds, nil) }

func (a *app) root() *cli.Command {
	root := &cli.Command{
		Name:  "msgflo",
		Usage: "Terraform for message-queue systems: queues, routes, and the processes that work on them",
		Description: "Describe queues, exchanges and bindings in *.flo.hcl files; `msgflo plan` shows how the live broker\n" +
			"differs, `msgflo apply` makes it so. Every command takes a directory, or works in the current one.",
		HideVersion: true, HideHelpCommand: true, Suggest: true, EnableShellCompletion: true,
		ConfigureShellCompletionCommand: func(c *cli.Command) {
			c.Hidden = false
			c.Usage = "print a completion script for bash, zsh, fish or pwsh"
		},
		Flags:  []cli.Flag{&cli.StringFlag{Name: "chdir", Usage: "work in `DIR` instead of the current directory", Destination: &a.o.rootChdir, Local: true}},
		Writer: a.env.Stdout, ErrWriter: io.Discard, Reader: a.env.Stdin,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Commands: append([]*cli.Command{
			a.initCommand(), a.validateCommand(), a.fmtCommand(), a.planCommand(), a.applyCommand(), a.destroyCommand(),
			a.showCommand(), a.outputCommand(), a.stateCommand(), a.importCommand(), a.forceUnlockCommand(), a.graphCommand(),
			a.statusCommand(), a.logsCommand(), a.sendCommand(), a.tapCommand(), a.dumpCommand(),
		}, append(append(a.actCommands(), a.agentCommand(), a.componentCommand(), a.providersCommand(), a.versionCommand()), a.laterCommands()...)...),
		Action: func(ctx context.Context, c *cli.Command) error { return a.noCommand(c) },
	}
	harden(root)
	return root
}

// harden sets on every command what the library does not inherit: values keep
// their commas, and a wrong flag is our error, shown once.
func harden(c *cli.Command) {
	c.DisableSliceFlagSeparator = true
	c.HideHelpCommand = true
	c.OnUsageError = func(_ context.Context, cmd *cli.Command, err error, _ bool) error { return wrongFlag(cmd, err) }
	sort.SliceStable(c.Flags, func(i, j int) bool { return c.Flags[i].Names()[0] < c.Flags[j].Names()[0] })
	for _, sub := range c.Commands {
		harden(sub)
	}
}

func wrongFlag(cmd *cli.Command, err error) error {
	text := err.Error()
	name, unknown := strings.CutPrefix(text, "flag provided but not defined: -")
	if !unknown {
		return usagef("`%s`: %s", cmd.FullName(), plainer.Replace(text))
	}
	if s, ok := laterFlags[name]; ok {
		return usagef("-%s is not in this version: %s", name, s)
	}
	if s := terraformFlag(name); s != "" {
		return usagef("There is no flag -%s: %s", name, s)
	}
	var known []string
	for _, f := range cmd.Flags {
		for _, n := range f.Names() {
			known = append(known, "-"+n)
		}
	}
	return usagef("There is no flag -%s for `%s`.%s See `%s -h`.", diag.Escape(name), cmd.FullName(), diag.DidYouMean("-"+name, known), cmd.FullName())
}

// plainer turns the words of Go's parsers into advice.
var plainer = strings.NewReplacer(
	"time: missing unit in duration", "a duration has a unit, as in 30s or 5m, unlike",
	"time: invalid duration", "a duration is written as 30s or 5m, unlike",
	"strconv.ParseInt: parsing", "a whole number is expected, unlike", ": invalid syntax", "", ": value out of range", "",
	"parse error", "it is true or false",
)

func (a *app) noCommand(c *cli.Command) error {
	if c.Args().Len() == 0 {
		return cli.ShowRootCommandHelp(c)
	}
	name := c.Args().First()
	if s := terraformCommand(name); s != "" {
		return usagef("There is no command %q: %s", name, s)
	}
	var known []string
	for _, sub := range c.Root().Commands {
		known = append(known, sub.Name)
	}
	return usagef("There is no command %q.%s `msgflo -h` lists them all.", name, diag.DidYouMean(name, known))
}

// laterCommands are those of the design that this version does not have: they
// say so instead of being unknown.
func (a *app) laterCommands() []*cli.Command {
	var out []*cli.Command
	for _, name := range []string{
		"discover", "export", "runtime", "ui", "test", "simulate", "console", "workspace",
	} {
		out = append(out, later(name))
	}
	return out
}

func later(name string) *cli.Command {
	return &cli.Command{
		Name: name, Hidden: true, SkipFlagParsing: true,
		Action: func(_ context.Context, c *cli.Command) error {
			return usagef("The command %q is not in this version yet. CHANGELOG.md says what is.", c.FullName())
		},
	}
}

// laterFlags are flags of the design that this version does not have.
var laterFlags = map[string]string{
	"html": "use -markdown of `msgflo show`, or -json",
	"all":  "importing a whole broker comes later; import one object at a time, or with import blocks",
	"guv":  "autoscaling comes later",
}

// Root is the tree of commands, for the reference that docs/commands.md holds.
func Root(env Env) *cli.Command { return (&app{env: env}).root() }

// typeOf names the kind of a provider that is known by its address and one of
// its objects: a launcher's is in the address, a broker's is the one that has
// such objects.
func (a *app) typeOf(p addr.Provider, object string) string {
	if kind, _, ok := strings.Cut(p.Name, "."); ok && p.Kind == "launcher" {
		return kind
	}
	var brokers []string
	for _, t := range a.env.Types {
		if !t.Launcher && t.Resources[object] != nil {
			brokers = append(brokers, t.Name)
		}
	}
	if len(brokers) == 1 {
		return brokers[0]
	}
	return p.Kind
}
