package rabbitmq

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/attr"
)

func at(name string) cty.Path { return cty.GetAttrPath(name) }

// validateQueue checks what attributes of a queue say together.
func validateQueue(v cty.Value) []error {
	typ := queueType(v)
	if !slices.Contains([]string{classic, quorum, stream}, typ) {
		return nil // not known yet, or reported at the attribute
	}
	args, known := attr.Of(v, "arguments"), queueArguments()
	errs := checkArguments(args, known, typ, "queue")
	errs = append(errs, writtenTwice(v, args, known)...)
	errs = append(errs, misplacedAttrs(v, typ, known)...)
	if typ == classic {
		return errs
	}
	if !attr.Bool(v, "durable", true) {
		errs = append(errs, at("durable").NewErrorf("a %s queue is always durable: leave the attribute out", typ))
	}
	if attr.Bool(v, "auto_delete", false) {
		errs = append(errs, at("auto_delete").NewErrorf("a %s queue cannot be auto_delete: set expires to let a quorum queue go when nobody uses it", typ))
	}
	if typ == quorum {
		errs = append(errs, checkQuorum(v)...)
	}
	return errs
}

func checkQuorum(v cty.Value) (errs []error) {
	overflow := attr.Of(v, "overflow")
	if attr.String(overflow) == "reject-publish-dlx" {
		errs = append(errs, at("overflow").NewErrorf("a quorum queue does not take reject-publish-dlx: use reject-publish, or drop-head with a dead letter"))
	}
	dl := attr.Of(v, "dead_letter")
	if attr.Text(dl, "strategy") == "at-least-once" && overflow.IsKnown() && attr.String(overflow) != "reject-publish" {
		errs = append(errs, at("dead_letter").GetAttr("strategy").NewErrorf("at-least-once needs overflow = \"reject-publish\": with another overflow RabbitMQ falls back to at-most-once without a word"))
	}
	return errs
}

// writtenTwice finds settings that are both an attribute and an argument.
func writtenTwice(v, args cty.Value, known []argument) (errs []error) {
	each(args, func(name string, val cty.Value) {
		a := find(known, name)
		if a == nil || a.attr == "" || !isWritten(v, a.attr) {
			return
		}
		if a.attr == "type" {
			// The attribute has a default, so that it is only a clash if it differs from both.
			if t := attr.Text(v, "type"); t == classic || !attr.Given(val) || attr.String(val) == t {
				return
			}
		}
		errs = append(errs, argumentPath(name).NewErrorf("%s is already set by the attribute %s: write one of them", name, a.attr))
	})
	return errs
}

func isWritten(v cty.Value, path string) bool {
	for p := range strings.SplitSeq(path, ".") {
		v = attr.Of(v, p)
	}
	return !v.IsKnown() || !v.IsNull()
}

// misplacedAttrs finds attributes that stand for an argument that the queue's
// type does not take.
func misplacedAttrs(v cty.Value, typ string, known []argument) (errs []error) {
	reported := map[string]bool{}
	for i := range known {
		a := &known[i]
		name, sub, nested := strings.Cut(a.attr, ".")
		if name == "" || reported[name] || slices.Contains(a.types, typ) || !isWritten(v, a.attr) {
			continue
		}
		path := at(name)
		if nested && a.name == "x-dead-letter-strategy" && typ == classic {
			path = path.GetAttr(sub)
		} else {
			reported[name] = true
		}
		if name == "single_active_consumer" && !attr.Bool(v, name, true) {
			continue
		}
		errs = append(errs, path.NewErrorf("a %s queue has no %s: it is for %s", typ, a.attr, strings.Join(a.types, " and ")))
	}
	return errs
}

func validateExchange(v cty.Value) []error {
	typ := attr.Of(v, "type")
	if !attr.Given(typ) {
		return nil
	}
	args := attr.Of(v, "arguments")
	known := exchangeArguments()
	errs := writtenTwice(v, args, known)
	if knownExchangeType(typ.AsString(), known) {
		errs = append(errs, checkArguments(args, known, typ.AsString(), "exchange")...)
	}
	if typ.AsString() == "x-delayed-message" && args.IsKnown() && attr.Text(plain(args), "x-delayed-type") == "" {
		errs = append(errs, at("arguments").NewErrorf("an x-delayed-message exchange needs the argument x-delayed-type: the type it is once the delay is over, as \"direct\""))
	}
	return errs
}

// knownExchangeType says whether this program knows all the arguments of a
// type; other plugins may have arguments of their own.
func knownExchangeType(typ string, known []argument) bool {
	if slices.Contains([]string{"direct", "fanout", "topic", "headers", "x-random", "x-local-random", "x-modulus-hash"}, typ) {
		return true
	}
	return slices.ContainsFunc(known, func(a argument) bool { return slices.Contains(a.types, typ) })
}

func validateBinding(v cty.Value) []error {
	args := plainTable(attr.Of(v, "arguments"))
	if attr.Given(args) && strings.Contains(attr.Text(v, "routing_key"), "~") {
		return []error{at("routing_key").NewErrorf("a binding with arguments cannot have \"~\" in its routing key: RabbitMQ 3.10's management API then fails for every binding of the vhost")}
	}
	m := attr.Of(args, "x-match")
	if !attr.Given(m) {
		return nil
	}
	words := []string{"all", "any", "all-with-x", "any-with-x"}
	if m.Type() != cty.String || !slices.Contains(words, m.AsString()) {
		return []error{argumentPath("x-match").NewErrorf("x-match is %s", diag.OneOf(attr.String(m), words))}
	}
	return nil
}

// policyKeys are the settings that RabbitMQ's own features take in a policy.
func policyKeys() map[string]kind {
	return map[string]kind{
		"alternate-exchange": words, "dead-letter-exchange": words, "dead-letter-routing-key": words, "dead-letter-strategy": words,
		"message-ttl": integer, "expires": integer, "max-length": integer, "max-length-bytes": integer, "overflow": words,
		"delivery-limit": integer, "max-age": words, "max-in-memory-length": integer, "max-in-memory-bytes": integer,
		"queue-mode": words, "queue-version": integer, "queue-master-locator": words, "queue-leader-locator": words,
		"stream-max-segment-size-bytes": integer, "stream-filter-size-bytes": integer, "initial-cluster-size": integer,
		"target-group-size": integer, "consumer-timeout": integer, "consumer-disconnected-timeout": integer,
		"delayed-retry-type": words, "delayed-retry-min": integer, "delayed-retry-max": integer,
		"federation-upstream": words, "federation-upstream-set": words, "federation-upstream-pattern": words,
		"ha-mode": words, "ha-params": "", "ha-sync-mode": words, "ha-promote-on-shutdown": words, "ha-promote-on-failure": words,
		"ha-sync-batch-size": integer, "shards-per-node": integer, "routing-key": words,
	}
}

// checkDefinition checks a policy's settings: the broker does too, but only
// when it is too late to say so in `validate`. Settings of plugins pass.
func checkDefinition(v cty.Value) error {
	if !isTable(v) || v.LengthInt() == 0 {
		return fmt.Errorf("it must be an object with at least one setting: { message-ttl = 60000 }")
	}
	keys := policyKeys()
	known := make([]string, 0, len(keys))
	for k := range keys {
		known = append(known, k)
	}
	var err error
	each(v, func(name string, val cty.Value) {
		if err != nil {
			return
		}
		step := cty.Path{cty.IndexStep{Key: cty.StringVal(name)}}
		k, ok := keys[name]
		switch {
		case !ok && diag.Nearest(strings.TrimPrefix(name, "x-"), known) != "":
			err = step.NewErrorf("no policy has the setting %s.%s", name, diag.DidYouMean(strings.TrimPrefix(name, "x-"), known))
		case ok && attr.Given(val) && !k.takes(val):
			err = step.NewErrorf("%s must be %s, and this is %s", name, k, describeType(val))
		}
	})
	return err
}

func validateShovel(v cty.Value) (errs []error) {
	for _, end := range []string{"source", "destination"} {
		e := attr.Of(v, end)
		if !attr.Given(e) {
			continue
		}
		q, x, key := attr.Of(e, "queue"), attr.Of(e, "exchange"), attr.Of(e, "routing_key")
		switch {
		case q.IsNull() && x.IsNull() && end == "source":
			errs = append(errs, at(end).NewErrorf("a shovel's source is a queue or an exchange: write one"))
		case !q.IsNull() && !x.IsNull():
			errs = append(errs, at(end).GetAttr("exchange").NewErrorf("a shovel's %s is a queue or an exchange, not both", end))
		case !q.IsNull() && !key.IsNull():
			errs = append(errs, at(end).GetAttr("routing_key").NewErrorf("routing_key goes with an exchange: a queue is addressed by its name alone"))
		}
	}
	return append(errs, setTwice(v, shovelKeys())...)
}

func validateUpstream(v cty.Value) []error { return setTwice(v, upstreamKeys()) }

// setTwice finds settings in `definition` that have an attribute.
func setTwice(v cty.Value, attrs map[string]string) (errs []error) {
	each(attr.Of(v, "definition"), func(name string, _ cty.Value) {
		if a, ok := attrs[name]; ok {
			errs = append(errs, at("definition").Index(cty.StringVal(name)).NewErrorf("%s is what the attribute %s stands for: write it there", name, a))
		}
	})
	return errs
}

func checkDeleteAfter(v cty.Value) error {
	s := v.AsString()
	if s == "never" || s == "queue-length" {
		return nil
	}
	if _, ok := wholeNumber(s); ok {
		return nil
	}
	return fmt.Errorf("%q is not never, queue-length or a number of messages.%s", s, diag.DidYouMean(s, []string{"never", "queue-length"}))
}
