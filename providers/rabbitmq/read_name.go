package rabbitmq

import (
	"context"
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// byName asks for one object.
func (r *reader) byName(ctx context.Context, i int) error {
	q := r.queries[i]
	v, owner, err := r.p.readOne(ctx, r.client, q.Type, q.Value)
	if err == nil && v.IsNull() {
		return r.none(i)
	}
	return r.answer(i, v, owner, err)
}

// readOne reads the object that the identity attributes in v name; null or an
// error of kind mgmt.NotFound where it is absent.
func (p *provider) readOne(ctx context.Context, c *mgmt.Client, typ string, v cty.Value) (live cty.Value, owner string, err error) {
	name, vhost := attr.Text(v, "name"), attr.Text(v, "vhost")
	none := cty.NullVal(p.nullType(typ))
	switch typ {
	case typeQueue, dataPrefix + typeQueue:
		q, err := c.Queue(ctx, vhost, name)
		if err != nil {
			return none, "", err
		}
		if typ == typeQueue && q.Exclusive {
			return none, "", fmt.Errorf("a client holds an exclusive queue %q in vhost %q, which nobody else can see or change until its connection ends", name, vhost)
		}
		return p.queueOrData(ctx, typ, q)
	case typeExchange, dataPrefix + typeExchange:
		return readAs(func() (*mgmt.Exchange, error) { return c.Exchange(ctx, vhost, name) }, exchangeValue)
	case typeBinding:
		bs, err := c.BindingsBetween(ctx, vhost, attr.Text(v, "source"), endLetter(v), attr.Text(v, "destination"))
		if err != nil {
			return none, "", err
		}
		if b := matchBinding(v, bs); b != nil {
			return bindingValue(b), "", nil
		}
		return none, "", nil
	case typePolicy:
		return readPlain(func() (*mgmt.Policy, error) { return policyNamed(ctx, c, vhost, name) }, policyValue)
	case typeOpPolicy:
		return readOperatorPolicy(ctx, c, vhost, name)
	case typeParameter:
		return readPlain(func() (*mgmt.Parameter, error) { return c.Parameter(ctx, attr.Text(v, "component"), vhost, name) }, parameterValue)
	case typeShovel:
		return readPlain(func() (*mgmt.Parameter, error) { return c.Parameter(ctx, componentShovel, vhost, name) }, shovelValue)
	case typeUpstream:
		return readPlain(func() (*mgmt.Parameter, error) { return c.Parameter(ctx, componentUpstream, vhost, name) }, upstreamValue)
	case typeGlobalParam:
		return readPlain(func() (*mgmt.Parameter, error) { return c.GlobalParameter(ctx, name) }, globalParameterValue)
	case typeVhost:
		return readPlain(func() (*mgmt.Vhost, error) { return vhostNamed(ctx, c, name) }, vhostValue)
	case dataPrefix + typeVhost:
		live, err := p.vhostData(ctx, c, name)
		return live, "", err
	case typeUser:
		return readPlain(func() (*mgmt.User, error) { return c.User(ctx, name) }, func(u *mgmt.User) cty.Value { return userValue(u, attr.Of(v, "password")) })
	case typePermission:
		return readPlain(func() (*mgmt.Permissions, error) { return c.PermissionsOf(ctx, vhost, attr.Text(v, "user")) }, permissionValue)
	case typeTopicPerm:
		return readTopicPermission(ctx, c, v, none)
	case typeVhostLimit:
		return readLimits(typ, vhost, none, func() (mgmt.Limits, error) { return c.VhostLimitsOf(ctx, vhost) })
	case typeUserLimit:
		user := attr.Text(v, "user")
		return readLimits(typ, user, none, func() (mgmt.Limits, error) { return c.UserLimitsOf(ctx, user) })
	}
	return none, "", fmt.Errorf("a RabbitMQ broker has no objects of type %q", typ)
}

func readAs[T any](read func() (*T, error), convert func(*T) (cty.Value, string)) (cty.Value, string, error) {
	x, err := read()
	if err != nil || x == nil {
		return cty.NullVal(cty.DynamicPseudoType), "", err
	}
	v, owner := convert(x)
	return v, owner, nil
}

func readPlain[T any](read func() (*T, error), convert func(*T) cty.Value) (cty.Value, string, error) {
	return readAs(read, func(x *T) (cty.Value, string) { return convert(x), "" })
}

func readTopicPermission(ctx context.Context, c *mgmt.Client, v, none cty.Value) (cty.Value, string, error) {
	all, err := c.TopicPermissionsOf(ctx, attr.Text(v, "vhost"), attr.Text(v, "user"))
	if err != nil {
		return none, "", err
	}
	for i := range all {
		if all[i].Exchange == attr.Text(v, "exchange") {
			return topicPermissionValue(&all[i]), "", nil
		}
	}
	return none, "", nil
}

func readLimits(typ, name string, none cty.Value, read func() (mgmt.Limits, error)) (cty.Value, string, error) {
	l, err := read()
	if err != nil {
		return none, "", err
	}
	v, ok := limitsValue(typ, name, l.Value)
	if !ok {
		return none, "", nil
	}
	return v, "", nil
}

func endLetter(v cty.Value) string {
	if attr.Text(v, "destination_type") == typeExchange {
		return "e"
	}
	return "q"
}

// matchBinding finds the wanted binding among those between its ends: by the
// broker's properties key where one is recorded, else by key and arguments.
func matchBinding(v cty.Value, bs []mgmt.Binding) *mgmt.Binding {
	key, args := attr.Text(v, "properties_key"), plainTable(attr.Of(v, "arguments"))
	var found *mgmt.Binding
	for i := range bs {
		b := &bs[i]
		if b.RoutingKey != attr.Text(v, "routing_key") {
			continue
		}
		if key != "" && b.PropertiesKey == key {
			return b
		}
		if found == nil && sameArguments(args, b.Arguments) {
			found = b
		}
	}
	return found
}

// sameArguments compares a normal form with live arguments.
func sameArguments(plain cty.Value, live map[string]any) bool {
	if plain.IsNull() || len(live) == 0 {
		return plain.IsNull() && len(live) == 0
	}
	return plain.RawEquals(fromJSON(live))
}

// queueOrData is a queue as an object, or with its facts as a data source. Those
// are counted now where that is possible: the broker's statistics are seconds
// old, and of a new queue there are none.
func (p *provider) queueOrData(ctx context.Context, typ string, q *mgmt.QueueStatus) (cty.Value, string, error) {
	v, owner := queueValue(&q.Queue)
	if typ == typeQueue {
		return v, owner, nil
	}
	if d, err := p.queueDepth(ctx, survey{}, q.Vhost, q.Name, time.Time{}); err == nil && !d.Unknown {
		q.Messages, q.Ready, q.Unacked, q.Consumers = d.Ready+d.Unacked, d.Ready, d.Unacked, d.Consumers
	}
	attrs := v.AsValueMap()
	for name, n := range map[string]int64{"messages": q.Messages, "messages_ready": q.Ready, "messages_unacknowledged": q.Unacked, "consumers": q.Consumers} {
		attrs[name] = countOrNull(n)
	}
	attrs["policy"], attrs["operator_policy"], attrs["state"] = textOrNull(q.Policy), textOrNull(q.OperatorPolicy), textOrNull(q.State)
	return cty.ObjectVal(attrs), owner, nil
}

func countOrNull(n int64) cty.Value {
	if n == mgmt.Unknown {
		return cty.NullVal(cty.Number)
	}
	return cty.NumberIntVal(n)
}

func (p *provider) vhostData(ctx context.Context, c *mgmt.Client, name string) (cty.Value, error) {
	v, err := vhostNamed(ctx, c, name)
	if err != nil {
		return cty.NullVal(p.nullType(dataPrefix + typeVhost)), err
	}
	queues, err := c.Queues(ctx, name)
	if err != nil {
		return cty.NullVal(p.nullType(dataPrefix + typeVhost)), err
	}
	var messages int64
	for i := range queues {
		messages += max(0, queues[i].Messages)
	}
	attrs := vhostValue(v).AsValueMap()
	attrs["tracing"], attrs["messages"] = cty.BoolVal(v.Tracing), cty.NumberIntVal(messages)
	return cty.ObjectVal(attrs), nil
}
