package rabbitmq

import (
	"maps"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Normalize implements providers.Normalizer: the form in which a wanted, a
// recorded and a live value of one object are the same if the broker takes
// them for the same.
func (p *provider) Normalize(typ string, v cty.Value) cty.Value { return normalize(typ, v) }

func normalize(typ string, v cty.Value) cty.Value {
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() || !v.Type().IsObjectType() {
		return v
	}
	switch strings.TrimPrefix(typ, dataPrefix) {
	case typeQueue:
		return normalQueue(v)
	case typeExchange:
		return normalExchange(v)
	case typeBinding:
		return change(v, map[string]cty.Value{"arguments": plainTable(attr(v, "arguments"))})
	case typePolicy, typeOpPolicy:
		return change(v, map[string]cty.Value{"definition": plain(attr(v, "definition"))})
	case typeParameter, typeGlobalParam:
		return change(v, map[string]cty.Value{"value": plain(attr(v, "value"))})
	case typeShovel:
		return normalShovel(v)
	case typeUpstream:
		return change(v, map[string]cty.Value{
			"url": plainURL(attr(v, "url")), "definition": plainTable(attr(v, "definition")),
			"expires": canonicalDuration(attr(v, "expires")), "message_ttl": canonicalDuration(attr(v, "message_ttl")),
		})
	case typeVhost:
		return change(v, map[string]cty.Value{"tags": emptyIsNull(attr(v, "tags")), "description": blankIsNull(attr(v, "description"))})
	case typeUser:
		return change(v, map[string]cty.Value{"tags": emptyIsNull(attr(v, "tags"))})
	case typeVhostLimit:
		return change(v, map[string]cty.Value{"name": attr(v, "vhost"),
			"max_connections": unlimitedIsNull(attr(v, "max_connections")), "max_queues": unlimitedIsNull(attr(v, "max_queues"))})
	case typeUserLimit:
		return change(v, map[string]cty.Value{
			"max_connections": unlimitedIsNull(attr(v, "max_connections")), "max_channels": unlimitedIsNull(attr(v, "max_channels"))})
	}
	return v
}

// change returns v with other attributes, v itself where none differs.
func change(v cty.Value, to map[string]cty.Value) cty.Value {
	for name, n := range to {
		if !v.Type().HasAttribute(name) || n == cty.NilVal || sameRaw(v.GetAttr(name), n) {
			delete(to, name)
		}
	}
	if len(to) == 0 {
		return v
	}
	m := v.AsValueMap()
	maps.Copy(m, to)
	return cty.ObjectVal(m)
}

// sameRaw is RawEquals with the quick answers first; this runs for every
// object of a plan.
func sameRaw(a, b cty.Value) bool {
	if a.IsKnown() && b.IsKnown() && a.IsNull() && b.IsNull() {
		return true
	}
	if a.Type() == cty.String && b.Type() == cty.String && set(a) && set(b) && !a.IsMarked() {
		return a.AsString() == b.AsString()
	}
	return a.RawEquals(b)
}

func normalQueue(v cty.Value) cty.Value {
	to := map[string]cty.Value{}
	for _, n := range []string{"message_ttl", "expires"} {
		if a := attr(v, n); set(a) {
			to[n] = canonicalDuration(a)
		}
	}
	if a := attr(v, "single_active_consumer"); set(a) && a.False() {
		to["single_active_consumer"] = cty.NullVal(cty.Bool)
	}
	args := attr(v, "arguments")
	if set(args) {
		liftWanted(v, to, args)
	}
	return change(v, to)
}

// liftWanted moves written arguments to the attributes that stand for them.
func liftWanted(v cty.Value, to map[string]cty.Value, args cty.Value) {
	rest := map[string]cty.Value{}
	each(args, func(k string, e cty.Value) {
		if e, _ := e.Unmark(); !e.IsKnown() || !e.IsNull() {
			rest[k] = plain(e)
		}
	})
	attrs := v.AsValueMap()
	maps.Copy(attrs, to)
	liftQueueArguments(attrs, rest)
	maps.Copy(to, attrs)
	to["arguments"] = objectOrNull(rest)
}

func normalExchange(v cty.Value) cty.Value {
	args := attr(v, "arguments")
	if !set(args) {
		return v
	}
	rest := map[string]cty.Value{}
	each(args, func(k string, e cty.Value) { rest[k] = plain(e) })
	to := map[string]cty.Value{}
	if a, ok := asText(rest["alternate-exchange"]); ok {
		to["alternate"] = a
		delete(rest, "alternate-exchange")
	}
	to["arguments"] = objectOrNull(rest)
	return change(v, to)
}

func normalShovel(v cty.Value) cty.Value {
	to := map[string]cty.Value{"definition": plainTable(attr(v, "definition")), "reconnect_delay": canonicalDuration(attr(v, "reconnect_delay"))}
	for _, end := range []string{"source", "destination"} {
		if e := attr(v, end); set(e) {
			to[end] = change(e, map[string]cty.Value{"url": plainURL(attr(e, "url"))})
		}
	}
	if d := attr(v, "delete_after"); text(d) == "never" {
		to["delete_after"] = cty.NullVal(cty.String)
	}
	return change(v, to)
}

func emptyIsNull(v cty.Value) cty.Value {
	if set(v) && v.CanIterateElements() && v.LengthInt() == 0 {
		return cty.NullVal(v.Type())
	}
	return v
}

func blankIsNull(v cty.Value) cty.Value {
	if set(v) && text(v) == "" {
		return cty.NullVal(cty.String)
	}
	return v
}

// unlimitedIsNull: a negative limit is none.
func unlimitedIsNull(v cty.Value) cty.Value {
	if set(v) && v.Type() == cty.Number && v.AsBigFloat().Sign() < 0 {
		return cty.NullVal(cty.Number)
	}
	return v
}
