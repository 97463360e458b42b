package rabbitmq_test

import (
	"testing"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// TestObserve: what status shows of a queue: depth, consumers, rates, also of
// one that is not there.
func TestObserve(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p, ch := open(t, b, vhost, nil), outside(t, b, vhost)
	at := func(vhost, name string) providers.Query {
		return providers.Query{Type: "queue", Value: value("queue", attrs{"name": str(name), "vhost": str(vhost)})}
	}
	mustMake(t, p, "queue", at(vhost, "q").Value)
	if _, err := ch.Consume("q", "", false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.Qos(1, 0, false); err != nil {
		t.Fatal(err)
	}
	for sent := 0; ; sent++ { // rates come with the statistics; the test's own time limit ends it
		publish(t, ch, "q", 1)
		got, err := p.(providers.Observer).Observe(testContext(t), []providers.Query{at(vhost, "q"), at(vhost, "none"), at("no such vhost", "q")})
		if err != nil {
			t.Fatal(err)
		}
		for _, none := range got[1:] {
			if none != (providers.Traffic{Absent: true}) {
				t.Fatalf("an absent queue has %+v", none)
			}
		}
		if q := got[0]; !q.Absent && q.Ready+q.Unacked > 0 && q.Consumers == 1 && q.In > 0 && q.Out > 0 {
			return
		}
	}
}

// Without the management API nothing is known, and the error says so.
func TestObserveNeedsManagement(t *testing.T) {
	b := rabbittest.Shared(t)
	p := open(t, b, "/", attrs{"management": str("none")})
	_, err := p.(providers.Observer).Observe(testContext(t), nil)
	if err == nil {
		t.Fatal("nobody says why nothing is known")
	}
}
