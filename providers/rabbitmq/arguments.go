package rabbitmq

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/attr"
)

// The queue types.
const (
	classic = "classic"
	quorum  = "quorum"
	stream  = "stream"
)

// A kind is what an argument's value must be on the wire. RabbitMQ compares
// arguments with their type: "5000" is not 5000.
type kind string

const (
	integer kind = "a whole number"
	words   kind = "text"
	boolean kind = "true or false"
)

func (k kind) takes(v cty.Value) bool {
	switch k {
	case integer:
		return v.Type() == cty.Number && v.AsBigFloat().IsInt()
	case words:
		return v.Type() == cty.String
	case boolean:
		return v.Type() == cty.Bool
	}
	return true
}

// An argument is one that RabbitMQ knows.
type argument struct {
	name  string
	kind  kind
	types []string // the queue types that take it
	attr  string   // the attribute that stands for it
	since string   // first broker version that has it; "": all that are still in use
	until string   // first broker version that refuses it
}

// queueArguments are those of rabbit_classic_queue, rabbit_quorum_queue and
// rabbit_stream_queue's capabilities() up to RabbitMQ 4.3.
func queueArguments() []argument {
	all, cq := []string{classic, quorum, stream}, []string{classic, quorum}
	return []argument{
		{name: "x-queue-type", kind: words, types: all, attr: "type"},
		{name: "x-message-ttl", kind: integer, types: cq, attr: "message_ttl"},
		{name: "x-expires", kind: integer, types: cq, attr: "expires"},
		{name: "x-max-length", kind: integer, types: cq, attr: "max_length"},
		{name: "x-max-length-bytes", kind: integer, types: all, attr: "max_length_bytes"},
		{name: "x-max-priority", kind: integer, types: []string{classic}, attr: "max_priority"},
		{name: "x-overflow", kind: words, types: cq, attr: "overflow"},
		{name: "x-single-active-consumer", kind: boolean, types: cq, attr: "single_active_consumer"},
		{name: "x-delivery-limit", kind: integer, types: []string{quorum}, attr: "delivery_limit"},
		{name: "x-dead-letter-exchange", kind: words, types: cq, attr: "dead_letter.exchange"},
		{name: "x-dead-letter-routing-key", kind: words, types: cq, attr: "dead_letter.routing_key"},
		{name: "x-dead-letter-strategy", kind: words, types: []string{quorum}, attr: "dead_letter.strategy"},
		{name: "x-queue-mode", kind: words, types: []string{classic}, until: "4.3"},
		{name: "x-queue-version", kind: integer, types: []string{classic}},
		{name: "x-queue-master-locator", kind: words, types: []string{classic}, until: "4.3"},
		{name: "x-queue-leader-locator", kind: words, types: all},
		{name: "x-max-in-memory-length", kind: integer, types: []string{quorum}},
		{name: "x-max-in-memory-bytes", kind: integer, types: []string{quorum}},
		{name: "x-quorum-initial-group-size", kind: integer, types: []string{quorum}},
		{name: "x-quorum-target-group-size", kind: integer, types: []string{quorum}, since: "3.13"},
		{name: "x-member-placement-tag", kind: words, types: []string{quorum}, since: "4.3"},
		{name: "x-consumer-timeout", kind: integer, types: cq, since: "3.12"},
		{name: "x-consumer-disconnected-timeout", kind: integer, types: []string{quorum}, since: "4.3"},
		{name: "x-delayed-retry-type", kind: words, types: []string{quorum}, since: "4.3"},
		{name: "x-delayed-retry-min", kind: integer, types: []string{quorum}, since: "4.3"},
		{name: "x-delayed-retry-max", kind: integer, types: []string{quorum}, since: "4.3"},
		{name: "x-max-age", kind: words, types: []string{stream}},
		{name: "x-stream-max-segment-size-bytes", kind: integer, types: []string{stream}},
		{name: "x-stream-filter-size-bytes", kind: integer, types: []string{stream}, since: "3.13"},
		{name: "x-initial-cluster-size", kind: integer, types: []string{stream}},
	}
}

// exchangeArguments are those of the exchange kinds that come with RabbitMQ;
// here types are exchange types, nil meaning every one.
func exchangeArguments() []argument {
	return []argument{
		{name: "alternate-exchange", kind: words, attr: "alternate"},
		{name: "hash-header", kind: words, types: []string{"x-consistent-hash"}},
		{name: "hash-property", kind: words, types: []string{"x-consistent-hash"}},
		{name: "x-recent-history-length", kind: integer, types: []string{"x-recent-history"}},
		{name: "x-recent-history-no-store", kind: boolean, types: []string{"x-recent-history"}},
		{name: "x-delayed-type", kind: words, types: []string{"x-delayed-message"}},
	}
}

func names(args []argument) []string {
	out := make([]string, len(args))
	for i := range args {
		out[i] = args[i].name
	}
	return out
}

func find(args []argument, name string) *argument {
	i := slices.IndexFunc(args, func(a argument) bool { return a.name == name })
	if i < 0 {
		return nil
	}
	return &args[i]
}

func argumentPath(name string) cty.Path {
	return cty.GetAttrPath("arguments").Index(cty.StringVal(name))
}

// checkArguments checks a table of arguments as written. typ is the queue's
// or exchange's type; what is its word for people.
func checkArguments(table cty.Value, known []argument, typ, what string) (errs []error) {
	each(table, func(name string, v cty.Value) {
		a := find(known, name)
		if a == nil {
			if err := unknownArgument(name, known, what); err != nil {
				errs = append(errs, argumentPath(name).NewError(err))
			}
			return
		}
		if a.types != nil && !slices.Contains(a.types, typ) {
			errs = append(errs, argumentPath(name).NewErrorf("a %s %s does not take the argument %s, which is for %s", typ, what, name, strings.Join(a.types, " and ")))
			return
		}
		if attr.Given(v) && !a.kind.takes(v) {
			errs = append(errs, argumentPath(name).NewErrorf("%s must be %s, and this is %s; RabbitMQ compares arguments with their type", name, a.kind, describeType(v)))
		}
	})
	return errs
}

// unknownArgument refuses x- arguments that RabbitMQ would accept, ignore and
// forget, and known ones that lack their x-.
func unknownArgument(name string, known []argument, what string) error {
	if name == ownerArgument {
		return nil // checkTable refuses it, with a reason of its own
	}
	if strings.HasPrefix(name, "x-") {
		return fmt.Errorf("no %s has the argument %s; RabbitMQ would accept it and do nothing.%s", what, name, diag.DidYouMean(name, names(known)))
	}
	if find(known, "x-"+name) != nil {
		return fmt.Errorf("no %s has the argument %s; RabbitMQ would accept it and do nothing. Did you mean \"x-%s\"?", what, name, name)
	}
	return nil
}

func describeType(v cty.Value) string {
	switch {
	case v.Type() == cty.String:
		return "text: write it without quotes if it is a number"
	case v.Type() == cty.Number:
		return "a number"
	case v.Type() == cty.Bool:
		return "true or false"
	}
	return "no single value"
}
