package embedded

import (
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// A way follows messages to sessions that end with their connections until they
// are written: nothing else keeps them, and mochi-mqtt would acknowledge them
// while they only wait in its memory.
type way struct {
	mu sync.Mutex
	on map[clientID]*parcel
	of map[int64][]*parcel // by number of the message, while it is handed out
}

// A parcel is one message to one client.
type parcel struct {
	to     *mochi.Client
	id     uint16
	number int64
	off    chan struct{} // closed when it is not on its way any more
}

func newWay() *way { return &way{on: map[clientID]*parcel{}, of: map[int64][]*parcel{}} }

// begin is called before a message is handed out.
func (w *way) begin(number int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of[number] = []*parcel{}
}

// add is called for each client, before it is queued for him.
func (w *way) add(cl *mochi.Client, pk packets.Packet) {
	if pk.FixedHeader.Type != packets.Publish || keeps(cl) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if all, ok := w.of[pk.Created]; ok {
		p := &parcel{cl, pk.PacketID, pk.Created, make(chan struct{})}
		w.on[clientID{cl, pk.PacketID}] = p
		w.of[pk.Created] = append(all, p)
	}
}

// sent is called for each packet that is written.
func (w *way) sent(cl *mochi.Client, pk packets.Packet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.on[clientID{cl, pk.PacketID}]; p != nil {
		w.end(p)
	}
}

// dropped is called for a message that a client has no room for.
func (w *way) dropped(cl *mochi.Client, number int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.of[number] {
		if p.to == cl && w.on[clientID{cl, p.id}] == p {
			w.end(p)
		}
	}
}

func (w *way) end(p *parcel) {
	delete(w.on, clientID{p.to, p.id})
	close(p.off)
}

// wait waits until a message that was handed out is written, or its clients are gone.
func (w *way) wait(number int64) {
	w.mu.Lock()
	all := w.of[number]
	delete(w.of, number)
	w.mu.Unlock()
	for _, p := range all {
		w.await(p)
	}
}

func (w *way) await(p *parcel) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-p.off:
			return
		case <-tick.C:
			if p.to.Closed() {
				w.mu.Lock()
				defer w.mu.Unlock()
				if w.on[clientID{p.to, p.id}] == p {
					w.end(p)
				}
				return
			}
		}
	}
}
