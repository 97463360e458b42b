// Package ready finds out whether a started participant works, from what it
// does on its broker: it announced itself, or it consumes its queues. A probe begins
// before the start, so that what was there before is not taken for the new.
//
// It imports providers/launch, providers/discovery and its wire, providers/transport,
// the connections of providers/local/services and config/diag; it starts no process.
package ready

import (
	"context"
	"sync"

	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/services"
)

// A Prober begins probes. It remembers which processes it heard, by broker.
type Prober struct {
	connections *services.Connections

	mu   sync.Mutex
	ears map[string]*ear // by URL
}

// New makes a prober. It connects when it is first asked.
func New(connections *services.Connections) *Prober {
	return &Prober{connections: connections, ears: map[string]*ear{}}
}

var (
	_ launch.Prober   = (*Prober)(nil).Announced
	_ launch.Prober   = (*Prober)(nil).Consuming
	_ launch.Comparer = (*announcedProbe)(nil)
)

// lifetime ends something once: by hand or with a context.
type lifetime struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// bind has end called when ctx ends or Close is called.
func (l *lifetime) bind(ctx context.Context, end func()) {
	ctx, l.cancel = context.WithCancel(ctx)
	l.ended = make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(l.ended)
		end()
	})
}

// Close implements launch.Probe. It never fails.
func (l *lifetime) Close() error {
	l.cancel()
	<-l.ended
	return nil
}
