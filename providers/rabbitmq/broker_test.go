package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// outside is an AMQP channel of somebody else's.
func outside(t testing.TB, b *rabbittest.Broker, vhost string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(b.VhostURL(vhost))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	return ch
}

// publish puts messages into a queue, and waits until the broker has them.
func publish(t testing.TB, ch *amqp.Channel, queue string, n int) {
	t.Helper()
	for range n {
		d, err := ch.PublishWithDeferredConfirm("", queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := d.WaitContext(testContext(t)); err != nil || !ok {
			t.Fatal("not confirmed", err)
		}
	}
}

func depth(t testing.TB, p providers.Provider, typ string, v cty.Value) providers.Depth {
	t.Helper()
	ds, err := p.(providers.Meter).Depth(testContext(t), []providers.Query{{Type: typ, Value: v}})
	if err != nil {
		t.Fatal(err)
	}
	return ds[0]
}

func refused(t testing.TB, err error, what string) {
	t.Helper()
	var r *providers.RefusedError
	if !errors.As(err, &r) || !strings.Contains(err.Error(), what) {
		t.Fatalf("got %v, want a refusal with %q", err, what)
	}
}

// TestDeleteGuards: no queue goes with messages in it, of whatever type. The
// broker's own if-empty is refused for quorum queues and ignored for streams.
func TestDeleteGuards(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p, ch := open(t, b, vhost, nil), outside(t, b, vhost)
	for _, typ := range []string{"classic", "quorum", "stream"} {
		t.Run(typ, func(t *testing.T) {
			v := value("queue", attrs{"name": str(typ), "vhost": str(vhost), "type": str(typ)})
			mustMake(t, p, "queue", v)
			if d := depth(t, p, "queue", v); d.Messages() != 0 || d.Unknown {
				t.Errorf("an empty queue has %+v", d)
			}
			mustDelete(t, p, "queue", v) // empty: deleted
			mustMake(t, p, "queue", v)
			publish(t, ch, typ, 3)
			if d := depth(t, p, "queue", v); d.Ready == 0 || d.Unknown {
				t.Errorf("a queue of three messages has %+v", d)
			}
			_, err := apply(t, p, "queue", v, null("queue"))
			refused(t, err, "which would be lost")
			if r := readOne(t, p, "queue", v); r.Value.IsNull() {
				t.Fatal("it is gone all the same")
			}
			mustDelete(t, p, "queue", v, allowLoss)
			if r := readOne(t, p, "queue", v); !r.Value.IsNull() {
				t.Error("with consent it is not deleted")
			}
		})
	}
}

// TestDepthOfMany: counted by lists, they are what they are one by one.
func TestDepthOfMany(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p, ch := open(t, b, vhost, nil), outside(t, b, vhost)
	var queries []providers.Query
	for _, typ := range []string{"classic", "quorum", "stream"} {
		v := value("queue", attrs{"name": str(typ), "vhost": str(vhost), "type": str(typ)})
		mustMake(t, p, "queue", v)
		publish(t, ch, typ, 2)
		mustMake(t, p, "binding", value("binding", attrs{"source": str("amq.topic"), "destination": str(typ), "vhost": str(vhost)}))
		queries = append(queries, providers.Query{Type: "queue", Value: v})
	}
	for i := range 250 {
		queries = append(queries, providers.Query{Type: "queue", Value: value("queue", attrs{"name": str(fmt.Sprint("none", i)), "vhost": str(vhost)})})
	}
	ds, err := p.(providers.Meter).Depth(testContext(t), queries)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range ds {
		switch {
		case i < 3 && (d.Ready == 0 || d.Unknown || len(d.Collateral) != 1):
			t.Errorf("%#v has %+v", queries[i].Value.GetAttr("name"), d)
		case i >= 3 && (d.Messages() != 0 || d.Unknown || d.Collateral != nil):
			t.Errorf("an absent queue has %+v", d)
		}
	}
}

// TestUnackedGuards: what a client holds is not ready, and lost all the same,
// from the moment that it is held: statistics know of it seconds later.
func TestUnackedGuards(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p := open(t, b, vhost, nil)
	consume := func(ch *amqp.Channel, queue string) (amqp.Delivery, error) {
		deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
		if err != nil {
			return amqp.Delivery{}, err
		}
		return <-deliveries, nil
	}
	get := func(ch *amqp.Channel, queue string) (amqp.Delivery, error) {
		d, ok, err := ch.Get(queue, false)
		if err == nil && !ok {
			err = errors.New("nothing to get")
		}
		return d, err
	}
	for name, hold := range map[string]func(*amqp.Channel, string) (amqp.Delivery, error){"consume": consume, "get": get} {
		for _, typ := range []string{"classic", "quorum"} {
			t.Run(name+" "+typ, func(t *testing.T) {
				ch, q := outside(t, b, vhost), name+typ
				v := value("queue", attrs{"name": str(q), "vhost": str(vhost), "type": str(typ)})
				mustMake(t, p, "queue", v)
				publish(t, ch, q, 1)
				d, err := hold(ch, q)
				if err != nil {
					t.Fatal(err)
				}
				_, err = apply(t, p, "queue", v, null("queue"))
				refused(t, err, "1 unacknowledged")
				if n := depth(t, p, "queue", v).Unacked; n != 1 {
					t.Errorf("%d unacknowledged, want 1", n)
				}
				if err := d.Ack(false); err != nil {
					t.Fatal(err)
				}
				ch.Close() // which the broker takes note of in its own time
				ctx := testContext(t)
				for _, err = apply(t, p, "queue", v, null("queue")); err != nil; _, err = apply(t, p, "queue", v, null("queue")) {
					if ctx.Err() != nil {
						t.Fatal("nobody holds anything, and still:", err)
					}
				}
			})
		}
	}
}

// TestBindingsGoWithTheirEnds: the plan must have shown them.
func TestBindingsGoWithTheirEnds(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p, ch := open(t, b, vhost, nil), outside(t, b, vhost)
	queue := value("queue", attrs{"name": str("q/1"), "vhost": str(vhost)})
	exchange := value("exchange", attrs{"name": str("x/1"), "vhost": str(vhost), "type": str("headers")})
	for _, step := range []error{
		errors.Join(ignore(apply(t, p, "queue", null("queue"), queue)), ignore(apply(t, p, "exchange", null("exchange"), exchange))),
		ch.QueueBind("q/1", "k", "x/1", false, amqp.Table{"n": int32(1)}),
		ch.ExchangeBind("x/1", "k", "amq.topic", false, nil),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	ofQueue, ofExchange := depth(t, p, "queue", queue).Collateral, depth(t, p, "exchange", exchange).Collateral
	if len(ofQueue) != 1 || len(ofExchange) != 2 {
		t.Fatalf("%d and %d bindings go along, want 1 and 2", len(ofQueue), len(ofExchange))
	}
	_, err := apply(t, p, "queue", queue, null("queue"), allowLoss)
	refused(t, err, `binding "x/1" -> "q/1" (key "k")`)
	_, err = apply(t, p, "exchange", exchange, null("exchange"), allowLoss)
	refused(t, err, `"amq.topic" -> "x/1"`)
	shown := func(os []providers.Object) func(*providers.Change) {
		return func(c *providers.Change) { c.Collateral = os }
	}
	mustDelete(t, p, "exchange", exchange, shown(ofExchange))
	mustDelete(t, p, "queue", queue, shown(ofQueue))
}

func ignore(_ cty.Value, err error) error { return err }

// TestIntegerWidth: two bindings can differ in an integer's width alone. The
// properties key tells them apart; without it nothing is removed by guess.
func TestIntegerWidth(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p, ch := open(t, b, vhost, nil), outside(t, b, vhost)
	mustMake(t, p, "queue", value("queue", attrs{"name": str("q"), "vhost": str(vhost)}))
	ours := value("binding", attrs{"source": str("amq.headers"), "destination": str("q"), "vhost": str(vhost), "arguments": obj(attrs{"n": num(5)})})
	made := mustMake(t, p, "binding", ours)
	if err := ch.QueueBind("q", "", "amq.headers", false, amqp.Table{"n": int32(5)}); err != nil {
		t.Fatal(err)
	}
	all, err := p.(providers.Lister).List(testContext(t), vhost, "q")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, o := range all {
		if o.Type == "binding" {
			keys[o.Value.GetAttr("properties_key").AsString()] = true
		}
	}
	if len(keys) != 2 || !keys[made.GetAttr("properties_key").AsString()] {
		t.Fatalf("bindings %v, ours is %#v", keys, made.GetAttr("properties_key"))
	}
	nameless := value("binding", attrs{"source": str("amq.headers"), "destination": str("q"), "vhost": str(vhost), "arguments": obj(attrs{"n": num(5)}), "properties_key": cty.NullVal(cty.String)})
	_, err = apply(t, p, "binding", nameless, null("binding"))
	refused(t, err, "2 bindings")
	mustDelete(t, p, "binding", made)
	left := readOne(t, p, "binding", nameless).Value
	if left.IsNull() || left.GetAttr("properties_key") == made.GetAttr("properties_key") {
		t.Errorf("the wrong one was removed: %#v", left)
	}
}

// TestRebind: an update that changes a binding's identity binds before it unbinds.
func TestRebind(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p := open(t, b, vhost, nil)
	mustMake(t, p, "exchange", value("exchange", attrs{"name": str("x"), "vhost": str(vhost), "auto_delete": cty.True}))
	mustMake(t, p, "queue", value("queue", attrs{"name": str("q"), "vhost": str(vhost)}))
	binding := func(key string) cty.Value {
		return value("binding", attrs{"source": str("x"), "destination": str("q"), "vhost": str(vhost), "routing_key": str(key)})
	}
	before := mustMake(t, p, "binding", binding("a"))
	// If the old one went first, the auto_delete exchange would go with it.
	if _, err := apply(t, p, "binding", before, binding("b")); err != nil {
		t.Fatal(err)
	}
	if !readOne(t, p, "binding", binding("a")).Value.IsNull() || readOne(t, p, "binding", binding("b")).Value.IsNull() {
		t.Error("the binding was not moved")
	}
}

// TestVhostGuards: a vhost with anything in it that the plan did not show, or
// with a message, stays.
func TestVhostGuards(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p, ch := open(t, b, vhost, nil), outside(t, b, vhost)
	v := value("vhost", attrs{"name": str(vhost)})
	if d := depth(t, p, "vhost", v); d.Messages() != 0 || len(d.Collateral) != 0 {
		t.Fatalf("an empty vhost has %+v", d)
	}
	if _, err := ch.QueueDeclare("theirs", true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		t.Fatal(err)
	}
	d := depth(t, p, "vhost", v)
	if len(d.Collateral) != 1 {
		t.Fatalf("what goes along: %+v", d.Collateral)
	}
	_, err := apply(t, p, "vhost", v, null("vhost"), allowLoss)
	refused(t, err, `queue "theirs"`)
	publish(t, ch, "theirs", 1)
	shown := func(c *providers.Change) { c.Collateral = d.Collateral }
	_, err = apply(t, p, "vhost", v, null("vhost"), shown)
	refused(t, err, "1 messages ready")
	mustDelete(t, p, "vhost", v, shown, allowLoss)
	if !readOne(t, p, "vhost", v).Value.IsNull() {
		t.Error("the vhost is still there")
	}
	q := value("queue", attrs{"name": str("theirs"), "vhost": str(vhost)})
	if r := readOne(t, p, "queue", q); !r.Value.IsNull() || r.Err != nil {
		t.Errorf("in a vhost that is not there a queue reads as %#v, %v", r.Value, r.Err)
	}
}

// TestIgnoredByThisVersion: 3.10 takes a default queue type and ignores it.
func TestIgnoredByThisVersion(t *testing.T) {
	b := rabbittest.Shared(t)
	p := open(t, b, "/", nil)
	v := value("vhost", attrs{"name": str("never " + t.Name()), "default_queue_type": str("quorum")})
	_, err := apply(t, p, "vhost", null("vhost"), v)
	var pe cty.PathError
	if !errors.As(err, &pe) || !pe.Path.Equals(cty.GetAttrPath("default_queue_type")) || !strings.Contains(err.Error(), "3.11") {
		t.Errorf("got %v", err)
	}
	if !readOne(t, p, "vhost", v).Value.IsNull() {
		t.Error("the vhost was made all the same")
	}
}

// TestExchangeTypeOfPlugin: asked for before AMQP would end the connection.
func TestExchangeTypeOfPlugin(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	for name, more := range map[string]attrs{"with the API": nil, "without": {"management": str("none")}} {
		p := open(t, b, vhost, more)
		v := value("exchange", attrs{"name": str("x"), "vhost": str(vhost), "type": str("x-delayed-message"), "arguments": obj(attrs{"x-delayed-type": str("direct")})})
		_, err := apply(t, p, "exchange", null("exchange"), v)
		if err == nil || !strings.Contains(err.Error(), "rabbitmq-plugins enable rabbitmq_delayed_message_exchange") {
			t.Errorf("%s: got %v", name, err)
		}
		if _, lost := errors.AsType[*providers.ConnectionError](err); lost {
			t.Errorf("%s: it counts as a lost connection", name)
		}
	}
}

// TestDifferentFromLive: the broker's words for a conflict become ours, and
// the channel that the conflict closed is replaced.
func TestDifferentFromLive(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p := open(t, b, vhost, nil)
	mustMake(t, p, "queue", value("queue", attrs{"name": str("q"), "vhost": str(vhost)}))
	for range 20 {
		_, err := apply(t, p, "queue", null("queue"), value("queue", attrs{"name": str("q"), "vhost": str(vhost), "message_ttl": str("5s")}))
		if err == nil || !strings.Contains(err.Error(), "x-message-ttl") || !strings.Contains(err.Error(), "fixed at creation") {
			t.Fatalf("got %v", err)
		}
	}
	mustMake(t, p, "queue", value("queue", attrs{"name": str("q2"), "vhost": str(vhost)}))
}

// TestForeignClientsKeepWorking: our mark does not disturb who declares the
// same queue without it.
func TestForeignClientsKeepWorking(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p, ch := open(t, b, vhost, nil), outside(t, b, vhost)
	for _, typ := range []string{"classic", "quorum", "stream"} {
		v := value("queue", attrs{"name": str(typ), "vhost": str(vhost), "type": str(typ)})
		mustMake(t, p, "queue", v)
		if _, err := ch.QueueDeclare(typ, true, false, false, false, amqp.Table{"x-queue-type": typ}); err != nil {
			t.Fatal(err)
		}
		if r := readOne(t, p, "queue", v); r.Owner != "providertest" || !r.Value.GetAttr("arguments").IsNull() {
			t.Errorf("%s: owner %q, arguments %#v", typ, r.Owner, r.Value.GetAttr("arguments"))
		}
	}
}

// TestSweepAndNamesAgree: many objects are read in one sweep, few by name; the
// answers are the same, also for a user that may not see definitions.
func TestSweepAndNamesAgree(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p, ch := open(t, b, vhost, nil), outside(t, b, vhost)
	var queries []providers.Query
	ask := func(typ string, a attrs) {
		v := value(typ, attrs{"vhost": str(vhost)}.with(a))
		queries = append(queries, providers.Query{Type: typ, Value: v})
	}
	mustMake(t, p, "queue", value("queue", attrs{"name": str("q / %2F"), "vhost": str(vhost), "dead_letter": obj(attrs{"exchange": str(""), "routing_key": cty.NullVal(cty.String), "strategy": cty.NullVal(cty.String)})}))
	mustMake(t, p, "exchange", value("exchange", attrs{"name": str("x"), "vhost": str(vhost), "type": str("headers"), "internal": cty.True}))
	mustMake(t, p, "policy", value("policy", attrs{"name": str("p"), "vhost": str(vhost), "pattern": str("x"), "definition": obj(attrs{"expires": num(50000)})}))
	mustMake(t, p, "operator_policy", value("operator_policy", attrs{"name": str("p"), "vhost": str(vhost), "pattern": str("x"), "definition": obj(attrs{"expires": num(50000)})}))
	mustMake(t, p, "federation_upstream", value("federation_upstream", attrs{"name": str("u"), "vhost": str(vhost), "url": str("amqp://")}))
	for _, a := range []amqp.Table{nil, {"n": int64(1)}, {"n": "1"}, {"n": int64(1), "x-match": "any"}} {
		if err := ch.QueueBind("q / %2F", "k", "x", false, a); err != nil {
			t.Fatal(err)
		}
	}
	ask("queue", attrs{"name": str("q / %2F")})
	ask("exchange", attrs{"name": str("x")})
	ask("policy", attrs{"name": str("p")})
	ask("operator_policy", attrs{"name": str("p")})
	ask("federation_upstream", attrs{"name": str("u")})
	ask("parameter", attrs{"name": str("u"), "component": str("federation-upstream")})
	ask("policy", attrs{"name": str("absent")})
	for _, a := range []cty.Value{cty.NullVal(cty.DynamicPseudoType), obj(attrs{"n": num(1)}), obj(attrs{"n": str("1")}), obj(attrs{"n": num(1), "x-match": str("any")}), obj(attrs{"n": num(2)})} {
		ask("binding", attrs{"source": str("x"), "destination": str("q / %2F"), "routing_key": str("k"), "arguments": a})
	}
	byName := make([]providers.Result, len(queries))
	for i, q := range queries {
		byName[i] = readOne(t, p, q.Type, q.Value)
	}
	few := len(queries)
	for i := range 250 {
		ask("queue", attrs{"name": str(fmt.Sprint("none", i))})
	}
	same := func(who string, p providers.Provider) {
		swept, err := p.Read(testContext(t), queries)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range swept[:few] {
			if r.Err != nil || byName[i].Err != nil || !r.Value.RawEquals(byName[i].Value) || r.Owner != byName[i].Owner {
				t.Errorf("%s, %s: swept %#v (%v), by name %#v (%v)", who, queries[i].Type, r.Value, r.Err, byName[i].Value, byName[i].Err)
			}
		}
		if !swept[len(swept)-1].Value.IsNull() {
			t.Error("an absent queue is there")
		}
	}
	same("administrator", p)

	name := "plain " + vhost
	mustMake(t, p, "user", value("user", attrs{"name": str(name), "password": str(secret), "tags": cty.SetVal([]cty.Value{str("policymaker")})}))
	t.Cleanup(func() { mustDelete(t, p, "user", value("user", attrs{"name": str(name)})) })
	mustMake(t, p, "permission", value("permission", attrs{"user": str(name), "vhost": str(vhost), "configure": str("^mine"), "write": str(""), "read": str("")}))
	plain := open(t, b, vhost, attrs{"username": str(name), "password": str(secret)})
	same("policymaker", plain)

	_, err := apply(t, plain, "queue", null("queue"), value("queue", attrs{"name": str("other"), "vhost": str(vhost)}))
	if err == nil || !strings.Contains(err.Error(), "configure permission") {
		t.Errorf("without permission: %v", err)
	}
	_, err = apply(t, plain, "vhost", null("vhost"), value("vhost", attrs{"name": str("other")}))
	if err == nil || !strings.Contains(err.Error(), "administrator") {
		t.Errorf("without the tag: %v", err)
	}
}

// TestWithoutManagement: passive declares say what exists, and no more.
func TestWithoutManagement(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	p, ch := open(t, b, vhost, attrs{"management": str("none")}), outside(t, b, vhost)
	q := value("queue", attrs{"name": str("q"), "vhost": str(vhost)})
	if r := readOne(t, p, "queue", q); !r.Value.IsNull() || r.Err != nil {
		t.Fatalf("absent: %#v, %v", r.Value, r.Err)
	}
	mustMake(t, p, "queue", q)
	r := readOne(t, p, "queue", q)
	if r.Value.IsNull() || r.Value.GetAttr("type").IsKnown() || r.Value.GetAttr("name") != str("q") {
		t.Errorf("present: %#v", r.Value)
	}
	binding := value("binding", attrs{"source": str("amq.topic"), "destination": str("q"), "vhost": str(vhost)})
	mustMake(t, p, "binding", binding)
	if r := readOne(t, p, "binding", binding); r.Value.IsKnown() {
		t.Errorf("a binding is known: %#v", r.Value)
	}
	mustDelete(t, p, "binding", binding)
	publish(t, ch, "q", 1)
	_, err := apply(t, p, "queue", q, null("queue"))
	refused(t, err, "cannot be found out")
	if r := readOne(t, p, "user", value("user", attrs{"name": str("u")})); r.Err == nil || !strings.Contains(r.Err.Error(), "management") {
		t.Errorf("a user: %v", r.Err)
	}
	if w := p.(providers.Warner).Warnings(); len(w) != 1 || !strings.Contains(w[0].Detail, "cannot be read") {
		t.Errorf("warnings: %v", w)
	}
	elsewhere := open(t, b, "no such vhost", attrs{"management": str("none")})
	if r := readOne(t, elsewhere, "queue", value("queue", attrs{"name": str("q"), "vhost": str("no such vhost")})); !r.Value.IsNull() || r.Err != nil {
		t.Errorf("in no vhost: %#v, %v", r.Value, r.Err)
	}
}

// TestConnectionErrors: each is one event with a headline, and shows no secret.
func TestConnectionErrors(t *testing.T) {
	b := rabbittest.Shared(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	at := silent.Addr().String()
	for _, c := range []struct {
		name     string
		attrs    attrs
		headline string
	}{
		{"password", attrs{"username": str("guest"), "password": str(secret)}, "Login refused"},
		{"password over AMQP", attrs{"username": str("guest"), "password": str(secret), "management": str("none")}, "Login refused"},
		{"nobody there", attrs{"url": str("amqp://u:" + secret + "@127.0.0.1:1"), "management": str("none")}, "Broker unreachable"},
		{"no management there", attrs{"url": str("amqp://u:" + secret + "@127.0.0.1:1"), "management": str("http://127.0.0.1:1")}, "Broker unreachable"},
		{"a port of something else", attrs{"url": str("amqp://u:" + secret + "@" + strings.TrimPrefix(b.ManagementURL, "http://")), "management": str("none")}, "Broker does not answer"},
		{"no TLS there", attrs{"url": str(strings.Replace(b.AMQPURL, "amqp:", "amqps:", 1)), "management": str("none")}, "Secure connection failed"},
		{"no such command", attrs{"password_command": cty.ListVal([]cty.Value{str("/nonexistent/" + secret[:3]), str(secret)})}, "No password"},
		{"a command that fails", attrs{"password_command": cty.ListVal([]cty.Value{str("sh"), str("-c"), str("echo " + secret + "; exit 3")})}, "No password"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := open(t, b, "/", c.attrs)
			_, err := p.Read(testContext(t), []providers.Query{{Type: "queue", Value: value("queue", attrs{"name": str("q"), "vhost": str("/")})}})
			var lost *providers.ConnectionError
			if !errors.As(err, &lost) || lost.Headline != c.headline {
				t.Fatalf("got %v (%+v), want %q", err, lost, c.headline)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, lost.Err), secret) {
				t.Errorf("it shows the password: %v", err)
			}
			_, err = apply(t, p, "queue", null("queue"), value("queue", attrs{"name": str("q"), "vhost": str("/")}))
			if !errors.As(err, &lost) {
				t.Errorf("Apply: %v", err)
			}
		})
	}
	t.Run("silent", func(t *testing.T) {
		p := open(t, b, "/", attrs{"url": str("amqp://u:" + secret + "@" + at), "management": str("none")})
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if _, err := p.Apply(ctx, providers.Change{Type: "queue", Before: null("queue"), After: value("queue", attrs{"name": str("q"), "vhost": str("/")})}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPasswordCommand(t *testing.T) {
	b := rabbittest.Shared(t)
	p := open(t, b, "/", attrs{"username": str("guest"), "password_command": cty.ListVal([]cty.Value{str("printf"), str(`guest\n`)})})
	if line, err := p.(providers.Pinger).Ping(testContext(t)); err != nil || !strings.HasPrefix(line, "RabbitMQ 3.") {
		t.Errorf("%q, %v", line, err)
	}
}
