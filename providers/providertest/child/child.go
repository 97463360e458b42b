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
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// Ports sets those that are 0 to free ports on 127.0.0.1; of the others it is
// an error if one is taken. They are held open together until all are known, so
// that no two are the same. Another program may still take one before the broker
// does: try again then.
func Ports(ports ...*int) error {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for _, p := range ports {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", *p))
		if err != nil {
			if *p != 0 {
				return fmt.Errorf("port %d on 127.0.0.1 is taken: stop the program that listens there, or choose another port (%w)", *p, err)
			}
			return err
		}
		held = append(held, l)
		*p = l.Addr().(*net.TCPAddr).Port
	}
	return nil
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
