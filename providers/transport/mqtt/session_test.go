package mqtt

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestCaughtUp: however long the library takes to hand over what was read, it is
// waited for.
func TestCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &session{wire: &wire{}, done: make(chan struct{})}
		s.wire.in.messages.Store(2)
		s.handed.Store(1)
		late := false
		time.AfterFunc(time.Minute, func() {
			late = true
			s.handed.Add(1)
		})
		if s.caughtUp(t.Context()); !late {
			t.Error("a message is left behind")
		}
	})
}
