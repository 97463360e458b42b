package agent

import (
	"fmt"
	"time"

	"github.com/msgflo/msgflo/providers/launch"
)

// restarts is what the restart policy remembers of one replica. Time and
// chance are arguments, so that all of it is a function.
type restarts struct {
	at     []time.Time // when it was started again, within the policy's while
	streak int         // how often in a row; the back-off's exponent
}

// A verdict on a replica that ended.
type verdict struct {
	again bool
	after time.Duration // again: how long to wait first
	state launch.State  // not again: what it stays in
	why   string        // not again: beside how it ended
}

// next decides what is done with a replica that ended at now, well or not, after it
// had run for a while. Chance is in [0, 1).
func (h *restarts) next(p launch.Restart, now time.Time, well bool, ran time.Duration, chance float64) verdict {
	switch {
	case p.Policy == "never" && well, p.Policy != "always" && well:
		return verdict{state: launch.Stopped, why: "it ended by itself"}
	case p.Policy == "never":
		return verdict{state: launch.Failed, why: "its restart policy is never"}
	}
	h.forget(p, now)
	if len(h.at) >= p.Max {
		return verdict{state: launch.Failed, why: tooOften(p)}
	}
	if ran >= max(p.BackoffMax, p.Backoff) {
		h.streak = 0 // it was well for longer than the longest wait: this is a new trouble
	}
	wait := delay(p, h.streak, chance)
	h.at = append(h.at, now.Add(wait))
	h.streak++
	return verdict{again: true, after: wait}
}

// forget drops the restarts that the policy does not count any more. A clock
// that was set back must not keep them for ever: what lies far ahead goes too.
func (h *restarts) forget(p launch.Restart, now time.Time) {
	kept := h.at[:0]
	for _, t := range h.at {
		if age := now.Sub(t); age < p.Within && -age <= p.Within+2*p.BackoffMax {
			kept = append(kept, t)
		}
	}
	h.at = kept
	if len(kept) == 0 {
		h.streak = 0
	}
}

func tooOften(p launch.Restart) string {
	if p.Max == 0 {
		return "its restart policy allows no restart (max = 0)"
	}
	return fmt.Sprintf("it was restarted %d times within %s, and its restart policy allows no more", p.Max, p.Within)
}

// delay is Backoff doubled by each restart in a row, up to BackoffMax, and a
// quarter more or less by chance, so that many do not come back at one moment.
func delay(p launch.Restart, streak int, chance float64) time.Duration {
	longest := max(p.BackoffMax, p.Backoff)
	d := p.Backoff
	for range streak {
		if d > longest/2 {
			d = longest
			break
		}
		d *= 2
	}
	d = time.Duration(float64(min(d, longest)) * (0.75 + chance/2))
	return min(d, longest)
}
