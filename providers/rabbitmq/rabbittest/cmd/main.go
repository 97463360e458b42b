// Command cmd runs a real RabbitMQ on loopback for developers:
//
//	cmd -- COMMAND ARGS…   runs a command with a throw-away broker beside it,
//	                       which rabbittest.Shared in all test binaries uses
//	cmd serve              a broker in the foreground, until Ctrl-C
//	cmd start | stop       the same in the background
//
// It is behind `make test` and `make broker`, and no part of msgflo.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

const usage = `usage: cmd [serve|start|stop] [flags]
       cmd [flags] -- COMMAND ARGS…
`

func main() {
	err := run(os.Args[1:])
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		os.Exit(max(1, exit.ExitCode()))
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case errors.Is(err, errInterrupted):
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	verb := ""
	if len(args) > 0 && slices.Contains([]string{"serve", "start", "stop"}, args[0]) {
		verb, args = args[0], args[1:]
	}
	f := flags{}
	rest, err := f.parse(args, verb == "")
	if err != nil {
		return err
	}
	switch verb {
	case "serve":
		return serve(f)
	case "start":
		return start(f)
	case "stop":
		return stop(f)
	}
	if len(rest) == 0 {
		return fmt.Errorf("no command given\n%s", strings.TrimSpace(usage))
	}
	return beside(f, rest)
}

type flags struct {
	dir              string
	amqp, management int
	plugins          string
}

func (f *flags) parse(args []string, command bool) ([]string, error) {
	fs := flag.NewFlagSet("cmd", flag.ContinueOnError)
	fs.Usage = func() { fmt.Fprint(fs.Output(), usage); fs.PrintDefaults() }
	dir, amqp, management := ".broker", 5672, 15672
	if command {
		dir, amqp, management = "", 0, 0
	}
	fs.StringVar(&f.dir, "dir", dir, "folder of the broker's data and logs; empty: a temporary one")
	fs.IntVar(&f.amqp, "amqp-port", amqp, "AMQP port on 127.0.0.1; 0: any free one")
	fs.IntVar(&f.management, "management-port", management, "management API's port on 127.0.0.1; 0: any free one")
	fs.StringVar(&f.plugins, "plugins", strings.Join(rabbittest.AllPlugins(), ","), "plugins to enable, by full name")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if !command && fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q\n%s", fs.Arg(0), strings.TrimSpace(usage))
	}
	return fs.Args(), nil
}

func (f *flags) options() rabbittest.Options {
	plugins := []string{}
	if f.plugins != "" {
		plugins = strings.Split(f.plugins, ",")
	}
	return rabbittest.Options{Dir: f.dir, AMQPPort: f.amqp, ManagementPort: f.management, Plugins: plugins}
}
