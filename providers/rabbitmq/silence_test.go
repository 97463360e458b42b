package rabbitmq

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// TestSilentLeader: RabbitMQ says "empty" of a quorum queue whose leader has
// not answered within 250 ms, and that is not taken for an answer.
func TestSilentLeader(t *testing.T) {
	gone := errors.New("gone")
	const far = 300 * time.Millisecond
	for name, c := range map[string]struct {
		silences int // answers given in the leader's stead
		away     time.Duration
		q        amqp.Queue
		err      error
		known    bool
	}{
		"empty, at once":     {0, 0, amqp.Queue{}, nil, true},
		"empty, late":        {3, 0, amqp.Queue{}, nil, true},
		"full, late":         {3, 0, amqp.Queue{Messages: 5}, nil, true},
		"held, late":         {3, 0, amqp.Queue{Consumers: 1}, nil, true},
		"gone":               {1, 0, amqp.Queue{}, gone, true},
		"never":              {1000, 0, amqp.Queue{Messages: 5}, nil, false},
		"far, empty":         {0, far, amqp.Queue{}, nil, true},
		"far, full and late": {3, far, amqp.Queue{Messages: 5}, nil, true},
		"far, never":         {1000, far, amqp.Queue{Messages: 5}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked, calls := 0, 0
				var d distance
				q, known, err := ofLeader(func() (amqp.Queue, error) {
					time.Sleep(c.away)
					if asked++; asked <= c.silences {
						time.Sleep(250 * time.Millisecond)
						return amqp.Queue{}, nil
					}
					return c.q, c.err
				}, func() (time.Duration, error) {
					return d.by(func() error {
						if calls++; calls%4 > 0 { // now and then the broker has much to do
							time.Sleep(400 * time.Millisecond)
						}
						time.Sleep(c.away)
						return nil
					})
				})
				if !errors.Is(err, c.err) || known != c.known || known && q != c.q {
					t.Errorf("%+v, %v, %v", q, known, err)
				}
			})
		})
	}
}

// TestSilentStream: a stream is empty when it sends nothing while the broker
// answers, not when the broker is too busy for either.
func TestSilentStream(t *testing.T) {
	for name, c := range map[string]struct {
		sends time.Duration // when the first message comes; 0: never
		busy  time.Duration // until then answers are slow
		slow  time.Duration // how long each takes then
		n     int64
		known bool
	}{
		"full":           {time.Millisecond, 0, 0, 1, true},
		"full and busy":  {4 * time.Second, 5 * time.Second, 500 * time.Millisecond, 1, true},
		"late but first": {1050 * time.Millisecond, 0, 0, 1, true}, // before the answer, and slower in the library
		"empty":          {0, 0, 0, 0, true},
		"empty and busy": {0, 5 * time.Second, 500 * time.Millisecond, 0, true},
		"always busy":    {0, time.Hour, 2 * time.Second, 0, false},
		"empty and far":  {0, time.Hour, 300 * time.Millisecond, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				deliveries, begun := make(chan amqp.Delivery, 1), time.Now()
				if c.sends > 0 {
					time.AfterFunc(c.sends, func() { deliveries <- amqp.Delivery{} })
				}
				n, known, err := firstOf(t.Context(), deliveries, func() error {
					if time.Since(begun) < c.busy {
						time.Sleep(c.slow)
					}
					return nil
				})
				if err != nil || n != c.n || known != c.known {
					t.Errorf("%d, %v, %v", n, known, err)
				}
			})
		})
	}
}
