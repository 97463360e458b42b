package router

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// patience bounds one attempt at making a document true.
const patience = time.Minute

// apply makes a document true; nil is one without routes. What it makes true
// already costs nothing. The order is that nothing is lost: tables first, so that what comes by a new
// subscription finds its route; then subscriptions that are new; then the end
// of those that are gone.
func (r *run) apply(doc *routes.Document) error {
	if r.forgotten() {
		r.applied = applied{}
	}
	if r.applied.is(doc) {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(r.ctx, patience, errors.New("the broker did not answer in time"))
	defer cancel()
	w := r.wanted(doc)
	var errs []error
	for _, n := range slices.Sorted(maps.Keys(w.lanes)) {
		errs = append(errs, r.feed(ctx, n, w.lanes[n]))
	}
	if err := r.replay(ctx, w.fresh); err != nil {
		errs = append(errs, err)
		for _, t := range w.fresh { // to be tried again
			delete(r.targets, [2]string{t.From, t.To})
		}
	}
	if doc != nil {
		for _, g := range doc.Gone {
			if p := w.lanes[g.Lane]; p == nil || !p.has(g.From) {
				w.gone[g.Lane] = append(w.gone[g.Lane], g.From)
			}
		}
	}
	for n := range r.lanes {
		if w.lanes[n] == nil {
			w.gone[n] = append(w.gone[n], "") // all
		}
	}
	if !r.applied.known && len(w.lanes) == 0 {
		w.gone[0] = append(w.gone[0], "") // perhaps of a run that saw no end
	}
	for n, filters := range w.gone {
		errs = append(errs, r.starve(ctx, n, filters, w.lanes[n] != nil))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.applied = applied{doc: doc, known: true}
	return nil
}

// forgotten reports whether the broker has forgotten a session since the last
// call. Its client has subscribed again, as far as it was let.
func (r *run) forgotten() (some bool) {
	for _, l := range r.lanes {
		if l.forgot.Swap(false) {
			clear(l.has)
			some = true
		}
	}
	return some
}

// applied is the document that is true.
type applied struct {
	doc   *routes.Document
	known bool // one is, at least that without routes
}

func (a applied) is(doc *routes.Document) bool {
	return a.known && (a.doc == doc || a.doc != nil && doc != nil && a.doc.Revision == doc.Revision)
}

// A wanted is what a document means.
type wanted struct {
	lanes map[int]*plan
	fresh []*target        // those that are new, and carry what is retained
	gone  map[int][]string // filters by lane; "" for all
}

// A plan is what one lane is to have.
type plan struct {
	table *table
	qos   map[string]byte // by filter
}

func (p *plan) has(filter string) bool { _, ok := p.qos[filter]; return ok }

func (r *run) wanted(doc *routes.Document) *wanted {
	w := &wanted{lanes: map[int]*plan{}, gone: map[int][]string{}}
	if doc == nil {
		r.targets = nil
		return w
	}
	targets := make(map[[2]string]*target, len(doc.Routes))
	for _, route := range doc.Routes {
		n := doc.Lane(route.From)
		p := w.lanes[n]
		if p == nil {
			p = &plan{table: &table{}, qos: map[string]byte{}}
			p.table.index.Dots = r.dots
			w.lanes[n] = p
		}
		key := [2]string{route.From, route.To}
		t, old := &target{Route: route}, r.targets[key]
		if route.Retain && (old == nil || !old.Retain) {
			t.replay.Store(newReplay())
			w.fresh = append(w.fresh, t)
		}
		targets[key] = t
		p.table.index.Add(route.From, t)
		p.qos[route.From] = max(p.qos[route.From], route.QoS)
	}
	r.targets = targets
	return w
}

// feed gives a lane its table and its new subscriptions.
func (r *run) feed(ctx context.Context, number int, p *plan) error {
	l := r.lanes[number]
	if l == nil {
		var err error
		if l, err = r.dial(ctx, number, p.table); err != nil {
			return fmt.Errorf("connecting the session %q: %w", routes.ClientID(r.opts.Lineage, number), err)
		}
		r.lanes[number], r.wiped[number] = l, false
	}
	l.table.Store(p.table)
	var ask []mqtt.Filter
	for f, qos := range p.qos {
		if had, ok := l.has[f]; !ok || had != qos {
			ask = append(ask, mqtt.Filter{Topic: f, QoS: qos})
		}
	}
	for chunk := range slices.Chunk(ask, chunkOfFilters) {
		if err := l.client.Subscribe(ctx, chunk...); err != nil {
			return r.oneByOne(ctx, l, ask)
		}
		l.got(chunk)
	}
	return nil
}

// chunkOfFilters is how many subscriptions are asked for at a time.
const chunkOfFilters = 64

// oneByOne asks for each filter by itself: one that is refused must not keep
// the others from being carried.
func (r *run) oneByOne(ctx context.Context, l *lane, ask []mqtt.Filter) error {
	var errs []error
	for i, f := range ask {
		if qos, ok := l.has[f.Topic]; ok && qos == f.QoS {
			continue
		}
		if err := l.client.Subscribe(ctx, f); err != nil {
			errs = append(errs, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		l.got(ask[i : i+1])
	}
	return errors.Join(errs...)
}

func (l *lane) got(filters []mqtt.Filter) {
	for _, f := range filters {
		l.has[f.Topic] = f.QoS
	}
}

// starve ends subscriptions of a lane, or all of them with its session.
func (r *run) starve(ctx context.Context, number int, filters []string, stays bool) error {
	l := r.lanes[number]
	if stays && l != nil {
		for chunk := range slices.Chunk(filters, chunkOfFilters) {
			if err := l.client.Unsubscribe(ctx, chunk...); err != nil {
				return fmt.Errorf("ending a subscription: %w", err)
			}
			for _, f := range chunk {
				delete(l.has, f)
			}
		}
		return nil
	}
	if l != nil {
		r.closeLanes(l)
		delete(r.lanes, number)
	} else if r.wiped[number] {
		return nil
	}
	err := Wipe(ctx, r.dials, r.opts.Lineage, number)
	r.wiped[number] = err == nil
	return err
}

// Wipe makes a broker forget one session of a lineage's router, with all that
// it has queued for it.
func Wipe(ctx context.Context, o mqtt.Options, lineage string, lane int) error {
	o.ClientID = routes.ClientID(lineage, lane)
	c, err := mqtt.DialClient(ctx, mqtt.ClientOptions{Options: o})
	if err != nil {
		return fmt.Errorf("ending the session %q: %w", o.ClientID, err)
	}
	return c.Close()
}

// stepBack lets go of all sessions, which the broker keeps.
func (r *run) stepBack() {
	r.closeLanes(slices.Collect(maps.Values(r.lanes))...)
	clear(r.lanes)
	r.applied = applied{}
	clear(r.wiped)
}
