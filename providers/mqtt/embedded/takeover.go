package embedded

import (
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
)

// A takeover keeps messages from being queued for a session while mochi-mqtt
// hands it from one connection to the next: it copies what is queued, forgets the
// old one's, and only then names the new one, so that what came in between was
// lost. Publishers wait so long.
type takeover struct {
	gate sync.RWMutex // read: a message is queued; written: a session is handed over

	mu sync.Mutex
	of map[*mochi.Client]bool // who holds it
}

// look is how often a connection that holds the gate is looked at: one that
// breaks just then gets no answer, which is how the gate is opened else.
const look = 10 * time.Millisecond

// begin is called before mochi-mqtt takes over what was left of a session.
func (t *takeover) begin(cl *mochi.Client) {
	t.gate.Lock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[*mochi.Client]bool{}
	}
	t.of[cl] = true
	time.AfterFunc(look, func() { t.watch(cl) })
}

func (t *takeover) watch(cl *mochi.Client) {
	if cl.Closed() {
		t.end(cl)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[cl] {
		time.AfterFunc(look, func() { t.watch(cl) })
	}
}

// end is called once the new connection has the session.
func (t *takeover) end(cl *mochi.Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[cl] {
		delete(t.of, cl)
		t.gate.Unlock()
	}
}

// queue runs f, which queues a message, while no session changes hands.
func (t *takeover) queue(f func() error) error {
	t.gate.RLock()
	defer t.gate.RUnlock()
	return f()
}
