package mqtt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// Apply implements providers.Provider. An embedded broker may have been started
// again by an earlier step of the same run: the change is then made on a new
// connection. It can be repeated, since each attempt looks at what is there.
func (p *provider) Apply(ctx context.Context, c providers.Change) (cty.Value, error) {
	v, err := p.apply(ctx, c)
	if p.settings.embedded && errors.Is(err, transport.ErrLost) && ctx.Err() == nil {
		return p.apply(ctx, c)
	}
	return v, err
}

func (p *provider) apply(ctx context.Context, c providers.Change) (cty.Value, error) {
	null, ok := p.null(c.Type)
	switch {
	case !ok:
		return cty.NilVal, fmt.Errorf("an MQTT broker has no %s", c.Type)
	case c.Type == typeRoute:
		return p.applyRoute(ctx, c, null)
	default:
		return p.applyRetained(ctx, c, null)
	}
}

// applyRoute writes the document and waits until the router carries it: before
// that nothing is forwarded.
func (p *provider) applyRoute(ctx context.Context, c providers.Change, null cty.Value) (cty.Value, error) {
	if c.After.IsNull() {
		return p.deleteRoute(ctx, c, null)
	}
	e := &edit{change: routes.Change{Route: routeOf(c.After)}, create: c.Before.IsNull()}
	revision, err := p.table.do(ctx, e)
	if err != nil {
		if ctx.Err() != nil {
			return cty.NilVal, err
		}
		return c.Before, err
	}
	alone, err := p.watch.carried(ctx, revision, p.catalogue.limits.absent)
	if err == nil && alone {
		err = fmt.Errorf("%s is written down on the broker at %s, but no router of this configuration announces itself there, so that nothing is forwarded. "+
			"The agent is the router: it is started by apply, or by hand with `msgflo agent`", describe(e.change.Route), p.settings.where())
	}
	return routeValue(e.change.Route), err
}

// deleteRoute is done when the router has let go, or none is there: then nobody
// forwards, and who starts later reads the document.
func (p *provider) deleteRoute(ctx context.Context, c providers.Change, null cty.Value) (cty.Value, error) {
	revision, err := p.table.do(ctx, &edit{change: routes.Change{Route: routeOf(c.Before), Delete: true}})
	if err != nil {
		return cty.NilVal, err
	}
	if revision == 0 {
		return null, nil
	}
	// One that just starts is waited for, a little.
	if _, err := p.watch.carried(ctx, revision, min(p.catalogue.limits.absent, moment)); err != nil {
		return null, err
	}
	_, err = p.table.do(ctx, &edit{tidy: true})
	return null, err
}

const moment = 500 * time.Millisecond

// applyRetained publishes, and reads back: a broker acknowledges also what the
// user may not publish (MQTT 3.1.1, 3.3.5).
func (p *provider) applyRetained(ctx context.Context, c providers.Change, null cty.Value) (cty.Value, error) {
	after := c.After
	if after.IsNull() {
		after = c.Before
	}
	topic, payload := attr.Text(after, "topic"), attr.Text(after, "payload")
	r, err := p.broker(ctx)
	if err != nil {
		return cty.NilVal, err
	}
	if c.Before.IsNull() {
		all, err := r.Read(ctx, topic)
		if err != nil {
			return cty.NilVal, p.answered(ctx, err)
		}
		if now, there := all[r.Key(topic)]; there && string(now) != payload {
			return null, fmt.Errorf("the topic %q retains another message already, of %d bytes; plan again to see it", topic, len(now))
		}
	}
	out := mqtt.Outgoing{Topic: topic, QoS: qosOf(after), Retained: true}
	if !c.After.IsNull() {
		out.Body = []byte(payload)
	}
	if err := r.Send(ctx, out); err != nil {
		return cty.NilVal, fmt.Errorf("publishing to %q: %w", topic, p.answered(ctx, err))
	}
	all, err := r.Read(ctx, topic)
	if err != nil {
		return cty.NilVal, p.answered(ctx, err)
	}
	left := null
	now, there := all[r.Key(topic)]
	if there {
		left = retainedValue(topic, now)
	}
	if string(now) != string(out.Body) {
		return left, fmt.Errorf("the broker at %s took the message for %q and does not retain it: the user may lack the permission to publish there, "+
			"the broker may keep no retained messages, or somebody else publishes there too", p.settings.where(), topic)
	}
	if there {
		return c.After, nil
	}
	return null, nil
}
