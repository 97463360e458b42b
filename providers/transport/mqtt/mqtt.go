// Package mqtt is the transport of MQTT 3.1.1 brokers: Mosquitto, the embedded
// one, RabbitMQ's plugin. A Client is one connection that is made again when it
// breaks, with its subscriptions; a Conn is the transport.Conn above it.
//
// What MQTT has not: queues that outlive their readers, dead letters, giving a
// message back. Where it matters a comment says what happens instead.
//
// It imports providers/transport, config/diag and the client library; it knows
// nothing of participants or routes.
package mqtt

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"
)

// Options that all connections have. Only URL is needed.
type Options struct {
	// URL is mqtt://user:password@host:port, mqtts://, ws:// or wss://, the last
	// two with a path ("" is /mqtt). Its query may have ca_certs, certfile and
	// keyfile (PEM files), server_name_indication, insecure=true, clientId, and
	// share=false for a broker without shared subscriptions.
	URL string
	TLS *tls.Config // for mqtts and wss; nil: the system's roots. What the URL names comes on top
	// ClientID is the name of the session on the broker, which disconnects an
	// older connection of the same name. "": the URL's clientId, or a random one.
	ClientID string
	// Log gets what happens to the connection. Nil: nothing is logged.
	Log *slog.Logger
	// RetryMin and RetryMax bound the pause between two attempts to connect
	// again; it doubles, with jitter. 0: 200 ms and 5 s.
	RetryMin, RetryMax time.Duration
}

// ClientOptions of one Client.
type ClientOptions struct {
	Options
	// KeepSession makes the broker keep subscriptions, and queue QoS 1 messages
	// for them, while the client is away: MQTT's clean session off. It needs a
	// ClientID that stays. What is not acknowledged is delivered again, marked
	// as a duplicate, on the next connection.
	KeepSession bool
	// Will is published by the broker when the client is gone without a word.
	Will *Outgoing
	// Receive gets what arrives, one after the other, in order. As long as it
	// runs nothing else is read, which slows the broker down; it must not wait
	// for this Client's own calls, and not for longer than some seconds.
	Receive func(Received)
	// Up is called each time the connection stands, its subscriptions made;
	// present: the broker had kept the session. It must not wait for this
	// Client. Nil: nobody is told.
	Up func(present bool)
}

// A Filter is what to subscribe to.
type Filter struct {
	Topic string // with wildcards, if need be
	QoS   byte   // at most: 0 or 1
}

// Outgoing is a message to publish.
type Outgoing struct {
	Topic    string
	Body     []byte
	QoS      byte // 0 or 1
	Retained bool
}

// QoS levels of MQTT. 2 is not used: it costs two more packets a message, and
// brokers between two clients cannot carry it from end to end.
const (
	AtMostOnce  byte = 0
	AtLeastOnce byte = 1
)

// DialClient makes a client that is connected. A broker that cannot be reached,
// or refuses the login, is an error at once; a connection that breaks later is
// made again until Close. The error never repeats the URL's password.
func DialClient(ctx context.Context, o ClientOptions) (*Client, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	s, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	c.task(func() { c.run(s) })
	return c, nil
}
