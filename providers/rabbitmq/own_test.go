package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// TestOwnBroker is what needs a broker of its own, one for all of it since its
// start takes longer than all the rest: without plugins, with TLS, with an alarm
// for want of memory, and dead in the end.
func TestOwnBroker(t *testing.T) {
	a := newAuthority(t)
	a.sign("broker", "127.0.0.1", -time.Hour, time.Hour)
	a.sign("us", "127.0.0.1", -time.Hour, time.Hour)
	a.sign("stranger", "", -time.Hour, time.Hour)
	b := rabbittest.Own(t, rabbittest.Options{
		TLS:    &rabbittest.TLS{CA: a.path("ca.pem"), Cert: a.path("broker.pem"), Key: a.path("broker-key.pem")},
		Config: "total_memory_available_override_value = 1MB\n",
	})
	t.Run("TLS", func(t *testing.T) { secureListeners(t, b, a) })
	t.Run("no plugin", func(t *testing.T) { withoutPlugins(t, b) })
	t.Run("no leader", func(t *testing.T) { withoutLeader(t, b) })
	t.Run("no leaders", func(t *testing.T) { withoutLeaders(t, b) })
	t.Run("alarm", func(t *testing.T) { underAlarm(t, b) })
	t.Run("death", func(t *testing.T) { death(t, b) })
}

// withoutPlugins: the error names the plugin and how to enable it, and what
// cannot be there is absent.
func withoutPlugins(t *testing.T, b *rabbittest.Broker) {
	p := open(t, b, "/", nil)
	end := attrs{"url": str("amqp://u:" + secret + "@h"), "queue": str("a"), "exchange": cty.NullVal(cty.String), "routing_key": cty.NullVal(cty.String)}
	for typ, c := range map[string]struct {
		attrs  attrs
		plugin string
	}{
		"shovel":              {attrs{"source": obj(end), "destination": obj(end)}, "rabbitmq_shovel"},
		"federation_upstream": {attrs{"url": str("amqp://u:" + secret + "@h")}, "rabbitmq_federation"},
		"exchange":            {attrs{"type": str("x-consistent-hash")}, "rabbitmq_consistent_hash_exchange"},
	} {
		v := value(typ, c.attrs.with(attrs{"name": str("n"), "vhost": str("/")}))
		_, err := apply(t, p, typ, null(typ), v)
		if err == nil || !strings.Contains(err.Error(), "rabbitmq-plugins enable "+c.plugin) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", typ, err)
		}
		if r := readOne(t, p, typ, v); !r.Value.IsNull() || r.Err != nil {
			t.Errorf("%s reads as %#v, %v", typ, r.Value, r.Err)
		}
	}
}

// withoutLeader: RabbitMQ says of a quorum queue whose leader is gone that it is
// empty, and deletes it; we do not.
func withoutLeader(t *testing.T, b *rabbittest.Broker) {
	p := open(t, b, "/", nil)
	q := value("queue", attrs{"name": str("headless"), "vhost": str("/"), "type": str("quorum")})
	mustMake(t, p, "queue", q)
	eval := func(expression string) {
		t.Helper()
		if err := b.Eval(expression); err != nil {
			t.Fatal(err)
		}
	}
	eval("ok = ra:stop_server(quorum_queues, {'%2F_headless', node()}).")
	if d := depth(t, p, "queue", q); !d.Unknown {
		t.Errorf("without a leader: %+v", d)
	}
	_, err := apply(t, p, "queue", q, null("queue"))
	if _, refused := errors.AsType[*providers.RefusedError](err); !refused || !strings.Contains(err.Error(), "no leader") {
		t.Errorf("deleting it: %v", err)
	}
	eval("ok = ra:restart_server(quorum_queues, {'%2F_headless', node()}).")
	mustDelete(t, p, "queue", q)
}

// withoutLeaders: that many queues have none makes nobody wait for each by
// itself; the vhost would not be gone within the minute that a step has.
func withoutLeaders(t *testing.T, b *rabbittest.Broker) {
	p := open(t, b, "/", nil)
	v := value("vhost", attrs{"name": str("headless")})
	mustMake(t, p, "vhost", v)
	const n = 40
	var queries []providers.Query
	for i := range n {
		q := value("queue", attrs{"name": str(fmt.Sprintf("q%d", i)), "vhost": str("headless"), "type": str("quorum")})
		mustMake(t, p, "queue", q)
		queries = append(queries, providers.Query{Type: "queue", Value: q})
	}
	if err := b.Eval(fmt.Sprintf(`[ok = ra:stop_server(quorum_queues, {list_to_atom("headless_q" ++ integer_to_list(I)), node()}) || I <- lists:seq(0, %d)].`, n-1)); err != nil {
		t.Fatal(err)
	}
	ds, err := p.(providers.Meter).Depth(testContext(t), queries)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range ds {
		if !d.Unknown {
			t.Errorf("%d: %+v", i, d)
		}
	}
	mustDelete(t, p, "vhost", v, allowLoss, func(c *providers.Change) {
		for _, q := range queries {
			c.Collateral = append(c.Collateral, providers.Object{Type: q.Type, Value: q.Value})
		}
	})
}

// underAlarm: a resource alarm blocks publishers; topology can still be read,
// made and removed, over both protocols.
func underAlarm(t *testing.T, b *rabbittest.Broker) {
	ctx := testContext(t)
	for {
		resp, err := http.Get(strings.Replace(b.ManagementURL, "http://", "http://guest:guest@", 1) + "/api/health/checks/alarms")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the broker never raised the alarm")
		}
	}
	p := open(t, b, "/", nil)
	for _, typ := range []string{"classic", "quorum", "stream"} {
		v := value("queue", attrs{"name": str("alarm " + typ), "vhost": str("/"), "type": str(typ)})
		mustMake(t, p, "queue", v)
		mustMake(t, p, "binding", value("binding", attrs{"vhost": str("/"), "source": str("amq.topic"), "destination": str("alarm " + typ)}))
		if r := readOne(t, p, "queue", v); r.Value.IsNull() || r.Err != nil {
			t.Errorf("%s reads as %#v, %v", typ, r.Value, r.Err)
		}
		mustDelete(t, p, "queue", v, func(c *providers.Change) { c.Collateral = depth(t, p, "queue", v).Collateral })
	}
	policy := value("policy", attrs{"name": str("alarm"), "vhost": str("/"), "pattern": str("x"), "definition": obj(attrs{"expires": num(50000)})})
	mustMake(t, p, "policy", policy)
	mustDelete(t, p, "policy", policy)
}

// death: every step after it fails as one lost connection, at once.
func death(t *testing.T, b *rabbittest.Broker) {
	p := open(t, b, "/", nil)
	q := value("queue", attrs{"name": str("q"), "vhost": str("/")})
	mustMake(t, p, "queue", q)
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		_, err := apply(t, p, "queue", null("queue"), value("queue", attrs{"name": str(fmt.Sprint("q", i)), "vhost": str("/")}))
		if _, lost := errors.AsType[*providers.ConnectionError](err); !lost {
			t.Errorf("after the broker died: %v", err)
		}
	}
	if _, err := p.Read(context.Background(), []providers.Query{{Type: "queue", Value: q}}); err == nil {
		t.Error("a dead broker is read")
	}
}
