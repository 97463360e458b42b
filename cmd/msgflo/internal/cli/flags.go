package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
)

// listFlag collects every use of a flag in order, whole: a value's commas are
// its own.
type listFlag struct{ values *[]string }

func (l listFlag) Set(s string) error { *l.values = append(*l.values, s); return nil }
func (l listFlag) String() string     { return "" }
func (l listFlag) Get() any           { return *l.values }

func list(name, usage string, into *[]string) cli.Flag {
	return &cli.GenericFlag{Name: name, Usage: usage, Value: listFlag{into}, HideDefault: true}
}

// varFlag keeps -var and -var-file in the order given: the later wins.
type varFlag struct {
	args *[]config.VarArg
	file bool
}

func (v varFlag) Set(s string) error {
	*v.args = append(*v.args, config.VarArg{File: v.file, Text: s})
	return nil
}
func (v varFlag) String() string { return "" }
func (v varFlag) Get() any       { return *v.args }

// options are the flags' values. One command uses some of them.
type options struct {
	chdir, rootChdir, out              string
	json, noColor, compact, concise    bool
	timeout                            time.Duration
	vars                               []config.VarArg
	target, exclude, replace, allow    []string
	parallelism                        int
	lock, input, autoApprove, detailed bool
	lockTimeout                        time.Duration
	destroy, refreshOnly, noDestroy    bool
	unmanaged, acceptEmpty             bool
}

// flagsBasic are on every command.
func (o *options) flagsBasic() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "chdir", Usage: "work in `DIR` instead of the current directory", Destination: &o.chdir},
		&cli.BoolFlag{Name: "no-color", Usage: "never colour; also where NO_COLOR is set or stdout is no terminal", Destination: &o.noColor},
		&cli.BoolFlag{Name: "compact-warnings", Usage: "show warnings as one line each", Destination: &o.compact},
		&cli.DurationFlag{Name: "timeout", Usage: "stop as with Ctrl-C after `DURATION`", Destination: &o.timeout, HideDefault: true, Validator: notNegative},
	}
}

func (o *options) flagJSON() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print for machines", Destination: &o.json}
}

func (o *options) flagsVars() []cli.Flag {
	return []cli.Flag{
		&cli.GenericFlag{Name: "var", Usage: "set a variable: `NAME=VALUE`; may be repeated", Value: varFlag{&o.vars, false}, HideDefault: true},
		&cli.GenericFlag{Name: "var-file", Usage: "read variables from `FILE`; may be repeated", Value: varFlag{&o.vars, true}, HideDefault: true},
	}
}

func (o *options) flagsLock() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "lock", Usage: "hold the state's lock (-lock=false: do not)", Value: true, Destination: &o.lock},
		&cli.DurationFlag{Name: "lock-timeout", Usage: "wait `DURATION` for another run to end", Value: 10 * time.Second, Destination: &o.lockTimeout, Validator: notNegative},
	}
}

func (o *options) flagsPlan() []cli.Flag {
	fs := append(o.flagsVars(), o.flagsLock()...)
	return append(fs,
		o.flagJSON(),
		list("target", "only `ADDR` and what it needs; may be repeated", &o.target),
		list("exclude", "all but `ADDR` and what needs it; may be repeated", &o.exclude),
		list("replace", "make `ADDR` anew; may be repeated", &o.replace),
		list("allow-message-loss", "consent that messages or unmanaged objects of `ADDR` are lost; may be repeated", &o.allow),
		&cli.IntFlag{Name: "parallelism", Usage: "run at most `N` steps at once", Value: 32, Destination: &o.parallelism, Validator: atLeastOne},
		&cli.BoolFlag{Name: "no-destroy", Usage: "leave deletes out and list them; a replace is an error", Destination: &o.noDestroy},
		&cli.BoolFlag{Name: "refresh-only", Usage: "only take note of what changed outside msgflo", Destination: &o.refreshOnly},
		&cli.BoolFlag{Name: "concise", Usage: "print a line an object, only what changes", Destination: &o.concise},
		&cli.BoolFlag{Name: "unmanaged", Usage: "list what is on the brokers and not managed here", Destination: &o.unmanaged},
		&cli.BoolFlag{Name: "accept-empty-broker", Usage: "plan even if every recorded object is gone", Destination: &o.acceptEmpty},
		&cli.BoolFlag{Name: "input", Usage: "ask questions (-input=false: fail instead)", Value: true, Destination: &o.input},
	)
}

func flagDetailed(o *options) cli.Flag {
	return &cli.BoolFlag{Name: "detailed-exitcode", Usage: "exit 2 where the plan is not empty", Destination: &o.detailed}
}

func notNegative(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("a duration below zero (%s) means nothing here", d)
	}
	return nil
}

func atLeastOne(n int) error {
	if n < 1 {
		return fmt.Errorf("-parallelism is 1 or more, not %d", n)
	}
	return nil
}

// dir is the directory to work in: -chdir, else the positional argument, else
// the current one.
func (o *options) dir(args []string) (string, error) {
	if len(args) > 1 {
		return "", usagef("one directory at most is expected, but there are %d arguments: %s", len(args), strings.Join(quoted(args), " "))
	}
	if len(args) == 0 {
		d := o.chdirOrHere()
		return d, checkDir(d)
	}
	if args[0] == "true" || args[0] == "false" {
		return "", usagef("%q was most likely meant for the flag before it; write -flag=%s. (A directory of that name can be given as ./%s.)", args[0], args[0], args[0])
	}
	if o.chdirOrHere() != "." {
		return "", usagef("give the directory once: with -chdir or as an argument")
	}
	return args[0], checkDir(args[0])
}

func checkDir(d string) error {
	st, err := os.Stat(d)
	switch {
	case os.IsNotExist(err):
		return usagef("there is no directory %q.%s", d, diag.DidYouMean(filepath.Base(d), siblings(d)))
	case err != nil:
		return fmt.Errorf("opening directory: %w", err)
	case !st.IsDir():
		return usagef("%q is a file; a directory with *.flo.hcl files is expected", d)
	}
	return nil
}

// siblings are the names beside d, as far as they can be read.
func siblings(d string) []string {
	entries, _ := os.ReadDir(filepath.Dir(d))
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// targets reads addresses; whose are they is for the error: `-target` or, of
// arguments, `state show`.
func targets(whose string, texts []string) ([]addr.Target, error) {
	var out []addr.Target
	for _, s := range texts {
		t, err := addr.ParseTarget(s)
		if err != nil {
			return nil, usagef("%s: %v", whose, err)
		}
		out = append(out, t)
	}
	return out, nil
}

func quoted(ss []string) []string {
	out := make([]string, len(ss))
	for i, s := range ss {
		out[i] = fmt.Sprintf("%q", s)
	}
	return out
}

// A usageError is a mistake in the command line itself.
type usageError struct{ text string }

func (e usageError) Error() string   { return e.text }
func (e usageError) Summary() string { return "Wrong command line" }

// approvalError is the error of a question that nobody is there to answer.
type approvalError string

func (e approvalError) Error() string   { return string(e) }
func (e approvalError) Summary() string { return "Approval needed" }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }
