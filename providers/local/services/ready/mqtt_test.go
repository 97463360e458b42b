package ready_test

import (
	"context"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/providers/discovery/wire"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// runFunc is what TestMain runs inside the brokers that tests share.
type runFunc func() int

func (f runFunc) Run() int { return f() }

// onMosquitto announces on the topic fbp, as participants on MQTT do. Each
// test has a broker of its own: there is one such topic.
func onMosquitto(t *testing.T) (*bench, func(role, id string)) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	b := setUp(t, func(ctx context.Context, _ string) (transport.Conn, error) {
		return mqtt.Dial(ctx, mqtt.ConnOptions{Options: mqtt.Options{URL: broker.URL}})
	})
	return b, func(role, id string) {
		t.Helper()
		if err := transport.Publish(within(t), b.conn, transport.ToQueue(wire.Queue), transport.Message{Body: announcement(t, role, id)}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnnouncedOnMQTT: as many new processes as were started must be heard on
// the topic, and several agents hear them all.
func TestAnnouncedOnMQTT(t *testing.T) {
	b, announce := onMosquitto(t)
	first := b.begin(spec, 1)
	announce("resize", "one")
	if err := first.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	two := b.begin(spec, 2)
	announce("resize", "one") // a heartbeat
	announce("resize", "two")
	announce("other", "three")
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 1)
	go func() { waited <- two.Wait(ctx) }()
	select {
	case err := <-waited:
		t.Fatalf("one of two was enough: %v", err)
	default:
	}
	announce("resize", "four")
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	cancel()
}

// TestUnreadyOnMQTT: the error says what was heard instead; consumers cannot be counted.
func TestUnreadyOnMQTT(t *testing.T) {
	b, announce := onMosquitto(t)
	p := b.begin(spec, 1)
	announce("resized", "one")
	heard := b.begin(withRole("resized"), 1)
	announce("resized", "two")
	if err := heard.Wait(within(t)); err != nil { // what came before it was heard, too
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Wait(ctx); err == nil || !strings.Contains(err.Error(), `it announced itself as role "resized", not "resize"`) {
		t.Errorf("%v", err)
	}
	_, err := b.prober.Consuming(within(t), spec, "broker", 1)
	if err == nil || !strings.Contains(err.Error(), "counts consumers") {
		t.Errorf("%v", err)
	}
}

func withRole(role string) launch.Spec {
	s := spec
	s.Role = role
	return s
}
