package rabbitmq

import (
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

const (
	componentShovel   = "shovel"
	componentUpstream = "federation-upstream"
	componentOpPolicy = "operator_policy"
	componentLimits   = "vhost-limits"
)

func wholeNumber(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0
}

// shovelKeys are the settings of a shovel that attributes stand for.
func shovelKeys() map[string]string {
	return map[string]string{
		"src-uri": "source.url", "src-queue": "source.queue", "src-exchange": "source.exchange", "src-exchange-key": "source.routing_key",
		"dest-uri": "destination.url", "dest-queue": "destination.queue", "dest-exchange": "destination.exchange", "dest-exchange-key": "destination.routing_key",
		"ack-mode": "ack_mode", "src-prefetch-count": "prefetch", "prefetch-count": "prefetch", "reconnect-delay": "reconnect_delay",
		"src-delete-after": "delete_after", "delete-after": "delete_after",
	}
}

func upstreamKeys() map[string]string {
	return map[string]string{
		"uri": "url", "exchange": "exchange", "queue": "queue", "max-hops": "max_hops", "expires": "expires",
		"message-ttl": "message_ttl", "prefetch-count": "prefetch", "ack-mode": "ack_mode",
	}
}

// settings takes known keys out of a parameter's value and leaves the rest.
type settings map[string]cty.Value

func settingsOf(p *mgmt.Parameter) settings {
	m := settings{}
	each(fromJSON(p.Value), func(k string, v cty.Value) { m[k] = v })
	return m
}

// take returns the first of the keys that is there, converted; null where none is.
func (m settings) take(null cty.Type, convert func(cty.Value) (cty.Value, bool), keys ...string) cty.Value {
	for _, k := range keys {
		a, ok := m[k]
		if !ok {
			continue
		}
		if v, ok := convert(a); ok {
			delete(m, k)
			return v
		}
	}
	return cty.NullVal(null)
}

func asURL(v cty.Value) (cty.Value, bool) { return plainURL(v), true }

// plainURL is the normal form of one URL or several: a list of one is that one.
func plainURL(v cty.Value) cty.Value {
	p := plain(v)
	if attr.Given(p) && p.Type().IsTupleType() && p.LengthInt() == 1 {
		return p.Index(cty.Zero)
	}
	return p
}

func asSeconds(v cty.Value) (cty.Value, bool) { return durationValue(v, 1000) }

// asDeleteAfter takes words and numbers; never is what not having it means.
func asDeleteAfter(v cty.Value) (cty.Value, bool) {
	switch {
	case v.Type() == cty.Number:
		return cty.StringVal(v.AsBigFloat().Text('f', -1)), true
	case v.Type() == cty.String && v.AsString() == "never":
		return cty.NullVal(cty.String), true
	}
	return asText(v)
}

func shovelValue(p *mgmt.Parameter) cty.Value {
	m := settingsOf(p)
	end := func(prefix string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{
			"url":         m.take(cty.DynamicPseudoType, asURL, prefix+"-uri"),
			"queue":       m.take(cty.String, asText, prefix+"-queue"),
			"exchange":    m.take(cty.String, asText, prefix+"-exchange"),
			"routing_key": m.take(cty.String, asText, prefix+"-exchange-key"),
		})
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name":            cty.StringVal(p.Name),
		"vhost":           cty.StringVal(p.Vhost),
		"source":          end("src"),
		"destination":     end("dest"),
		"ack_mode":        orText(m.take(cty.String, asText, "ack-mode"), "on-confirm"),
		"prefetch":        m.take(cty.Number, asNumber, "src-prefetch-count", "prefetch-count"),
		"reconnect_delay": m.take(cty.String, asSeconds, "reconnect-delay"),
		"delete_after":    m.take(cty.String, asDeleteAfter, "src-delete-after", "delete-after"),
		"definition":      objectOrNull(m),
	})
}

func orText(v cty.Value, unset string) cty.Value {
	if v.IsNull() {
		return cty.StringVal(unset)
	}
	return v
}

// shovelWire is a shovel's parameter value. Settings are sent under the names
// that every version since 3.7 takes.
func shovelWire(v cty.Value) map[string]any {
	m := wireTable(attr.Of(v, "definition"))
	for end, prefix := range map[string]string{"source": "src", "destination": "dest"} {
		e := attr.Of(v, end)
		putURL(m, prefix+"-uri", attr.Of(e, "url"))
		putText(m, prefix+"-queue", attr.Of(e, "queue"))
		putText(m, prefix+"-exchange", attr.Of(e, "exchange"))
		putText(m, prefix+"-exchange-key", attr.Of(e, "routing_key"))
	}
	putText(m, "ack-mode", attr.Of(v, "ack_mode"))
	if n, ok := intAttr(v, "prefetch"); ok {
		m["src-prefetch-count"] = n
	}
	if n, ok := millis(v, "reconnect_delay", 1000); ok {
		m["reconnect-delay"] = n
	}
	switch s := attr.Text(v, "delete_after"); s {
	case "", "never":
	default:
		m["src-delete-after"] = s
		if n, ok := wholeNumber(s); ok {
			m["src-delete-after"] = n
		}
	}
	return m
}

func putText(m map[string]any, key string, v cty.Value) {
	if attr.Given(v) {
		m[key] = attr.String(v)
	}
}

func putURL(m map[string]any, key string, v cty.Value) {
	if u := plainURL(v); attr.Given(u) {
		m[key] = toWire(u)
	}
}

func upstreamValue(p *mgmt.Parameter) cty.Value {
	m := settingsOf(p)
	return cty.ObjectVal(map[string]cty.Value{
		"name":        cty.StringVal(p.Name),
		"vhost":       cty.StringVal(p.Vhost),
		"url":         m.take(cty.DynamicPseudoType, asURL, "uri"),
		"exchange":    m.take(cty.String, asText, "exchange"),
		"queue":       m.take(cty.String, asText, "queue"),
		"max_hops":    m.take(cty.Number, asNumber, "max-hops"),
		"expires":     m.take(cty.String, asMillis, "expires"),
		"message_ttl": m.take(cty.String, asMillis, "message-ttl"),
		"prefetch":    m.take(cty.Number, asNumber, "prefetch-count"),
		"ack_mode":    orText(m.take(cty.String, asText, "ack-mode"), "on-confirm"),
		"definition":  objectOrNull(m),
	})
}

func upstreamWire(v cty.Value) map[string]any {
	m := wireTable(attr.Of(v, "definition"))
	putURL(m, "uri", attr.Of(v, "url"))
	putText(m, "exchange", attr.Of(v, "exchange"))
	putText(m, "queue", attr.Of(v, "queue"))
	putText(m, "ack-mode", attr.Of(v, "ack_mode"))
	for key, name := range map[string]string{"max-hops": "max_hops", "prefetch-count": "prefetch"} {
		if n, ok := intAttr(v, name); ok {
			m[key] = n
		}
	}
	for key, name := range map[string]string{"expires": "expires", "message-ttl": "message_ttl"} {
		if n, ok := millis(v, name, 1); ok {
			m[key] = n
		}
	}
	return m
}
