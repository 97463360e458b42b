package rabbitmq

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
)

// readPassively answers what AMQP alone can: whether a queue or an exchange
// exists. What else there is to it, and bindings, are unknown; what AMQP has
// no word for is an error that names the management API.
func (p *provider) readPassively(ctx context.Context, queries []providers.Query, results []providers.Result) error {
	p.seen.passive()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for i, q := range queries {
		g.Go(func() error {
			v, err := p.readOnePassively(ctx, q)
			if endsConnection(err) {
				return err
			}
			results[i] = providers.Result{Value: v, Err: err}
			if _, refused := errors.AsType[*vhostError](err); refused {
				results[i].Err, results[i].Needs = nil, providers.Need{Type: typeVhost, Name: attr.Text(q.Value, "vhost")}
			}
			return nil
		})
	}
	return g.Wait()
}

func (p *provider) readOnePassively(ctx context.Context, q providers.Query) (cty.Value, error) {
	t := p.nullType(q.Type)
	null := cty.NullVal(t)
	vhost, name := attr.Text(q.Value, "vhost"), attr.Text(q.Value, "name")
	facts := map[string]cty.Value{}
	var call func(*amqp.Channel) error
	switch q.Type {
	case typeQueue, dataPrefix + typeQueue:
		call = func(ch *amqp.Channel) error {
			live, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			facts["messages_ready"], facts["consumers"] = cty.NumberIntVal(int64(live.Messages)), cty.NumberIntVal(int64(live.Consumers))
			return err
		}
	case typeExchange, dataPrefix + typeExchange:
		call = func(ch *amqp.Channel) error {
			return ch.ExchangeDeclarePassive(name, "direct", true, false, false, false, nil)
		}
	case typeBinding:
		return p.bindingPassively(ctx, q.Value, null)
	case typeInitial:
		return cty.UnknownVal(t), nil
	default:
		return null, fmt.Errorf("a %s can be seen by RabbitMQ's management API only, and %w: set `management` to its URL", q.Type, errNoManagement)
	}
	err := p.pool(vhost).do(ctx, call)
	switch {
	case err == nil:
		return unknownBut(q.Value, p.catalogue.schema(q.Type), facts), nil
	case hasCode(err, amqp.NotFound):
		return null, nil
	}
	return null, explainAMQP("looking for "+describe(q.Type, q.Value), err)
}

// bindingPassively: a binding cannot be seen over AMQP. It is absent if an end
// is, else unknown.
func (p *provider) bindingPassively(ctx context.Context, v, null cty.Value) (cty.Value, error) {
	for _, end := range []struct{ typ, name string }{
		{typeExchange, attr.Text(v, "source")}, {attr.Text(v, "destination_type"), attr.Text(v, "destination")},
	} {
		q := providers.Query{Type: end.typ, Value: cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(end.name), "vhost": attr.Of(v, "vhost")})}
		live, err := p.readOnePassively(ctx, q)
		if err != nil || live.IsNull() {
			return null, err
		}
	}
	return cty.UnknownVal(null.Type()), nil
}

// unknownBut is a value of which only the identity and some facts are known.
func unknownBut(named cty.Value, s *providers.Schema, facts map[string]cty.Value) cty.Value {
	m := map[string]cty.Value{}
	for i := range s.Attrs {
		a := &s.Attrs[i]
		switch f, ok := facts[a.Name]; {
		case ok:
			m[a.Name] = f
		case a.Identity:
			m[a.Name] = attr.Of(named, a.Name)
		default:
			m[a.Name] = cty.UnknownVal(a.ValueType())
		}
	}
	return cty.ObjectVal(m)
}
