package mosquittotest

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// shared is the one broker of this test binary. It is package state because a
// test binary is: Go gives tests of a package nothing else to share.
var shared struct {
	sync.Mutex
	ready  bool // Run runs
	broker *Broker
	err    error
}

// Main is for TestMain: it runs the tests, stops the broker that Shared
// started, and exits.
//
//	func TestMain(m *testing.M) { mosquittotest.Main(m) }
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main without the exit, for a TestMain that has more to do.
func Run(m interface{ Run() int }) int {
	shared.Lock()
	shared.ready = true
	shared.Unlock()
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.broker != nil {
		shared.broker.stop()
	}
	return code
}

// Shared returns the broker that all tests of this binary share, started at
// first use and stopped by Main; it lets anybody in and has a WebSocket. Use
// topics of your own (Prefix). Do not stop it.
func Shared(t testing.TB) *Broker {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.ready {
		t.Fatal("mosquittotest.Shared needs `func TestMain(m *testing.M) { mosquittotest.Main(m) }` in this package, which stops the broker")
	}
	if shared.broker == nil && shared.err == nil {
		shared.broker, shared.err = start(Options{WebSocket: true})
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.broker
}

// Prefix is a topic of a test's own, for others below it; it ends in a slash.
func Prefix(t testing.TB) string {
	name := strings.NewReplacer("+", "-", "#", "-", "/", "-").Replace(t.Name())
	return fmt.Sprintf("%s-%s/", name, rand.Text()[:8])
}
