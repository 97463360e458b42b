package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// beside runs a command with a broker beside it whose folder is in the
// command's environment, and ends as the command does.
func beside(f flags, argv []string) (err error) {
	b, err := startInterruptibly(f.options())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Stop()) }()
	dir, err := b.Publish()
	if err != nil {
		return err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), rabbittest.DirEnv+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// A Ctrl-C reaches the command by the terminal; the broker must stay
	// until the command has ended.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return err
		case s := <-signals:
			if s == syscall.SIGTERM {
				cmd.Process.Signal(s)
			}
		}
	}
}

var errInterrupted = errors.New("interrupted")

// startInterruptibly is rabbittest.Start that gives up at once on a signal;
// the half-started node dies with this process.
func startInterruptibly(o rabbittest.Options) (*rabbittest.Broker, error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	type result struct {
		b   *rabbittest.Broker
		err error
	}
	started := make(chan result, 1)
	go func() {
		b, err := rabbittest.Start(o)
		started <- result{b, err}
	}()
	select {
	case r := <-started:
		return r.b, r.err
	case <-signals:
		return nil, errInterrupted
	}
}
