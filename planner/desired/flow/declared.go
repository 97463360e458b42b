package flow

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// declaredIndex finds objects that have blocks of their own by what they are.
type declaredIndex struct {
	vhost    *thing
	things   map[place]*block
	bindings map[bind]*thing
	policies []*Declared
	routes   map[path]*thing
}

// A block is a queue or an exchange that has a block of its own.
type block struct {
	thing
	queueType string
	extra     []string // what else is written about it that a client's own declare would have to say too
	decl      hcl.Range
}

// indexDeclared finds those in the system's vhost.
func indexDeclared(s *System) declaredIndex {
	x := declaredIndex{things: map[place]*block{}, bindings: map[bind]*thing{}, routes: map[path]*thing{}}
	for i := range s.Declared {
		d := &s.Declared[i]
		t := thing{at: d.Addr, by: d.Addr.String()}
		if d.Addr.Type == typeRoute {
			x.routes[path{text(d.Value, "from"), text(d.Value, "to")}] = &t
			continue
		}
		if d.Addr.Type == typeVhost && text(d.Value, "name") == s.Broker.VHost {
			x.vhost = &t
			continue
		}
		if text(d.Value, "vhost") != s.Broker.VHost {
			continue
		}
		switch d.Addr.Type {
		case typeQueue, typeExchange:
			at := place{d.Addr.Type, text(d.Value, "name")}
			x.things[at] = blockOf(d)
		case typeBinding:
			if text(d.Value, "routing_key") == "" && empty(attr(d.Value, "arguments")) {
				to := place{text(d.Value, "destination_type"), text(d.Value, "destination")}
				if to.typ == "" {
					to.typ = typeQueue
				}
				x.bindings[bind{text(d.Value, "source"), to}] = &t
			}
		case typePolicy:
			x.policies = append(x.policies, d)
		}
	}
	slices.SortFunc(x.policies, func(a, b *Declared) int { return a.Addr.Compare(b.Addr) })
	return x
}

// blockOf reads the declaration out of a block's value.
func blockOf(d *Declared) *block {
	b := &block{thing: thing{at: d.Addr, by: d.Addr.String()}, decl: d.Decl}
	b.how.durable, b.how.autoDelete = flag(d.Value, "durable", true), flag(d.Value, "auto_delete", false)
	args := attr(d.Value, "arguments")
	if d.Addr.Type == typeExchange {
		if b.how.kind = text(d.Value, "type"); b.how.kind == "" {
			b.how.kind = direct
		}
		if flag(d.Value, "internal", false) {
			b.extra = append(b.extra, "internal")
		}
		if written(attr(d.Value, "alternate")) || written(attr(args, "alternate-exchange")) {
			b.extra = append(b.extra, "an alternate exchange")
		}
		return b
	}
	b.how.deadLetter = deadLetterOf(d.Value, args)
	b.queueType = queueType(d.Value, args)
	b.extra = queueExtras(d.Value, args)
	if b.queueType != classic {
		b.extra = append(b.extra, "the type "+b.queueType)
	}
	return b
}

func deadLetterOf(v, args cty.Value) string {
	if x := text(attr(v, "dead_letter"), "exchange"); x != "" {
		return x
	}
	return text(args, "x-dead-letter-exchange")
}

const classic = "classic"

func queueType(v, args cty.Value) string {
	return cmp.Or(text(args, "x-queue-type"), text(v, "type"), classic)
}

// queueExtras are the settings of a queue that RabbitMQ compares (§2.2, and
// rabbit_amqqueue:declare_args/0) and that no client library declares.
func queueExtras(v, args cty.Value) []string {
	var out []string
	for _, name := range []string{"message_ttl", "expires", "max_length", "max_length_bytes", "max_priority", "overflow", "delivery_limit"} {
		if written(attr(v, name)) {
			out = append(out, name)
		}
	}
	if flag(v, "single_active_consumer", false) {
		out = append(out, "single_active_consumer")
	}
	for _, name := range []string{"routing_key", "strategy"} {
		if written(attr(attr(v, "dead_letter"), name)) {
			out = append(out, "dead_letter."+name)
		}
	}
	return append(out, comparedArguments(args)...)
}

// comparedArguments are those with a meaning to the broker; it ignores others.
func comparedArguments(args cty.Value) []string {
	var out []string
	for _, name := range []string{
		"x-dead-letter-routing-key", "x-dead-letter-strategy", "x-delivery-limit", "x-expires", "x-initial-cluster-size", "x-max-age",
		"x-max-in-memory-bytes", "x-max-in-memory-length", "x-max-length", "x-max-length-bytes", "x-max-priority", "x-message-ttl", "x-overflow",
		"x-queue-leader-locator", "x-queue-master-locator", "x-queue-mode", "x-queue-version", "x-quorum-initial-group-size",
		"x-single-active-consumer", "x-stream-filter-size-bytes", "x-stream-max-segment-size-bytes",
	} {
		if written(attr(args, name)) {
			out = append(out, name)
		}
	}
	return out
}

// compare holds a block against what the client library declares by itself.
func (l *lowering) compare(at place, b *block, how declaration, c *claim) {
	if c.client == "" || b.how == how && len(b.extra) == 0 {
		return
	}
	has := b.how.String()
	if len(b.extra) > 0 {
		joint := " with "
		if b.how.deadLetter != "" {
			joint = " and "
		}
		has = strings.TrimSuffix(has, withoutArguments) + joint + strings.Join(b.extra, " and ")
	}
	l.errorf(b.decl, "A client cannot use this "+at.typ, "%s declares %q as a %s, and %s (%s) declares it as a %s at each start: "+
		"RabbitMQ then closes its channel (406 PRECONDITION_FAILED). Remove this block, or write in it what the client declares; %s",
		b.at, at.name, has, c.by, c.client, how, settingsAdvice(at))
}

func settingsAdvice(at place) string {
	if at.typ == typeQueue {
		return "a policy can set limits, times to live and dead letters without being in the way."
	}
	return "another name for the port's queue is possible too."
}

// attr is one attribute of a value, cty.NilVal where it has none.
func attr(v cty.Value, name string) cty.Value {
	switch {
	case v == cty.NilVal || v.IsNull() || !v.IsKnown():
		return cty.NilVal
	case v.Type().IsObjectType():
		if v.Type().HasAttribute(name) {
			return v.GetAttr(name)
		}
	case v.Type().IsMapType():
		if key := cty.StringVal(name); v.HasIndex(key).True() {
			return v.Index(key)
		}
	}
	return cty.NilVal
}

// written reports whether a value is more than nothing: it counts if it is not
// known yet.
func written(v cty.Value) bool { return v != cty.NilVal && !v.IsNull() }

func text(v cty.Value, name string) string {
	if a := attr(v, name); written(a) && a.IsKnown() && a.Type() == cty.String {
		return a.AsString()
	}
	return ""
}

func flag(v cty.Value, name string, other bool) bool {
	if a := attr(v, name); written(a) && a.IsKnown() && a.Type() == cty.Bool {
		return a.True()
	}
	return other
}

func empty(v cty.Value) bool {
	return !written(v) || v.IsKnown() && v.CanIterateElements() && v.LengthInt() == 0
}
