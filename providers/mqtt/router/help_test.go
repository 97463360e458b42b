package router_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/mqtt/router"
	"github.com/msgflo/msgflo/providers/mqtt/router/retained"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

func TestMain(m *testing.M) {
	code := mosquittotest.Run(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

func fast(url string) mqtt.Options {
	return mqtt.Options{URL: url, RetryMin: time.Millisecond, RetryMax: 50 * time.Millisecond}
}

// A world is a broker with the routes of one lineage.
type world struct {
	t       testing.TB
	url     string
	lineage string
	reader  *retained.Reader
	doc     *routes.Document
}

func newWorld(t testing.TB, url, lineage string) *world {
	t.Helper()
	r, err := retained.Dial(t.Context(), fast(url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return &world{t: t, url: url, lineage: lineage, reader: r}
}

// put writes a document with exactly some routes, and returns its revision.
func (w *world) put(rs ...routes.Route) int64 {
	w.t.Helper()
	var changes []routes.Change
	if w.doc != nil {
		for _, r := range w.doc.Routes {
			changes = append(changes, routes.Change{Route: r, Delete: true})
		}
	}
	for _, r := range rs {
		changes = append(changes, routes.Change{Route: r})
	}
	w.doc = w.doc.Next(w.lineage, changes, 0, 0)
	body, err := w.doc.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	w.send(mqtt.Outgoing{Topic: routes.Topic(w.lineage), Body: body, QoS: 1, Retained: true})
	return w.doc.Revision
}

func (w *world) send(m mqtt.Outgoing) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.reader.Send(ctx, m); err != nil {
		w.t.Fatal(err)
	}
}

// announced is what the lineage's router says.
func (w *world) announced() (routes.Announcement, bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	topic := routes.RouterTopic(w.lineage)
	all, err := w.reader.Read(ctx, topic)
	if err != nil {
		w.t.Fatal(err)
	}
	return routes.ParseAnnouncement(all[topic])
}

// carried waits until a router carries a revision.
func (w *world) carried(revision int64) routes.Announcement {
	w.t.Helper()
	var a routes.Announcement
	eventually(w.t, fmt.Sprintf("revision %d is carried", revision), func() bool {
		var there bool
		a, there = w.announced()
		return there && a.Revision >= revision
	})
	return a
}

// route puts routes and waits until they are carried.
func (w *world) route(rs ...routes.Route) {
	w.t.Helper()
	w.carried(w.put(rs...))
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come true that %s", what)
		}
	}
}

// A running router.
type running struct {
	stop  func()
	mu    sync.Mutex
	notes []string
}

func (r *running) note() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.notes) == 0 {
		return ""
	}
	return r.notes[len(r.notes)-1]
}

// router runs one until the test or its stop ends it. It is ready.
func (w *world) router() *running {
	w.t.Helper()
	return w.routerAt(w.url)
}

func (w *world) routerAt(url string) *running {
	w.t.Helper()
	out := &running{}
	ready := make(chan struct{})
	s, err := router.New(router.Options{
		URL: url, Lineage: w.lineage, RetryMin: time.Millisecond, RetryMax: 50 * time.Millisecond, Grace: 20 * time.Millisecond,
		Ready: func() { close(ready) }, Log: slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo})),
		Note: func(text string) {
			out.mu.Lock()
			defer out.mu.Unlock()
			out.notes = append(out.notes, text)
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			w.t.Errorf("the router ended: %v", err)
		}
	}()
	out.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	w.t.Cleanup(out.stop)
	select {
	case <-ready:
	case <-time.After(patience):
		w.t.Fatal("the router is not ready")
	}
	return out
}

// An ear hears what is published to a filter.
type ear struct {
	t      testing.TB
	client *mqtt.Client
	mu     sync.Mutex
	heard  []mqtt.Received
}

func (w *world) listen(filter string) *ear {
	w.t.Helper()
	e := &ear{t: w.t}
	c, err := mqtt.DialClient(w.t.Context(), mqtt.ClientOptions{Options: fast(w.url), Receive: func(m mqtt.Received) {
		e.mu.Lock()
		e.heard = append(e.heard, m)
		e.mu.Unlock()
		_ = m.Ack()
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	e.client = c
	w.t.Cleanup(func() { c.Close() })
	if err := c.Subscribe(w.t.Context(), mqtt.Filter{Topic: filter, QoS: 1}); err != nil {
		w.t.Fatal(err)
	}
	return e
}

func (e *ear) all() []mqtt.Received {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard)
}

// bodies waits for so many messages, and returns them.
func (e *ear) bodies(n int) []string {
	e.t.Helper()
	eventually(e.t, fmt.Sprintf("%d messages arrive", n), func() bool { return len(e.all()) >= n })
	var out []string
	for _, m := range e.all() {
		out = append(out, string(m.Body))
	}
	return out
}
