package participant

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/amqp"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// Options of a running participant. The zero value takes everything from the
// environment: MSGFLO_ROLE, MSGFLO_BROKER or CLOUDAMQP_URL,
// MSGFLO_DISCOVERY_PERIOD.
type Options struct {
	Role string // the node's name in the graph
	// Broker is its URL: amqp, amqps, mqtt, mqtts, ws or wss; at last
	// amqp://localhost.
	Broker string
	// DiscoveryPeriod is after how long without an announcement others may take
	// the participant for gone; it announces itself 2.2 times as often.
	DiscoveryPeriod time.Duration
	// Initial packets by inport, as JSON: they are processed before anything
	// else arrives.
	Initial map[string][]byte
	// StopTimeout is how long Run lets calls of Process end when it is to stop.
	// 0: 30 s.
	StopTimeout time.Duration
	// Log gets what happens. Nil: slog.Default.
	Log *slog.Logger
	// Conn is used instead of a connection to Broker, and closed at the end.
	Conn transport.Conn
	// Env looks up environment variables. Nil: os.Getenv.
	Env func(string) string
}

const defaultStopTimeout = 30 * time.Second

// complete fills what was left out.
func (o Options) complete() (Options, error) {
	if o.Env == nil {
		o.Env = os.Getenv
	}
	if o.Role == "" {
		o.Role = o.Env("MSGFLO_ROLE")
	}
	if o.Broker == "" {
		o.Broker = BrokerURL(o.Env)
	}
	if o.StopTimeout <= 0 {
		o.StopTimeout = defaultStopTimeout
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	var err error
	if o.DiscoveryPeriod <= 0 {
		o.DiscoveryPeriod, err = parsePeriod(o.Env("MSGFLO_DISCOVERY_PERIOD"))
	}
	return o, err
}

// BrokerURL is the broker that the environment names, by the precedence that
// all of MsgFlo's clients have.
func BrokerURL(env func(string) string) string {
	for _, name := range []string{"MSGFLO_BROKER", "CLOUDAMQP_URL"} {
		if v := env(name); v != "" {
			return v
		}
	}
	return "amqp://localhost"
}

// dial connects to a broker by its URL's scheme.
func dial(ctx context.Context, o Options) (transport.Conn, error) {
	scheme, _, _ := strings.Cut(o.Broker, "://")
	switch scheme {
	case "mqtt", "mqtts", "ws", "wss":
		return mqtt.Dial(ctx, mqtt.ConnOptions{Options: mqtt.Options{URL: o.Broker, Log: o.Log}, Name: o.Role, Share: o.Role})
	case "amqp", "amqps":
		return amqp.Dial(ctx, amqp.Options{URL: o.Broker, Name: o.Role, Log: o.Log})
	}
	if scheme == o.Broker || len(scheme) > 16 { // no scheme, so what it begins with may be anything
		return nil, fmt.Errorf("the broker's URL has no scheme; write it as amqp://user@host:5672/vhost or mqtt://user@host:1883")
	}
	return nil, fmt.Errorf("the broker's URL has the scheme %q; participants know amqp, amqps, mqtt, mqtts, ws and wss", scheme)
}
