package child

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// Shared is the one broker of a test binary. It is for package state, because a
// test binary is: Go gives tests of a package nothing else to share.
type Shared[B any] struct {
	mu      sync.Mutex
	ready   bool // Run runs
	started bool
	broker  B
	err     error
}

// Run runs the tests, and then stops the broker if Of has started it. A broker
// that cannot be stopped fails them.
func (s *Shared[B]) Run(m interface{ Run() int }, stop func(B) error) int {
	s.mu.Lock()
	s.ready = true
	s.mu.Unlock()
	code := m.Run()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started && s.err == nil {
		if err := stop(s.broker); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the tests' broker:", err)
			code = max(code, 1)
		}
	}
	return code
}

// Of is the broker, started at first use. Room is the package whose Main the
// test's TestMain has to call.
func (s *Shared[B]) Of(t testing.TB, room string, start func() (B, error)) B {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready {
		t.Fatalf("%[1]s.Shared needs `func TestMain(m *testing.M) { %[1]s.Main(m) }` in this package, which stops the broker", room)
	}
	if !s.started {
		s.started = true
		s.broker, s.err = start()
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.broker
}
