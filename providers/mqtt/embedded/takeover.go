package embedded

import (
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// A takeover keeps messages from being queued for a session while mochi-mqtt
// hands it from one connection to the next: it copies what is queued, forgets the
// old one's, and only then names the new one, so that what came in between was
// lost. Publishers wait so long.
type takeover struct {
	turn sync.Mutex // of those who wait to hand over

	mu       sync.Mutex
	changed  sync.Cond
	queueing int           // messages that are being queued
	shut     bool          // no more is queued: a session is handed over, or about to be
	of       *mochi.Client // whose session is handed over
}

func (t *takeover) init() { t.changed.L = &t.mu }

const (
	// look is how often a connection that holds the gate is looked at: one that
	// breaks just then gets no answer, which is how the gate is opened else.
	look = 10 * time.Millisecond
	// yield is for how long a session that waits for messages that are being queued
	// lets others pass, and how long it waits at first; later longer. One may be stuck
	// at a client that does not read before what it publishes is taken: a router.
	yield, maxYield = 100 * time.Millisecond, time.Second
)

// begin is called before mochi-mqtt takes over what was left of a session.
func (t *takeover) begin(cl *mochi.Client) {
	t.turn.Lock()
	for wait := yield; !t.try(cl, wait); wait = min(2*wait, maxYield) {
		time.Sleep(yield)
	}
	t.turn.Unlock()
	time.AfterFunc(look, func() { t.watch(cl) })
}

// try is false if messages are still being queued after a while.
func (t *takeover) try(cl *mochi.Client, most time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.of != nil {
		t.changed.Wait()
	}
	t.shut = true
	late := false
	timer := time.AfterFunc(most, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		late = true
		t.changed.Broadcast()
	})
	defer timer.Stop()
	for t.queueing > 0 && !late {
		t.changed.Wait()
	}
	if t.queueing > 0 {
		t.shut = false
		t.changed.Broadcast()
		return false
	}
	t.of = cl
	return true
}

func (t *takeover) watch(cl *mochi.Client) {
	if cl.Closed() {
		t.end(cl)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == cl {
		time.AfterFunc(look, func() { t.watch(cl) })
	}
}

// end is called once the new connection has the session.
func (t *takeover) end(cl *mochi.Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == cl {
		t.of, t.shut = nil, false
		t.changed.Broadcast()
	}
}

// queue runs f, which queues a message, while no session changes hands.
func (t *takeover) queue(f func() error) error {
	t.mu.Lock()
	for t.shut {
		t.changed.Wait()
	}
	t.queueing++
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.queueing--
		t.changed.Broadcast()
	}()
	return f()
}

// farewell bounds the wait for a connection that was ended.
const farewell = time.Second

// oust ends the connection that has a client's name, before anything waits for
// it: it may be one that reads no more, with a publisher stuck at it. One whose
// session ends with it is also forgotten by then. (mochi-mqtt forgets by name, at
// any time after the end: it could forget the new one.)
func oust(s *mochi.Server, cl *mochi.Client) {
	old, ok := s.Clients.Get(cl.ID)
	if !ok || old.Closed() || old.Net.Inline {
		return
	}
	if old.Properties.ProtocolVersion >= 5 {
		_ = s.DisconnectClient(old, packets.ErrSessionTakenOver) // it says why
	} else {
		old.Stop(packets.ErrSessionTakenOver)
	}
	if keeps(old) {
		return
	}
	for end := time.Now().Add(farewell); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if now, ok := s.Clients.Get(cl.ID); !ok || now != old {
			return
		}
	}
}
