package rabbitmq

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// cheapTally is how long a list of counts may take to be made anew for every
// delete. One that takes longer (some tenths of a second for 5 000 queues)
// serves for ten times as long as it took, so that a destroy is not spent with counting; but
// never so long that it would be older than the broker's statistics are.
const (
	cheapTally = 50 * time.Millisecond
	servesFor  = 10
	oldTally   = 3 * time.Second
)

// quorumTick is how long a quorum queue may take to tell what clients hold of
// it: quorum_tick_interval, 5 s by default, and some time to answer.
const quorumTick = 6 * time.Second

// settled is count repeated until there are messages or nobody is left who
// could hold one, for a tick at the most: quorum queues that have consumers are
// the only ones whose held messages are not known at once. The last count is by
// a list that is made after the tick: one that is costly may be older.
func settled(ctx context.Context, count func(since time.Time) (providers.Depth, error)) (providers.Depth, error) {
	const pause = 200 * time.Millisecond
	for tick := time.Now().Add(quorumTick); ; {
		var since time.Time
		if time.Now().After(tick) {
			since = tick
		}
		d, err := count(since)
		if err != nil || d.Messages() > 0 || d.Unknown || d.Consumers == 0 || !since.IsZero() {
			return d, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return d, ctx.Err()
		}
	}
}

// A tally knows how many messages clients hold of each queue of a vhost. What
// the management API says of one queue is a sample, 5 s old or more, so a
// message fetched since would be lost unseen; its list with totals counts
// classic queues as it is made. Who asks while a list is on its way shares the next
// one, or goes on with a costly one that is not old yet.
type tally struct {
	mu           sync.Mutex
	begun, ended time.Time // of the list
	unacked      map[string]int64
	making       chan struct{} // not nil while a list is being made; closed when it is
}

// of is the number of messages that clients hold of a queue, mgmt.Unknown
// where the broker does not tell; by a list that was begun since then.
func (t *tally) of(ctx context.Context, c *mgmt.Client, vhost, queue string, since time.Time) (int64, error) {
	asked := time.Now()
	for {
		t.mu.Lock()
		n, listed := t.unacked[queue]
		making := t.making
		if listed && !t.begun.Before(since) && t.serves(asked) && (making != nil || !t.ages(asked)) {
			t.mu.Unlock()
			return n, nil
		}
		if making == nil {
			t.making = make(chan struct{})
			t.mu.Unlock()
			return t.list(ctx, c, vhost, queue)
		}
		t.mu.Unlock()
		select {
		case <-making:
		case <-ctx.Done():
			return mgmt.Unknown, ctx.Err()
		}
	}
}

// list makes the list anew. One does it at a time.
func (t *tally) list(ctx context.Context, c *mgmt.Client, vhost, queue string) (int64, error) {
	begun := time.Now()
	unacked, err := c.Held(ctx, vhost)
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.making)
	t.making = nil
	if err != nil {
		return mgmt.Unknown, unlessAbsent(err)
	}
	t.begun, t.ended, t.unacked = begun, time.Now(), unacked
	if n, listed := unacked[queue]; listed {
		return n, nil
	}
	return mgmt.Unknown, nil
}

// serves tells whether the list is new enough for a question of that time.
func (t *tally) serves(asked time.Time) bool {
	if life := t.life(); life > 0 {
		return asked.Sub(t.ended) < life
	}
	return !t.begun.Before(asked)
}

// ages tells that the list should be made anew while it still serves.
func (t *tally) ages(asked time.Time) bool {
	life := t.life()
	return life > 0 && asked.Sub(t.ended) > life*3/4
}

// life is for how long the list serves; 0 for one that is cheap.
func (t *tally) life() time.Duration {
	if took := t.ended.Sub(t.begun); took > cheapTally {
		return min(servesFor*took, oldTally)
	}
	return 0
}

// heldOf asks the vhost's tally; mgmt.Unknown without a management API.
func (p *provider) heldOf(ctx context.Context, vhost, queue string, since time.Time) (int64, error) {
	c, err := p.client(ctx)
	if errors.Is(err, errNoManagement) {
		return mgmt.Unknown, nil
	}
	if err != nil {
		return mgmt.Unknown, err
	}
	t, _ := p.tallies.LoadOrStore(vhost, &tally{})
	n, err := t.(*tally).of(ctx, c, vhost, queue, since)
	return n, explainHTTP("counting what clients hold of queue "+quote(queue), err)
}
