package rabbitmq_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq"
)

// check is what the engine does with a wanted value before anything is sent:
// every attribute's Check, then the schema's Validate.
func check(typ string, v cty.Value) []string {
	s := rabbitmq.Type().Resources[typ]
	out := checkAttrs(s.Attrs, v, nil)
	if s.Validate != nil {
		for _, err := range s.Validate(v) {
			out = append(out, pathText(nil, err))
		}
	}
	return out
}

func checkAttrs(as []providers.Attr, v cty.Value, at cty.Path) (out []string) {
	for _, a := range as {
		x := v.GetAttr(a.Name)
		if x.IsNull() || !x.IsKnown() {
			continue
		}
		p := append(append(cty.Path{}, at...), cty.GetAttrStep{Name: a.Name})
		if a.IsBlock() {
			out = append(out, checkAttrs(a.Attrs, x, p)...)
		} else if a.Check != nil {
			if err := a.Check(x); err != nil {
				out = append(out, pathText(p, err))
			}
		}
	}
	return out
}

func pathText(p cty.Path, err error) string {
	if pe, ok := errors.AsType[cty.PathError](err); ok {
		p = append(append(cty.Path{}, p...), pe.Path...)
	}
	return diag.FormatPath(p) + ": " + err.Error()
}

func args(a attrs) attrs { return attrs{"arguments": obj(a)} }

func deadLetter(a attrs) attrs {
	return attrs{"dead_letter": obj(attrs{"exchange": str("x"), "routing_key": cty.NullVal(cty.String), "strategy": cty.NullVal(cty.String)}.with(a))}
}

func TestChecks(t *testing.T) {
	long := strings.Repeat("é", 128) // 128 characters, 256 bytes
	for _, c := range []struct {
		name, typ string
		attrs     attrs
		want      string // part of the one error; "" none
	}{
		{"plain", "queue", attrs{}, ""},
		{"dot", "queue", attrs{"name": str(".")}, "name: the name \".\" cannot be used"},
		{"two dots", "exchange", attrs{"name": str("..")}, "cannot be used"},
		{"newline", "queue", attrs{"name": str("a\nb")}, "control character"},
		{"escape", "policy", attrs{"name": str("a\x1b[0m"), "pattern": str("x"), "definition": obj(attrs{"expires": num(5)})}, `"a\x1b[0m" has a control character`},
		{"empty", "queue", attrs{"name": str("")}, "cannot be empty"},
		{"bytes, not characters", "queue", attrs{"name": str(long)}, "256 bytes"},
		{"255 bytes", "queue", attrs{"name": str(long[:254] + "x")}, ""},
		{"routing key", "binding", attrs{"source": str("a"), "destination": str("b"), "routing_key": str(long)}, "routing_key: it has 256 bytes"},
		{"odd names", "queue", attrs{"name": str("a/b %2F?#[é]\u202e")}, ""},
		{"tag", "user", attrs{"tags": cty.SetVal([]cty.Value{str("management"), str("own word")})}, ""},
		{"tag with a comma", "user", attrs{"tags": cty.SetVal([]cty.Value{str("management"), str("a,b")})}, "the tag \"a,b\" cannot be kept"},
		{"empty tag", "user", attrs{"tags": cty.SetVal([]cty.Value{str("management"), str("")})}, "cannot be kept"},
		{"blank tag", "user", attrs{"tags": cty.SetVal([]cty.Value{str("management"), str(" x")})}, "cannot be kept"},
		{"tag of another alphabet", "user", attrs{"tags": cty.SetVal([]cty.Value{str("management"), str("ü")})}, "cannot be kept"},
		{"vhost's tag", "vhost", attrs{"tags": cty.SetVal([]cty.Value{str("ü"), cty.UnknownVal(cty.String)})}, "cannot be kept"},
		{"amq queue", "queue", attrs{"name": str("amq.gen-x")}, "belong to the broker"},
		{"amq source", "binding", attrs{"source": str("amq.topic"), "destination": str("b")}, ""},
		{"default exchange", "binding", attrs{"source": str(""), "destination": str("b")}, "default exchange"},
		{"unknown argument", "queue", args(attrs{"x-mesage-ttl": num(5)}), `Did you mean "x-message-ttl"?`},
		{"forgotten x-", "queue", args(attrs{"message-ttl": num(5)}), `Did you mean "x-message-ttl"?`},
		{"own argument", "queue", args(attrs{"team": str("a")}), ""},
		{"text for a number", "queue", args(attrs{"x-message-ttl": str("5000")}), `arguments["x-message-ttl"]: x-message-ttl must be a whole number`},
		{"fraction", "queue", args(attrs{"x-max-length": cty.NumberFloatVal(1.5)}), "whole number"},
		{"not for this type", "queue", args(attrs{"x-max-age": str("1D")}), "which is for stream"},
		{"priority on quorum", "queue", attrs{"type": str("quorum"), "max_priority": num(4)}, "max_priority: a quorum queue has no max_priority"},
		{"priority argument on quorum", "queue", attrs{"type": str("quorum")}.with(args(attrs{"x-max-priority": num(4)})), "does not take"},
		{"delivery limit on classic", "queue", attrs{"delivery_limit": num(4)}, "is for quorum"},
		{"type as argument", "queue", attrs{"delivery_limit": num(4)}.with(args(attrs{"x-queue-type": str("quorum")})), ""},
		{"types differ", "queue", attrs{"type": str("stream")}.with(args(attrs{"x-queue-type": str("quorum")})), "already set"},
		{"dead letter on stream", "queue", attrs{"type": str("stream")}.with(deadLetter(nil)), "dead_letter: a stream queue has no"},
		{"ttl on stream", "queue", attrs{"type": str("stream"), "message_ttl": str("1h")}, "message_ttl"},
		{"quorum not durable", "queue", attrs{"type": str("quorum"), "durable": cty.False}, "always durable"},
		{"quorum auto_delete", "queue", attrs{"type": str("quorum"), "auto_delete": cty.True}, "cannot be auto_delete"},
		{"strategy on classic", "queue", deadLetter(attrs{"strategy": str("at-least-once")}), "dead_letter.strategy: a classic queue has no"},
		{"at-least-once", "queue", attrs{"type": str("quorum")}.with(deadLetter(attrs{"strategy": str("at-least-once")})), "reject-publish"},
		{"at-least-once, right", "queue", attrs{"type": str("quorum"), "overflow": str("reject-publish")}.with(deadLetter(attrs{"strategy": str("at-least-once")})), ""},
		{"overflow on quorum", "queue", attrs{"type": str("quorum"), "overflow": str("reject-publish-dlx")}, "does not take"},
		{"written twice", "queue", attrs{"message_ttl": str("1h")}.with(args(attrs{"x-message-ttl": num(5)})), "already set by the attribute message_ttl"},
		{"dead letter twice", "queue", deadLetter(nil).with(args(attrs{"x-dead-letter-exchange": str("y")})), "already set by the attribute dead_letter.exchange"},
		{"own mark", "queue", args(attrs{"x-msgflo-owner": str("me")}), "own mark"},
		{"duration", "queue", attrs{"message_ttl": str("5")}, "no duration"},
		{"days", "queue", attrs{"message_ttl": str("2d")}, `"48h"`},
		{"too long", "queue", attrs{"message_ttl": str("1200h")}, "longer than the broker allows"},
		{"expires at once", "queue", attrs{"expires": str("0s")}, "longer than nothing"},
		{"word", "queue", attrs{"type": str("quorom")}, `Did you mean "quorum"?`},
		{"exchange type", "exchange", attrs{"type": str("topc")}, `Did you mean "topic"?`},
		{"exchange of a plugin", "exchange", attrs{"type": str("x-other"), "arguments": obj(attrs{"x-own": num(1)})}, ""},
		{"exchange argument", "exchange", args(attrs{"x-delayed-type": str("direct")}), "which is for x-delayed-message"},
		{"alternate twice", "exchange", attrs{"alternate": str("a")}.with(args(attrs{"alternate-exchange": str("b")})), "already set"},
		{"delayed", "exchange", attrs{"type": str("x-delayed-message")}, "x-delayed-type"},
		{"x-match", "binding", attrs{"source": str("a"), "destination": str("b"), "arguments": obj(attrs{"x-match": str("both")})}, "x-match is one of"},
		{"tilde", "binding", attrs{"source": str("a"), "destination": str("b"), "routing_key": str("a~b"), "arguments": obj(attrs{"n": num(1)})}, "management API"},
		{"pattern", "policy", attrs{"pattern": str("(a"), "definition": obj(attrs{"expires": num(5)})}, "no regular expression"},
		{"perl pattern", "policy", attrs{"pattern": str("^(?!amq).*(?<=x)"), "definition": obj(attrs{"expires": num(5)})}, ""},
		{"policy key", "policy", attrs{"pattern": str("a"), "definition": obj(attrs{"message-tl": num(5)})}, `Did you mean "message-ttl"?`},
		{"policy value", "policy", attrs{"pattern": str("a"), "definition": obj(attrs{"message-ttl": str("5")})}, "must be a whole number"},
		{"policy of a plugin", "policy", attrs{"pattern": str("a"), "definition": obj(attrs{"shards-per-node": num(5), "zzz-plugin-thing": num(1)})}, ""},
		{"limit of nothing", "vhost_limit", attrs{}, "limits nothing"},
		{"empty password", "user", attrs{"password": str("")}, "it is empty"},
		{"shovel without source", "shovel", shovelAttrs(attrs{}, attrs{"queue": str("q")}), "is a queue or an exchange"},
		{"shovel with both", "shovel", shovelAttrs(attrs{"queue": str("q"), "exchange": str("e")}, attrs{"queue": str("q")}), "not both"},
		{"shovel url", "shovel", shovelAttrs(attrs{"queue": str("q"), "url": str("http://x")}, attrs{"queue": str("q")}), "begins with amqp://"},
		{"shovel twice", "shovel", shovelAttrs(attrs{"queue": str("q")}, attrs{"queue": str("q")}).with(attrs{"definition": obj(attrs{"ack-mode": str("no-ack")})}), "attribute ack_mode"},
		{"delete_after", "shovel", shovelAttrs(attrs{"queue": str("q")}, attrs{"queue": str("q")}).with(attrs{"delete_after": str("queue-lenght")}), `Did you mean "queue-length"?`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := check(c.typ, value(c.typ, attrs{"name": str("n"), "vhost": str("/")}.forType(c.typ).with(c.attrs)))
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("refused: %q", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("got %q, want one error with %q", got, c.want)
			}
		})
	}
}

// forType drops the attributes that a type has not.
func (a attrs) forType(typ string) attrs {
	out := attrs{}
	for k, v := range a {
		if rabbitmq.Type().Resources[typ].Attr(k) != nil {
			out[k] = v
		}
	}
	return out
}

func shovelAttrs(source, destination attrs) attrs {
	end := attrs{"url": str("amqp://"), "queue": cty.NullVal(cty.String), "exchange": cty.NullVal(cty.String), "routing_key": cty.NullVal(cty.String)}
	return attrs{"source": obj(end.with(source)), "destination": obj(end.with(destination))}
}

// TestChecksPassOverUnknown: validation runs before everything is known.
func TestChecksPassOverUnknown(t *testing.T) {
	for typ, s := range rabbitmq.Type().Resources {
		all := attrs{}
		for _, a := range s.Attrs {
			all[a.Name] = cty.UnknownVal(a.ValueType())
		}
		if s.Validate != nil {
			if errs := s.Validate(obj(all)); len(errs) > 0 {
				t.Errorf("%s: %v", typ, errs)
			}
		}
		for _, name := range []string{"type", "arguments", "dead_letter", "overflow", "source", "definition"} {
			if s.Attr(name) == nil || s.Validate == nil {
				continue
			}
			one := value(typ, attrs{name: cty.UnknownVal(s.Attr(name).ValueType())})
			s.Validate(one) // must not panic
		}
	}
}

func TestLintPolicies(t *testing.T) {
	policy := func(name, pattern, applyTo string, priority int64) providers.Object {
		return providers.Object{Type: "policy", Value: value("policy", attrs{"name": str(name), "vhost": str("/"), "pattern": str(pattern),
			"apply_to": str(applyTo), "priority": num(priority), "definition": obj(attrs{"expires": num(5)})})}
	}
	queue := func(vhost, name, typ string) providers.Object {
		return providers.Object{Type: "queue", Value: value("queue", attrs{"name": str(name), "vhost": str(vhost), "type": str(typ)})}
	}
	exchange := providers.Object{Type: "exchange", Value: value("exchange", attrs{"name": str("jobs"), "vhost": str("/")})}
	jobs := queue("/", "jobs", "classic")
	for _, c := range []struct {
		name       string
		want, live []providers.Object
		errors     int
	}{
		{"clash", []providers.Object{policy("a", "^j", "queues", 1), policy("b", "s$", "all", 1), jobs}, nil, 1},
		{"once a pair", []providers.Object{policy("a", "^j", "queues", 1), policy("b", "s$", "all", 1), jobs, queue("/", "js", "classic")}, nil, 1},
		{"other priority", []providers.Object{policy("a", "^j", "queues", 1), policy("b", "s$", "all", 2), jobs}, nil, 0},
		{"no common object", []providers.Object{policy("a", "^j", "queues", 1), policy("b", "^k", "all", 1), jobs}, nil, 0},
		{"other kind", []providers.Object{policy("a", "^j", "queues", 1), policy("b", "^j", "exchanges", 1), jobs, exchange}, nil, 0},
		{"other queue type", []providers.Object{policy("a", "^j", "quorum_queues", 1), policy("b", "^j", "all", 1), jobs}, nil, 0},
		{"other vhost", []providers.Object{policy("a", "^j", "all", 1), policy("b", "^j", "all", 1), queue("x", "jobs", "classic")}, nil, 0},
		{"with a live one", []providers.Object{policy("a", "^(?=j)", "all", 1), jobs}, []providers.Object{policy("b", "^j", "all", 1)}, 1},
		{"its own live form", []providers.Object{policy("a", "^j", "all", 1), jobs}, []providers.Object{policy("a", "^jo", "all", 1)}, 0},
		{"two live ones are not ours", []providers.Object{jobs}, []providers.Object{policy("a", "^j", "all", 1), policy("b", "^j", "all", 1)}, 0},
		{"a pattern that never ends", []providers.Object{policy("a", "^(a+)+$", "all", 1), policy("b", "a", "all", 1), queue("/", strings.Repeat("a", 60)+"b", "classic")}, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := rabbitmq.Type().Lint(c.want, c.live); len(got) != c.errors {
				t.Errorf("%d diagnostics, want %d: %v", len(got), c.errors, got)
			}
		})
	}
}
