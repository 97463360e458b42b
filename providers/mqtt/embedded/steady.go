package embedded

import (
	"net"
	"time"
)

// A steady connection ends when the other side has read nothing for a while.
// mochi-mqtt writes under a lock that whoever publishes to this client takes, for as
// long as the client's keep-alive lets it: for ever if that is 0, or if the
// client only sends. It also goes on after a write that failed, in the
// middle of a packet.
type steady struct {
	net.Conn
	patience time.Duration
}

// stall is how long a client may read nothing while there is something for it.
// What fits into the system's buffers, some megabytes, does not count.
const stall = 10 * time.Second

// piece is what must be written within the patience.
const piece = 64 << 10

func (s steady) Write(p []byte) (n int, err error) {
	for {
		_ = s.SetWriteDeadline(time.Now().Add(s.patience)) // a socket that is closed says so below
		m, err := s.Conn.Write(p[n:min(n+piece, len(p))])
		n += m
		if err != nil {
			_ = s.Close()
			return n, err
		}
		if n >= len(p) {
			return n, nil
		}
	}
}

// SetDeadline is mochi-mqtt's, for the keep-alive: that of who sends nothing.
func (s steady) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }
