package rabbitmq

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

func textOrNull(s string) cty.Value {
	if s == "" {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(s)
}

func vhostValue(v *mgmt.Vhost) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"name":               cty.StringVal(v.Name),
		"description":        textOrNull(v.Description),
		"tags":               stringSet(v.Tags),
		"default_queue_type": textOrNull(v.DefaultQueueType),
	})
}

func vhostWire(v cty.Value) map[string]any {
	body := map[string]any{"description": attr.Text(v, "description"), "tags": strings.Join(attr.Strings(attr.Of(v, "tags")), ",")}
	if t := attr.Text(v, "default_queue_type"); t != "" {
		body["default_queue_type"] = t
	}
	return body
}

// userValue tells the wanted password if it is the live one, else none: the
// difference is all that is known.
func userValue(u *mgmt.User, wanted cty.Value) cty.Value {
	password := cty.NullVal(cty.String)
	if attr.Given(wanted) && passwordMatches(attr.String(wanted), u.PasswordHash, u.HashingAlgorithm) {
		password = wanted
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name":     cty.StringVal(u.Name),
		"password": password,
		"tags":     stringSet(u.Tags),
	})
}

// userWire makes a user's body. Without a password of ours the live hash is
// sent back, so that changing tags leaves the password alone.
func userWire(v cty.Value, live *mgmt.User) map[string]any {
	body := map[string]any{"tags": strings.Join(attr.Strings(attr.Of(v, "tags")), ",")}
	password := attr.Of(v, "password")
	switch {
	case live != nil && (!attr.Given(password) || passwordMatches(attr.String(password), live.PasswordHash, live.HashingAlgorithm)):
		body["password_hash"] = live.PasswordHash
		body["hashing_algorithm"] = live.HashingAlgorithm
	case attr.Given(password):
		body["password"] = attr.String(password)
	default:
		body["password_hash"] = "" // no login by password
	}
	return body
}

func permissionValue(p *mgmt.Permissions) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"user":      cty.StringVal(p.User),
		"vhost":     cty.StringVal(p.Vhost),
		"configure": cty.StringVal(p.Configure),
		"write":     cty.StringVal(p.Write),
		"read":      cty.StringVal(p.Read),
	})
}

func topicPermissionValue(p *mgmt.TopicPermissions) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"user":     cty.StringVal(p.User),
		"vhost":    cty.StringVal(p.Vhost),
		"exchange": cty.StringVal(p.Exchange),
		"write":    cty.StringVal(p.Write),
		"read":     cty.StringVal(p.Read),
	})
}

// wireNames copies text attributes of the broker's own names.
func wireNames(v cty.Value, names ...string) map[string]any {
	m := map[string]any{}
	for _, n := range names {
		m[n] = attr.Text(v, n)
	}
	return m
}

// limitNames are the broker's names of the limits that attributes stand for.
func limitNames(typ string) map[string]string {
	if typ == typeUserLimit {
		return map[string]string{"max_connections": "max-connections", "max_channels": "max-channels"}
	}
	return map[string]string{"max_connections": "max-connections", "max_queues": "max-queues"}
}

// limitsValue are a vhost's or a user's limits; ok is false where it has none.
func limitsValue(typ, name string, limits map[string]int64) (v cty.Value, ok bool) {
	attrs := map[string]cty.Value{}
	for a, wire := range limitNames(typ) {
		attrs[a] = cty.NullVal(cty.Number)
		if n, has := limits[wire]; has && n >= 0 {
			attrs[a] = cty.NumberIntVal(n)
			ok = true
		}
	}
	if typ == typeVhostLimit {
		attrs["name"], attrs["vhost"] = cty.StringVal(name), cty.StringVal(name)
	} else {
		attrs["user"] = cty.StringVal(name)
	}
	return cty.ObjectVal(attrs), ok
}
