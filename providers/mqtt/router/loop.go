package router

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/msgflo/msgflo/providers/mqtt/router/retained"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// loop is the router's one thread: it looks at what has come, and acts.
//
// Two routers of a lineage settle by their announcements who carries, never by
// who connects last: the sessions have fixed names, so they would throw each other
// out for ever. Who comes announces a higher epoch before it touches a session;
// who hears of a higher one lets go, and takes over when the announcement goes
// (each router's last will is to take it away) and stays away.
func (r *run) loop(ctx context.Context) {
	mine := routes.Announcement{Instance: r.instance, Epoch: r.others.next()}
	r.holder = true
	r.announce(&mine)
	var vacant <-chan time.Time // fires when a standby is to take over
	var retry <-chan time.Time  // fires when what failed is tried again
	for {
		body, fresh, again := r.inbox.take()
		if fresh {
			r.reload(body)
		}
		if again {
			// The broker may have forgotten, or published our last will.
			r.others.forget()
		}
		seen, there := r.others.seen()
		switch {
		case r.holder && there && seen.Beats(mine) && seen.Instance != r.instance:
			r.log.Info("another router carries the routes from now on; this one stands by", "other", seen.Instance)
			r.holder = false
			r.stepBack()
		case !r.holder && there:
			vacant = nil
		case !r.holder && vacant == nil:
			vacant = time.After(r.grace())
		}
		if r.holder && !r.carry(&mine) {
			retry = time.After(retryAfter)
		}
		r.tell()
		select {
		case <-ctx.Done():
			return
		case <-r.inbox.signal:
		case <-retry:
		case <-vacant:
			vacant = nil
			if _, there := r.others.seen(); !there {
				r.log.Info("no router carries the routes; this one takes over")
				mine.Epoch, mine.Revision, r.holder = r.others.next(), 0, true
				r.announce(&mine)
			}
		}
	}
}

// retryAfter is the pause after which routes are tried again that could not
// be carried: the broker refused a subscription, say.
const retryAfter = 10 * time.Second

func (r *run) grace() time.Duration {
	g := r.opts.Grace
	if g == 0 {
		g = time.Second
	}
	return g + rand.N(g) //nolint:gosec // jitter, no secret
}

// carry makes what the document says true, and says so. An announcement that
// is not ours (another router's last will came late, or the broker forgot) is
// made again. False: not all could be done.
func (r *run) carry(mine *routes.Announcement) bool {
	err := r.apply(r.doc)
	if r.ctx.Err() != nil {
		return true
	}
	if err != nil {
		r.log.Error("some routes are not carried", "error", err)
		r.faults.set(aboutRoutes, err.Error())
	} else {
		r.faults.set(aboutRoutes, "")
		if r.doc != nil {
			mine.Revision = r.doc.Revision
		}
	}
	mine.Routes = 0
	if r.doc != nil {
		mine.Routes = len(r.doc.Routes)
	}
	mine.Note = r.faults.text()
	seen, there := r.others.seen()
	seen.Version = mine.Version
	if !there || seen != *mine && !seen.Beats(*mine) {
		r.announce(mine)
	}
	r.ready()
	return err == nil
}

// announce says that this router carries. What it says itself comes back like
// the rest, and is noted at once: nothing is said twice meanwhile.
func (r *run) announce(mine *routes.Announcement) {
	body, err := mine.Encode()
	if err != nil {
		r.log.Error("the router cannot announce itself", "error", err)
		return
	}
	r.others.hear(body)
	topic := routes.RouterTopic(r.opts.Lineage)
	if err := retained.Send(r.ctx, r.desk, mqtt.Outgoing{Topic: topic, Body: body, QoS: mqtt.AtLeastOnce, Retained: true}); err != nil && r.ctx.Err() == nil {
		r.log.Error("the router cannot announce itself", "topic", topic, "error", err)
		r.faults.set(aboutSession, fmt.Sprintf("the router cannot announce itself at %s: %v", topic, err))
	}
}

// reload reads the document. One that cannot be read changes nothing: what was
// carried goes on.
func (r *run) reload(body []byte) {
	doc, err := routes.Parse(r.opts.Lineage, body)
	if err != nil {
		r.log.Error("the routes cannot be read; those from before are carried on", "error", err)
		r.faults.set(aboutDocument, err.Error())
		return
	}
	r.faults.set(aboutDocument, "")
	r.doc = doc
}

// tell says how things stand, where that has changed.
func (r *run) tell() {
	text := r.faults.text()
	if !r.holder {
		text = "stands by: another router carries the routes"
		r.ready()
	}
	if text != r.noted {
		r.noted = text
		r.note(text)
	}
}
