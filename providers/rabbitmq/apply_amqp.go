package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

func noCall(*amqp.Channel) error { return nil }

// amqpTable turns wire arguments into the library's types.
func amqpTable(m map[string]any) amqp.Table {
	t := make(amqp.Table, len(m))
	for k, v := range m {
		t[k] = amqpField(v)
	}
	return t
}

func amqpField(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return amqpTable(v)
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = amqpField(e)
		}
		return l
	}
	return v
}

// mark adds the ownership mark to the arguments of what is about to be made,
// unless all who use the broker share it.
func (p *provider) mark(args map[string]any, shared bool) amqp.Table {
	t := amqpTable(args)
	if p.marks && !shared {
		t[ownerArgument] = p.lineage
	}
	return t
}

func (p *provider) declareQueue(ctx context.Context, c providers.Change) (cty.Value, error) {
	v := c.After
	vhost, name := attr.Text(v, "vhost"), attr.Text(v, "name")
	vhostType, err := p.defaultQueueType(ctx, vhost)
	if err != nil {
		return cty.NilVal, err
	}
	args := p.mark(queueWire(v, vhostType), c.Shared)
	err = p.pool(vhost).do(ctx, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(name, attr.Bool(v, "durable", true), attr.Bool(v, "auto_delete", false), false, false, args)
		return err
	})
	if err != nil {
		return cty.NilVal, explainAMQP("declaring "+describe(typeQueue, v), err)
	}
	return v, nil
}

// defaultQueueType is what the vhost gives to queues declared without a type,
// "" where it has none (all before 3.11) or that cannot be known.
func (p *provider) defaultQueueType(ctx context.Context, vhost string) (string, error) {
	if t, ok := p.vhostDefaults.Load(vhost); ok {
		return t.(string), nil
	}
	c, err := p.client(ctx)
	if errors.Is(err, errNoManagement) || err == nil && before(p.brokerVersion(), "3.11") {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	v, err := vhostNamed(ctx, c, vhost)
	switch {
	case mgmt.IsNotFound(err), mgmt.IsKind(err, mgmt.Forbidden):
		return "", nil
	case err != nil:
		return "", err
	}
	p.vhostDefaults.Store(vhost, v.DefaultQueueType)
	return v.DefaultQueueType, nil
}

func (p *provider) declareExchange(ctx context.Context, c providers.Change) (cty.Value, error) {
	v := c.After
	vhost, name, kind := attr.Text(v, "vhost"), attr.Text(v, "name"), attr.Text(v, "type")
	if err := p.checkExchangeAvailable(ctx, kind, c); err != nil {
		return cty.NilVal, err
	}
	args := p.mark(exchangeWire(v), c.Shared)
	declare := func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(name, kind, attr.Bool(v, "durable", true), attr.Bool(v, "auto_delete", false), attr.Bool(v, "internal", false), false, args)
	}
	if err := p.pool(vhost).do(ctx, declare); err != nil {
		return cty.NilVal, explainAMQP("declaring "+describe(typeExchange, v), err)
	}
	return v, nil
}

// checkExchangeAvailable asks before a declare whether the broker has the
// exchange's type: for a type it does not know, AMQP ends the connection, and
// everything else that is under way on it.
func (p *provider) checkExchangeAvailable(ctx context.Context, kind string, c providers.Change) error {
	standard := []string{"direct", "fanout", "topic", "headers"}
	if slices.Contains(standard, kind) {
		return nil
	}
	_, err := p.client(ctx)
	switch {
	case errors.Is(err, errNoManagement):
		return p.tryExchangeType(ctx, kind, c)
	case err != nil:
		return err
	}
	types := p.api.overview.ExchangeTypes
	if slices.Contains(types, kind) {
		return nil
	}
	return &brokerError{headline: "Exchange type not available", detail: fmt.Sprintf("%s: the broker has no exchange type %q.%s%s",
		"declaring "+describe(typeExchange, c.After), kind, pluginHint(pluginOfExchange(kind)), diag.DidYouMean(kind, types))}
}

// tryExchangeType declares the exchange on a connection of its own, which an
// unknown type may end.
func (p *provider) tryExchangeType(ctx context.Context, kind string, c providers.Change) error {
	v := c.After
	own := &pool{settings: p.settings, vhost: attr.Text(v, "vhost")}
	defer own.close()
	args := p.mark(exchangeWire(v), c.Shared)
	err := own.do(ctx, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(attr.Text(v, "name"), kind, attr.Bool(v, "durable", true), attr.Bool(v, "auto_delete", false), attr.Bool(v, "internal", false), false, args)
	})
	if hasCode(err, amqp.CommandInvalid) {
		// Not wrapped: what it did to its own connection is no lost connection.
		return &brokerError{headline: "Exchange type not available", detail: fmt.Sprintf("declaring %s: the broker has no exchange type %q.%s",
			describe(typeExchange, v), kind, pluginHint(pluginOfExchange(kind)))}
	}
	return err
}

// rebind binds, and only then removes the binding that this one replaces, so
// that no message finds neither.
func (p *provider) rebind(ctx context.Context, c providers.Change) (cty.Value, error) {
	made, err := p.bind(ctx, c.After)
	if err != nil || !attr.Given(c.Before) || p.sameBinding(c.Before, made) {
		return made, err
	}
	return made, p.unbind(ctx, c.Before)
}

func (p *provider) sameBinding(a, b cty.Value) bool {
	s := p.catalogue.resources[typeBinding]
	return s.Identity(normalize(typeBinding, a)) == s.Identity(normalize(typeBinding, b))
}

func (p *provider) bind(ctx context.Context, v cty.Value) (cty.Value, error) {
	vhost, args := attr.Text(v, "vhost"), bindingWire(v)
	source, destination, key := attr.Text(v, "source"), attr.Text(v, "destination"), attr.Text(v, "routing_key")
	err := p.pool(vhost).do(ctx, func(ch *amqp.Channel) error {
		if endLetter(v) == "e" {
			return ch.ExchangeBind(destination, key, source, false, amqpTable(args))
		}
		return ch.QueueBind(destination, key, source, false, amqpTable(args))
	})
	if err != nil {
		return cty.NilVal, explainAMQP("making "+describe(typeBinding, v), err)
	}
	propertiesKey := cty.NullVal(cty.String)
	if len(args) > 0 {
		propertiesKey = p.propertiesKey(ctx, v)
	}
	made := change(v, map[string]cty.Value{"properties_key": propertiesKey})
	p.watch(vhost).bound(made)
	return made, nil
}

// propertiesKey asks for the broker's name of a binding just made; null where
// nobody can tell, which the next read may.
func (p *provider) propertiesKey(ctx context.Context, v cty.Value) cty.Value {
	c, err := p.client(ctx)
	if err != nil {
		return cty.NullVal(cty.String)
	}
	live, _, err := p.readOne(ctx, c, typeBinding, change(v, map[string]cty.Value{"properties_key": cty.NullVal(cty.String)}))
	if err != nil || live.IsNull() {
		return cty.NullVal(cty.String)
	}
	return attr.Of(live, "properties_key")
}

// unbind removes one binding: over HTTP by its properties key where it has
// arguments, since two can differ in an integer's width alone and AMQP would
// have to repeat that width.
func (p *provider) unbind(ctx context.Context, v cty.Value) error {
	err := p.unbindAny(ctx, v)
	if err == nil {
		p.watch(attr.Text(v, "vhost")).unbound(v)
	}
	return err
}

func (p *provider) unbindAny(ctx context.Context, v cty.Value) error {
	what := "removing " + describe(typeBinding, v)
	if args := plainTable(attr.Of(v, "arguments")); !args.IsNull() {
		c, err := p.client(ctx)
		if err == nil {
			return explainHTTP(what, unbindOverHTTP(ctx, c, v))
		}
		if !errors.Is(err, errNoManagement) {
			return err
		}
	}
	source, destination, key := attr.Text(v, "source"), attr.Text(v, "destination"), attr.Text(v, "routing_key")
	args := amqpTable(bindingWire(v))
	err := p.pool(attr.Text(v, "vhost")).do(ctx, func(ch *amqp.Channel) error {
		if endLetter(v) == "e" {
			return ch.ExchangeUnbind(destination, key, source, false, args)
		}
		return ch.QueueUnbind(destination, key, source, args)
	})
	if err == nil || hasCode(err, amqp.NotFound) {
		return nil // it went with one of its ends
	}
	return explainAMQP(what, err)
}

func unbindOverHTTP(ctx context.Context, c *mgmt.Client, v cty.Value) error {
	bs, err := c.BindingsBetween(ctx, attr.Text(v, "vhost"), attr.Text(v, "source"), endLetter(v), attr.Text(v, "destination"))
	if err != nil {
		return unlessAbsent(err)
	}
	key, args := attr.Text(v, "properties_key"), plainTable(attr.Of(v, "arguments"))
	var match []mgmt.Binding
	for _, b := range bs {
		if b.RoutingKey != attr.Text(v, "routing_key") || !sameArguments(args, b.Arguments) {
			continue
		}
		if key != "" && b.PropertiesKey == key {
			return unlessAbsent(c.DeleteBinding(ctx, b))
		}
		match = append(match, b)
	}
	switch {
	case len(match) == 0:
		return nil
	case len(match) > 1:
		return &providers.RefusedError{Detail: fmt.Sprintf("the broker has %d bindings that look like %s and differ in the width of a number only; "+
			"which of them is meant is not recorded: remove the others by hand", len(match), describe(typeBinding, v))}
	}
	return unlessAbsent(c.DeleteBinding(ctx, match[0]))
}

// unlessAbsent: what is to be removed and is not there is removed.
func unlessAbsent(err error) error {
	if absent(err) {
		return nil
	}
	return err
}

// sortedKeys is for texts that list names.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
