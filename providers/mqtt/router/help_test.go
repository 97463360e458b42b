package router_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/mqtt/embedded"
	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/mqtt/router"
	"github.com/msgflo/msgflo/providers/mqtt/router/retained"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/providertest/child"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// routerEnv makes the test binary a router, for tests that kill one: its
// broker's URL and the lineage, a space between.
const routerEnv = "MSGFLO_TEST_ROUTER"

func TestMain(m *testing.M) {
	if url, lineage, ok := strings.Cut(os.Getenv(routerEnv), " "); ok {
		os.Exit(beRouter(url, lineage))
	}
	os.Exit(leaktest.Judge(mosquittotest.Run(m)))
}

func beRouter(url, lineage string) int {
	s, err := router.New(router.Options{URL: url, Lineage: lineage, Ready: func() { fmt.Println("ready") },
		RetryMin: time.Millisecond, RetryMax: 50 * time.Millisecond, Grace: 20 * time.Millisecond})
	if err == nil {
		err = s.Run(context.Background())
	}
	fmt.Println(err)
	return 1
}

// patience is how long a test waits for what must come: longer than a few of the
// router's own pauses, of ten seconds.
const patience = time.Minute

func fast(url string) mqtt.Options {
	return mqtt.Options{URL: url, RetryMin: time.Millisecond, RetryMax: 50 * time.Millisecond}
}

// A stage is a kind of broker to play on.
type stage struct {
	name string
	// start starts one; if it is to persist, restart leaves what is retained,
	// sessions and their queues as they were.
	start func(t testing.TB, persist bool) (url string, restart func())
}

func stages() []stage {
	return []stage{
		{"Mosquitto", func(t testing.TB, persist bool) (string, func()) {
			// It is asked to end, and then writes all; to do so after each change is a matter of the disk.
			b := mosquittotest.Start(t, mosquittotest.Options{Persist: persist, Config: []string{"max_queued_messages 100000", "autosave_interval 100000000"}})
			return b.URL, func() { b.Restart(t) }
		}},
		{"embedded", startEmbedded},
	}
}

func startEmbedded(t testing.TB, persist bool) (string, func()) {
	addr := child.Address(t)
	folder := t.TempDir()
	var stop func()
	start := func() {
		ready := make(chan struct{})
		b, err := embedded.New(embedded.Spec{Broker: "b", Listen: addr, Persist: persist}, embedded.Options{Folder: folder, Ready: func(embedded.Addresses) { close(ready) }, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		stop = sync.OnceFunc(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		select {
		case <-ready:
		case err := <-ended:
			ended <- nil
			t.Fatal(err)
		}
	}
	start()
	t.Cleanup(func() { stop() })
	return "mqtt://" + addr, func() {
		stop()
		start()
	}
}

// everywhere plays a test on each stage.
func everywhere(t *testing.T, play func(t *testing.T, w *world)) { onEach(t, false, play) }

func onEach(t *testing.T, persist bool, play func(t *testing.T, w *world)) {
	for _, s := range stages() {
		t.Run(s.name, func(t *testing.T) {
			url, restart := s.start(t, persist)
			w := newWorld(t, url, "lineage of "+t.Name())
			w.restart = restart
			play(t, w)
		})
	}
}

// A world is a broker with the routes of one lineage.
type world struct {
	t       testing.TB
	url     string
	lineage string
	restart func()
	reader  *retained.Reader
	doc     *routes.Document
}

func newWorld(t testing.TB, url, lineage string) *world {
	t.Helper()
	w := &world{t: t, url: url, lineage: lineage}
	t.Cleanup(func() {
		if w.reader != nil {
			w.reader.Close()
		}
	})
	return w
}

// do has a reader do something, a new one where the connection broke.
func (w *world) do(f func(ctx context.Context, r *retained.Reader) error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		var err error
		if w.reader == nil {
			w.reader, err = retained.Dial(ctx, fast(w.url))
		}
		if err == nil {
			if err = f(ctx, w.reader); err == nil {
				return
			}
			w.reader.Close()
		}
		w.reader = nil
		if ctx.Err() != nil {
			w.t.Fatal(err)
		}
	}
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
	w.do(func(ctx context.Context, r *retained.Reader) error { return r.Send(ctx, m) })
}

// kept is what is retained under a topic, "" for nothing.
func (w *world) kept(topic string) string {
	w.t.Helper()
	var all map[string][]byte
	w.do(func(ctx context.Context, r *retained.Reader) (err error) {
		all, err = r.Read(ctx, topic)
		return err
	})
	return string(all[topic])
}

// announced is what the lineage's router says.
func (w *world) announced() (routes.Announcement, bool) {
	w.t.Helper()
	return routes.ParseAnnouncement([]byte(w.kept(routes.RouterTopic(w.lineage))))
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
		_ = m.Ack()
		if m.Retained {
			return // no news; mochi may send it after its answer to the subscription
		}
		e.mu.Lock()
		e.heard = append(e.heard, m)
		e.mu.Unlock()
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

func (e *ear) reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = nil
}

func (e *ear) until(enough func([]mqtt.Received) bool) {
	e.t.Helper()
	eventually(e.t, "what is awaited arrives", func() bool { return enough(e.all()) })
}
