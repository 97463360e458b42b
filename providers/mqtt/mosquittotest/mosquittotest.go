// Package mosquittotest starts real Mosquitto brokers for tests: on free
// loopback ports, each with a folder of its own, so that they run as any user
// and beside any other Mosquitto, and leave nothing behind. It needs an
// installed mosquitto; it fetches nothing.
//
// It is for tests and benchmarks only: no package that ships in the msgflo
// binary may import it. Of this module it imports
// providers/providertest/child only.
package mosquittotest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/providertest/child"
)

// Options of a broker. The zero value is a throw-away broker that lets anybody
// in.
type Options struct {
	// Config are further lines of mosquitto.conf, as "max_queued_messages 10".
	Config []string
	// Users and their passwords. Nil: anybody may log in.
	Users map[string]string
	// TLS adds listeners for mqtts and wss.
	TLS *TLS
	// WebSocket adds a listener for ws.
	WebSocket bool
	// Persist keeps retained messages, sessions and what is queued for them over
	// Restart; after each change, so also over Kill.
	Persist bool
}

// TLS are the PEM files of a broker's secure listeners.
type TLS struct {
	Cert, Key string // the broker's own
	CA        string // whose client certificates it takes; "": it wants none
}

// A Broker is one Mosquitto.
type Broker struct {
	Addr string // host:port of the plain listener
	URL  string // mqtt://127.0.0.1:port, without credentials
	Dir  string // configuration, data, log
	// "" unless asked for: mqtts://localhost:port, ws://…, wss://….
	SecureURL, WebSocketURL, SecureWebSocketURL string

	opts  Options
	ports [4]int
	proc  *child.Process // nil while down
}

// ErrNotInstalled says that this machine has no Mosquitto.
var ErrNotInstalled = errors.New("mosquitto is not installed, and this needs a real broker: run `make test`, which installs it on Debian and Ubuntu, or `apt-get install mosquitto`")

// startTimeout bounds one start, on a loaded machine.
const startTimeout = time.Minute

// Start starts a broker that ends with the test, or fails the test.
func Start(t testing.TB, o Options) *Broker {
	t.Helper()
	b, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// start tries again with other ports when another program took a free one
// between our look and the broker's listen.
func start(o Options) (*Broker, error) {
	dir, err := os.MkdirTemp("", "msgflo-mosquitto-")
	if err != nil {
		return nil, err
	}
	b := &Broker{opts: o, Dir: dir}
	const attempts = 3
	for range attempts {
		if err = b.pickPorts(); err != nil {
			break
		}
		if err = errors.Join(b.writeFiles(), b.boot()); err == nil {
			return b, nil
		}
		if !strings.Contains(err.Error(), "Address already in use") {
			break
		}
	}
	return nil, errors.Join(err, os.RemoveAll(dir))
}

func (b *Broker) pickPorts() error {
	b.ports = [4]int{}
	if err := child.Ports(&b.ports[0], &b.ports[1], &b.ports[2], &b.ports[3]); err != nil {
		return err
	}
	b.Addr = fmt.Sprintf("127.0.0.1:%d", b.ports[0])
	b.URL = "mqtt://" + b.Addr
	if b.opts.WebSocket {
		b.WebSocketURL = fmt.Sprintf("ws://127.0.0.1:%d", b.ports[1])
	}
	if b.opts.TLS != nil {
		b.SecureURL = fmt.Sprintf("mqtts://localhost:%d", b.ports[2])
		b.SecureWebSocketURL = fmt.Sprintf("wss://localhost:%d", b.ports[3])
	}
	return nil
}

// As is URL with a user and a password.
func (b *Broker) As(user, password string) string {
	return "mqtt://" + user + ":" + password + "@" + b.Addr
}

// Pid of the process, 0 while it is down.
func (b *Broker) Pid() int {
	if b.proc == nil {
		return 0
	}
	return b.proc.Pid
}

// Kill ends the broker with SIGKILL, as a crash would.
func (b *Broker) Kill() {
	b.proc.Kill()
	b.proc = nil
}

// Shutdown asks the broker to end, and waits for it.
func (b *Broker) Shutdown() {
	b.proc.Terminate(startTimeout)
	b.proc = nil
}

// Restart brings the broker back, on the same ports and data; one that runs is
// asked to end first.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	b.Shutdown()
	if err := b.boot(); err != nil {
		t.Fatal(err)
	}
}

func (b *Broker) stop() error {
	b.Kill()
	return os.RemoveAll(b.Dir)
}

// boot starts the process and waits until it answers on all listeners.
func (b *Broker) boot() error {
	program, err := installed()
	if err != nil {
		return err
	}
	if b.proc, err = child.Start(b.path("log"), nil, program, "-c", b.path("mosquitto.conf")); err != nil {
		return err
	}
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(5 * time.Millisecond) {
		if err = b.answers(); err == nil {
			return nil
		}
		if b.proc.Ended() || time.Now().After(deadline) {
			b.Kill()
			log, _ := os.ReadFile(b.path("log"))
			return fmt.Errorf("starting mosquitto: %w; its log:\n%s", err, log)
		}
	}
}

func (b *Broker) answers() error {
	for i, listens := range []bool{true, b.opts.WebSocket, b.opts.TLS != nil, b.opts.TLS != nil} {
		if !listens {
			continue
		}
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", b.ports[i]), time.Second)
		if err != nil {
			return err
		}
		c.Close()
	}
	return nil
}

func (b *Broker) path(name string) string { return filepath.Join(b.Dir, name) }

func installed() (string, error) {
	p, err := child.Find("mosquitto", "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
	if err != nil {
		return "", ErrNotInstalled
	}
	return p, nil
}
