package mqtt

import (
	"bufio"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// readAhead is the buffer of a socket: the library reads byte by byte.
	readAhead = 8 << 10
	// writeBehind is how much may wait to be written. The library writes packet
	// by packet; what comes while one is being written goes out together.
	writeBehind = 64 << 10
	// writeTimeout bounds one write to the socket.
	writeTimeout = 20 * time.Second
	// flushTimeout is how long Close lets what was written go out.
	flushTimeout = time.Second
)

// A wire is a network connection that reads ahead and writes behind. A write
// that fails ends reading too, but only after what the other side had sent: the
// library, told of it, would close the connection at once, and with it lose what
// a broker that went away had handed over.
type wire struct {
	net.Conn
	in guard

	mu      sync.Mutex
	changed sync.Cond
	waiting []byte
	closed  bool
	err     error
	flushed chan struct{} // closed when nothing is written any more
	once    sync.Once
}

func newWire(c net.Conn) *wire {
	w := &wire{Conn: c, flushed: make(chan struct{}), in: guard{r: bufio.NewReaderSize(c, readAhead), asked: map[uint16]int{}}}
	w.changed.L = &w.mu
	go w.flush()
	return w
}

func (w *wire) Read(p []byte) (int, error) { return w.in.Read(p) }

// A teller is a wire whose Write says that the connection is broken.
type teller struct{ *wire }

func (t teller) Write(p []byte) (int, error) {
	if err := t.send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Write does not tell that the connection is broken: Read does.
func (w *wire) Write(p []byte) (int, error) {
	if err := w.send(p); err != nil && !w.broken() {
		return 0, err
	}
	return len(p), nil
}

// broken reports whether a write failed.
func (w *wire) broken() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err != nil
}

func (w *wire) send(p []byte) error {
	w.in.sent(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.waiting) > 0 && len(w.waiting)+len(p) > writeBehind && w.err == nil && !w.closed {
		w.changed.Wait()
	}
	switch {
	case w.err != nil:
		return w.err
	case w.closed:
		return net.ErrClosed
	}
	w.waiting = append(w.waiting, p...)
	w.changed.Broadcast()
	return nil
}

// flush writes what waits until the wire is closed and nothing does.
func (w *wire) flush() {
	defer close(w.flushed)
	var out []byte
	for {
		w.mu.Lock()
		for len(w.waiting) == 0 && !w.closed {
			w.changed.Wait()
		}
		out, w.waiting = w.waiting, out[:0]
		w.changed.Broadcast()
		w.mu.Unlock()
		if len(out) == 0 {
			return
		}
		_ = w.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)) // a socket that is closed says so below
		if _, err := w.Conn.Write(out); err != nil {
			w.mu.Lock()
			w.err = err
			w.changed.Broadcast()
			w.mu.Unlock()
			// The reader finds out; but first what the other side said at last. One
			// that is still there might go on for ever.
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				_ = w.SetReadDeadline(time.Now().Add(flushTimeout))
			}
			return
		}
		if cap(out) > writeBehind { // one large message
			out = nil
		}
	}
}

// Close lets what was written go out, within reason: a last acknowledgement,
// the farewell.
func (w *wire) Close() error {
	w.mu.Lock()
	w.closed = true
	w.changed.Broadcast()
	w.mu.Unlock()
	w.once.Do(func() {
		t := time.NewTimer(flushTimeout)
		defer t.Stop()
		select {
		case <-w.flushed:
		case <-t.C:
		}
	})
	return w.Conn.Close()
}

// SetWriteDeadline is the library's, which takes it from the same option that
// bounds its own queue; here each write to the socket has its own.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline therefore bounds reading only.
func (w *wire) SetDeadline(t time.Time) error { return w.SetReadDeadline(t) }
