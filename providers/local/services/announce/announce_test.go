package announce_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/msgflo/msgflo/providers/local/services"
	"github.com/msgflo/msgflo/providers/local/services/announce"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/memory"
)

const message = `{"protocol":"discovery","command":"participant","payload":{"id":"lamp","role":"lamp","component":"Lamp","inports":[],"outports":[]}}`

func spec(t *testing.T, period any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(map[string]any{"broker": "main", "role": "lamp", "message": message, "period": period})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var secret = json.RawMessage(`{"url":"memory"}`)

// TestAnnounces: at once, then more than twice a period; a broker that comes
// late is waited for.
func TestAnnounces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := memory.New()
		var mu sync.Mutex
		down := true
		dial := func(context.Context, string) (transport.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			if down {
				return nil, errors.New("nothing listens")
			}
			return broker.Connect(), nil
		}
		conns := services.NewConnections(dial, time.Second)
		defer conns.Close()
		var notes []string
		ready := 0
		env := services.Env{Log: slog.New(slog.DiscardHandler), Ready: func() { ready++ }, Note: func(n string) { notes = append(notes, n) }}
		s, err := announce.New(spec(t, "22s"), secret, conns, env)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if ready != 0 || len(notes) == 0 || notes[0] != "nothing listens" {
			t.Errorf("ready %d, %q", ready, notes)
		}
		mu.Lock()
		down = false
		mu.Unlock()
		time.Sleep(10 * time.Second) // the longest pause, with its jitter
		synctest.Wait()
		was := broker.Ready("fbp")
		if was < 1 || ready != 1 {
			t.Fatalf("%d announcements, ready %d", was, ready)
		}
		time.Sleep(100 * time.Second)
		synctest.Wait()
		if n := broker.Ready("fbp") - was; n != 10 {
			t.Errorf("%d announcements in 100 s, want one in 10 s", n)
		}
		if notes[len(notes)-1] != "" {
			t.Errorf("%q", notes)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for _, period := range []any{"soon", 0, "-1s", []int{1}, "0s"} {
		if _, err := announce.New(spec(t, period), secret, nil, services.Env{}); err == nil || !strings.Contains(err.Error(), "period") {
			t.Errorf("%v: %v", period, err)
		}
	}
	for _, period := range []any{nil, "", 60, "1h"} {
		if _, err := announce.New(spec(t, period), secret, nil, services.Env{}); err != nil && period != "" {
			t.Errorf("%v: %v", period, err)
		}
	}
	for bad, want := range map[string]string{
		`{"role":"lamp","message":"no JSON"}`:                                                  "not a participant's announcement",
		`{"role":"other","message":` + message + `}`:                                           `names the role "lamp"`,
		`{"role":"lamp","message":` + message + `,"password":"hunter2"}`:                       "spec of the service",
		`{"role":"lamp","message":` + strings.Replace(message, "Lamp", "", 1) + `,"period":1}`: "no component",
	} {
		if _, err := announce.New(json.RawMessage(bad), secret, nil, services.Env{}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
