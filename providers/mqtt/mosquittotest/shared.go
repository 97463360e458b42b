package mosquittotest

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/providers/providertest/child"
)

// shared is package state because a test binary is.
var shared child.Shared[*Broker]

// Main is for TestMain: it runs the tests, stops the broker that Shared
// started, and exits.
//
//	func TestMain(m *testing.M) { mosquittotest.Main(m) }
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main without the exit, for a TestMain that has more to do.
func Run(m interface{ Run() int }) int { return shared.Run(m, (*Broker).stop) }

// Shared returns the broker that all tests of this binary share, started at
// first use and stopped by Main; it lets anybody in and has a WebSocket. Use
// topics of your own (Prefix). Do not stop it.
func Shared(t testing.TB) *Broker {
	t.Helper()
	return shared.Of(t, "mosquittotest", func() (*Broker, error) { return start(Options{WebSocket: true}) })
}

// Prefix is a topic of a test's own, for others below it; it ends in a slash.
func Prefix(t testing.TB) string {
	name := strings.NewReplacer("+", "-", "#", "-", "/", "-").Replace(t.Name())
	return fmt.Sprintf("%s-%s/", name, rand.Text()[:8])
}
