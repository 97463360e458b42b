// Package builtin is what the components that come with msgflo do: Repeat,
// Drop, Output, Split, Delay, Kick. Each is an ordinary participant, and a
// process of its own (`msgflo component run`). Their names and ports for
// graphs are in config/component, which this package may not import; a test
// holds the two together.
//
// It imports providers/participant, config/diag and the standard library.
package builtin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/participant"
)

// light is the prefetch of components that do next to nothing with a message:
// enough to keep the way to the broker full.
const light = 64

// New makes a component by its full name, with a state of its own. out is where
// msgflo/Output prints.
func New(name string, out io.Writer) (participant.Definition, bool) {
	makers := map[string]func(io.Writer) participant.Definition{
		"msgflo/Delay":  func(io.Writer) participant.Definition { return delay() },
		"msgflo/Drop":   func(io.Writer) participant.Definition { return drop() },
		"msgflo/Kick":   func(io.Writer) participant.Definition { return kick() },
		"msgflo/Output": output,
		"msgflo/Repeat": func(io.Writer) participant.Definition { return repeat() },
		"msgflo/Split":  func(io.Writer) participant.Definition { return split() },
	}
	m, ok := makers[name]
	if !ok {
		return participant.Definition{}, false
	}
	d := m(out)
	d.Component = name
	return d, true
}

func ports(ids ...string) []participant.Port {
	var ps []participant.Port
	for _, id := range ids {
		ps = append(ps, participant.Port{ID: id})
	}
	return ps
}

func repeat() participant.Definition {
	return participant.Definition{
		Label: "Sends every message on as it is", Icon: "forward",
		Inports: ports("in"), Outports: ports("out"), Prefetch: light,
		Process: func(_ context.Context, m participant.Message, send participant.Send) error {
			return send("out", participant.Raw(m.Body))
		},
	}
}

func drop() participant.Definition {
	return participant.Definition{
		Label: "Takes every message and does nothing with it", Icon: "trash-o",
		Inports: ports("in"), Prefetch: light,
		Process: func(context.Context, participant.Message, participant.Send) error { return nil },
	}
}

// output prints before it sends on: what could not be printed is refused. A
// message that is delivered again is printed again.
func output(w io.Writer) participant.Definition {
	return participant.Definition{
		Label: "Prints every message and sends it on", Icon: "terminal",
		Inports: ports("in"), Outports: ports("out"), Prefetch: light,
		Process: func(_ context.Context, m participant.Message, send participant.Send) error {
			if _, err := fmt.Fprintln(w, line(m.Body)); err != nil {
				return fmt.Errorf("printing: %w (%w)", err, participant.ErrRequeue)
			}
			return send("out", participant.Raw(m.Body))
		},
	}
}

// line is a message on one line, fit for a terminal: JSON without its spaces,
// text as it is, anything else as a quoted string.
func line(body []byte) string {
	var b bytes.Buffer
	switch {
	case json.Compact(&b, body) == nil:
		return diag.Escape(b.String())
	case utf8.Valid(body):
		return diag.Escape(string(body))
	}
	return fmt.Sprintf("%q", body)
}

// split keeps each element's own spelling: numbers keep their digits.
func split() participant.Definition {
	return participant.Definition{
		Label: "Sends the elements of an array one by one", Icon: "expand",
		Inports: ports("in"), Outports: ports("out"), Prefetch: light,
		Process: func(_ context.Context, m participant.Message, send participant.Send) error {
			var elements []json.RawMessage
			if err := json.Unmarshal(m.Body, &elements); err != nil || elements == nil {
				return send("out", participant.Raw(m.Body))
			}
			for _, e := range elements {
				if err := send("out", e); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// duration reads milliseconds or a duration's text.
func duration(m participant.Message) (time.Duration, error) {
	var v any
	if err := m.Decode(&v); err != nil {
		return 0, err
	}
	d, err := time.Duration(-1), error(nil)
	switch v := v.(type) {
	case float64:
		if v <= float64(maxDuration/time.Millisecond) {
			d = time.Duration(v * float64(time.Millisecond))
		}
	case string:
		d, err = time.ParseDuration(v)
	}
	if err != nil || d < 0 || d > maxDuration {
		return 0, fmt.Errorf("%s takes milliseconds or a duration as \"1m30s\", up to %s; it is %s", m.Port, maxDuration, diag.Escape(string(m.JSON())))
	}
	return d, nil
}

const maxDuration = 365 * 24 * time.Hour
