package mqtt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/msgflo/msgflo/providers/mqtt/router"
	"github.com/msgflo/msgflo/providers/mqtt/router/retained"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// A table writes the document of our routes. All of it is one message, so
// changes that are made at once are written together: while one is on its way the
// next ones gather (group commit).
type table struct {
	provider *provider

	mu      sync.Mutex
	waiting []*edit
	running bool
}

// An edit is one change and what became of it.
type edit struct {
	change routes.Change
	create bool // nothing else may be there
	tidy   bool // no change: the document goes if it is empty
	done   chan struct{}

	revision int64 // of the document that has it; 0: there is none, and nothing to wait for
	err      error
}

// do makes a change, and returns the revision of the document that has it.
func (t *table) do(ctx context.Context, e *edit) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	e.done = make(chan struct{})
	t.mu.Lock()
	t.waiting = append(t.waiting, e)
	if !t.running {
		t.running = true
		t.provider.tasks.Go(t.run)
	}
	t.mu.Unlock()
	select {
	case <-e.done:
		return e.revision, e.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func (t *table) run() {
	for {
		t.mu.Lock()
		edits := t.waiting
		t.waiting = nil
		t.running = len(edits) > 0
		t.mu.Unlock()
		if len(edits) == 0 {
			return
		}
		t.write(edits)
		for _, e := range edits {
			close(e.done)
		}
	}
}

// write carries edits out; each gets its revision or its error.
func (t *table) write(edits []*edit) {
	p := t.provider
	r, err := p.broker(p.ctx)
	for attempt := 0; err == nil; attempt++ {
		var v *view
		if v, _, err = p.look(p.ctx, r); err != nil {
			break
		}
		next := t.next(v, edits)
		if next == nil {
			return
		}
		var kept bool
		if kept, err = p.put(r, next); err == nil && kept {
			if len(next.Routes) == 0 {
				t.clear(r, next, v)
			}
			return
		}
		if err == nil && attempt == maxAttempts {
			err = fmt.Errorf("the broker at %s does not keep what is published to the topic %q: it may be that the user lacks the permission to write and read msgflo/#, "+
				"that the broker keeps no retained messages, or that another run changes the same routes at this moment", p.settings.where(), routes.Topic(p.lineage))
		}
	}
	for _, e := range edits {
		e.err = errors.Join(e.err, err)
	}
}

const maxAttempts = 3

// next is the document with the edits in it, or nil where nothing changes.
func (t *table) next(v *view, edits []*edit) *routes.Document {
	p := t.provider
	var changes []routes.Change
	tidy := false
	for _, e := range edits {
		e.err = nil
		switch {
		case e.tidy:
			tidy = true
		default:
			if e.err = p.judge(v, e); e.err == nil {
				changes = append(changes, e.change)
			}
		}
	}
	next := v.own.Next(p.lineage, changes, v.router.Revision, time.Now().UnixMilli())
	for loop := t.loop(v, next, edits); loop != nil; loop = t.loop(v, next, edits) {
		changes = slices.DeleteFunc(changes, func(c routes.Change) bool {
			return slices.ContainsFunc(loop, func(e *edit) bool { return e.change == c })
		})
		next = v.own.Next(p.lineage, changes, v.router.Revision, time.Now().UnixMilli())
	}
	same := v.own == nil && len(next.Routes) == 0 || v.own != nil && slices.Equal(v.own.Routes, next.Routes)
	revision := next.Revision
	if same {
		revision = 0
		if v.own != nil {
			revision = v.own.Revision
		}
	}
	for _, e := range edits {
		if e.err == nil {
			e.revision = revision
		}
	}
	switch empty := v.own != nil && len(v.own.Routes) == 0; {
	case !same:
		return next
	case tidy && empty:
		return v.own
	}
	return nil
}

// judge finds what is in the way of one edit.
func (p *provider) judge(v *view, e *edit) error {
	c := e.change
	if c.Delete {
		return nil
	}
	there, owner, found := v.find(p.lineage, c.Route.From, c.Route.To)
	switch {
	case !found:
		return nil
	case owner != p.lineage:
		return fmt.Errorf("%s is carried already, for the lineage %q: each message would arrive twice. Remove it here, or there", describe(c.Route), owner)
	case e.create && there != c.Route:
		return fmt.Errorf("%s exists already, and is different: it has qos = %d and retain = %t. Plan again to see it", describe(c.Route), there.QoS, there.Retain)
	}
	return nil
}

func describe(r routes.Route) string {
	return fmt.Sprintf("the route %q -> %q", r.From, r.To)
}

// loop gives edits that would make a message go round their error; nil: none.
func (t *table) loop(v *view, next *routes.Document, edits []*edit) []*edit {
	var out []*edit
	for _, loop := range routes.Loops(append(hopsOf(next), v.others...), v.dots) {
		for _, h := range loop {
			for _, e := range edits {
				if e.err == nil && !e.tidy && !e.change.Delete && e.change.Route == h.Route && h.Lineage == t.provider.lineage {
					e.err = errors.New(loopText(loop, t.provider.lineage))
					out = append(out, e)
				}
			}
		}
	}
	return out
}

func hopsOf(d *routes.Document) []routes.Hop {
	if d == nil {
		return nil
	}
	out := make([]routes.Hop, len(d.Routes))
	for i, r := range d.Routes {
		out[i] = routes.Hop{Route: r, Lineage: d.Lineage}
	}
	return out
}

// put writes a document and reads it back: a broker acknowledges also what it
// then refuses to keep.
func (p *provider) put(r *retained.Reader, d *routes.Document) (kept bool, err error) {
	body, err := d.Encode()
	if err != nil {
		return false, err
	}
	topic := routes.Topic(p.lineage)
	if err := r.Send(p.ctx, mqtt.Outgoing{Topic: topic, Body: body, QoS: mqtt.AtLeastOnce, Retained: true}); err != nil {
		return false, fmt.Errorf("writing the routes to %q: %w", topic, p.answered(p.ctx, err))
	}
	all, err := r.Read(p.ctx, topic)
	if err != nil {
		return false, p.answered(p.ctx, err)
	}
	now, err := routes.Parse(p.lineage, all[topic])
	return err == nil && now != nil && now.Revision == d.Revision, err
}

// clear removes a document without routes once nobody needs it: a router must
// have seen it, to end its subscriptions. Where there is none, its sessions, for
// which the broker would queue for ever, are ended here.
func (t *table) clear(r *retained.Reader, d *routes.Document, v *view) {
	p := t.provider
	if v.there && v.router.Revision < d.Revision {
		return // tidied after the router has it
	}
	topic := routes.Topic(p.lineage)
	if err := r.Send(p.ctx, mqtt.Outgoing{Topic: topic, QoS: mqtt.AtLeastOnce, Retained: true}); err != nil {
		p.log.Warn("an empty table of routes stays on the broker", "topic", topic, "error", err)
		return
	}
	if v.there {
		return
	}
	// What a router that was killed left: its last will.
	err := r.Send(p.ctx, mqtt.Outgoing{Topic: routes.RouterTopic(p.lineage), QoS: mqtt.AtLeastOnce, Retained: true})
	o, failed := p.options(p.ctx)
	err = errors.Join(err, failed)
	lanes := map[int]bool{0: true}
	for _, g := range d.Gone {
		lanes[g.Lane] = true
	}
	for lane := range lanes {
		if err == nil {
			err = router.Wipe(p.ctx, o, p.lineage, lane)
		}
	}
	if err != nil {
		p.log.Warn("a session of the router stays on the broker", "error", err)
	}
}
