package services_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/msgflo/msgflo/providers/local/services"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/memory"
)

// dialler counts connections, and fails while told to.
type dialler struct {
	broker *memory.Broker
	made   atomic.Int32
	fail   atomic.Bool
}

var errDown = errors.New("nothing listens")

func (d *dialler) dial(context.Context, string) (transport.Conn, error) {
	if d.fail.Load() {
		return nil, errDown
	}
	d.made.Add(1)
	return d.broker.Connect(), nil
}

func usable(c transport.Conn) bool {
	return c.Declare(context.Background(), transport.Topology{}) == nil
}

// TestConnections: one for all that use a URL, for a while after, and no longer.
func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dialler{broker: memory.New()}
		cs := services.NewConnections(d.dial, time.Minute)
		take := func(url string) (transport.Conn, func()) {
			t.Helper()
			c, release, err := cs.Take(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			return c, release
		}
		a, releaseA := take("one")
		b, releaseB := take("one")
		if a != b || d.made.Load() != 1 {
			t.Fatal("two connections to one broker")
		}
		_, releaseOther := take("other")
		releaseA()
		releaseA() // twice is once
		time.Sleep(2 * time.Minute)
		if !usable(b) {
			t.Fatal("closed while it was used")
		}
		releaseB()
		time.Sleep(59 * time.Second)
		c, releaseC := take("one")
		time.Sleep(2 * time.Minute)
		if c != b || !usable(c) {
			t.Fatal("a connection taken again in time was closed")
		}
		releaseC()
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if usable(c) || cs.Open() != 1 {
			t.Fatal("an unused connection is kept for ever")
		}
		d.fail.Store(true)
		if _, _, err := cs.Take(t.Context(), "one"); !errors.Is(err, errDown) {
			t.Fatalf("%v", err)
		}
		d.fail.Store(false)
		last, releaseLast := take("one") // a failure is not remembered
		cs.Close()
		if !usable(last) {
			t.Fatal("closed under its user")
		}
		releaseLast()
		releaseOther()
		if usable(last) || cs.Open() != 0 {
			t.Fatal("still open after Close")
		}
		if _, _, err := cs.Take(t.Context(), "one"); !errors.Is(err, services.ErrClosed) {
			t.Fatalf("%v", err)
		}
	})
}

// TestTakePatiently: a broker that is down is waited for.
func TestTakePatiently(t *testing.T) {
	d := &dialler{broker: memory.New()}
	d.fail.Store(true)
	cs := services.NewConnections(d.dial, time.Minute)
	defer cs.Close()
	failures := 0
	_, release, err := cs.TakePatiently(t.Context(), "u", func(err error) {
		if failures++; failures == 3 {
			d.fail.Store(false)
		}
	}, func(context.Context) bool { return true })
	if err != nil || failures != 3 {
		t.Fatalf("%v after %d failures", err, failures)
	}
	release()
	d.fail.Store(true)
	cs2 := services.NewConnections(d.dial, time.Minute)
	if _, _, err := cs2.TakePatiently(t.Context(), "u", func(error) {}, func(context.Context) bool { return false }); err != nil {
		t.Log(err)
	}
}

func TestDecode(t *testing.T) {
	good := []byte(`{"url":"amqp://h"}`)
	var spec struct{ URL string }
	if s, err := services.Decode(good, good, &spec); err != nil || s.URL != "amqp://h" || spec.URL != "amqp://h" {
		t.Error(s, spec, err)
	}
	for _, bad := range []string{`{"url":"amqp://u:hunter2@h","more":1}`, `{"url":["hunter2"]}`, `hunter2`, ``} {
		if _, err := services.Decode(good, []byte(bad), &spec); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("secret %s: %v", bad, err)
		}
		if _, err := services.Decode([]byte(bad), good, &spec); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("spec %s: %v", bad, err)
		}
	}
}
