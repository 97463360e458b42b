package rabbitmq

import (
	"net/url"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/access"
	"github.com/msgflo/msgflo/providers/attr"
)

// resourceSchemas are the blocks that make objects.
func resourceSchemas() map[string]*providers.Schema {
	return map[string]*providers.Schema{
		typeVhost:       vhostSchema(),
		typeVhostLimit:  vhostLimitSchema(),
		typeUser:        userSchema(),
		typeUserLimit:   userLimitSchema(),
		typePermission:  permissionSchema(),
		typeTopicPerm:   topicPermissionSchema(),
		typeExchange:    exchangeSchema(),
		typeQueue:       queueSchema(),
		typeBinding:     bindingSchema(),
		typePolicy:      policySchema("A policy", policyApplyTo()),
		typeOpPolicy:    policySchema("An operator policy, which users may not exceed", []string{"queues", "classic_queues", "quorum_queues", "streams"}),
		typeParameter:   parameterSchema(),
		typeGlobalParam: globalParameterSchema(),
		typeShovel:      shovelSchema(),
		typeUpstream:    upstreamSchema(),
		typeInitial:     initialSchema(),
	}
}

// nameAttr is the name of an object; the engine fills it with the block's label.
func nameAttr(what string, check func(cty.Value) error) providers.Attr {
	return providers.Attr{Name: "name", Type: cty.String, Identity: true, ForceNew: true, Check: check,
		Doc: "the name of the " + what + "; default: the block's label"}
}

func vhostAttr() providers.Attr {
	return providers.Attr{Name: "vhost", Type: cty.String, Identity: true, ForceNew: true, Check: checkName,
		Ref: []string{typeVhost}, Relation: providers.Within, Doc: "the vhost it is in; default: that of the broker's URL"}
}

// byName are the ID functions of objects named alone: users, vhosts.
func byName(s *providers.Schema, key string) *providers.Schema {
	s.ID = func(v cty.Value) string { return attr.Text(v, key) }
	return s
}

// inVhost are the ID functions of objects named within a vhost: `jobs@/`.
// parts are the identity attributes before the vhost.
func inVhost(s *providers.Schema, parts ...string) *providers.Schema {
	s.ID = func(v cty.Value) string {
		texts := make([]string, len(parts))
		for i, p := range parts {
			texts[i] = escapeID(attr.Text(v, p))
		}
		return strings.Join(texts, "/") + "@" + escapeID(attr.Text(v, "vhost"))
	}
	s.MatchID = func(v cty.Value, id string) bool {
		if id == s.ID(v) {
			return true
		}
		// As people write it, nothing escaped, or without the vhost. It is compared
		// and never taken apart, so separators in names do no harm.
		texts := make([]string, len(parts))
		for i, p := range parts {
			texts[i] = attr.Text(v, p)
		}
		name := strings.Join(texts, "/")
		return id == name || id == name+"@"+attr.Text(v, "vhost")
	}
	return s
}

// escapeID keeps the separators of IDs out of the names in them. A lone slash,
// the vhost that everybody has, stays readable.
func escapeID(s string) string {
	if s == "/" {
		return s
	}
	return url.PathEscape(s)
}

func vhostSchema() *providers.Schema {
	return byName(&providers.Schema{
		Meterable: true,
		Doc:       "A vhost: a namespace of exchanges, queues, bindings, policies and permissions. All in it goes with it.",
		Attrs: []providers.Attr{
			nameAttr("vhost", checkName),
			{Name: "description", Type: cty.String, Doc: "for people"},
			{Name: "tags", Type: cty.Set(cty.String), Check: checkTags, Doc: "for people and for the broker's log"},
			{Name: "default_queue_type", Type: cty.String, Check: oneOf("classic", "quorum", "stream"),
				Doc: "type of the queues that clients declare without one; RabbitMQ 3.11 and later"},
		},
	}, "name")
}

func vhostLimitSchema() *providers.Schema {
	return byName(&providers.Schema{
		Doc: "The limits of a vhost.",
		Attrs: []providers.Attr{
			{Name: "name", Type: cty.String, Check: checkName, Doc: "the vhost that is limited, where `vhost` is not written; default: the block's label"},
			{Name: "vhost", Type: cty.String, Identity: true, ForceNew: true, Check: checkName, Ref: []string{typeVhost}, Relation: providers.Within,
				Doc: "the vhost that is limited; default: the one that `name` names"},
			{Name: "max_connections", Type: cty.Number, Check: checkLimit, Doc: "client connections at a time; 0 none; -1 or unset: no limit"},
			{Name: "max_queues", Type: cty.Number, Check: checkLimit, Doc: "queues; 0 none; -1 or unset: no limit"},
		},
		Validate: limitNeeded("max_connections", "max_queues"),
	}, "vhost")
}

func userSchema() *providers.Schema {
	return byName(&providers.Schema{
		Doc: "A user of the broker. Its password is checked against the broker's salted hash, so it is kept nowhere.",
		Attrs: []providers.Attr{
			nameAttr("user", checkName),
			{Name: "password", Type: cty.String, WriteOnly: true, Sensitive: access.Whole(), Check: checkPassword,
				Doc: "unset: the user cannot log in with a password, and one set elsewhere is left alone"},
			{Name: "tags", Type: cty.Set(cty.String), Check: checkTags, Doc: "administrator, monitoring, policymaker, management, or words of your own"},
		},
	}, "name")
}

func userRef() providers.Attr {
	return providers.Attr{Name: "user", Type: cty.String, Required: true, Identity: true, ForceNew: true, Check: checkName,
		Ref: []string{typeUser}, Relation: providers.Within, Doc: "the user"}
}

func userLimitSchema() *providers.Schema {
	return byName(&providers.Schema{
		Doc: "The limits of a user.",
		Attrs: []providers.Attr{
			userRef(),
			{Name: "max_connections", Type: cty.Number, Check: checkLimit, Doc: "connections at a time; 0 none; -1 or unset: no limit"},
			{Name: "max_channels", Type: cty.Number, Check: checkLimit, Doc: "channels at a time; 0 none; -1 or unset: no limit"},
		},
		Validate: limitNeeded("max_connections", "max_channels"),
	}, "user")
}

func permissionSchema() *providers.Schema {
	regex := func(name, doc string) providers.Attr {
		return providers.Attr{Name: name, Type: cty.String, Required: true, Check: checkPattern, Doc: doc}
	}
	return inVhost(&providers.Schema{
		Opens: "vhost",
		Doc:   "What a user may do in a vhost: regular expressions on the names of queues and exchanges; the empty one matches nothing.",
		Attrs: []providers.Attr{
			userRef(),
			vhostAttr(),
			regex("configure", "what it may declare and delete"),
			regex("write", "what it may publish to, and bind"),
			regex("read", "what it may consume from, and bind to"),
		},
	}, "user")
}

func topicPermissionSchema() *providers.Schema {
	return inVhost(&providers.Schema{
		Doc: "Which routing keys a user may use on a topic exchange, by regular expressions.",
		Attrs: []providers.Attr{
			userRef(),
			vhostAttr(),
			{Name: "exchange", Type: cty.String, Required: true, Identity: true, ForceNew: true, Ref: []string{typeExchange}, Doc: "the topic exchange"},
			{Name: "write", Type: cty.String, Required: true, Check: checkPattern, Doc: "routing keys it may publish with"},
			{Name: "read", Type: cty.String, Required: true, Check: checkPattern, Doc: "routing keys it may bind with"},
		},
	}, "user", "exchange")
}
