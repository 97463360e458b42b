package flow

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
)

// The types of objects, by their names in the providers' schemas.
const (
	typeQueue    = "queue"
	typeExchange = "exchange"
	typeBinding  = "binding"
	typePolicy   = "policy"
	typeVhost    = "vhost"
	typeInitial  = "initial"
	typeRoute    = "route"
)

// A place is what makes a queue or an exchange one and the same: its name. (All
// of a system is in one vhost.)
type place struct{ typ, name string }

// A bind is what makes a binding without key and arguments one and the same.
type bind struct {
	source string
	to     place
}

// A thing is a queue, an exchange or a binding that is there: made here, or
// declared by a block of its own.
type thing struct {
	at   addr.Instance
	made *Object // nil where a block declares it
	how  declaration
	by   string // who says that it is so, for people
}

// A claim is what a thing is wanted for, and where it is to stand.
type claim struct {
	owner ownerKey
	key   string
	use   string // tells it apart where another object has the key: outport
	by    string // for people
	decl  hcl.Range
	// client is the library that declares the thing by itself: a block that
	// declares it too must say the same. "" where nobody does.
	client string
}

// add makes an object, at an address that no other has.
func (l *lowering) add(typ string, c *claim, attrs map[string]cty.Value) *Object {
	at := addr.Instance{Module: c.owner.module, Owner: c.owner.owner, Type: typ, Key: addr.StringKey(c.key)}
	if l.used[at] && c.use != "" {
		at.Key = addr.StringKey(c.key + " (" + c.use + ")")
	}
	if l.used[at] {
		l.errorf(c.decl, "One address for two objects", "%s would be two different objects. Their names differ in letter case, or in where a dot "+
			"ends the role and begins the port, alone: call one of the ports or roles something else.", at)
	}
	l.used[at] = true
	o := &Object{Addr: at, Attrs: attrs, Decl: c.decl}
	if l.Broker.Kind == kindRabbitMQ {
		attrs["vhost"] = cty.StringVal(l.Broker.VHost)
		if v := l.declared.vhost; v != nil {
			o.Within = append(o.Within, v.at)
		}
	}
	l.objects = append(l.objects, o)
	return o
}

// declare has a queue or an exchange be there in a certain way. Who comes
// first makes it; who comes later must want the same.
func (l *lowering) declare(at place, how declaration, c *claim) *thing {
	if t := l.things[at]; t != nil {
		if t.how != how {
			l.clash(at, t, how, c)
		}
		return t
	}
	if t := l.declared.things[at]; t != nil {
		l.compare(at, t, how, c)
		return &t.thing
	}
	t := &thing{how: how, by: c.by}
	attrs := map[string]cty.Value{"name": cty.StringVal(at.name)}
	if how.kind != "" {
		attrs["type"] = cty.StringVal(how.kind)
	}
	if !how.durable {
		attrs["durable"] = cty.False
	}
	if how.autoDelete {
		attrs["auto_delete"] = cty.True
	}
	if how.deadLetter != "" {
		attrs["dead_letter"] = cty.ObjectVal(map[string]cty.Value{
			"exchange": cty.StringVal(how.deadLetter), "routing_key": cty.NullVal(cty.String), "strategy": cty.NullVal(cty.String)})
	}
	t.made = l.add(at.typ, c, attrs)
	t.at = t.made.Addr
	l.things[at] = t
	return t
}

// clash reports two that declare one thing differently: whichever comes second
// would have its channel closed (§2.2, §2.3).
func (l *lowering) clash(at place, t *thing, how declaration, c *claim) {
	l.errorf(c.decl, "Two declarations of one "+at.typ, "%s needs the %s %q to be a %s, and %s needs it to be a %s. RabbitMQ closes the channel of the one that "+
		"declares it second (406 PRECONDITION_FAILED). Give one of them another queue, or write both with one client library.",
		capital(c.by), at.typ, at.name, how, t.by, t.how)
}

func capital(s string) string {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}

// find is what is there under a name, nil for what is not managed here.
func (l *lowering) find(at place) *thing {
	if t := l.things[at]; t != nil {
		return t
	}
	if t := l.declared.things[at]; t != nil {
		return &t.thing
	}
	return nil
}

// bind has a binding without a key be there. Where an end does not last, the
// agent keeps it, unless the client itself binds at each start.
func (l *lowering) bind(source string, to place, c *claim, clientBinds bool) *thing {
	id := bind{source, to}
	if t := l.bindings[id]; t != nil {
		return t
	}
	if t := l.declared.bindings[id]; t != nil {
		return t
	}
	attrs := map[string]cty.Value{"source": cty.StringVal(source), "destination": cty.StringVal(to.name), "routing_key": cty.StringVal("")}
	if to.typ != typeQueue {
		attrs["destination_type"] = cty.StringVal(to.typ)
	}
	o := l.add(typeBinding, c, attrs)
	lasts := true
	for _, end := range []place{{typeExchange, source}, to} {
		if t := l.find(end); t != nil {
			o.Within = append(o.Within, t.at)
			lasts = lasts && t.how.durable && !t.how.autoDelete
		} else {
			lasts = lasts && brokersOwn(end)
		}
	}
	if !lasts && !clientBinds {
		l.keep(o, c)
	}
	t := &thing{at: o.Addr, made: o, by: c.by}
	l.bindings[id] = t
	return t
}

// brokersOwn are exchanges that are always there. Whether others that are not
// managed here outlive their participant is not known.
func brokersOwn(at place) bool {
	return at.typ == typeExchange && len(at.name) > 4 && at.name[:4] == "amq."
}

func (l *lowering) keep(o *Object, c *claim) {
	k := l.keepers[c.owner]
	if k == nil {
		k = &Keeper{Module: c.owner.module, Owner: c.owner.owner, Decl: c.decl}
		l.keepers[c.owner] = k
	}
	if compareRanges(c.decl, k.Decl) < 0 {
		k.Decl = c.decl
	}
	k.Bindings = append(k.Bindings, o.Addr)
}

// after orders an object behind a thing. A block may depend on what stands here
// by ways that are not seen here, so there the order gives way.
func (o *Object) after(ts ...*thing) {
	for _, t := range ts {
		switch {
		case t == nil || t.at == o.Addr:
		case t.made == nil:
			o.Soft = append(o.Soft, t.at)
		default:
			o.After = append(o.After, t.at)
		}
	}
}

// after orders a process behind things, in the same way.
func (r *Relations) after(ts ...*thing) {
	for _, t := range ts {
		switch {
		case t == nil:
		case t.made == nil:
			r.Soft = append(r.Soft, t.at)
		default:
			r.After = append(r.After, t.at)
		}
	}
}

func (r *Relations) within(t *thing) {
	if t != nil {
		r.Within = append(r.Within, t.at)
	}
}

// claims are what the ports and links of a system want things for.

func (p *port) claim() *claim {
	c := &claim{owner: p.party.owner(), key: p.ID, use: p.kind(), by: "the " + p.described(), decl: p.decl()}
	if p.party.client.declares {
		c.client = p.party.Client
	}
	return c
}

// derived is the claim of something that belongs to a port, because of an edge.
func (p *port) derived(prefix, use, by string, decl hcl.Range) *claim {
	return &claim{owner: p.party.owner(), key: prefix + p.ID, use: use, decl: decl, by: by + " the " + p.described()}
}

func (k *link) claim(key string) *claim {
	return &claim{owner: k.owner(), key: key, by: fmt.Sprintf("the edge %q", k.key()), decl: k.Decl}
}
