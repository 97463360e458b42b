package rabbitmq

import (
	"net/url"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

func exchangeValue(x *mgmt.Exchange) (v cty.Value, owner string) {
	args, owner := lift(x.Arguments)
	alternate, ok := asText(args["alternate-exchange"])
	if ok {
		delete(args, "alternate-exchange")
	} else {
		alternate = cty.NullVal(cty.String)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name":        cty.StringVal(x.Name),
		"vhost":       cty.StringVal(x.Vhost),
		"type":        cty.StringVal(x.Type),
		"durable":     cty.BoolVal(x.Durable),
		"auto_delete": cty.BoolVal(x.AutoDelete),
		"internal":    cty.BoolVal(x.Internal),
		"alternate":   alternate,
		"arguments":   objectOrNull(args),
	}), owner
}

// exchangeWire are the arguments of an exchange as the broker gets them.
func exchangeWire(v cty.Value) map[string]any {
	args := wireTable(attr.Of(v, "arguments"))
	if a := attr.Of(v, "alternate"); attr.Given(a) {
		args["alternate-exchange"] = attr.String(a)
	}
	return args
}

// bindingValue is a live binding as a value. The properties key is told only
// where arguments make it more than the routing key.
func bindingValue(b *mgmt.Binding) cty.Value {
	key, args := cty.NullVal(cty.String), nullDynamic()
	if len(b.Arguments) > 0 {
		args = fromJSON(b.Arguments)
		if b.PropertiesKey != "" {
			key = cty.StringVal(b.PropertiesKey)
		}
	}
	return cty.ObjectVal(map[string]cty.Value{
		"vhost":            cty.StringVal(b.Vhost),
		"source":           cty.StringVal(b.Source),
		"destination":      cty.StringVal(b.Destination),
		"destination_type": cty.StringVal(b.DestinationType),
		"routing_key":      cty.StringVal(b.RoutingKey),
		"arguments":        args,
		"properties_key":   key,
	})
}

// plainPropertiesKey is the broker's name of a binding without arguments
// (rabbit_mgmt_format:pack_binding_props): its routing key, quoted so that it
// holds no tilde.
func plainPropertiesKey(routingKey string) string {
	if routingKey == "" {
		return "~"
	}
	return strings.ReplaceAll(url.QueryEscape(routingKey), "~", "%7E")
}

// bindingWire are a binding's arguments as the broker gets them.
func bindingWire(v cty.Value) map[string]any { return wireTable(attr.Of(v, "arguments")) }

func policyValue(p *mgmt.Policy) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"name":       cty.StringVal(p.Name),
		"vhost":      cty.StringVal(p.Vhost),
		"pattern":    cty.StringVal(p.Pattern),
		"apply_to":   cty.StringVal(p.ApplyTo),
		"priority":   cty.NumberIntVal(p.Priority),
		"definition": definitionValue(p.Definition),
	})
}

// definitionValue keeps an empty definition an object: it is required.
func definitionValue(m map[string]any) cty.Value {
	if m == nil {
		return cty.EmptyObjectVal
	}
	return fromJSON(m)
}

func policyWire(v cty.Value) map[string]any {
	priority, _ := intAttr(v, "priority")
	return map[string]any{
		"pattern":    attr.Text(v, "pattern"),
		"apply-to":   attr.Text(v, "apply_to"),
		"priority":   priority,
		"definition": wireTable(attr.Of(v, "definition")),
	}
}

func parameterValue(p *mgmt.Parameter) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"name":      cty.StringVal(p.Name),
		"component": cty.StringVal(p.Component),
		"vhost":     cty.StringVal(p.Vhost),
		"value":     fromJSON(p.Value),
	})
}

func globalParameterValue(p *mgmt.Parameter) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(p.Name), "value": fromJSON(p.Value)})
}
