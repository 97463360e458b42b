package launch

import "context"

// A Prober begins to watch for the readiness of a number of replicas of a role
// that are about to be started (kinds announced and consuming: a launcher
// does the others by itself). It is called before they are started, so that what they
// do at once is not missed. The URL is that of their broker.
type Prober func(ctx context.Context, s Spec, brokerURL string, replicas int) (Probe, error)

// A Probe watches for the readiness of one batch of replicas.
type Probe interface {
	// Wait returns nil once all of the batch are ready. Its error says what was
	// seen and what was not ("1 of 3 announced themselves on fbp"), also where
	// the context ended.
	Wait(ctx context.Context) error
	Close() error
}

// A Comparer is a Probe that also knows how what it heard differs from the
// declaration; "" where it does not. Asked after Wait.
type Comparer interface{ Mismatch() string }
