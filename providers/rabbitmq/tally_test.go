package rabbitmq

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// TestTallySince: a costly list serves for a while, but not who must know what
// has come since.
func TestTallySince(t *testing.T) {
	held := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(2 * cheapTally)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `[{"name":"q","vhost":"v","messages_unacknowledged":%d}]`, held)
		held++
	}))
	defer s.Close()
	c, err := mgmt.New(mgmt.Options{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var list tally
	for want := range int64(3) {
		if n, err := list.of(t.Context(), c, "v", "q", time.Now()); n != want || err != nil {
			t.Errorf("%d held, want %d: %v", n, want, err)
		}
	}
}

// TestSettledAfterTheTick: what nobody seems to hold is counted once more when
// the queue must have told, by nothing older.
func TestSettledAfterTheTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		d, err := settled(t.Context(), func(since time.Time) (providers.Depth, error) {
			d := providers.Depth{Consumers: 1}
			if since.Sub(begun) >= quorumTick {
				d.Unacked = 1
			}
			return d, nil
		})
		if d.Unacked != 1 || err != nil {
			t.Errorf("%+v, %v", d, err)
		}
	})
}
