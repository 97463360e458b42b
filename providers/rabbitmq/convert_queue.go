package rabbitmq

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

func nullDynamic() cty.Value { return cty.NullVal(cty.DynamicPseudoType) }

// lift turns live arguments into values, the ownership mark cut out.
func lift(args map[string]any) (m map[string]cty.Value, owner string) {
	if len(args) == 0 {
		return nil, ""
	}
	owner, _ = args[ownerArgument].(string)
	m = make(map[string]cty.Value, len(args))
	for k, x := range args {
		if k != ownerArgument {
			m[k] = fromJSON(x)
		}
	}
	return m, owner
}

// queueValue is a live queue as a value of the schema, and who made it. What
// an attribute stands for is there, the rest is in arguments.
func queueValue(q *mgmt.Queue) (v cty.Value, owner string) {
	m, owner := lift(q.Arguments)
	attrs := make(map[string]cty.Value, 16) // all at once: this runs for every queue of a vhost
	attrs["name"], attrs["vhost"] = cty.StringVal(q.Name), cty.StringVal(q.Vhost)
	attrs["type"] = cty.StringVal(classic)
	attrs["durable"], attrs["auto_delete"] = cty.BoolVal(q.Durable), cty.BoolVal(q.AutoDelete)
	liftQueueArguments(attrs, m)
	attrs["arguments"] = objectOrNull(m)
	return cty.ObjectVal(attrs), owner
}

func objectOrNull(m map[string]cty.Value) cty.Value {
	if len(m) == 0 {
		return nullDynamic()
	}
	return cty.ObjectVal(m)
}

// liftQueueArguments moves the arguments that an attribute stands for into
// that attribute: the one normal form of a queue, live or wanted. Arguments
// of a wrong type stay, and show up as a difference. Attributes that neither
// attrs nor args has become null.
func liftQueueArguments(attrs, args map[string]cty.Value) {
	take := func(arg, name string, convert func(cty.Value) (cty.Value, bool), null cty.Type) {
		a, has := args[arg]
		if !has {
			if _, ok := attrs[name]; !ok {
				attrs[name] = cty.NullVal(null)
			}
			return
		}
		v, ok := convert(a)
		if !ok {
			if _, there := attrs[name]; !there {
				attrs[name] = cty.NullVal(null)
			}
			return
		}
		attrs[name] = v
		delete(args, arg)
	}
	take("x-queue-type", "type", asText, cty.String)
	take("x-max-priority", "max_priority", asNumber, cty.Number)
	take("x-message-ttl", "message_ttl", asMillis, cty.String)
	take("x-expires", "expires", asMillis, cty.String)
	take("x-max-length", "max_length", asNumber, cty.Number)
	take("x-max-length-bytes", "max_length_bytes", asNumber, cty.Number)
	take("x-overflow", "overflow", asText, cty.String)
	take("x-single-active-consumer", "single_active_consumer", asTrue, cty.Bool)
	take("x-delivery-limit", "delivery_limit", asNumber, cty.Number)
	liftDeadLetter(attrs, args)
}

func deadLetterType() cty.Type {
	return cty.Object(map[string]cty.Type{"exchange": cty.String, "routing_key": cty.String, "strategy": cty.String})
}

func liftDeadLetter(attrs, args map[string]cty.Value) {
	if d, ok := attrs["dead_letter"]; ok && (!d.IsKnown() || !d.IsNull()) {
		return
	}
	x, has := asText(args["x-dead-letter-exchange"])
	if !has {
		attrs["dead_letter"] = cty.NullVal(deadLetterType())
		return
	}
	delete(args, "x-dead-letter-exchange")
	d := map[string]cty.Value{"exchange": x, "routing_key": cty.NullVal(cty.String), "strategy": cty.NullVal(cty.String)}
	for _, k := range []string{"routing_key", "strategy"} {
		arg := "x-dead-letter-" + strings.ReplaceAll(k, "_", "-")
		if v, ok := asText(args[arg]); ok {
			d[k] = v
			delete(args, arg)
		}
	}
	attrs["dead_letter"] = cty.ObjectVal(d)
}

func asText(v cty.Value) (cty.Value, bool) {
	return v, v != cty.NilVal && v.Type() == cty.String && attr.Given(v)
}

func asNumber(v cty.Value) (cty.Value, bool) {
	return v, v != cty.NilVal && v.Type() == cty.Number && attr.Given(v)
}

// asTrue takes a boolean; false is what not having the argument means.
func asTrue(v cty.Value) (cty.Value, bool) {
	if v == cty.NilVal || v.Type() != cty.Bool || !attr.Given(v) {
		return v, false
	}
	if v.False() {
		return cty.NullVal(cty.Bool), true
	}
	return v, true
}

func asMillis(v cty.Value) (cty.Value, bool) { return durationValue(v, 1) }

// queueType is the type of a wanted or live queue, "" where it is not known
// yet. It may be written as an argument.
func queueType(v cty.Value) string {
	args := attr.Of(v, "arguments")
	if !args.IsKnown() {
		return ""
	}
	if a := attr.Of(plainTable(args), "x-queue-type"); !a.IsKnown() || attr.Given(a) && a.Type() == cty.String {
		return attr.String(a)
	}
	t := attr.Of(v, "type")
	if !t.IsKnown() {
		return ""
	}
	if t.IsNull() {
		return classic
	}
	return attr.String(t)
}

// queueWire are the arguments of a queue as the broker gets them. A default is
// not sent, except the type where the vhost has another default.
func queueWire(v cty.Value, vhostDefaultType string) map[string]any {
	v = normalQueue(v)
	args := wireTable(attr.Of(v, "arguments"))
	number := func(arg, name string) {
		if n, ok := intAttr(v, name); ok {
			args[arg] = n
		}
	}
	duration := func(arg, name string) {
		if n, ok := millis(v, name, 1); ok {
			args[arg] = n
		}
	}
	word := func(arg string, a cty.Value) {
		if attr.Given(a) {
			args[arg] = attr.String(a)
		}
	}
	number("x-max-priority", "max_priority")
	duration("x-message-ttl", "message_ttl")
	duration("x-expires", "expires")
	number("x-max-length", "max_length")
	number("x-max-length-bytes", "max_length_bytes")
	word("x-overflow", attr.Of(v, "overflow"))
	if attr.Bool(v, "single_active_consumer", false) {
		args["x-single-active-consumer"] = true
	}
	number("x-delivery-limit", "delivery_limit")
	if d := attr.Of(v, "dead_letter"); attr.Given(d) {
		word("x-dead-letter-exchange", attr.Of(d, "exchange"))
		word("x-dead-letter-routing-key", attr.Of(d, "routing_key"))
		word("x-dead-letter-strategy", attr.Of(d, "strategy"))
	}
	typ := attr.Text(v, "type")
	other := vhostDefaultType != "" && vhostDefaultType != "undefined" && vhostDefaultType != classic
	if typ != "" && (typ != classic || other) {
		args["x-queue-type"] = typ
	}
	return args
}
