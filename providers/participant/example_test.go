package participant_test

import (
	"context"
	"strings"

	"github.com/msgflo/msgflo/providers/participant"
)

// A participant in ten lines; role and broker come from MSGFLO_ROLE and
// MSGFLO_BROKER.
func Example() {
	_ = participant.Run(context.Background(), participant.Definition{
		Component: "text/Upper",
		Inports:   []participant.Port{{ID: "in", Type: "string"}},
		Outports:  []participant.Port{{ID: "out", Type: "string"}},
		Process: func(_ context.Context, m participant.Message, send participant.Send) error {
			var s string
			if err := m.Decode(&s); err != nil {
				return err // refused: it goes to the dead letter, if there is one
			}
			return send("out", strings.ToUpper(s))
		},
	}, participant.Options{})
}
