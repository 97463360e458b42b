package initial_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/services"
	"github.com/msgflo/msgflo/providers/local/services/initial"
	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

func TestMain(m *testing.M) { mosquittotest.Main(m) }

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func dial(ctx context.Context, url string) (transport.Conn, error) {
	return mqtt.Dial(ctx, mqtt.ConnOptions{Options: mqtt.Options{URL: url}})
}

func sender(t *testing.T) func(context.Context, launch.Spec, string) error {
	leaktest.Check(t)
	connections := services.NewConnections(dial, time.Minute)
	t.Cleanup(connections.Close)
	return initial.Sender(connections)
}

// TestSender: a real Mosquitto hands each packet out once, byte for byte, with
// QoS 1, and keeps none for who subscribes later.
func TestSender(t *testing.T) {
	broker, prefix := mosquittotest.Shared(t), mosquittotest.Prefix(t)
	send := sender(t)
	got := make(chan mqtt.Received, 10)
	listen := func() *mqtt.Client {
		c, err := mqtt.DialClient(within(t), mqtt.ClientOptions{
			Options: mqtt.Options{URL: broker.URL}, Receive: func(m mqtt.Received) { got <- m; _ = m.Ack() }})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Subscribe(within(t), mqtt.Filter{Topic: prefix + "#", QoS: mqtt.AtLeastOnce}); err != nil {
			t.Fatal(err)
		}
		return c
	}
	listener := listen()
	defer listener.Close()
	spec := launch.Spec{Role: "a", Initial: map[string]string{prefix + "b": `{"x":[1,  2]}`, prefix + "a": `"ü"`}}
	if err := send(within(t), spec, broker.URL); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{prefix + "a", prefix + "b"} {
		m := <-got
		if m.Topic != topic || string(m.Body) != spec.Initial[topic] || m.QoS != mqtt.AtLeastOnce || m.Retained {
			t.Errorf("%s: got %+v", topic, m)
		}
	}
	late := listen()
	defer late.Close()
	if err := send(within(t), launch.Spec{Initial: map[string]string{prefix + "end": "1"}}, broker.URL); err != nil {
		t.Fatal(err)
	}
	for range 2 { // to both
		if m := <-got; m.Topic != prefix+"end" {
			t.Errorf("%s was kept for who subscribes later", m.Topic)
		}
	}
}

// TestSenderFails: the error says which packet, and never the URL's password.
func TestSenderFails(t *testing.T) {
	broker := mosquittotest.Shared(t)
	send := sender(t)
	for _, c := range []struct{ name, url, topic, want string }{
		{"topic", broker.URL, "a/#", `the one for "a/#"`},
		{"nowhere", "mqtt://u:hunter2@127.0.0.1:1", "a", "127.0.0.1:1"},
		{"none", "", "a", "no broker"},
	} {
		err := send(within(t), launch.Spec{Role: "a", Initial: map[string]string{c.topic: "1"}}, c.url)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := send(within(t), launch.Spec{}, ""); err != nil {
		t.Errorf("nothing to send: %v", err)
	}
}
