package mqtt

import (
	"errors"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/access"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/mqtt/embedded"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// configSchema is the broker block of an MQTT broker.
func configSchema() providers.Schema {
	return providers.Schema{
		Doc: "An MQTT 3.1.1 broker. Its URL's scheme, mqtt, mqtts, ws or wss, picks this provider.",
		Attrs: []providers.Attr{
			{Name: "url", Type: cty.String, Sensitive: access.Whole(), Check: checkURL,
				Doc: "mqtt(s)://user:password@host:port, or ws(s):// with a path; default with embedded: where that listens"},
			access.UsernameAttr("none"),
			access.PasswordAttr(),
			access.PasswordCommandAttr(),
			access.TLSAttr("how TLS connections are checked (mqtts, wss)"),
			{Name: "embedded", Doc: "the agent hosts this broker itself", Attrs: []providers.Attr{
				{Name: "listen", Type: cty.String, Default: cty.StringVal(embedded.DefaultListen), Doc: "host:port for MQTT"},
				{Name: "websocket", Type: cty.String, Doc: "host:port for MQTT over WebSocket, which browsers speak; default: none"},
				{Name: "persist", Type: cty.Bool, Default: cty.True, Doc: "keep retained messages and sessions over restarts of the agent"},
			}},
			access.PrefixAttr(),
		},
		Validate: access.CheckLogin,
	}
}

func checkURL(v cty.Value) error { return mqtt.CheckURL(v.AsString()) }

func routeSchema() *providers.Schema {
	return &providers.Schema{
		Doc: "Forwards what is published to one topic to another. The agent's router carries it, byte for byte; what the broker has queued for the router is not lost.",
		Attrs: []providers.Attr{
			{Name: "from", Type: cty.String, Required: true, Identity: true, ForceNew: true, Check: checkText(routes.CheckFrom),
				Doc: "the source topic; + and # stand for one level and for all that follow, where the target cannot match"},
			{Name: "to", Type: cty.String, Required: true, Identity: true, ForceNew: true, Check: checkText(routes.CheckTo),
				Doc: "the target topic"},
			qosAttr("at most so is forwarded: 1 is at least once, acknowledged to the source only after the target's broker has it; 0 may lose messages. What is published with less is forwarded with less"),
			{Name: "retain", Type: cty.Bool, Default: cty.False,
				Doc: "whether the broker keeps what is forwarded as the target's last message; what the source has retained is then forwarded when the route is made"},
		},
		Validate: checkRoute,
		ID:       func(v cty.Value) string { return attr.Text(v, "from") + arrow + attr.Text(v, "to") },
	}
}

// arrow stands between the topics of a route in its ID. A topic may have it in
// itself, too: IDs are compared, never taken apart.
const arrow = " -> "

func qosAttr(doc string) providers.Attr {
	return providers.Attr{Name: "qos", Type: cty.Number, Default: cty.NumberIntVal(1), Doc: doc, Check: checkQoS}
}

func checkQoS(v cty.Value) error {
	switch n, _ := v.AsBigFloat().Float64(); n {
	case 0, 1:
		return nil
	case 2:
		return errors.New("QoS 2 (exactly once) holds between one client and the broker only, so that neither a route nor a retained message can promise it; use 1 (at least once)")
	}
	return errors.New("it is 0 (at most once) or 1 (at least once)")
}

func checkText(check func(string) error) func(cty.Value) error {
	return func(v cty.Value) error { return check(v.AsString()) }
}

// checkRoute finds a route that leads to itself.
func checkRoute(v cty.Value) []error {
	from, to := attr.Of(v, "from"), attr.Of(v, "to")
	if !attr.Given(from) || !attr.Given(to) || !mqtt.Match(from.AsString(), to.AsString()) {
		return nil
	}
	why := fmt.Errorf("the target is the source: a message would go round for ever")
	if from.AsString() != to.AsString() {
		why = fmt.Errorf("the target %q is among the topics of the source %q: a message would go round for ever", to.AsString(), from.AsString())
	}
	return []error{cty.GetAttrPath("to").NewError(why)}
}

func retainedSchema() *providers.Schema {
	return &providers.Schema{
		Doc: "A retained message: the last of its topic, which the broker keeps for who subscribes later.",
		Attrs: []providers.Attr{
			topicAttr(),
			{Name: "payload", Type: cty.String, Required: true, Check: checkPayload, Doc: "its text; jsonencode(…) for JSON"},
			{Name: "qos", Type: cty.Number, Default: cty.NumberIntVal(1), Check: checkQoS,
				Doc: "subscribers get it with this at most; no broker tells it, so a change of it alone is not seen"},
		},
		ID: func(v cty.Value) string { return attr.Text(v, "topic") },
	}
}

func topicAttr() providers.Attr {
	return providers.Attr{Name: "topic", Type: cty.String, Required: true, Identity: true, ForceNew: true, Check: checkText(routes.CheckPublished), Doc: "the topic"}
}

func checkPayload(v cty.Value) error {
	if v.AsString() == "" {
		return errors.New("it is empty, which tells a broker to keep no message; remove the block instead")
	}
	return nil
}

func retainedData() *providers.Schema {
	topic := topicAttr()
	topic.Check = func(v cty.Value) error { return mqtt.CheckTopic(v.AsString()) }
	return &providers.Schema{
		Doc:   "Reads a retained message.",
		Attrs: []providers.Attr{topic, {Name: "payload", Type: cty.String, Computed: true, ReadOnly: true, Doc: "its text; what is not UTF-8 becomes U+FFFD"}},
	}
}

// qosOf is 1 where it is not said.
func qosOf(v cty.Value) byte {
	a := attr.Of(v, "qos")
	if !attr.Given(a) || a.Type() != cty.Number || a.AsBigFloat().Sign() > 0 {
		return mqtt.AtLeastOnce
	}
	return mqtt.AtMostOnce
}

func routeOf(v cty.Value) routes.Route {
	return routes.Route{From: attr.Text(v, "from"), To: attr.Text(v, "to"), QoS: qosOf(v), Retain: attr.Bool(v, "retain", false)}
}

func routeValue(r routes.Route) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"from": cty.StringVal(r.From), "to": cty.StringVal(r.To), "qos": cty.NumberIntVal(int64(r.QoS)), "retain": cty.BoolVal(r.Retain),
	})
}

// retainedValue is a message as it was read. Its QoS cannot be seen: all is
// read with QoS 0.
func retainedValue(topic string, body []byte) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"topic": cty.StringVal(topic), "payload": payloadText(body), "qos": cty.UnknownVal(cty.Number),
	})
}

// payloadText shows what is no text as one that nobody wants.
func payloadText(body []byte) cty.Value {
	return cty.StringVal(strings.ToValidUTF8(string(body), "\uFFFD"))
}
