// Package transport is the contract of a connection that carries messages:
// publish, subscribe, acknowledge. Its folders hold the kinds of broker:
// amqp, memory. A connection outlives the network's: what is behind it
// connects again by itself, and neither loses what was to be published nor
// settles what it no longer holds.
//
// It imports the standard library only; the folders below it import this
// package, the client libraries and config/diag.
package transport

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Conn is a connection to a message broker. Its methods may be called by
// several goroutines at once.
type Conn interface {
	// Declare makes what is missing of t, and makes it again after every
	// reconnect. What exists already must be equal: an error names what
	// differs. A broker that has no such objects (MQTT) does nothing.
	Declare(ctx context.Context, t Topology) error

	// Publish hands m over; calls are carried out in their order. The channel
	// gives one value: nil once the broker has taken the responsibility for m,
	// else why it will not. While the connection is down m waits; if it broke
	// before the broker confirmed, m is sent again (so it may arrive twice).
	// When ctx ends first, nothing is known about m. Publish itself blocks only
	// while very many are on their way.
	Publish(ctx context.Context, to Address, m Message) <-chan error

	// Subscribe begins to consume a queue.
	Subscribe(ctx context.Context, queue string, o SubscribeOptions) (Subscription, error)

	// Close ends everything at once: what was delivered and not acknowledged
	// goes back to its queue, what is not confirmed yet ends with ErrClosed.
	Close() error
}

// SubscribeOptions of one subscription.
type SubscribeOptions struct {
	Prefetch int // how many deliveries may be unsettled at a time; at least 1
	// Fetch takes messages by asking for them, one at a time, and is no
	// consumer: a queue that goes with its last consumer stays, and so do its other messages.
	// A stream cannot be asked so. On MQTT it changes nothing.
	Fetch bool
}

// A Subscription is a stream of deliveries.
type Subscription interface {
	// Deliveries is closed when no more will come: after Cancel or Close.
	// It holds at most the prefetch.
	Deliveries() <-chan Delivery
	// Cancel tells the broker to send no more. What was delivered already can
	// still be read and settled.
	Cancel(ctx context.Context) error
}

// A Delivery is one message out of a queue. It must be settled once.
type Delivery struct {
	Message
	Redelivered bool      // it was delivered before, here or elsewhere
	Received    time.Time // when it reached this process
	// Lost is closed when the connection that brought the delivery is gone: it
	// cannot be settled any more, and the broker delivers the message again.
	Lost    <-chan struct{}
	Settler Settler
	// Topic it was published to, on MQTT; "" elsewhere.
	Topic string
	// Key is the routing key it was published with, on AMQP; "" elsewhere.
	Key string
}

// A Settler tells the broker what became of a delivery. The error is ErrLost
// when the broker has taken the message back meanwhile.
type Settler interface {
	Ack() error
	// Nack refuses the message: back to its queue, or away from it for good,
	// to the dead-letter exchange if the queue has one.
	Nack(requeue bool) error
}

// Ack says that the message is done with.
func (d Delivery) Ack() error { return d.Settler.Ack() }

// Nack refuses the message; see Settler.
func (d Delivery) Nack(requeue bool) error { return d.Settler.Nack(requeue) }

// A Message is what is carried.
type Message struct {
	Body        []byte
	ContentType string // "" where unknown: msgflo-nodejs sets none
	Persistent  bool   // survives a restart of the broker in a durable queue
	Headers     map[string]any
	// Retained is MQTT's: the broker keeps the message as the topic's last, for
	// who subscribes later. Of a delivery: it was kept, and is no news.
	Retained bool
}

// An Address is where a message goes. On MQTT all three are topics.
type Address struct {
	Exchange string // "" is the default exchange: Key is then a queue's name
	Key      string
	// Mandatory: a message to an exchange that no queue takes is an error
	// (ErrUnroutable). One to a queue always is mandatory; MQTT knows no such thing.
	Mandatory bool
}

// ToQueue addresses one queue. A queue that does not exist is an error
// (ErrNoQueue) and not, as AMQP has it, a silent loss.
func ToQueue(name string) Address { return Address{Key: name} }

// ToExchange addresses all that is bound to an exchange with an empty key,
// which may be nothing.
func ToExchange(name string) Address { return Address{Exchange: name} }

// String names the address for people.
func (a Address) String() string {
	if a.Exchange == "" {
		return fmt.Sprintf("queue %q", a.Key)
	}
	return fmt.Sprintf("exchange %q", a.Exchange)
}

// Topology is what a client declares for itself.
type Topology struct {
	Exchanges []Exchange
	Queues    []Queue
	Bindings  []Binding
}

// Queue as AMQP 0-9-1 declares it.
type Queue struct {
	Name                           string
	Durable, AutoDelete, Exclusive bool
	Arguments                      map[string]any
}

// Exchange as AMQP 0-9-1 declares it.
type Exchange struct {
	Name, Kind          string
	Durable, AutoDelete bool
	Arguments           map[string]any
}

// Binding of a queue to an exchange.
type Binding struct{ Queue, Exchange, Key string }

// KeyDeadLetter is the queue argument that names the exchange which refused
// messages go to (https://www.rabbitmq.com/docs/dlx).
const KeyDeadLetter = "x-dead-letter-exchange"

// OneWay marks a Subscription whose broker takes nothing back (MQTT, where the
// session does not stay): what is refused with requeue is delivered again on
// the same subscription, and once that was cancelled it is lost. Who stops
// works off what Deliveries still gives.
type OneWay interface{ OneWay() }

// A Notifier is a Conn that tells when it stands again after a break. Brokers'
// are; one in memory need not be.
type Notifier interface {
	// Reconnected gives a value after each reconnect; several that nobody took
	// are one. It is for one reader, and is never closed.
	Reconnected() <-chan struct{}
}

// What can go wrong, for errors.Is.
var (
	ErrClosed  = errors.New("the connection was closed")
	ErrLost    = errors.New("the connection that brought the message is gone, and the broker has taken the message back")
	ErrNoQueue = errors.New("there is no such queue")
	ErrRefused = errors.New("the broker refused the message; the queue may be full (reject-publish)")
)

// Publish publishes one message and waits for the broker's confirmation.
func Publish(ctx context.Context, c Conn, to Address, m Message) error {
	select {
	case err := <-c.Publish(ctx, to, m):
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
