package mqtt

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/msgflo/msgflo/config/diag"
)

// sharing is what is known of the broker's shared subscriptions.
type sharing struct {
	off bool // the URL says that there are none

	mu    sync.Mutex
	known bool
	works bool
}

const (
	// probeTopic is where a broker's shared subscriptions are tried out; each
	// trial has topics of its own below it.
	probeTopic   = "msgflo/probe/"
	probeDial    = 15 * time.Second // to be let in and subscribed
	probeTimeout = 5 * time.Second  // for the answers, from then on
	probeRounds  = 3
)

// shares reports whether the broker has shared subscriptions. MQTT 3.1.1 knows
// none, so no broker tells: RabbitMQ takes the subscription for one of a topic
// that begins with $share, and nothing would ever arrive. It is therefore tried
// out once. A broker that does not answer the trial (its user may lack the
// permission) is taken for one that has them, as nearly all do.
func (c *Conn) shares(ctx context.Context) bool {
	p := &c.sharing
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off || p.known {
		return p.works
	}
	works, answered := c.probe(ctx)
	if ctx.Err() != nil || c.ctx.Err() != nil {
		return true
	}
	p.known, p.works = true, works
	switch {
	case !answered:
		p.works = true
		c.log.Warn("it could not be found out whether the broker has shared subscriptions; if nothing arrives, add ?share=false to its URL",
			"broker", Where(c.opts.URL), "topic", probeTopic+"#")
	case !works:
		c.log.Warn("the broker has no shared subscriptions: each process of a role gets all messages", "broker", Where(c.opts.URL))
	}
	return p.works
}

// probe publishes to a topic that is subscribed shared only, then to another
// one. The broker keeps the order: if the second arrives alone, it shares not.
// It is repeated for those that keep it only by and large.
func (c *Conn) probe(ctx context.Context) (works, answered bool) {
	topic := probeTopic + rand.Text()[:12]
	arrived := make(chan string, 2*probeRounds)
	own := c.opts.Options
	own.ClientID = c.id + "-probe"
	dialing, cancel := context.WithTimeout(ctx, probeDial)
	defer cancel()
	p, err := DialClient(dialing, ClientOptions{Options: own, Receive: func(m Received) {
		select {
		case arrived <- m.Topic:
		default:
		}
	}})
	if err == nil {
		defer func() { _ = p.Close() }() // it has no error
		err = p.Subscribe(dialing, Filter{shared("msgflo", topic), AtMostOnce}, Filter{topic + "/end", AtMostOnce})
	}
	if err != nil {
		c.log.Debug("cannot try out shared subscriptions", "error", diag.Escape(err.Error()))
		return false, false
	}
	ctx, cancel = context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for range probeRounds {
		c.out.Send(ctx, Outgoing{Topic: topic}, func(error) {})
		c.out.Send(ctx, Outgoing{Topic: topic + "/end"}, func(error) {})
		for end := false; !end; {
			select {
			case t := <-arrived:
				if t == topic {
					return true, true
				}
				end, answered = true, true
			case <-ctx.Done():
				return false, answered
			}
		}
	}
	return false, answered
}
