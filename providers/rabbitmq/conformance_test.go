package rabbitmq_test

import (
	"context"
	"maps"
	"net/http"
	"os"
	"testing"

	"github.com/dlclark/regexp2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/providertest"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/providers/rabbitmq"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

func TestMain(m *testing.M) {
	code := rabbittest.Run(m)
	http.DefaultClient.CloseIdleConnections() // rabbittest's own
	regexp2.StopTimeoutClock()
	os.Exit(leaktest.Judge(code))
}

const secret = "correct-horse"

func str(s string) cty.Value { return cty.StringVal(s) }

func num(n int64) cty.Value { return cty.NumberIntVal(n) }

// attrs are attributes of an object by name.
type attrs map[string]cty.Value

// with adds attributes to some.
func (a attrs) with(more attrs) attrs {
	m := attrs{}
	maps.Copy(m, a)
	maps.Copy(m, more)
	return m
}

func obj(a attrs) cty.Value { return cty.ObjectVal(a) }

// brokerConfig is a broker block of b, other attributes of which are null.
func brokerConfig(t testing.TB, b *rabbittest.Broker, vhost string, more attrs) cty.Value {
	t.Helper()
	c := rabbitmq.Type().Config
	return c.Complete(attrs{"url": str(b.VhostURL(vhost)), "management": str(b.ManagementURL)}.with(more))
}

// open opens a provider on a vhost of the tests' broker.
func open(t testing.TB, b *rabbittest.Broker, vhost string, more attrs) providers.Provider {
	t.Helper()
	p, err := rabbitmq.Type().Open(context.Background(), providers.Env{
		Config: brokerConfig(t, b, vhost, more), Lineage: providertest.Lineage, Marks: true, Dir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// value is a complete wanted value of a type.
func value(typ string, a attrs) cty.Value {
	return rabbitmq.Type().Resources[typ].Complete(a)
}

// The suite wants to see that nothing else on the broker changes, so it has one
// to itself: other packages' tests work on the shared one meanwhile.
func TestConformance(t *testing.T) {
	b := rabbittest.Own(t, rabbittest.Options{Plugins: rabbittest.AllPlugins()})
	providertest.Run(t, providertest.Harness{
		Type:   rabbitmq.Type(),
		Secret: secret,
		Open: func(t *testing.T) (providers.Provider, string) {
			vhost := rabbittest.Vhost(t, b)
			p := open(t, b, vhost, nil)
			// What belongs to others, and must be left alone.
			mustMake(t, p, "exchange", value("exchange", attrs{"vhost": str(vhost), "name": str("foreign")}))
			return p, vhost
		},
		Cases: conformanceCases,
	})
}

func conformanceCases(ns string) []providertest.Case {
	named := func(name string, more attrs) attrs { return attrs{"vhost": str(ns), "name": str(name)}.with(more) }
	need := func(typ string, a attrs) providers.Object { return providers.Object{Type: typ, Value: value(typ, a)} }
	exchange, queue := need("exchange", named("events", attrs{"type": str("headers")})), need("queue", named("bound", nil))
	binding := func(key string, args cty.Value) cty.Value {
		return value("binding", attrs{"vhost": str(ns), "source": str("events"), "destination": str("bound"), "routing_key": str(key), "arguments": args})
	}
	none := cty.NullVal(cty.DynamicPseudoType)
	user := need("user", attrs{"name": str("user of " + ns)})
	userName := str("user of " + ns)
	tags := func(s ...string) cty.Value {
		vs := make([]cty.Value, len(s))
		for i := range s {
			vs[i] = str(s[i])
		}
		return cty.SetVal(vs)
	}
	definition := func(ttl int64) cty.Value {
		return obj(attrs{"message-ttl": num(ttl), "dead-letter-exchange": str("x")})
	}
	link := str("amqp://shoveler:" + secret + "@localhost/%2F")
	end := func(a attrs) cty.Value {
		return obj(attrs{"url": link, "queue": cty.NullVal(cty.String), "exchange": cty.NullVal(cty.String), "routing_key": cty.NullVal(cty.String)}.with(a))
	}
	dead := func(key string) cty.Value {
		return obj(attrs{"exchange": str("dead"), "routing_key": str(key), "strategy": cty.NullVal(cty.String)})
	}
	return []providertest.Case{
		{Name: "queue", Type: "queue", Marked: true, Conflict: true,
			Base: value("queue", named("jobs", attrs{"message_ttl": str("90m"), "dead_letter": dead("k"), "max_priority": num(4), "single_active_consumer": cty.True})),
			ForceNew: []cty.Value{
				value("queue", named("jobs", attrs{"message_ttl": str("1h"), "dead_letter": dead("k"), "max_priority": num(4), "single_active_consumer": cty.True})),
				value("queue", named("jobs", attrs{"durable": cty.False, "auto_delete": cty.True})),
				value("queue", named("jobs", attrs{"type": str("quorum"), "delivery_limit": num(20), "max_length_bytes": num(5_000_000_000)})),
				value("queue", named("jobs", attrs{"type": str("stream"), "arguments": obj(attrs{"x-max-age": str("1D")})})),
				value("queue", named("jobs 2/3?#%2F é", nil)),
			},
			Invalid: []cty.Value{
				value("queue", attrs{"vhost": str("nowhere"), "name": str("jobs")}),
				value("queue", named("jobs", attrs{"arguments": obj(attrs{"x-message-ttl": str("5000")})})),
			}},
		{Name: "exchange", Type: "exchange", Marked: true, Conflict: true,
			Base: value("exchange", named("jobs", attrs{"type": str("topic"), "alternate": str("unrouted")})),
			ForceNew: []cty.Value{
				value("exchange", named("jobs", attrs{"type": str("fanout"), "alternate": str("unrouted")})),
				value("exchange", named("jobs", attrs{"internal": cty.True, "durable": cty.False})),
				value("exchange", named("jobs", attrs{"type": str("x-consistent-hash"), "arguments": obj(attrs{"hash-header": str("h")})})),
			},
			Invalid: []cty.Value{value("exchange", named("late", attrs{"type": str("x-delayed-message"), "arguments": obj(attrs{"x-delayed-type": str("direct")})}))}},
		{Name: "binding", Type: "binding", Needs: []providers.Object{exchange, queue}, Base: binding("a.#", none),
			ForceNew: []cty.Value{
				binding("", none),
				binding("a/b c%2F", obj(attrs{"x-match": str("all"), "n": num(5), "big": num(5_000_000_000), "f": cty.NumberFloatVal(1.5), "b": cty.True,
					"l": cty.TupleVal([]cty.Value{num(1), str("x")}), "o": obj(attrs{"k": str("v")})})),
			},
			Invalid: []cty.Value{value("binding", attrs{"vhost": str(ns), "source": str("none"), "destination": str("bound")})}},
		{Name: "exchange to exchange", Type: "binding", Needs: []providers.Object{exchange},
			Base: value("binding", attrs{"vhost": str(ns), "source": str("amq.topic"), "destination": str("events"), "destination_type": str("exchange"), "routing_key": str("k")})},
		{Name: "policy", Type: "policy", Base: value("policy", named("p", attrs{"pattern": str("^(?=t)"), "definition": definition(1000)})),
			InPlace: []cty.Value{value("policy", named("p", attrs{"pattern": str("x"), "priority": num(-7), "apply_to": str("queues"), "definition": definition(5)}))},
			Invalid: []cty.Value{value("policy", named("q", attrs{"pattern": str("x"), "definition": obj(attrs{"message-ttl": str("x")})}))}},
		{Name: "operator policy", Type: "operator_policy", Base: value("operator_policy", named("p", attrs{"pattern": str("^t"), "definition": obj(attrs{"max-length": num(5)})})),
			InPlace: []cty.Value{value("operator_policy", named("p", attrs{"pattern": str("^t"), "priority": num(3), "definition": obj(attrs{"expires": num(5)})}))}},
		{Name: "vhost", Type: "vhost", Base: value("vhost", attrs{"name": str(ns + "/%2F other"), "tags": tags("b", "a")}),
			InPlace: []cty.Value{value("vhost", attrs{"name": str(ns + "/%2F other"), "description": str("second")})}},
		{Name: "vhost limit", Type: "vhost_limit", Base: value("vhost_limit", attrs{"name": str("label"), "vhost": str(ns), "max_queues": num(50)}),
			InPlace: []cty.Value{value("vhost_limit", attrs{"name": str("label"), "vhost": str(ns), "max_connections": num(50), "max_queues": num(-1)})}},
		{Name: "user", Type: "user", Base: value("user", attrs{"name": str("u " + ns), "password": str(secret)}),
			InPlace: []cty.Value{
				value("user", attrs{"name": str("u " + ns), "password": str(secret), "tags": tags("management", "my-own")}),
				value("user", attrs{"name": str("u " + ns), "password": str(secret + "2")}),
				value("user", attrs{"name": str("u " + ns)}),
			}},
		{Name: "user limit", Type: "user_limit", Needs: []providers.Object{user}, Base: value("user_limit", attrs{"user": userName, "max_channels": num(5)}),
			InPlace: []cty.Value{value("user_limit", attrs{"user": userName, "max_connections": num(0)})}},
		{Name: "permission", Type: "permission", Needs: []providers.Object{user},
			Base:    value("permission", attrs{"vhost": str(ns), "user": userName, "configure": str(""), "write": str("^a"), "read": str(".*")}),
			InPlace: []cty.Value{value("permission", attrs{"vhost": str(ns), "user": userName, "configure": str("x"), "write": str(""), "read": str("")})},
			Invalid: []cty.Value{value("permission", attrs{"vhost": str(ns), "user": str("nobody"), "configure": str(""), "write": str(""), "read": str("")})}},
		{Name: "topic permission", Type: "topic_permission", Needs: []providers.Object{user},
			Base:    value("topic_permission", attrs{"vhost": str(ns), "user": userName, "exchange": str("a/b"), "write": str("^a"), "read": str("")}),
			InPlace: []cty.Value{value("topic_permission", attrs{"vhost": str(ns), "user": userName, "exchange": str("a/b"), "write": str(""), "read": str("k")})}},
		{Name: "parameter", Type: "parameter", Base: value("parameter", named("p", attrs{"component": str("federation-upstream"), "value": obj(attrs{"uri": link})})),
			InPlace: []cty.Value{value("parameter", named("p", attrs{"component": str("federation-upstream"), "value": obj(attrs{"uri": link, "max-hops": num(2)})}))},
			Invalid: []cty.Value{value("parameter", named("p", attrs{"component": str("nonesuch"), "value": obj(attrs{"uri": link})}))}},
		{Name: "global parameter", Type: "global_parameter", Base: value("global_parameter", attrs{"name": str("g " + ns), "value": cty.TupleVal([]cty.Value{num(1), str("x")})}),
			InPlace: []cty.Value{value("global_parameter", attrs{"name": str("g " + ns), "value": str("text")})}},
		{Name: "shovel", Type: "shovel", Base: value("shovel", named("s/1", attrs{"source": end(attrs{"queue": str("a")}), "destination": end(attrs{"exchange": str("b"), "routing_key": str("k")})})),
			InPlace: []cty.Value{
				value("shovel", named("s/1", attrs{"source": end(attrs{"queue": str("a"), "url": cty.TupleVal([]cty.Value{link, link})}), "destination": end(attrs{"queue": str("b")}),
					"ack_mode": str("no-ack"), "prefetch": num(5), "reconnect_delay": str("1m"), "definition": obj(attrs{"dest-add-forward-headers": cty.True})})),
			},
			Invalid: []cty.Value{value("shovel", named("bad", attrs{"source": end(attrs{"queue": str("a")}), "destination": end(attrs{"queue": str("b")}), "definition": obj(attrs{"bogus": num(1)})}))}},
		{Name: "federation upstream", Type: "federation_upstream", Base: value("federation_upstream", named("u", attrs{"url": link})),
			InPlace: []cty.Value{value("federation_upstream", named("u", attrs{"url": link, "exchange": str("e"), "queue": str("q"), "max_hops": num(2), "expires": str("1h"),
				"message_ttl": str("500ms"), "prefetch": num(7), "ack_mode": str("no-ack"), "definition": obj(attrs{"trust-user-id": cty.True})}))}},
	}
}
