package leaktest

import (
	"testing"
	"time"
)

// What ends late is waited for: longer than goleak does.
func TestFindWaits(t *testing.T) {
	end := make(chan struct{})
	go func() { <-end }()
	time.AfterFunc(2*time.Second, func() { close(end) })
	if err := find(); err != nil {
		t.Error(err)
	}
}
