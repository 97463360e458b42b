// Package cli is the command line: one file a command, flags in, a call to
// workspace, a view out. It holds no rule of the domain.
package cli

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/msgflo/msgflo/providers"
)

// Env is the world that a run of the program sees; tests give their own.
type Env struct {
	Args       []string // with the program's name first
	Stdin      *os.File
	Stdout     *os.File
	Stderr     *os.File
	Environ    []string
	Types      []*providers.Type
	Version    string
	Revision   string // of the source, "" where not known
	Interrupts <-chan os.Signal
}

func (e *Env) lookup(name string) string {
	for _, set := range slices.Backward(e.Environ) {
		if v, ok := strings.CutPrefix(set, name+"="); ok {
			return v
		}
	}
	return ""
}

// A run turns signals into what they mean: the first asks to stop (while a
// plan is carried out: no new steps; otherwise at once), the second ends all.
type run struct {
	stop        chan struct{}
	once        sync.Once
	graceful    atomic.Bool
	interrupted atomic.Bool
	expired     atomic.Bool // the time of -timeout was up
	cancel      context.CancelFunc
	quit        chan struct{}
	done        sync.WaitGroup
}

func newRun(ctx context.Context, signals <-chan os.Signal) (context.Context, *run) {
	ctx, cancel := context.WithCancel(ctx)
	r := &run{stop: make(chan struct{}), cancel: cancel, quit: make(chan struct{})}
	r.done.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-r.quit:
				return
			case <-signals:
				r.interrupt(n > 1)
			}
		}
	})
	return ctx, r
}

// interrupt is one Ctrl-C; now ends the run at once even while steps run.
func (r *run) interrupt(now bool) {
	r.interrupted.Store(true)
	r.once.Do(func() { close(r.stop) })
	if now || !r.graceful.Load() {
		r.cancel()
	}
}

// limit interrupts the run once when the time of -timeout is up.
func (r *run) limit(d time.Duration) {
	if d <= 0 {
		return
	}
	r.done.Go(func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-r.quit:
		case <-t.C:
			r.expired.Store(true)
			r.interrupt(false)
		}
	})
}

func (r *run) close() {
	close(r.quit)
	r.done.Wait()
	r.cancel()
}
