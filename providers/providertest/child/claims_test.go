package child

import (
	"net"
	"testing"
)

// TestPortsAreClaimed: a port that was given is nobody else's, also while nobody
// listens there; what is listened at on it is not hindered.
func TestPortsAreClaimed(t *testing.T) {
	given := map[string]bool{}
	for range len(claims.kept) {
		addr := Address(t)
		if given[addr] {
			t.Fatalf("%s is given twice", addr)
		}
		given[addr] = true
		c, err := net.ListenPacket("udp4", addr)
		if err == nil {
			c.Close()
			t.Fatalf("%s could be given to another process", addr)
		}
	}
	for addr := range given {
		l, err := net.Listen("tcp4", addr)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		break
	}
}
