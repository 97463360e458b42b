package rabbitmq

import (
	"net/url"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
)

func exchangeSchema() *providers.Schema {
	return inVhost(&providers.Schema{
		Meterable: true, DiesWithout: diesWithout,
		Doc: "An exchange. Everything about it but its name is fixed at creation; a replaced exchange loses its bindings, which the same plan makes again.",
		Attrs: []providers.Attr{
			nameAttr("exchange", checkOwnName),
			vhostAttr(),
			{Name: "type", Type: cty.String, ForceNew: true, Default: cty.StringVal("direct"), Check: checkExchangeType,
				Doc: "direct, fanout, topic, headers, or a kind that a plugin adds"},
			{Name: "durable", Type: cty.Bool, ForceNew: true, Default: cty.True, Doc: "survives a restart of the broker"},
			{Name: "auto_delete", Type: cty.Bool, ForceNew: true, Default: cty.False, Doc: "goes away with its last binding"},
			{Name: "internal", Type: cty.Bool, ForceNew: true, Default: cty.False, Doc: "clients cannot publish to it"},
			{Name: "alternate", Type: cty.String, ForceNew: true, Ref: []string{typeExchange}, Relation: providers.After,
				Doc: "the exchange that gets what this one cannot route"},
			{Name: "arguments", Type: cty.DynamicPseudoType, ForceNew: true, Check: checkTable, Doc: "further arguments, typed as written"},
		},
		Validate: validateExchange,
	}, "name")
}

// diesWithout: an auto_delete exchange lives as long as it is the source of a
// binding.
func diesWithout(exchange cty.Value, typ string, within cty.Value) bool {
	return typ == typeBinding && attr.Bool(exchange, "auto_delete", false) &&
		attr.Text(within, "source") == attr.Text(exchange, "name") && attr.Text(within, "vhost") == attr.Text(exchange, "vhost")
}

func queueSchema() *providers.Schema {
	fixed := func(name string, t cty.Type, check func(cty.Value) error, doc string) providers.Attr {
		return providers.Attr{Name: name, Type: t, ForceNew: true, Check: check, Doc: doc}
	}
	return inVhost(&providers.Schema{
		Meterable: true,
		Doc:       "A queue or a stream. Everything about it but its name is fixed at creation; what a policy can set, a policy can also change in place.",
		Attrs: []providers.Attr{
			nameAttr("queue", checkOwnName),
			vhostAttr(),
			{Name: "type", Type: cty.String, ForceNew: true, Default: cty.StringVal(classic), Check: oneOf(classic, quorum, stream), Doc: "classic, quorum or stream"},
			{Name: "durable", Type: cty.Bool, ForceNew: true, Default: cty.True, Doc: "survives a restart of the broker; quorum queues and streams always do"},
			{Name: "auto_delete", Type: cty.Bool, ForceNew: true, Default: cty.False, Doc: "goes away with its last consumer; classic only"},
			fixed("max_priority", cty.Number, wholeBetween(1, 255), "priorities that messages can have; classic only"),
			{Name: "dead_letter", Doc: "where messages go that are rejected, expire or overflow", Attrs: []providers.Attr{
				{Name: "exchange", Type: cty.String, Required: true, ForceNew: true, Ref: []string{typeExchange}, Relation: providers.After,
					Doc: "it need not exist; \"\" is the default exchange"},
				fixed("routing_key", cty.String, nil, "default: the message's own"),
				fixed("strategy", cty.String, oneOf("at-most-once", "at-least-once"), "quorum only; at-least-once needs overflow = \"reject-publish\""),
			}},
			fixed("message_ttl", cty.String, checkDuration, "how long a message may wait, as \"1h30m\" or \"500ms\"; not on streams"),
			fixed("expires", cty.String, checkPositiveDuration, "how long the queue may be unused before it goes away; not on streams"),
			fixed("max_length", cty.Number, wholeBetween(0, maxInt), "messages that are ready; not on streams"),
			fixed("max_length_bytes", cty.Number, wholeBetween(0, maxInt), "bytes of the bodies that are ready; of a stream, of its segments"),
			fixed("overflow", cty.String, oneOf("drop-head", "reject-publish", "reject-publish-dlx"), "what a full queue does; reject-publish-dlx on classic only"),
			{Name: "single_active_consumer", Type: cty.Bool, ForceNew: true, Doc: "one consumer at a time gets messages; not on streams"},
			fixed("delivery_limit", cty.Number, wholeBetween(0, maxInt), "deliveries of a message before it is dead-lettered; quorum only"),
			fixed("arguments", cty.DynamicPseudoType, checkTable, "further arguments, typed as written; those that an attribute stands for may be written here instead"),
		},
		Validate: validateQueue,
	}, "name")
}

func bindingSchema() *providers.Schema {
	s := &providers.Schema{
		Swap: true,
		Doc:  "A binding of a queue, or of an exchange, to an exchange. It is its own identity: a change makes the new one before the old one goes.",
		Attrs: []providers.Attr{
			{Name: "source", Type: cty.String, Required: true, Identity: true, ForceNew: true, Ref: []string{typeExchange}, Relation: providers.Within,
				Check: checkSource, Doc: "the exchange that messages come from"},
			{Name: "destination", Type: cty.String, Required: true, Identity: true, ForceNew: true, Ref: []string{typeQueue, typeExchange}, RefKind: "destination_type",
				Relation: providers.Within, Check: checkName, Doc: "the queue or exchange that they go to"},
			{Name: "destination_type", Type: cty.String, Identity: true, ForceNew: true, Default: cty.StringVal(typeQueue), Check: oneOf(typeQueue, typeExchange),
				Doc: "queue or exchange; follows from a reference"},
			{Name: "routing_key", Type: cty.String, Identity: true, ForceNew: true, Default: cty.StringVal(""), Check: checkShort, Doc: "the routing key, or the topic exchange's pattern"},
			{Name: "arguments", Type: cty.DynamicPseudoType, Identity: true, ForceNew: true, Check: checkTable,
				Doc: "what a headers exchange matches, typed as written; x-match is all, any, all-with-x or any-with-x"},
			vhostAttr(),
			{Name: "properties_key", Type: cty.String, Computed: true, ReadOnly: true,
				Doc: "the broker's name for a binding with arguments; two bindings can differ in an integer's width alone"},
		},
		Validate: validateBinding,
	}
	s.ID, s.Title = bindingID, bindingTitle
	s.MatchID = func(v cty.Value, id string) bool {
		raw, _ := url.PathUnescape(bindingID(v))
		return id == bindingID(v) || id == raw
	}
	return s
}

// bindingTitle is how a binding is told to people: `orders → billing (key order.#)`.
// Bindings that differ in their arguments alone are told apart by the broker's key.
func bindingTitle(v cty.Value) string {
	title := attr.Text(v, "source") + " → " + attr.Text(v, "destination")
	key := attr.Text(v, "routing_key")
	if own := attr.Text(v, "properties_key"); own != "" && own != plainPropertiesKey(key) {
		key = own
	}
	if key != "" {
		title += " (key " + key + ")"
	}
	return title
}

// bindingID is vhost/source/type/destination/properties key, each part
// percent-encoded, so that no name can be taken for two.
func bindingID(v cty.Value) string {
	key := attr.Text(v, "properties_key")
	if key == "" {
		key = plainPropertiesKey(attr.Text(v, "routing_key"))
	}
	var id strings.Builder
	for _, p := range []string{"vhost", "source", "destination_type", "destination"} {
		id.WriteString(url.PathEscape(attr.Text(v, p)) + "/")
	}
	return id.String() + url.PathEscape(key)
}

func policyApplyTo() []string {
	return []string{"all", "queues", "exchanges", "classic_queues", "quorum_queues", "streams"}
}

func policySchema(what string, applyTo []string) *providers.Schema {
	return inVhost(&providers.Schema{
		Doc: what + ": settings for all queues and exchanges whose name matches a pattern. Of those that match an object, the one of the highest priority applies, alone.",
		Attrs: []providers.Attr{
			nameAttr("policy", checkName),
			vhostAttr(),
			{Name: "pattern", Type: cty.String, Required: true, Check: checkPattern, Doc: "a Perl-compatible regular expression on names"},
			{Name: "apply_to", Type: cty.String, Default: cty.StringVal(applyTo[0]), Check: oneOf(applyTo...), Doc: "what it is for"},
			{Name: "priority", Type: cty.Number, Default: cty.Zero, Check: wholeBetween(-maxInt, maxInt), Doc: "the highest one that matches applies"},
			{Name: "definition", Type: cty.DynamicPseudoType, Required: true, Check: checkDefinition, Doc: "the settings, under the broker's own names: message-ttl, max-length, dead-letter-exchange …"},
		},
	}, "name")
}

// secretKeys are the places in a runtime parameter's value that hold
// credentials, in the components that come with the broker.
func secretKeys() []cty.Path {
	var out []cty.Path
	for _, k := range []string{"uri", "src-uri", "dest-uri", "password"} {
		out = append(out, cty.GetAttrPath(k))
	}
	return out
}

func parameterSchema() *providers.Schema {
	return inVhost(&providers.Schema{
		Doc: "A runtime parameter of any component, for what has no block of its own.",
		Attrs: []providers.Attr{
			nameAttr("parameter", checkName),
			{Name: "component", Type: cty.String, Required: true, Identity: true, ForceNew: true, Check: checkName, Doc: "the component that reads it, as shovel or federation-upstream-set"},
			vhostAttr(),
			{Name: "value", Type: cty.DynamicPseudoType, Required: true, Sensitive: secretKeys(), Doc: "its value, under the component's own names"},
		},
	}, "component", "name")
}

func globalParameterSchema() *providers.Schema {
	return byName(&providers.Schema{
		Doc: "A runtime parameter of the whole broker.",
		Attrs: []providers.Attr{
			nameAttr("parameter", checkName),
			{Name: "value", Type: cty.DynamicPseudoType, Required: true, Sensitive: secretKeys(), Doc: "its value"},
		},
	}, "name")
}
