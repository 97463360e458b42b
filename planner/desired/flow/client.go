package flow

import (
	"strings"

	"github.com/msgflo/msgflo/config/diag"
)

// A client is what a client library does (msgflo-wire.md §2.0, §2.1).
type client struct {
	amqp, mqtt bool
	slash      bool // ports are role/port, else role.PORT
	// selfBound: an inport has an exchange of its queue's name, bound to it, and
	// its dead letters go to dead-QUEUE by argument (msgflo-nodejs).
	selfBound bool
	// inTransient: queues are neither durable nor outlive their consumers.
	// outTransient: exchanges are not durable.
	inTransient, outTransient bool
	// chooses: a port can be persistent: false.
	chooses bool
	// declares: the library declares by itself, so that what is there must be
	// equal (§2.2). Else it takes what it finds.
	declares bool
	// keeps says why what this client fails on never becomes a dead letter (§2.4).
	keeps string
}

// clients are the client libraries by their names in the language. The unknown
// one, "", is a foreign participant's: nothing of it is declared.
func clientOf(name string) (client, bool) {
	switch name {
	case "":
		return client{amqp: true, mqtt: true}, true
	case "nodejs", "noflo", "go":
		return client{amqp: true, mqtt: true, selfBound: true, chooses: true, declares: true}, true
	case "python":
		return client{amqp: true, mqtt: true, slash: true, inTransient: true, outTransient: true, declares: true,
			keeps: "its nack raises an error on AMQP"}, true
	case "cpp":
		return client{amqp: true, mqtt: true, outTransient: true, declares: true}, true
	case "rust":
		return client{amqp: true, declares: true, keeps: "it puts what it fails on back into its queue"}, true
	case "plain":
		return client{amqp: true, mqtt: true, chooses: true}, true
	case "browser":
		return client{mqtt: true}, true
	case "arduino":
		return client{mqtt: true, slash: true}, true
	}
	return client{}, false
}

func clientNames() []string {
	return []string{"nodejs", "python", "cpp", "rust", "arduino", "browser", "noflo", "go", "plain"}
}

// identify finds a role's client, and refuses one that cannot be on the broker.
func (l *lowering) identify(p *party) {
	c, known := clientOf(p.Client)
	p.client = c
	switch {
	case !known:
		l.errorf(p.Decl, "Unknown client library", "%s has the client %q. It is %s", p.owner(), p.Client, diag.OneOf(p.Client, clientNames()))
	case l.Broker.Kind == kindRabbitMQ && !c.amqp:
		l.errorf(p.Decl, "Client without AMQP", "%s has the client %s, which speaks MQTT only, and %s is a RabbitMQ. "+
			"Put it on an MQTT broker (broker = broker.NAME), or use another client library.", p.owner(), p.Client, l.Broker.Addr)
	case l.Broker.Kind == kindMQTT && !c.mqtt:
		l.errorf(p.Decl, "Client without MQTT", "%s has the client %s, which speaks AMQP only, and %s is an MQTT broker. "+
			"Put it on a RabbitMQ (broker = broker.NAME), or use another client library.", p.owner(), p.Client, l.Broker.Addr)
	default:
		return
	}
	p.failed = true
}

// conventional is the name of a port's queue where none is written (§2.0).
func (c client) conventional(role, port string) string {
	if c.slash {
		return role + "/" + port
	}
	return role + "." + strings.ToUpper(port)
}

// A declaration is how a queue or an exchange is declared, in so far as
// RabbitMQ compares it when it is declared again (§2.2).
type declaration struct {
	kind                string // of exchanges: fanout, direct …; "" for queues
	durable, autoDelete bool
	deadLetter          string // of queues: x-dead-letter-exchange
}

const (
	fanout = "fanout"
	direct = "direct"
)

// inport is the queue that the client declares for an inport.
func (c client) inport(queue string, durable bool) declaration {
	d := declaration{durable: durable && !c.inTransient}
	d.autoDelete = !d.durable
	if c.selfBound {
		d.deadLetter = DeadPrefix + queue
	}
	return d
}

// exchange is the exchange that the client declares beside an inport's queue,
// or for an outport.
func (c client) exchange(durable bool) declaration {
	return declaration{kind: fanout, durable: durable && !c.outTransient, autoDelete: !durable}
}

// String says it for people.
func (d declaration) String() string {
	words := "durable"
	if !d.durable {
		words = "non-durable"
	}
	if d.autoDelete {
		words += ", auto-delete"
	}
	switch {
	case d.kind != "":
		return words + " " + d.kind + " exchange"
	case d.deadLetter != "":
		return words + " queue with the dead-letter exchange \"" + d.deadLetter + "\""
	}
	return words + " queue" + withoutArguments
}

const withoutArguments = " without arguments"
