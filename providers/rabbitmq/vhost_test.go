package rabbitmq_test

import (
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// TestAbsentVhost: what is in it reads as absent, and says what it needs,
// unless the caller asks for the vhost as well.
func TestAbsentVhost(t *testing.T) {
	b := rabbittest.Shared(t)
	const nowhere = "no such vhost"
	in := attrs{"name": str("n"), "vhost": str(nowhere)}
	queries := []providers.Query{
		{Type: "queue", Value: value("queue", in)},
		{Type: "exchange", Value: value("exchange", in)},
		{Type: "permission", Value: value("permission", attrs{"vhost": str(nowhere), "user": str("guest"), "configure": str(""), "write": str(""), "read": str("")})},
		{Type: "vhost_limit", Value: value("vhost_limit", in)},
		{Type: "queue", Value: value("queue", attrs{"name": str("n"), "vhost": str("/")})},
	}
	for i := range 250 { // enough for a sweep
		queries = append(queries, providers.Query{Type: "queue", Value: value("queue", attrs{"name": str("q" + strings.Repeat("x", i)), "vhost": str(nowhere)})})
	}
	read := func(p providers.Provider, queries []providers.Query, want string) {
		t.Helper()
		rs, err := p.Read(testContext(t), queries)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range rs {
			need := providers.Need{}
			if v := queries[i].Value; want != "" && v.Type().HasAttribute("vhost") && v.GetAttr("vhost") == str(nowhere) {
				need = providers.Need{Type: "vhost", Name: want}
			}
			if r.Err != nil || !r.Value.IsNull() || r.Needs != need {
				t.Errorf("%s %d: %#v, needs %+v, %v", queries[i].Type, i, r.Value, r.Needs, r.Err)
			}
		}
	}
	p := open(t, b, "/", nil)
	read(p, queries, nowhere)
	read(p, queries[:5], nowhere)
	read(p, append(queries, providers.Query{Type: "vhost", Value: value("vhost", attrs{"name": str(nowhere)})}), "")
	read(open(t, b, nowhere, attrs{"management": str("none")}), queries[:2], nowhere)
}

// TestVhostClosedToUs: an administrator without permissions in a vhost may
// delete it, and cannot look into its queues: then nothing is known to be lost.
func TestVhostClosedToUs(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	root, ch := open(t, b, "/", nil), outside(t, b, vhost)
	for _, typ := range []string{"quorum", "stream"} {
		if _, err := ch.QueueDeclare(typ, true, false, false, false, amqp.Table{"x-queue-type": typ}); err != nil {
			t.Fatal(err)
		}
	}
	name := "closed " + vhost
	admin := value("user", attrs{"name": str(name), "password": str(secret), "tags": cty.SetVal([]cty.Value{str("administrator")})})
	mustMake(t, root, "user", admin)
	t.Cleanup(func() { mustDelete(t, root, "user", admin) })
	p := open(t, b, "/", attrs{"username": str(name), "password": str(secret)})
	for _, typ := range []string{"quorum", "stream"} {
		publish(t, ch, typ, 1)
		if d := depth(t, p, "queue", value("queue", attrs{"name": str(typ), "vhost": str(vhost)})); !d.Unknown && d.Ready == 0 {
			t.Errorf("%s: %+v", typ, d)
		}
	}
	if d := depth(t, p, "vhost", value("vhost", attrs{"name": str(vhost)})); !d.Unknown && d.Ready == 0 {
		t.Errorf("vhost: %+v", d)
	}
	v := value("vhost", attrs{"name": str(vhost)})
	_, err := apply(t, p, "vhost", v, null("vhost"), func(c *providers.Change) { c.Collateral = depth(t, root, "vhost", v).Collateral })
	refused(t, err, "was not deleted")
}
