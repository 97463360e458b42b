package router_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"testing"

	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// Every byte arrives as it was sent, with the QoS that it had and the route
// allows.
func TestForwards(t *testing.T) {
	w := newWorld(t, mosquittotest.Shared(t).URL, mosquittotest.Prefix(t))
	p := mosquittotest.Prefix(t)
	w.router()
	out := w.listen(p + "to/#")
	w.route(routes.Route{From: p + "a", To: p + "to/1", QoS: 1}, routes.Route{From: p + "a", To: p + "to/0", QoS: 0})
	random := make([]byte, 4096)
	rand.Read(random)
	for _, body := range [][]byte{{}, []byte("plain text"), []byte(" { \"a\" :1 } "), random, {0, 0xff, 0}} {
		for qos := range byte(2) {
			out.mu.Lock()
			out.heard = nil
			out.mu.Unlock()
			w.send(mqtt.Outgoing{Topic: p + "a", Body: body, QoS: qos})
			for _, b := range out.bodies(2) {
				if b != string(body) {
					t.Fatalf("%q was sent, and %q arrived", body, b)
				}
			}
			for _, m := range out.all() {
				want := byte(0)
				if m.Topic == p+"to/1" {
					want = qos
				}
				if m.QoS != want || m.Retained {
					t.Errorf("published with QoS %d, %s has %d (retained: %v)", qos, m.Topic, m.QoS, m.Retained)
				}
			}
		}
	}
}

// However filters overlap, a message is forwarded once for each route.
func TestOverlap(t *testing.T) {
	w := newWorld(t, mosquittotest.Shared(t).URL, mosquittotest.Prefix(t))
	p := mosquittotest.Prefix(t)
	w.router()
	out := w.listen(p + "to/#")
	filters := []string{"in/a/b", "in/#", "in/+/b", "in/a/+", "in/+/+", "in/a/#"}
	var rs []routes.Route
	for i, f := range filters {
		rs = append(rs, routes.Route{From: p + f, To: fmt.Sprintf("%sto/%d", p, i), QoS: 1})
	}
	w.route(rs...)
	const n = 20
	for i := range n {
		w.send(mqtt.Outgoing{Topic: p + "in/a/b", Body: []byte(fmt.Sprint(i)), QoS: 1})
	}
	w.send(mqtt.Outgoing{Topic: p + "to/end", QoS: 1})
	got := map[string]int{}
	out.bodies(n*len(filters) + 1)
	for _, m := range out.all() {
		got[m.Topic]++
	}
	for _, r := range rs {
		if got[r.To] != n {
			t.Errorf("%s: %d of %d messages", r.From, got[r.To], n)
		}
	}
}

func sorted(s []string) []string { slices.Sort(s); return s }
