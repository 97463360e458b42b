package amqp

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A pause doubles from one attempt to the next, with jitter, so that a
// thousand clients of a broker that restarts do not all come at once.
type pause struct{ b backoff.ExponentialBackOff }

const (
	defaultRetryMin = 200 * time.Millisecond
	defaultRetryMax = 5 * time.Second
)

func newPause(least, most time.Duration) *pause {
	if least <= 0 {
		least = defaultRetryMin
	}
	if most <= 0 {
		most = defaultRetryMax
	}
	return &pause{backoff.ExponentialBackOff{
		InitialInterval: least, MaxInterval: max(least, most), Multiplier: 2, RandomizationFactor: 0.5,
	}}
}

// wait waits for the next turn; false when ctx ended first.
func (p *pause) wait(ctx context.Context) bool {
	t := time.NewTimer(p.b.NextBackOff())
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reset begins with the shortest pause again.
func (p *pause) reset() { p.b.Reset() }
