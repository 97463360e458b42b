package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// deleteQueue deletes a queue if nothing is lost with it, or with consent.
// Brokers guard classic queues only: on 3.10 if-empty is refused for quorum
// queues and ignored for streams, so those are counted here, at the moment.
func (p *provider) deleteQueue(ctx context.Context, c providers.Change) error {
	if err := p.checkQueueBindings(ctx, c); err != nil {
		return err
	}
	vhost, name := attr.Text(c.Before, "vhost"), attr.Text(c.Before, "name")
	what := "deleting " + describe(typeQueue, c.Before)
	if c.AllowLoss {
		return gone(what, p.queueDelete(ctx, vhost, name, false, false))
	}
	typ := queueType(c.Before)
	if typ == classic {
		held, err := p.heldOf(ctx, vhost, name, time.Time{}) // which if-empty overlooks
		if err != nil {
			return err
		}
		if held <= 0 {
			err = p.queueDelete(ctx, vhost, name, true, true)
			if !hasCode(err, amqp.PreconditionFailed) || strings.Contains(err.Error(), "not supported") {
				return gone(what, err)
			}
		}
		// Held, in use, or not empty, or of another type than we were told.
	}
	count := func(since time.Time) (providers.Depth, error) { return p.queueDepth(ctx, survey{}, vhost, name, since) }
	var d providers.Depth
	var err error
	if typ == quorum {
		d, err = settled(ctx, count)
	} else {
		d, err = count(time.Time{})
	}
	if err != nil {
		return err
	}
	if err := refuseLoss(c.Before, d); err != nil {
		return err
	}
	return gone(what, p.queueDelete(ctx, vhost, name, false, typ == classic))
}

func (p *provider) queueDelete(ctx context.Context, vhost, name string, ifUnused, ifEmpty bool) error {
	return p.pool(vhost).do(ctx, func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(name, ifUnused, ifEmpty, false)
		return err
	})
}

// gone takes an error for done where the object is not there (any more).
func gone(what string, err error) error {
	if err == nil || hasCode(err, amqp.NotFound) {
		return nil
	}
	if hasCode(err, amqp.PreconditionFailed) && strings.Contains(err.Error(), "not empty") {
		return &providers.RefusedError{Detail: what + ": messages have arrived since; nothing was deleted"}
	}
	return explainAMQP(what, err)
}

func refuseLoss(queue cty.Value, d providers.Depth) error {
	if d.Unknown {
		return &providers.RefusedError{Detail: fmt.Sprintf("%s was not deleted: how many messages it holds cannot be found out without the management API and a login that may enter its vhost and, for a stream, read it, nor while the broker is too busy to count or a quorum queue has no leader", describe(typeQueue, queue))}
	}
	if d.Messages() > 0 {
		return &providers.RefusedError{Detail: fmt.Sprintf("%s was not deleted: it holds %s, which would be lost", describe(typeQueue, queue), countMessages(d))}
	}
	return nil
}

func countMessages(d providers.Depth) string {
	return fmt.Sprintf("%d messages ready and %d unacknowledged (%d consumers)", d.Ready, d.Unacked, d.Consumers)
}

// checkQueueBindings refuses a delete that would take bindings along that the
// plan did not show.
func (p *provider) checkQueueBindings(ctx context.Context, c providers.Change) error {
	client, err := p.client(ctx)
	if errors.Is(err, errNoManagement) {
		return nil // they cannot be seen; the plan has warned
	}
	if err != nil {
		return err
	}
	return p.checkBindingsTo(ctx, client, c)
}

func (p *provider) checkBindingsTo(ctx context.Context, client *mgmt.Client, c providers.Change) error {
	vhost := attr.Text(c.Before, "vhost")
	bs, err := p.watch(vhost).bindings(ctx, client, endpoint{vhost, c.Type, attr.Text(c.Before, "name")})
	if err != nil {
		return explainHTTP("reading the bindings of "+describe(c.Type, c.Before), err)
	}
	return refuseBindings(c, bs)
}

func refuseBindings(c providers.Change, bs []mgmt.Binding) error {
	shown := map[string]bool{}
	for _, o := range c.Collateral {
		if o.Type == typeBinding {
			shown[bindingID(o.Value)] = true
		}
	}
	var extra []string
	for i := range bs {
		if bs[i].Source == "" {
			continue // the default exchange's, which every queue has
		}
		if v := bindingValue(&bs[i]); !shown[bindingID(v)] {
			extra = append(extra, describe(typeBinding, v))
		}
	}
	if len(extra) == 0 {
		return nil
	}
	return &providers.RefusedError{Detail: fmt.Sprintf("%s was not deleted: %s would go with it and was not in the plan; plan again",
		describe(c.Type, c.Before), listed(extra))}
}

// listed joins names for people, the first few of many.
func listed(names []string) string {
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// deleteExchange deletes an exchange if no binding goes with it that the plan
// did not show. AMQP's if-unused guards those that it is the source of.
func (p *provider) deleteExchange(ctx context.Context, c providers.Change) error {
	vhost, name := attr.Text(c.Before, "vhost"), attr.Text(c.Before, "name")
	what := "deleting " + describe(typeExchange, c.Before)
	client, err := p.client(ctx)
	if err != nil && !errors.Is(err, errNoManagement) {
		return err
	}
	if err == nil {
		if err := p.checkBindingsTo(ctx, client, c); err != nil {
			return err
		}
	}
	remove := func(ifUnused bool) error {
		return p.pool(vhost).do(ctx, func(ch *amqp.Channel) error { return ch.ExchangeDelete(name, ifUnused, false) })
	}
	err = remove(true)
	if !hasCode(err, amqp.PreconditionFailed) {
		return gone(what, err)
	}
	if client == nil {
		return &providers.RefusedError{Detail: describe(typeExchange, c.Before) + " was not deleted: it still has bindings, and which cannot be seen without the management API"}
	}
	bs, err := client.BindingsFrom(ctx, vhost, name)
	if err == nil {
		err = refuseBindings(c, bs)
	}
	if unlessAbsent(err) != nil {
		return explainHTTP(what, err)
	}
	return gone(what, remove(false))
}

// deleteVhost deletes a vhost if nothing is in it but what the plan showed,
// and no message, or with consent.
func (p *provider) deleteVhost(ctx context.Context, c providers.Change) error {
	client, err := p.client(ctx)
	if err != nil {
		return err
	}
	name := attr.Text(c.Before, "name")
	count := func(since time.Time) (providers.Depth, error) { return p.vhostDepth(ctx, client, name, since) }
	var d providers.Depth
	if c.AllowLoss {
		d, err = count(time.Time{})
	} else {
		d, err = settled(ctx, count)
	}
	if absent(err) {
		return nil
	}
	if err != nil {
		return explainHTTP("looking into "+describe(typeVhost, c.Before), err)
	}
	if !c.AllowLoss && d.Messages() == 0 && d.Unknown {
		return &providers.RefusedError{Detail: fmt.Sprintf("%s was not deleted: what its queues hold cannot be found out, since this login has no permissions in it, or the broker is too busy to count, or a quorum queue has no leader", describe(typeVhost, c.Before))}
	}
	if !c.AllowLoss && d.Messages() > 0 {
		return &providers.RefusedError{Detail: fmt.Sprintf("%s was not deleted: its queues hold %s, which would be lost", describe(typeVhost, c.Before), countMessages(d))}
	}
	shown := map[string]bool{}
	for _, o := range c.Collateral {
		shown[o.Type+" "+p.id(o.Type, o.Value)] = true
	}
	var extra []string
	for _, o := range d.Collateral {
		if !shown[o.Type+" "+p.id(o.Type, o.Value)] {
			extra = append(extra, describe(o.Type, o.Value))
		}
	}
	if len(extra) > 0 {
		return &providers.RefusedError{Detail: fmt.Sprintf("%s was not deleted: %s would go with it and was not in the plan; plan again", describe(typeVhost, c.Before), listed(extra))}
	}
	p.forget(name)
	return explainHTTP("deleting "+describe(typeVhost, c.Before), unlessAbsent(client.Delete(ctx, "vhosts", name)))
}

func (p *provider) id(typ string, v cty.Value) string {
	if s := p.catalogue.resources[typ]; s != nil && s.ID != nil {
		return s.ID(v)
	}
	return ""
}

// A vhostError says that one vhost cannot be opened; others may.
type vhostError struct{ brokerError }

func newVhostError(s *settingsOfBroker, vhost string, err error) error {
	return &vhostError{brokerError{headline: "Vhost not accessible", err: err, detail: fmt.Sprintf(
		"user %q cannot open the vhost %q of the broker at %s: there is no such vhost, or the user has no permissions in it",
		s.username, vhost, s.url.address())}}
}

func isVhostRefusal(err error) bool {
	var ae *amqp.Error
	return errors.Is(err, amqp.ErrVhost) || errors.As(err, &ae) && ae.Code == amqp.NotAllowed
}
