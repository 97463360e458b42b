package rabbitmq

import (
	"context"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// sweep answers all queries of one vhost from one reading of its definitions.
func (r *reader) sweep(ctx context.Context, vhost string, wanted []int) error {
	keys := false // whether properties keys are needed, which only the list of bindings has
	types := map[string]bool{}
	for _, i := range wanted {
		q := r.queries[i]
		types[q.Type] = true
		if q.Type == typeBinding && !keys {
			keys = !plainTable(attr.Of(q.Value, "arguments")).IsNull()
		}
	}
	defs, err := readDefinitions(ctx, r.client, vhost, types, keys)
	if err != nil {
		for _, i := range wanted {
			if err := r.answer(i, cty.NilVal, "", err); err != nil {
				return err
			}
		}
		return nil
	}
	x := index(defs)
	for _, i := range wanted {
		v, owner, ok := x.find(r.queries[i].Type, r.queries[i].Value)
		if !ok {
			_ = r.none(i)
			continue
		}
		_ = r.answer(i, v, owner, nil)
	}
	return nil
}

// readDefinitions reads a vhost whole: by its definitions, or by its lists
// where the user lacks the tag that definitions need.
func readDefinitions(ctx context.Context, c *mgmt.Client, vhost string, wanted map[string]bool, keys bool) (*mgmt.Definitions, error) {
	g, ctx := errgroup.WithContext(ctx)
	var defs *mgmt.Definitions
	var bindings []mgmt.Binding
	g.Go(func() (err error) {
		defs, err = c.Definitions(ctx, vhost)
		if mgmt.IsKind(err, mgmt.Forbidden) {
			defs, err = readLists(ctx, c, vhost, wanted)
		}
		return err
	})
	if keys {
		g.Go(func() (err error) {
			bindings, err = c.Bindings(ctx, vhost)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if keys {
		defs.Bindings = bindings
	}
	return defs, nil
}

// readLists reads the same by one list each, only of what is wanted: each
// list has a right of its own, and a user may lack one that nobody asks for.
func readLists(ctx context.Context, c *mgmt.Client, vhost string, wanted map[string]bool) (*mgmt.Definitions, error) {
	defs := &mgmt.Definitions{}
	g, ctx := errgroup.WithContext(ctx)
	when := func(wanted bool, read func() error) {
		if wanted {
			g.Go(read)
		}
	}
	when(wanted[typeExchange], func() (err error) { defs.Exchanges, err = c.Exchanges(ctx, vhost); return err })
	when(wanted[typeBinding], func() (err error) { defs.Bindings, err = c.Bindings(ctx, vhost); return err })
	when(wanted[typePolicy], func() (err error) { defs.Policies, err = c.Policies(ctx, vhost); return err })
	when(wanted[typeQueue], func() error {
		qs, err := c.Queues(ctx, vhost)
		for i := range qs {
			if !qs[i].Exclusive {
				defs.Queues = append(defs.Queues, qs[i].Queue)
			}
		}
		return err
	})
	when(wanted[typeShovel] || wanted[typeUpstream] || wanted[typeParameter] || wanted[typeOpPolicy], func() error {
		all, err := c.Parameters(ctx)
		for i := range all {
			if all[i].Vhost == vhost {
				defs.Parameters = append(defs.Parameters, all[i])
			}
		}
		return err
	})
	return defs, g.Wait()
}

// ends names all bindings between two objects.
type ends struct{ source, kind, destination, key string }

type componentName struct{ component, name string }

// indexed are definitions by name.
type indexed struct {
	queues     map[string]*mgmt.Queue
	exchanges  map[string]*mgmt.Exchange
	bindings   map[ends]*mgmt.Binding
	more       map[ends][]mgmt.Binding // where several differ in their arguments, or any has some
	policies   map[string]*mgmt.Policy
	parameters map[componentName]*mgmt.Parameter
}

func index(d *mgmt.Definitions) *indexed {
	x := &indexed{
		queues:     make(map[string]*mgmt.Queue, len(d.Queues)),
		exchanges:  make(map[string]*mgmt.Exchange, len(d.Exchanges)),
		bindings:   make(map[ends]*mgmt.Binding, len(d.Bindings)),
		more:       map[ends][]mgmt.Binding{},
		policies:   make(map[string]*mgmt.Policy, len(d.Policies)),
		parameters: make(map[componentName]*mgmt.Parameter, len(d.Parameters)),
	}
	for i := range d.Queues {
		x.queues[d.Queues[i].Name] = &d.Queues[i]
	}
	for i := range d.Exchanges {
		x.exchanges[d.Exchanges[i].Name] = &d.Exchanges[i]
	}
	for i := range d.Bindings {
		b := &d.Bindings[i]
		e := ends{b.Source, b.DestinationType, b.Destination, b.RoutingKey}
		if len(b.Arguments) == 0 {
			x.bindings[e] = b
		} else {
			x.more[e] = append(x.more[e], *b)
		}
	}
	for i := range d.Policies {
		x.policies[d.Policies[i].Name] = &d.Policies[i]
	}
	for i := range d.Parameters {
		p := &d.Parameters[i]
		x.parameters[componentName{p.Component, p.Name}] = p
	}
	return x
}

// find answers one query.
func (x *indexed) find(typ string, v cty.Value) (live cty.Value, owner string, ok bool) {
	name := attr.Text(v, "name")
	parameter := func(component string, convert func(*mgmt.Parameter) cty.Value) (cty.Value, string, bool) {
		p, ok := x.parameters[componentName{component, name}]
		if !ok {
			return cty.NilVal, "", false
		}
		return convert(p), "", true
	}
	switch typ {
	case typeQueue:
		if q, ok := x.queues[name]; ok {
			live, owner = queueValue(q)
			return live, owner, true
		}
	case typeExchange:
		if e, ok := x.exchanges[name]; ok {
			live, owner = exchangeValue(e)
			return live, owner, true
		}
	case typeBinding:
		if b := x.binding(v); b != nil {
			return bindingValue(b), "", true
		}
	case typePolicy:
		if p, ok := x.policies[name]; ok {
			return policyValue(p), "", true
		}
	case typeOpPolicy:
		return parameter(componentOpPolicy, operatorPolicyValue)
	case typeParameter:
		return parameter(attr.Text(v, "component"), parameterValue)
	case typeShovel:
		return parameter(componentShovel, shovelValue)
	case typeUpstream:
		return parameter(componentUpstream, upstreamValue)
	}
	return cty.NilVal, "", false
}

func (x *indexed) binding(v cty.Value) *mgmt.Binding {
	typ := attr.Text(v, "destination_type")
	if typ == "" {
		typ = typeQueue
	}
	e := ends{attr.Text(v, "source"), typ, attr.Text(v, "destination"), attr.Text(v, "routing_key")}
	if a := attr.Of(v, "arguments"); a.IsNull() || plainTable(a).IsNull() {
		return x.bindings[e]
	}
	return matchBinding(v, x.more[e])
}

// operatorPolicyValue reads an operator policy as definitions have it, as a
// parameter.
func operatorPolicyValue(p *mgmt.Parameter) cty.Value {
	m, _ := p.Value.(map[string]any)
	definition, _ := m["definition"].(map[string]any)
	text := func(k string) cty.Value { s, _ := m[k].(string); return cty.StringVal(s) }
	priority := fromJSON(m["priority"])
	if !attr.Given(priority) || priority.Type() != cty.Number {
		priority = cty.Zero
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name": cty.StringVal(p.Name), "vhost": cty.StringVal(p.Vhost),
		"pattern": text("pattern"), "apply_to": text("apply-to"), "priority": priority, "definition": definitionValue(definition),
	})
}

// sweepGlobals answers all queries of one type that is not in vhosts'
// definitions from the list of its objects.
//
// The list of vhosts and that of their limits have only what is open to the
// user, without a word about the rest. The broker says by name whether one that is
// not in it is absent or hidden; once, for the user's tags decide that.
func (r *reader) sweepGlobals(ctx context.Context, typ string, wanted []int) error {
	find, err := r.globals(ctx, typ)
	asked := typ != typeVhost && typ != typeVhostLimit
	for _, i := range wanted {
		v, ok := cty.NilVal, false
		if err == nil {
			v, ok = find(r.queries[i].Value)
		}
		if err == nil && !ok && !asked {
			asked = true
			if v, _, err = r.p.readOne(ctx, r.client, typ, r.queries[i].Value); absent(err) {
				err = nil
			}
			ok = err == nil && attr.Given(v)
		}
		if err == nil && !ok {
			_ = r.none(i)
			continue
		}
		if err := r.answer(i, v, "", err); err != nil {
			return err
		}
	}
	return nil
}

// globals reads a list and returns how to find a query's answer in it.
func (r *reader) globals(ctx context.Context, typ string) (func(cty.Value) (cty.Value, bool), error) {
	c := r.client
	switch typ {
	case typeVhost:
		l, err := c.Vhosts(ctx)
		return finder(l, func(x *mgmt.Vhost) string { return x.Name }, nameOf, func(x *mgmt.Vhost, _ cty.Value) cty.Value { return vhostValue(x) }), err
	case typeUser:
		l, err := c.Users(ctx)
		return finder(l, func(x *mgmt.User) string { return x.Name }, nameOf, func(x *mgmt.User, q cty.Value) cty.Value { return userValue(x, attr.Of(q, "password")) }), err
	case typeGlobalParam:
		l, err := c.GlobalParameters(ctx)
		return finder(l, func(x *mgmt.Parameter) string { return x.Name }, nameOf, func(x *mgmt.Parameter, _ cty.Value) cty.Value { return globalParameterValue(x) }), err
	case typePermission:
		type key struct{ user, vhost string }
		l, err := c.Permissions(ctx)
		return finder(l, func(x *mgmt.Permissions) key { return key{x.User, x.Vhost} },
			func(q cty.Value) key { return key{attr.Text(q, "user"), attr.Text(q, "vhost")} },
			func(x *mgmt.Permissions, _ cty.Value) cty.Value { return permissionValue(x) }), err
	case typeTopicPerm:
		type key struct{ user, vhost, exchange string }
		l, err := c.TopicPermissions(ctx)
		return finder(l, func(x *mgmt.TopicPermissions) key { return key{x.User, x.Vhost, x.Exchange} },
			func(q cty.Value) key {
				return key{attr.Text(q, "user"), attr.Text(q, "vhost"), attr.Text(q, "exchange")}
			},
			func(x *mgmt.TopicPermissions, _ cty.Value) cty.Value { return topicPermissionValue(x) }), err
	case typeVhostLimit:
		l, err := c.VhostLimits(ctx)
		return limitFinder(typ, "vhost", l), err
	default:
		l, err := c.UserLimits(ctx)
		return limitFinder(typ, "user", l), err
	}
}

func nameOf(q cty.Value) string { return attr.Text(q, "name") }

func finder[T any, K comparable](list []T, key func(*T) K, want func(cty.Value) K, convert func(*T, cty.Value) cty.Value) func(cty.Value) (cty.Value, bool) {
	m := make(map[K]*T, len(list))
	for i := range list {
		m[key(&list[i])] = &list[i]
	}
	return func(q cty.Value) (cty.Value, bool) {
		x, ok := m[want(q)]
		if !ok {
			return cty.NilVal, false
		}
		return convert(x, q), true
	}
}

func limitFinder(typ, by string, list []mgmt.Limits) func(cty.Value) (cty.Value, bool) {
	m := make(map[string]*mgmt.Limits, len(list))
	for i := range list {
		m[list[i].Name] = &list[i]
	}
	return func(q cty.Value) (cty.Value, bool) {
		l, ok := m[attr.Text(q, by)]
		if !ok {
			return cty.NilVal, false
		}
		return limitsValue(typ, l.Name, l.Value)
	}
}
