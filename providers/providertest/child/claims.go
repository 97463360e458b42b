package child

import (
	"net"
	"sync"
)

// claims hold the UDP ports of the same numbers as the TCP ports that Ports has
// given: a broker that restarts, and an address at which nobody listens, have
// their port free for a while, in which another test, of this process or of one that
// runs beside it, would take it. It is package state because ports are the machine's.
var claims ring

// A ring keeps the last ones: a process has not more files open than it may.
type ring struct {
	mu   sync.Mutex
	kept [200]net.PacketConn
	next int
}

func (r *ring) keep(c net.PacketConn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.kept[r.next]; old != nil {
		_ = old.Close() // nothing was sent
	}
	r.kept[r.next] = c
	r.next = (r.next + 1) % len(r.kept)
}
