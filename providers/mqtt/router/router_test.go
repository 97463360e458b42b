package router_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/providers/mqtt/router"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// Every byte arrives as it was sent, with the QoS that it had and the route
// allows.
func TestForwards(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.router()
		out := w.listen("to/#")
		w.route(routes.Route{From: "a", To: "to/1", QoS: 1}, routes.Route{From: "a", To: "to/0", QoS: 0})
		random := make([]byte, 4096)
		rand.Read(random)
		for _, body := range [][]byte{{}, []byte("plain text"), []byte(" { \"a\" :1 } "), random, {0, 0xff, 0}} {
			for qos := range byte(2) {
				out.reset()
				w.send(mqtt.Outgoing{Topic: "a", Body: body, QoS: qos})
				for _, b := range out.bodies(2) {
					if b != string(body) {
						t.Fatalf("%q was sent, and %q arrived", body, b)
					}
				}
				for _, m := range out.all() {
					want := byte(0)
					if m.Topic == "to/1" {
						want = qos
					}
					if m.QoS != want || m.Retained {
						t.Errorf("published with QoS %d, %s has %d (retained: %v)", qos, m.Topic, m.QoS, m.Retained)
					}
				}
			}
		}
	})
}

// However filters overlap, a message is forwarded once for each route.
func TestOverlap(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.router()
		out := w.listen("to/#")
		filters := []string{"in/a/b", "in/#", "in/+/b", "in/a/+", "in/+/+", "in/a/#"}
		var rs []routes.Route
		for i, f := range filters {
			rs = append(rs, routes.Route{From: f, To: fmt.Sprintf("to/%d", i), QoS: 1}, routes.Route{From: f, To: fmt.Sprintf("to/%d/again", i), QoS: 1})
		}
		w.route(rs...)
		const n = 20
		for i := range n {
			w.send(mqtt.Outgoing{Topic: "in/a/b", Body: []byte(fmt.Sprint(i)), QoS: 1})
		}
		// One that comes after all others by the same ways.
		w.route(append(rs, routes.Route{From: "end", To: "to/end", QoS: 1})...)
		for i := range filters {
			w.send(mqtt.Outgoing{Topic: strings.NewReplacer("+", "b", "#", "b").Replace(filters[i]), Body: []byte("last"), QoS: 1})
		}
		out.until(func(ms []mqtt.Received) bool {
			last := map[string]bool{}
			for _, m := range ms {
				last[m.Topic] = last[m.Topic] || string(m.Body) == "last"
			}
			return !slices.ContainsFunc(rs, func(r routes.Route) bool { return !last[r.To] })
		})
		got := map[string]int{}
		for _, m := range out.all() {
			if string(m.Body) != "last" {
				got[m.Topic]++
			}
		}
		for _, r := range rs {
			if got[r.To] != n {
				t.Errorf("%s -> %s: %d of %d messages", r.From, r.To, got[r.To], n)
			}
		}
	})
}

// What one source published arrives in its order.
func TestOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.router()
		out := w.listen("to")
		w.route(routes.Route{From: "from/+", To: "to", QoS: 1})
		const n = 300
		for i := range n {
			w.send(mqtt.Outgoing{Topic: "from/" + fmt.Sprint(i%7), Body: []byte(fmt.Sprint(i)), QoS: 1})
		}
		for i, b := range out.bodies(n) {
			if b != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, b)
			}
		}
	})
}

// Wildcards carry neither our own documents nor the broker's topics.
func TestWildcardsSpareOwn(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.router()
		out := w.listen("a/to/target")
		w.route(routes.Route{From: "+/+/x", To: "a/to/target", QoS: 1})
		w.send(mqtt.Outgoing{Topic: routes.Topic("x"), Body: []byte("not this"), QoS: 1})
		w.send(mqtt.Outgoing{Topic: "/routes/x", Body: []byte("wrong"), QoS: 1})
		w.send(mqtt.Outgoing{Topic: "msgflo/routes/x", Body: []byte("nor this"), QoS: 1})
		w.send(mqtt.Outgoing{Topic: "a//x", Body: []byte("this"), QoS: 1}) // an empty level is a level
		if got := out.bodies(2); !slices.Equal(got, []string{"wrong", "this"}) {
			t.Errorf("%q arrived", got)
		}
	})
}

// retain says whether the target keeps what is forwarded; what the source had
// kept is forwarded once, when such a route is made, and not by others.
func TestRetain(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.send(mqtt.Outgoing{Topic: "a", Body: []byte("old"), QoS: 1, Retained: true})
		r := w.router()
		keeps, not := w.listen("keeps"), w.listen("not")
		rs := []routes.Route{{From: "a", To: "keeps", QoS: 1, Retain: true}, {From: "a", To: "not", QoS: 1}}
		w.route(rs...)
		if got := w.kept("keeps"); got != "old" {
			t.Errorf("the new route's target retains %q", got)
		}
		w.send(mqtt.Outgoing{Topic: "a", Body: []byte("new"), QoS: 1, Retained: true})
		not.bodies(1)
		eventually(t, "the target retains what is new", func() bool { return w.kept("keeps") == "new" })
		// Neither another start nor another table brings again what is no news.
		r.stop()
		w.router()
		w.route(append(rs, routes.Route{From: "a", To: "a/third", QoS: 1})...)
		w.send(mqtt.Outgoing{Topic: "a", Body: nil, QoS: 1, Retained: true}) // no message is kept from now on
		eventually(t, "the target retains no more", func() bool { return w.kept("keeps") == "" })
		if got := not.bodies(2); !slices.Equal(got, []string{"new", ""}) {
			t.Errorf("the target that does not retain got %q", got)
		}
		if got := keeps.bodies(3); !slices.Equal(got, []string{"old", "new", ""}) {
			t.Errorf("the target that retains got %q", got)
		}
		if got := w.kept("not"); got != "" {
			t.Errorf("a route that does not retain left %q", got)
		}
	})
}

// A flood of retained messages is read to its end, and one that is larger than
// any queue is forwarded whole.
func TestRetainedFlood(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		const n = 3000
		done := make(chan error, n)
		c, err := mqtt.DialClient(t.Context(), mqtt.ClientOptions{Options: fast(w.url)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for i := range n {
			c.Send(t.Context(), mqtt.Outgoing{Topic: fmt.Sprintf("flood/%d", i), Body: []byte("x"), QoS: 1, Retained: true}, func(err error) { done <- err })
		}
		for range n {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		w.router()
		out := w.listen("to")
		w.route(routes.Route{From: "flood/+", To: "to", QoS: 1, Retain: true})
		if got := len(out.bodies(n)); got != n {
			t.Errorf("%d of %d arrived", got, n)
		}
	})
}

// A route that was added while no router was there, or removed, is so when one
// starts; a filter that is gone ends also in the session that the broker kept.
func TestChangedWhileAway(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		r := w.router()
		out := w.listen("to/#")
		w.route(routes.Route{From: "a", To: "to/a", QoS: 1}, routes.Route{From: "b", To: "to/b", QoS: 1})
		r.stop()
		if _, there := w.announced(); there {
			t.Error("a router that ended still announces itself")
		}
		w.send(mqtt.Outgoing{Topic: "a", Body: []byte("dropped, with its route"), QoS: 1})
		w.send(mqtt.Outgoing{Topic: "b", Body: []byte("queued"), QoS: 1})
		w.put(routes.Route{From: "b", To: "to/b", QoS: 1}, routes.Route{From: "c", To: "to/c", QoS: 1})
		w.router()
		w.carried(w.doc.Revision)
		w.send(mqtt.Outgoing{Topic: "c", Body: []byte("new"), QoS: 1})
		w.send(mqtt.Outgoing{Topic: "a", Body: []byte("nobody's"), QoS: 1})
		w.send(mqtt.Outgoing{Topic: "b", Body: []byte("after"), QoS: 1})
		if got := out.bodies(3); !slices.Equal(got, []string{"queued", "new", "after"}) {
			t.Errorf("%q arrived", got)
		}
	})
}

// Without routes the router keeps no session: the broker would queue for ever.
func TestNoRoutesNoSession(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		r := w.router()
		w.route(routes.Route{From: "a/+", To: "b", QoS: 1}, routes.Route{From: "+/a", To: "c", QoS: 1})
		w.route()
		w.send(mqtt.Outgoing{Topic: routes.Topic(w.lineage), QoS: 1, Retained: true})
		r.stop()
		for lane := range 2 {
			up := make(chan bool, 1)
			o := fast(w.url)
			o.ClientID = routes.ClientID(w.lineage, lane)
			c, err := mqtt.DialClient(t.Context(), mqtt.ClientOptions{Options: o, KeepSession: true, Up: func(present bool) { up <- present }})
			if err != nil {
				t.Fatal(err)
			}
			if <-up {
				t.Errorf("the session of lane %d is still there", lane)
			}
			c.Close()
		}
	})
}

// A document that cannot be read changes nothing, and is told.
func TestBadDocument(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		r := w.router()
		out := w.listen("to")
		w.route(routes.Route{From: "a", To: "to", QoS: 1})
		for _, body := range []string{"{", `{"version":99}`, `{"version":1,"revision":5,"lineage":"other"}`} {
			w.send(mqtt.Outgoing{Topic: routes.Topic(w.lineage), Body: []byte(body), QoS: 1, Retained: true})
			eventually(t, "it is told", func() bool { return strings.Contains(r.note(), "cannot be read") })
			out.reset()
			w.send(mqtt.Outgoing{Topic: "a", Body: []byte("on"), QoS: 1})
			out.bodies(1)
			w.route(routes.Route{From: "a", To: "to", QoS: 1})
			eventually(t, "all is well again", func() bool { return r.note() == "" })
		}
	})
}

func TestMake(t *testing.T) {
	for _, c := range []struct{ spec, secret, want string }{
		{`{"broker":"main"}`, `{"url":"mqtt://localhost"}`, ""},
		{`{"broker":"main","lineage":"l"}`, `{"url":"mqtt://u:correct-horse@localhost"}`, ""},
		{`{"brokers":"main"}`, `{"url":"mqtt://localhost"}`, "spec"},
		{`{"broker":"main"}`, `{"urls":"correct-horse"}`, "secret"},
		{`{"broker":"main"}`, `"correct-horse"`, "secret"},
		{`{"broker":"main"}`, `{"url":"amqp://u:correct-horse@localhost"}`, "mqtt://"},
	} {
		_, err := router.Make(json.RawMessage(c.spec), json.RawMessage(c.secret), router.Options{Lineage: "l"})
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.spec, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "correct-horse") {
			t.Errorf("%s %s: %v", c.spec, c.secret, err)
		}
	}
}
