package builtin

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/msgflo/msgflo/providers/participant"
)

// delayed is how many messages may be waiting at a time. What is beyond waits
// in the queue, and longer.
const delayed = 1000

// delay waits with one message after the other, counted from its arrival: all
// that wait do so together, and their order stays. A message that is still
// waiting when the participant stops goes back to its queue.
func delay() participant.Definition {
	var (
		mu   sync.Mutex
		span = time.Second
	)
	return participant.Definition{
		Label: "Sends each message on after a while", Icon: "clock-o",
		Inports: ports("in", "delay"), Outports: ports("out"), Prefetch: delayed,
		Process: func(ctx context.Context, m participant.Message, send participant.Send) error {
			if m.Port == "delay" {
				d, err := duration(m)
				if err == nil {
					mu.Lock()
					span = d
					mu.Unlock()
				}
				return err
			}
			mu.Lock()
			until := m.Received.Add(span)
			mu.Unlock()
			if err := wait(ctx, time.Until(until)); err != nil {
				return err
			}
			return send("out", participant.Raw(m.Body))
		},
	}
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-participant.Stopping(ctx):
		return participant.ErrRequeue
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// kick sends its value at once when it is given, and from then on at each
// interval and at each message that comes in. As an initial packet the value is
// therefore sent once at each start.
func kick() participant.Definition {
	k := &kicker{value: json.RawMessage("null"), interval: make(chan time.Duration, 1)}
	return participant.Definition{
		Label: "Sends a value at an interval, or when something comes in", Icon: "bolt",
		Inports: ports("in", "data", "interval"), Outports: ports("out"),
		Process: k.process, Start: k.run,
	}
}

type kicker struct {
	mu       sync.Mutex
	value    json.RawMessage
	interval chan time.Duration // the latest that run has not seen
}

func (k *kicker) process(_ context.Context, m participant.Message, send participant.Send) error {
	switch m.Port {
	case "interval":
		d, err := duration(m)
		if err != nil {
			return err
		}
		select { // an older one that nobody has seen gives way
		case <-k.interval:
		default:
		}
		k.interval <- d
		return nil
	case "data":
		k.mu.Lock()
		k.value = m.JSON()
		k.mu.Unlock()
	}
	return send("out", k.current())
}

func (k *kicker) current() json.RawMessage {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.value
}

func (k *kicker) run(ctx context.Context, send participant.Send) error {
	const never = time.Hour // a ticker wants some time; it is stopped at once
	ticker := time.NewTicker(never)
	ticker.Stop()
	defer ticker.Stop()
	for {
		select {
		case d := <-k.interval:
			ticker.Stop()
			if d > 0 {
				ticker.Reset(d)
			}
		case <-ticker.C:
			if err := send("out", k.current()); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}
