package rabbitmq

import (
	"context"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// A busy broker says nothing where it should say how much there is. What is
// here tells its silence from an empty queue's.
const (
	// leaderSilence is less than what RabbitMQ grants a quorum queue's leader
	// before it answers a passive declare in its stead, with no messages and no
	// consumers: 250 ms (rabbit_quorum_queue:stat/1).
	leaderSilence = 200 * time.Millisecond
	// streamProbe is how long a stream that has messages may take to send the
	// first; and so many times as long as an answer takes, where it is far or busy.
	streamProbe   = time.Second
	streamAnswers = 10
	// arrival is how long what came before an answer may take on its way through
	// the library.
	arrival = 100 * time.Millisecond
	// electionLimit is how long to wait for a quorum queue's next leader.
	electionLimit = 5 * time.Second
	// silenceLimit is how long to go on asking; then nothing is known.
	silenceLimit = 15 * time.Second
)

// A distance is how long an answer takes of a broker that has nothing to do
// for it: the shortest of many, since a busy one takes longer, and none less.
type distance struct {
	mu       sync.Mutex
	times    int
	shortest time.Duration
}

// by asks once more for something that costs the broker nothing; at first, often
// enough that not all of the answers are slow by chance.
func (d *distance) by(ask func() error) (time.Duration, error) {
	const enough = 8
	for {
		asked := time.Now()
		if err := ask(); err != nil {
			return 0, err
		}
		took := time.Since(asked)
		d.mu.Lock()
		if d.times++; d.times == 1 || took < d.shortest {
			d.shortest = took
		}
		times, shortest := d.times, d.shortest
		d.mu.Unlock()
		if times >= enough {
			return shortest, nil
		}
	}
}

// ofLeader repeats a passive declare of a quorum queue until its leader has
// answered. It is false where the leader has not in all that time. Away says how
// much of the time to answer is the broker's distance.
func ofLeader(declare func() (amqp.Queue, error), away func() (time.Duration, error)) (amqp.Queue, bool, error) {
	for begun := time.Now(); ; {
		asked := time.Now()
		q, err := declare()
		took := time.Since(asked)
		if err != nil || q.Messages > 0 || q.Consumers > 0 || took < leaderSilence {
			return q, true, err
		}
		there, err := away()
		if err != nil || took-there < leaderSilence {
			return q, true, err
		}
		if time.Since(begun) > silenceLimit {
			return q, false, nil
		}
	}
}

// led asks again for the status of a quorum queue that has no leader, for as
// long after begun (zero: now) as an election may take: queues that lack one
// together are waited for together. A passive declare of such a queue is answered
// at once: empty, nobody reads.
func led(ctx context.Context, begun time.Time, ask func() (*mgmt.QueueStatus, error)) (*mgmt.QueueStatus, error) {
	const pause = 200 * time.Millisecond
	if begun.IsZero() {
		begun = time.Now()
	}
	for {
		s, err := ask()
		if err != nil || s == nil || !s.Leaderless || time.Since(begun) > electionLimit {
			return s, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
}

// firstOf waits for the first message of a stream. There is none only if the
// broker, asked after the wait for something that costs it nothing, answers in a
// fraction of that wait: one that is too busy for that may be too busy to send. It is
// false where that was so all the time, or the consumer was ended.
func firstOf(ctx context.Context, deliveries <-chan amqp.Delivery, ask func() error) (n int64, known bool, err error) {
	wait, answered := streamProbe, false
	for begun := time.Now(); time.Since(begun) < silenceLimit; {
		select {
		case d, ok := <-deliveries:
			if ok {
				n = 1
				_ = d.Ack(false)
			}
			return n, ok, nil
		case <-ctx.Done():
			return 0, false, context.Cause(ctx)
		case <-time.After(wait):
		}
		if answered {
			return 0, true, nil
		}
		asked := time.Now()
		if err := ask(); err != nil {
			return 0, false, err
		}
		if answered = time.Since(asked)*streamAnswers < asked.Sub(begun); answered {
			wait = arrival
		}
	}
	return 0, false, nil
}
