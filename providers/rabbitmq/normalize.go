package rabbitmq

import (
	"maps"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/attr"
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
		return change(v, map[string]cty.Value{"arguments": plainTable(attr.Of(v, "arguments"))})
	case typePolicy, typeOpPolicy:
		return change(v, map[string]cty.Value{"definition": plain(attr.Of(v, "definition"))})
	case typeParameter, typeGlobalParam:
		return change(v, map[string]cty.Value{"value": plain(attr.Of(v, "value"))})
	case typeShovel:
		return normalShovel(v)
	case typeUpstream:
		return change(v, map[string]cty.Value{
			"url": plainURL(attr.Of(v, "url")), "definition": plainTable(attr.Of(v, "definition")),
			"expires": canonicalDuration(attr.Of(v, "expires")), "message_ttl": canonicalDuration(attr.Of(v, "message_ttl")),
		})
	case typeVhost:
		return change(v, map[string]cty.Value{"tags": emptyIsNull(attr.Of(v, "tags")), "description": blankIsNull(attr.Of(v, "description"))})
	case typeUser:
		return change(v, map[string]cty.Value{"tags": emptyIsNull(attr.Of(v, "tags"))})
	case typeVhostLimit:
		return change(v, map[string]cty.Value{"name": attr.Of(v, "vhost"),
			"max_connections": unlimitedIsNull(attr.Of(v, "max_connections")), "max_queues": unlimitedIsNull(attr.Of(v, "max_queues"))})
	case typeUserLimit:
		return change(v, map[string]cty.Value{
			"max_connections": unlimitedIsNull(attr.Of(v, "max_connections")), "max_channels": unlimitedIsNull(attr.Of(v, "max_channels"))})
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
	if a.Type() == cty.String && b.Type() == cty.String && attr.Given(a) && attr.Given(b) && !a.IsMarked() {
		return a.AsString() == b.AsString()
	}
	return a.RawEquals(b)
}

func normalQueue(v cty.Value) cty.Value {
	to := map[string]cty.Value{}
	for _, n := range []string{"message_ttl", "expires"} {
		if a := attr.Of(v, n); attr.Given(a) {
			to[n] = canonicalDuration(a)
		}
	}
	if a := attr.Of(v, "single_active_consumer"); attr.Given(a) && a.False() {
		to["single_active_consumer"] = cty.NullVal(cty.Bool)
	}
	args := attr.Of(v, "arguments")
	if attr.Given(args) {
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
	args := attr.Of(v, "arguments")
	if !attr.Given(args) {
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
	to := map[string]cty.Value{"definition": plainTable(attr.Of(v, "definition")), "reconnect_delay": canonicalDuration(attr.Of(v, "reconnect_delay"))}
	for _, end := range []string{"source", "destination"} {
		if e := attr.Of(v, end); attr.Given(e) {
			to[end] = change(e, map[string]cty.Value{"url": plainURL(attr.Of(e, "url"))})
		}
	}
	if d := attr.Of(v, "delete_after"); attr.String(d) == "never" {
		to["delete_after"] = cty.NullVal(cty.String)
	}
	return change(v, to)
}

func emptyIsNull(v cty.Value) cty.Value {
	if attr.Given(v) && v.CanIterateElements() && v.LengthInt() == 0 {
		return cty.NullVal(v.Type())
	}
	return v
}

func blankIsNull(v cty.Value) cty.Value {
	if attr.Given(v) && attr.String(v) == "" {
		return cty.NullVal(cty.String)
	}
	return v
}

// unlimitedIsNull: a negative limit is none.
func unlimitedIsNull(v cty.Value) cty.Value {
	if attr.Given(v) && v.Type() == cty.Number && v.AsBigFloat().Sign() < 0 {
		return cty.NullVal(cty.Number)
	}
	return v
}
