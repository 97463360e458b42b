// Command msgflo is Terraform for message-queue systems: it plans and applies
// broker topology and the processes that work on it. Here stand the list of
// providers, the signals and the exit code; everything else is below.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/cli"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/local"
	"github.com/msgflo/msgflo/providers/mqtt"
	"github.com/msgflo/msgflo/providers/rabbitmq"
)

// version is set at release by -ldflags; it is what required_version is held
// against.
var version = "0.2.0-dev"

func main() { os.Exit(run()) }

func run() int {
	if code, ok := cli.Shim(os.Args); ok {
		return code
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	// A reader that goes away (`msgflo apply | head`) must not kill a run that
	// changes a broker: writing fails instead.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return cli.Main(context.Background(), cli.Env{
		Args: os.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
		Types: providerTypes(), Version: version, Interrupts: signals,
	})
}

// providerTypes is the list of what there can be brokers and launchers of.
func providerTypes() []*providers.Type {
	return []*providers.Type{rabbitmq.Type(), mqtt.Type(), local.Type()}
}
