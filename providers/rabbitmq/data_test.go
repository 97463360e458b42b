package rabbitmq_test

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/rabbitmq"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

func TestData(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p, ch := open(t, b, vhost, nil), outside(t, b, vhost)
	ask := func(typ string, a attrs) cty.Value {
		t.Helper()
		s := rabbitmq.Type().Data[typ]
		r := readOne(t, p, "data."+typ, s.Complete(a))
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		for name := range s.ImpliedType().AttributeTypes() {
			if !r.Value.IsNull() && !r.Value.Type().HasAttribute(name) {
				t.Errorf("%s lacks %s", typ, name)
			}
		}
		return r.Value
	}
	if v := ask("queue", attrs{"name": str("q"), "vhost": str(vhost)}); !v.IsNull() {
		t.Fatalf("absent: %#v", v)
	}
	mustMake(t, p, "queue", value("queue", attrs{"name": str("q"), "vhost": str(vhost), "type": str("quorum"), "message_ttl": str("1h")}))
	// A check may ask at once, before the broker's statistics know the queue.
	if v := ask("queue", attrs{"name": str("q"), "vhost": str(vhost)}); !v.GetAttr("messages").RawEquals(num(0)) || !v.GetAttr("consumers").RawEquals(num(0)) {
		t.Errorf("a new queue has %#v messages and %#v consumers", v.GetAttr("messages"), v.GetAttr("consumers"))
	}
	publish(t, ch, "q", 2)
	ctx := testContext(t)
	v := ask("queue", attrs{"name": str("q"), "vhost": str(vhost)})
	counted := func() bool { // the broker samples, and tells part by part
		return v.GetAttr("messages").RawEquals(num(2)) && !v.GetAttr("consumers").IsNull()
	}
	for !counted() {
		if ctx.Err() != nil {
			t.Fatal("messages are never counted")
		}
		v = ask("queue", attrs{"name": str("q"), "vhost": str(vhost)})
	}
	for name, want := range map[string]cty.Value{"messages": num(2), "consumers": num(0), "type": str("quorum"), "message_ttl": str("1h"), "durable": cty.True} {
		if got := v.GetAttr(name); !got.RawEquals(want) {
			t.Errorf("%s is %#v, want %#v", name, got, want)
		}
	}
	if v := ask("exchange", attrs{"name": str("amq.topic"), "vhost": str(vhost)}); v.GetAttr("type") != str("topic") {
		t.Errorf("the broker's own exchange: %#v", v)
	}
	if v := ask("vhost", attrs{"name": str(vhost)}); v.GetAttr("name") != str(vhost) || v.GetAttr("tracing").True() {
		t.Errorf("vhost: %#v", v)
	}
}
