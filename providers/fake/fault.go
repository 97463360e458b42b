package fake

import (
	"context"
	"errors"
	"fmt"

	"github.com/msgflo/msgflo/providers"
)

// A Fault is what goes wrong with a call.
type Fault int

// The faults. Killed stands for the death of the process: from there on no
// call of a provider opened before Revive has any effect.
const (
	None       Fault = iota
	Refused          // an error, nothing done
	Unanswered       // done, but the answer is an error and the outcome unknown
	Lost             // the connection breaks before anything is done
	LostAfter        // done, then the connection breaks
	Kill             // the process dies before anything is done
	KillAfter        // done, then the process dies
)

// Faults lists every kind, for tests that try them all.
func Faults() []Fault { return []Fault{Refused, Unanswered, Lost, LostAfter, Kill, KillAfter} }

func (f Fault) String() string {
	names := [...]string{"none", "refused", "unanswered", "connection lost", "connection lost after", "kill", "kill after"}
	if int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("fault(%d)", int(f))
}

// ErrInjected is in every error that a Fault makes.
var ErrInjected = errors.New("injected fault")

// Fail makes the k-th call from the start (the first is 1) go wrong.
func (w *World) Fail(k int, f Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[k] = f
}

// Calls is the number of calls so far.
func (w *World) Calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// Killed reports whether the process was killed. A test's journal must take
// nothing more then.
func (w *World) Killed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}

// Revive is the start of a new process: faults are forgotten, calls are counted from 1
// again, providers opened before stay dead.
func (w *World) Revive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch++
	w.dead = false
	w.calls = 0
	w.faults = map[int]Fault{}
}

func (w *World) currentEpoch() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.epoch
}

// begin counts a call and says what is to go wrong with it after its effect.
// An error means that it has none.
func (p *provider) begin(ctx context.Context, what string) (*World, Fault, error) {
	if err := ctx.Err(); err != nil {
		return nil, None, err
	}
	w, err := p.connect()
	if err != nil {
		return nil, None, err
	}
	w.mu.Lock()
	w.calls++
	n, f := w.calls, w.faults[w.calls]
	before := w.Before
	w.mu.Unlock()
	if before != nil {
		before(ctx, n, what)
		if err := ctx.Err(); err != nil {
			return nil, None, err
		}
	}
	if p.isLost() {
		return nil, None, connectionLost(errClosed)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead || p.epoch != w.epoch {
		return nil, None, fmt.Errorf("the process is dead: %w", ErrInjected)
	}
	switch f {
	case Refused:
		return nil, None, fmt.Errorf("%s: call %d: %w", what, n, ErrInjected)
	case Lost:
		p.lose()
		return nil, None, connectionLost(ErrInjected)
	case Kill:
		w.dead = true
		return nil, None, fmt.Errorf("the process is dead: %w", ErrInjected)
	}
	return w, f, nil
}

// end is the part of a fault that comes after the effect. The world is locked.
func (p *provider) end(w *World, f Fault) error {
	switch f {
	case Unanswered:
		return fmt.Errorf("no answer came: %w", ErrInjected)
	case LostAfter:
		p.lose()
		return connectionLost(ErrInjected)
	case KillAfter:
		w.dead = true
		return fmt.Errorf("the process is dead: %w", ErrInjected)
	}
	return nil
}

func connectionLost(err error) error {
	return &providers.ConnectionError{Headline: "Connection lost", Err: err,
		Detail: "the connection to the broker broke; see whether it still runs, then run the command again to go on"}
}

func (p *provider) lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = true
}

func (p *provider) isLost() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}
