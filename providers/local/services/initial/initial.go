// Package initial sends the initial packets of participants on MQTT, where
// nothing keeps a message for who does not subscribe yet: the agent sends them after each
// start, once the participant is ready. (On AMQP they are objects: a queue keeps them.)
//
// It imports providers/launch, providers/transport, the connections of
// providers/local/services and config/diag.
package initial

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/services"
	"github.com/msgflo/msgflo/providers/transport"
)

// Sender is agent.Options.Initial over shared connections: it publishes a role's
// packets, by topic, with QoS 1 and not retained. Nil means that the broker has
// them all; an error names the topic it ended at, and what follows was not sent.
func Sender(connections *services.Connections) func(ctx context.Context, s launch.Spec, brokerURL string) error {
	return func(ctx context.Context, s launch.Spec, brokerURL string) error {
		if len(s.Initial) == 0 {
			return nil
		}
		if brokerURL == "" {
			return fmt.Errorf("role \"%s\" has initial packets and no broker to send them on", diag.Escape(s.Role))
		}
		conn, release, err := connections.Take(ctx, brokerURL)
		if err != nil {
			return err
		}
		defer release()
		for _, topic := range slices.Sorted(maps.Keys(s.Initial)) {
			m := transport.Message{Body: []byte(s.Initial[topic]), Persistent: true} // QoS 1
			if err := transport.Publish(ctx, conn, transport.ToQueue(topic), m); err != nil {
				return fmt.Errorf("the one for \"%s\": %w", diag.Escape(topic), err)
			}
		}
		return nil
	}
}
