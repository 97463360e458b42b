// Package child starts brokers for tests: finds the program and free ports,
// holds the process, which dies with us, and one broker that all tests of a
// binary share. What is particular to a broker is in rabbittest and
// mosquittotest.
//
// It is for tests and benchmarks only, as those are, and imports the standard
// library only.
package child

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Ports sets those that are 0 to free ports on 127.0.0.1; of the others it is
// an error if one is taken. They are held open together until all are known, so
// that no two are the same. They are none of those that systems give to outgoing
// connections: one of these would sooner or later have the port of a broker that
// restarts, were it only a client that waits for it and connects to itself. No
// other test gets them while this process lives. Another program may still take
// one before the broker does: try again then.
func Ports(ports ...*int) error {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for _, p := range ports {
		l, err := listen(*p)
		if err != nil {
			return err
		}
		held = append(held, l)
		*p = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}

// The first port given to outgoing connections is 32768 on Linux, 49152
// elsewhere.
const leastPort, mostPort = 10000, 32000

func listen(port int) (l net.Listener, err error) {
	if port != 0 {
		if l, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
			return nil, fmt.Errorf("port %d on 127.0.0.1 is taken: stop the program that listens there, or choose another port (%w)", port, err)
		}
		return l, nil
	}
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", leastPort+rand.IntN(mostPort-leastPort)) //nolint:gosec // it need not be unpredictable
		var claim net.PacketConn
		if claim, err = net.ListenPacket("udp4", addr); err != nil {
			continue
		}
		if l, err = net.Listen("tcp4", addr); err == nil {
			claims.keep(claim)
			return l, nil
		}
		_ = claim.Close() // nothing was sent
	}
	return nil, fmt.Errorf("no free port on 127.0.0.1 between %d and %d: %w", leastPort, mostPort, err)
}

// Address is 127.0.0.1 with a free port of Ports, at which nobody listens.
func Address(t testing.TB) string {
	t.Helper()
	var port int
	if err := Ports(&port); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// Find finds a program in the folders where packages put it, or in PATH: an
// ordinary user's PATH lacks the sbin folders.
func Find(name string, dirs ...string) (string, error) {
	for _, d := range dirs {
		p := filepath.Join(d, name)
		if st, err := os.Stat(p); err == nil && st.Mode()&0o111 != 0 && !st.IsDir() {
			return p, nil
		}
	}
	return exec.LookPath(name)
}
