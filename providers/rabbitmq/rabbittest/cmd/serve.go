package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// serve holds a broker in the foreground. A lock on its folder tells start and
// stop whether it lives: unlike a pid, a lock cannot outlive its holder.
func serve(f flags) error {
	if f.dir != "" {
		lock, err := acquire(f.dir)
		if err != nil {
			return err
		}
		defer lock.Unlock()
		if err := os.WriteFile(filepath.Join(f.dir, "pid"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
			return err
		}
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	fmt.Fprintln(os.Stderr, "Starting RabbitMQ …")
	b, err := startInterruptibly(f.options())
	if err != nil {
		return portHint(err)
	}
	if _, err := b.Publish(); err != nil {
		return errors.Join(err, b.Stop())
	}
	announce(os.Stdout, b)
	fmt.Fprintln(os.Stderr, "Ctrl-C stops it.")
	select {
	case <-ctx.Done():
		fmt.Fprintln(os.Stderr, "Stopping RabbitMQ …")
		return b.Stop()
	case <-b.Exited():
		return errors.Join(fmt.Errorf("rabbitmq ended by itself; its log is in %s", filepath.Join(b.Dir, "log")), b.Stop())
	}
}

func announce(w io.Writer, b *rabbittest.Broker) {
	fmt.Fprintf(w, "RabbitMQ is running:\n  AMQP        %s\n", b.AMQPURL)
	if b.ManagementURL != "" {
		fmt.Fprintf(w, "  management  %s (user %s, password %s)\n", b.ManagementURL, rabbittest.User, rabbittest.Password)
	}
}

func portHint(err error) error {
	if strings.Contains(err.Error(), "is taken") {
		return fmt.Errorf("%w; with make: AMQP_PORT=5673 MANAGEMENT_PORT=15673, or the flags -amqp-port and -management-port", err)
	}
	return err
}

func lockOf(dir string) *flock.Flock { return flock.New(filepath.Join(dir, "lock")) }

func acquire(dir string) (*flock.Flock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock := lockOf(dir)
	free, err := lock.TryLock()
	if err != nil {
		return nil, err
	}
	if !free {
		return nil, fmt.Errorf("a broker is running in %s already: stop it with `make broker-stop`, or choose another folder with -dir", dir)
	}
	return lock, nil
}

// stop ends the broker that runs in a folder and waits until it is gone.
func stop(f flags) error {
	const patience = 3 * time.Minute // more than the broker has to shut down
	lock := lockOf(f.dir)
	if _, err := os.Stat(f.dir); err != nil {
		return fmt.Errorf("no broker runs in %s", f.dir)
	}
	free, err := lock.TryLock()
	if err != nil {
		return err
	}
	if free {
		lock.Unlock()
		return fmt.Errorf("no broker runs in %s", f.dir)
	}
	pid, err := os.ReadFile(filepath.Join(f.dir, "pid"))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil || n <= 1 {
		return fmt.Errorf("the file %s holds no process id", filepath.Join(f.dir, "pid"))
	}
	if err := syscall.Kill(n, syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if free, err := lock.TryLockContext(ctx, 50*time.Millisecond); !free {
		return fmt.Errorf("the broker (process %d) has not ended: %w", n, err)
	}
	fmt.Println("RabbitMQ is stopped.")
	return lock.Unlock()
}
