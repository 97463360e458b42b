package rabbitmq

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/access"
)

// urlAttr is one URL, or a list of them to try in turn.
func urlAttr(doc string) providers.Attr {
	return providers.Attr{Name: "url", Type: cty.DynamicPseudoType, Required: true, Sensitive: access.Whole(), Check: checkLinkURL, Doc: doc}
}

func shovelEnd(name, doc string) providers.Attr {
	return providers.Attr{Name: name, Required: true, Doc: doc, Attrs: []providers.Attr{
		urlAttr("AMQP URL, or a list of them to try in turn; amqp:// is this broker itself"),
		{Name: "queue", Type: cty.String, Ref: []string{typeQueue}, Relation: providers.After, Doc: "the queue; it, or an exchange"},
		{Name: "exchange", Type: cty.String, Ref: []string{typeExchange}, Relation: providers.After, Doc: "the exchange; it, or a queue"},
		{Name: "routing_key", Type: cty.String, Check: checkShort, Doc: "with an exchange: the key to bind or publish with"},
	}}
}

func shovelSchema() *providers.Schema {
	return inVhost(&providers.Schema{
		Doc: "A dynamic shovel: moves messages from one place to another. Needs the plugin rabbitmq_shovel. Changes are made in place.",
		Attrs: []providers.Attr{
			nameAttr("shovel", checkName),
			vhostAttr(),
			shovelEnd("source", "where messages come from"),
			shovelEnd("destination", "where they go"),
			{Name: "ack_mode", Type: cty.String, Default: cty.StringVal("on-confirm"), Check: oneOf("on-confirm", "on-publish", "no-ack"),
				Doc: "when the source is told that a message has arrived"},
			{Name: "prefetch", Type: cty.Number, Check: wholeBetween(0, 65535), Doc: "messages on the way at a time; the broker's default is 1000"},
			{Name: "reconnect_delay", Type: cty.String, Check: checkSeconds, Doc: "wait before connecting again, in whole seconds as \"5s\"; \"0s\" never"},
			{Name: "delete_after", Type: cty.String, Check: checkDeleteAfter, Doc: "never (as if unset), queue-length (what was there at the start), or a number of messages; then it is gone, which is no drift"},
			{Name: "definition", Type: cty.DynamicPseudoType, Check: checkTable, Doc: "further settings under the broker's own names, as src-consumer-args"},
		},
		Validate: validateShovel,
	}, "name")
}

func upstreamSchema() *providers.Schema {
	return inVhost(&providers.Schema{
		Doc: "A federation upstream: a broker whose exchanges or queues a policy (federation-upstream) can draw from. Needs the plugin rabbitmq_federation.",
		Attrs: []providers.Attr{
			nameAttr("upstream", checkName),
			vhostAttr(),
			urlAttr("AMQP URL, or a list of them to try in turn"),
			{Name: "exchange", Type: cty.String, Doc: "name of the upstream exchange; default: that of the federated one"},
			{Name: "queue", Type: cty.String, Doc: "name of the upstream queue; default: that of the federated one"},
			{Name: "max_hops", Type: cty.Number, Check: wholeBetween(1, maxInt), Doc: "federation links that a message may pass"},
			{Name: "expires", Type: cty.String, Check: checkPositiveDuration, Doc: "how long the upstream keeps its queue when we are away"},
			{Name: "message_ttl", Type: cty.String, Check: checkDuration, Doc: "how long a message may wait there"},
			{Name: "prefetch", Type: cty.Number, Check: wholeBetween(1, 65535), Doc: "messages on the way at a time"},
			{Name: "ack_mode", Type: cty.String, Default: cty.StringVal("on-confirm"), Check: oneOf("on-confirm", "on-publish", "no-ack"), Doc: "when the upstream is told that a message has arrived"},
			{Name: "definition", Type: cty.DynamicPseudoType, Check: checkTable, Doc: "further settings under the broker's own names, as trust-user-id"},
		},
		Validate: validateUpstream,
	}, "name")
}

// dataSchemas are the blocks that read and own nothing.
func dataSchemas() map[string]*providers.Schema {
	return map[string]*providers.Schema{
		typeQueue:    asData(queueSchema(), "Reads a queue as it is now.", queueFacts()),
		typeExchange: asData(exchangeSchema(), "Reads an exchange as it is now.", nil),
		typeVhost:    asData(vhostSchema(), "Reads a vhost as it is now.", vhostFacts()),
	}
}

func queueFacts() []providers.Attr {
	number := func(name, doc string) providers.Attr {
		return providers.Attr{Name: name, Type: cty.Number, Computed: true, ReadOnly: true, Doc: doc}
	}
	return []providers.Attr{
		number("messages", "messages in it, ready or on their way to a consumer"),
		number("messages_ready", "messages that wait"),
		number("messages_unacknowledged", "messages that a consumer has and has not acknowledged; the broker counts these every few seconds"),
		number("consumers", "consumers"),
		{Name: "policy", Type: cty.String, Computed: true, ReadOnly: true, Doc: "the policy that applies to it"},
		{Name: "operator_policy", Type: cty.String, Computed: true, ReadOnly: true, Doc: "the operator policy that applies to it"},
		{Name: "state", Type: cty.String, Computed: true, ReadOnly: true, Doc: "running, down …, as the broker says"},
	}
}

func vhostFacts() []providers.Attr {
	return []providers.Attr{
		{Name: "tracing", Type: cty.Bool, Computed: true, ReadOnly: true, Doc: "whether the firehose is on"},
		{Name: "messages", Type: cty.Number, Computed: true, ReadOnly: true, Doc: "messages in all its queues"},
	}
}

// asData turns an object's schema into that of its data source: what names it
// is written, the rest is read.
func asData(s *providers.Schema, doc string, facts []providers.Attr) *providers.Schema {
	s.Doc, s.Validate = doc, nil
	for i := range s.Attrs {
		readOnly(&s.Attrs[i])
	}
	s.Attrs = append(s.Attrs, facts...)
	return s
}

func readOnly(a *providers.Attr) {
	if a.Identity {
		if a.Name == "name" {
			a.Check = checkName // the broker's own exchanges can be read too
		}
		return
	}
	a.Required, a.ForceNew, a.Default, a.Check = false, false, cty.NilVal, nil
	a.Computed, a.ReadOnly = true, true
	a.Ref, a.RefKind = nil, ""
	for i := range a.Attrs {
		readOnly(&a.Attrs[i])
	}
}
