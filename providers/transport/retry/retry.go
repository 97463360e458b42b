// Package retry is the pause that transports make between two attempts to
// connect. It imports the standard library and the back-off library only.
package retry

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A Pause doubles from one attempt to the next, with jitter, so that a
// thousand clients of a broker that restarts do not all come at once.
type Pause struct{ b backoff.ExponentialBackOff }

const (
	defaultMin = 200 * time.Millisecond
	defaultMax = 5 * time.Second
)

// New begins with the shortest pause. 0 is the default: 200 ms, 5 s.
func New(least, most time.Duration) *Pause {
	if least <= 0 {
		least = defaultMin
	}
	if most <= 0 {
		most = defaultMax
	}
	return &Pause{backoff.ExponentialBackOff{
		InitialInterval: least, MaxInterval: max(least, most), Multiplier: 2, RandomizationFactor: 0.5,
	}}
}

// Wait waits for the next turn; false when ctx ended first.
func (p *Pause) Wait(ctx context.Context) bool {
	t := time.NewTimer(p.b.NextBackOff())
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Reset begins with the shortest pause again.
func (p *Pause) Reset() { p.b.Reset() }
