package rabbittest

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestMain(m *testing.M) { Main(m) }

func TestSharedBrokerServesAVhost(t *testing.T) {
	b := Shared(t)
	if Shared(t) != b {
		t.Fatal("two brokers in one test binary")
	}
	vhost := Vhost(t, b)
	conn, err := amqp.Dial(b.VhostURL(vhost))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("q", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
}
