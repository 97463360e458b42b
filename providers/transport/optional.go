package transport

import (
	"context"
	"errors"
	"fmt"
)

// What only some transports can do, found by type assertion: one small
// interface each, so that Conn stays what every broker has.
type (
	// An Inspector says how a queue stands, without touching it. The error is
	// ErrNoQueue where there is none.
	Inspector interface {
		Inspect(ctx context.Context, queue string) (QueueState, error)
	}
	// A Tapper copies what passes: the subscription is to a queue of its own,
	// that nobody else sees and that goes with it. It takes nothing from other
	// queues. What is not read is dropped, oldest first, after some ten thousand
	// messages: a slow reader must not fill the broker. The error is ErrNoExchange
	// where a source is not there; a source that goes later is waited for.
	Tapper interface {
		Tap(ctx context.Context, sources []Source, o SubscribeOptions) (Subscription, error)
	}
	// A Binder binds what is there, and makes neither end: the error is
	// ErrNoQueue or ErrNoExchange where one is not. Unlike what Declare makes, the
	// binding is not made again after a reconnect: see Changer. To bind what is bound
	// already succeeds.
	Binder interface {
		Bind(ctx context.Context, l Link) error
	}
	// A Changer tells of the connection beneath: the channel is closed when it is
	// lost or made next. A call made then waits for it.
	Changer interface {
		Changed() <-chan struct{}
	}
)

// QueueState is how a queue stands.
type QueueState struct {
	Messages  int // ready: not counting what consumers hold
	Consumers int
}

// A Source of a tap: an exchange and a routing key. On MQTT the exchange is a
// topic.
type Source struct{ Exchange, Key string }

// A Link is a binding whose destination may be an exchange, too.
type Link struct {
	Source, Destination string
	ToExchange          bool // the destination is an exchange, else a queue
	Key                 string
}

// String names the link for people.
func (l Link) String() string {
	kind := "queue"
	if l.ToExchange {
		kind = "exchange"
	}
	return fmt.Sprintf("exchange %q -> %s %q", l.Source, kind, l.Destination)
}

// What can go wrong, beside the errors of every transport.
var (
	ErrNoExchange = errors.New("there is no such exchange")
	ErrUnroutable = errors.New("nothing is bound to it that would take the message")
)

// Tap copies what passes the sources: by a queue of its own where the broker
// has queues, by a plain subscription where it has topics, of which each
// subscriber gets a copy anyway.
func Tap(ctx context.Context, c Conn, sources []Source, o SubscribeOptions) (Subscription, error) {
	if t, ok := c.(Tapper); ok {
		return t.Tap(ctx, sources, o)
	}
	if len(sources) != 1 {
		return nil, fmt.Errorf("this kind of broker can be tapped at one topic at a time, not at %d", len(sources))
	}
	return c.Subscribe(ctx, sources[0].Exchange, o)
}
