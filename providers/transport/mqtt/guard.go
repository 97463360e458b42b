package mqtt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// A guard looks at what a broker sends before the library does, which trusts
// it: an answer to a subscription with more codes than filters makes it panic,
// with fewer the rest counts as granted; and a login refused with a code that
// MQTT 3.1.1 does not know counts as a success, on a connection that it has closed.
type guard struct {
	r    *bufio.Reader
	left int  // of the packet that is being read
	met  bool // the first packet has come

	messages atomic.Int64 // that have come, or at least begun

	mu    sync.Mutex
	asked map[uint16]int // filters of each SUBSCRIBE that is not answered, by packet id
}

// Packet types of MQTT 3.1.1, 2.2.1, where the guard looks closer.
const (
	typeConnack   = 2
	typePublish   = 3
	typeSubscribe = 8
	typeSuback    = 9
)

// lastConnack is the highest code of a CONNACK (MQTT 3.1.1, table 3.1).
const lastConnack = 5

// Read reads like r, but no further than the end of a packet, and nothing of
// one that the library must not see. One goroutine reads.
func (g *guard) Read(p []byte) (int, error) {
	if g.left == 0 {
		if err := g.begin(); err != nil {
			return 0, err
		}
	}
	n, err := g.r.Read(p[:min(len(p), g.left)])
	g.left -= n
	return n, err
}

// begin looks at the packet that comes next.
func (g *guard) begin() error {
	const most = 5 // bytes of a fixed header
	for n := 2; ; n++ {
		head, err := g.r.Peek(n)
		if err != nil {
			return err
		}
		if body, size := binary.Uvarint(head[1:]); size > 0 {
			g.left = 1 + size + int(body)
			return g.check(head[0]>>4, 1+size, int(body))
		}
		if n == most {
			return fmt.Errorf("the broker sent a packet whose length cannot be read: % x", head)
		}
	}
}

// check looks at a packet's body, which comes after so many bytes.
func (g *guard) check(kind byte, head, body int) error {
	if !g.met && kind != typeConnack {
		return errNoMQTT
	}
	g.met = true
	if kind == typePublish {
		g.messages.Add(1)
	}
	if kind != typeConnack && kind != typeSuback || body < 2 {
		return nil
	}
	start, err := g.r.Peek(head + 2)
	if err != nil {
		return err
	}
	if kind == typeConnack {
		if code := start[head+1]; code > lastConnack {
			return &unknownCodeError{code}
		}
		return nil
	}
	id := binary.BigEndian.Uint16(start[head:])
	g.mu.Lock()
	defer g.mu.Unlock()
	asked, codes := g.asked[id], body-2
	delete(g.asked, id)
	if codes != asked {
		return fmt.Errorf("the broker answered a subscription to %d filters with %d codes", asked, codes)
	}
	return nil
}

var errNoMQTT = errors.New("what came first is no answer to a login")

// An unknownCodeError is the code of a CONNACK that MQTT 3.1.1 does not know.
type unknownCodeError struct{ code byte }

func (u *unknownCodeError) Error() string {
	return fmt.Sprintf("the broker refused the login with code %d, which MQTT 3.1.1 does not know", u.code)
}

// sent notes what is asked for. The library writes packet by packet.
func (g *guard) sent(packet []byte) {
	if len(packet) < 2 || packet[0]>>4 != typeSubscribe {
		return
	}
	_, size := binary.Uvarint(packet[1:])
	if size <= 0 || len(packet) < 1+size+2 {
		return
	}
	rest := packet[1+size:]
	id := binary.BigEndian.Uint16(rest)
	n := 0
	for rest = rest[2:]; len(rest) >= 2; n++ { // length, filter, QoS
		rest = rest[min(len(rest), 2+int(binary.BigEndian.Uint16(rest))+1):]
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked[id] = n
}
