package rabbitmq_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/transporttest"
)

// TestInitial: an initial packet is sent when it is made and when it changes,
// and persistent; nothing is ever said of it by the broker.
func TestInitial(t *testing.T) {
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	for name, more := range map[string]attrs{"with": nil, "without": {"management": str("none")}} {
		t.Run(name+" management", func(t *testing.T) {
			p := open(t, b, vhost, more)
			queue := "q " + name
			packet := func(payload string) attrs {
				return attrs{"vhost": str(vhost), "queue": str(queue), "name": str("graph.g.initial"), "payload": str(payload)}
			}
			apply := func(before, after attrs) error {
				c := providers.Change{Type: "initial"}
				if before != nil {
					c.Before = value("initial", before)
				}
				if after != nil {
					c.After = value("initial", after)
				}
				v, err := p.Apply(testContext(t), c)
				if err == nil && after != nil && !v.RawEquals(c.After) {
					t.Errorf("left behind %#v", v)
				}
				return err
			}
			if err := apply(nil, packet("300")); err == nil || !strings.Contains(err.Error(), `queue "`+queue+`" in vhost`) || !errors.Is(err, transport.ErrNoQueue) {
				t.Fatalf("sent to nowhere: %v", err)
			}
			mustMake(t, p, "queue", value("queue", attrs{"name": str(queue), "vhost": str(vhost)}))
			for _, step := range [][2]attrs{{nil, packet("300")}, {packet("300"), packet(`{"width":301}`)}, {packet(`{"width":301}`), nil}} {
				if err := apply(step[0], step[1]); err != nil {
					t.Fatal(err)
				}
			}
			if r := readOne(t, p, "initial", value("initial", packet("300"))); r.Err != nil || r.Value.IsKnown() {
				t.Errorf("what cannot be seen was seen: %#v %v", r.Value, r.Err)
			}
			conn, err := p.(providers.Dialer).Dial(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			s, err := conn.Subscribe(testContext(t), queue, transport.SubscribeOptions{Prefetch: 10})
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"300", `{"width":301}`} {
				d := transporttest.Next(t, s)
				if string(d.Body) != want || !d.Persistent || d.ContentType != "application/json" || d.Ack() != nil {
					t.Errorf("got %+v, want %s", d.Message, want)
				}
			}
			state, err := conn.(transport.Inspector).Inspect(testContext(t), queue)
			if err != nil || state.Messages != 0 {
				t.Errorf("more than that was sent: %+v %v", state, err)
			}
		})
	}
}

// TestDial: what is wrong is said as for all connections, and no password.
func TestDial(t *testing.T) {
	b := rabbittest.Shared(t)
	for want, more := range map[string]attrs{
		"refused the login of": {"password": str(secret)},
		"no-such-vhost":        {"url": str(b.VhostURL("no-such-vhost"))},
		"nothing listens":      {"url": str("amqp://u:" + secret + "@127.0.0.1:1/")},
	} {
		p := open(t, b, "/", more)
		_, err := p.(providers.Dialer).Dial(testContext(t))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
