//go:build linux

package agent

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/providers/launch"
)

func TestRestartPolicy(t *testing.T) {
	for _, c := range []struct {
		policy string
		well   bool
		again  bool
		state  launch.State
	}{
		{"always", true, true, ""}, {"always", false, true, ""},
		{"on-failure", true, false, launch.Stopped}, {"on-failure", false, true, ""},
		{"never", true, false, launch.Stopped}, {"never", false, false, launch.Failed},
	} {
		var h restarts
		v := h.next(launch.Restart{Policy: c.policy, Max: 1, Within: time.Hour, Backoff: time.Second, BackoffMax: time.Minute}, time.Unix(0, 0), c.well, 0, 0)
		if v.again != c.again || v.state != c.state {
			t.Errorf("%+v: %+v", c, v)
		}
	}
}

func TestBackoff(t *testing.T) {
	p := launch.Restart{Policy: "always", Max: 100, Within: time.Hour, Backoff: time.Second, BackoffMax: 10 * time.Second}
	var h restarts
	now := time.Unix(0, 0)
	for i, want := range []float64{1, 2, 4, 8, 10, 10} {
		if v := h.next(p, now, false, 0, 0.5); v.after.Seconds() != want {
			t.Errorf("%d: %s", i, v.after)
		}
	}
	if v := h.next(p, now, false, time.Minute, 0.5); v.after != time.Second {
		t.Errorf("after a long life: %s", v.after)
	}
	if a, b := delay(p, 0, 0), delay(p, 0, 0.999); a != 750*time.Millisecond || b <= a || b > 1250*time.Millisecond {
		t.Error(a, b)
	}
}

// Whatever happens when: never more than Max restarts within the while, never a
// wait beyond the longest, and after a quiet while it is tried again.
func TestRestartProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := launch.Restart{
			Policy: "always", Max: rapid.IntRange(0, 6).Draw(t, "max"), Within: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "within")),
			Backoff: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "backoff")), BackoffMax: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "most")),
		}
		var h restarts
		var at []time.Time
		now := time.Unix(1e9, 0)
		for range rapid.IntRange(1, 30).Draw(t, "n") {
			ran := time.Duration(rapid.Int64Range(0, int64(2*time.Hour)).Draw(t, "ran"))
			now = now.Add(ran)
			v := h.next(p, now, rapid.Bool().Draw(t, "well"), ran, rapid.Float64Range(0, 0.999).Draw(t, "chance"))
			if !v.again {
				if v.state != launch.Failed {
					t.Fatalf("%+v", v)
				}
				now = now.Add(p.Within + 3*max(p.Backoff, p.BackoffMax))
				if v := h.next(p, now, false, 0, 0); p.Max > 0 && !v.again {
					t.Fatalf("never again: %+v", v)
				}
				return
			}
			if v.after < 0 || v.after > max(p.Backoff, p.BackoffMax) {
				t.Fatalf("waits %s", v.after)
			}
			now = now.Add(v.after)
			at = append(at, now)
			if n := len(at); n > p.Max && now.Sub(at[n-1-p.Max]) < p.Within {
				t.Fatalf("%d restarts within %s", p.Max+1, now.Sub(at[n-1-p.Max]))
			}
		}
	})
}

// A clock that is set back does not keep a replica from ever being restarted.
func TestClockSetBack(t *testing.T) {
	p := launch.Restart{Policy: "always", Max: 1, Within: time.Minute, Backoff: time.Second, BackoffMax: time.Second}
	var h restarts
	now := time.Unix(1e9, 0)
	h.next(p, now, false, 0, 0)
	if v := h.next(p, now.Add(-24*time.Hour), false, 0, 0); !v.again {
		t.Errorf("%+v", v)
	}
}
