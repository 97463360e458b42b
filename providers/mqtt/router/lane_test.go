package router

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// TestDrain: lanes that are stuck are given up together, not one after the
// other, nor but the first of them.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done, stuck, too acks
		done.settle(done.add(mqtt.Received{}))
		stuck.add(mqtt.Received{})
		too.add(mqtt.Received{})
		began := time.Now()
		drain(time.Second, &done, &stuck, &too)
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("it waited %s", waited)
		}
		if done.add(mqtt.Received{}) != nil || stuck.add(mqtt.Received{}) != nil {
			t.Error("a message is added to what is drained")
		}
	})
}
