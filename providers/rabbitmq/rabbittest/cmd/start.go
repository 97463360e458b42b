package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// start leaves a `serve` in the background and returns when it is ready. If
// one runs already, it says where.
func start(f flags) error {
	if f.dir == "" {
		return errors.New("start needs -dir: stop finds the broker by it")
	}
	lock, err := acquire(f.dir)
	if err != nil {
		b, attachErr := rabbittest.Attach(f.dir)
		if attachErr != nil {
			return err
		}
		announce(os.Stdout, b)
		return nil
	}
	// What an earlier run published must not be taken for this one's.
	published := filepath.Join(f.dir, "broker.json")
	if err := os.RemoveAll(published); err != nil {
		return err
	}
	if err := lock.Unlock(); err != nil {
		return err
	}
	cmd, err := background(f)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			log, _ := os.ReadFile(filepath.Join(f.dir, "serve.log"))
			return fmt.Errorf("the broker did not start:\n%s", log)
		case <-tick.C:
			if b, err := rabbittest.Attach(f.dir); err == nil {
				announce(os.Stdout, b)
				fmt.Fprintln(os.Stderr, "`make broker-stop` stops it.")
				return nil
			}
		}
	}
}

// background starts this program again as `serve`, in a session of its own, so
// that it outlives the terminal.
func background(f flags) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(f.dir, "serve.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(self, "serve", "-dir", f.dir, "-plugins", f.plugins,
		"-amqp-port", strconv.Itoa(f.amqp), "-management-port", strconv.Itoa(f.management))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, cmd.Start()
}
