package participant_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/discovery/wire"
	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/participant"
	"github.com/msgflo/msgflo/providers/participant/builtin"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
	"github.com/msgflo/msgflo/providers/transport/transporttest"
)

func mosquitto(t *testing.T) *mosquittotest.Broker {
	b := mosquittotest.Shared(t)
	leaktest.Check(t)
	return b
}

// onTopics is a plain connection of the test's own.
func onTopics(t *testing.T, url string) *mqtt.Conn {
	t.Helper()
	c, err := mqtt.Dial(t.Context(), mqtt.ConnOptions{Options: mqtt.Options{URL: url}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func listen(t *testing.T, c *mqtt.Conn, topic string) transport.Subscription {
	t.Helper()
	s, err := c.Subscribe(t.Context(), topic, transport.SubscribeOptions{Prefetch: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// announcements of one role: others of the package's tests are on the broker too.
func announced(t *testing.T, fbp transport.Subscription, role string) (transport.Delivery, wire.Announcement) {
	t.Helper()
	for {
		d := transporttest.Next(t, fbp)
		if err := d.Ack(); err != nil {
			t.Fatal(err)
		}
		var a wire.Announcement
		if err := json.Unmarshal(d.Body, &a); err != nil {
			t.Fatal(err)
		}
		if a.Payload.Role == role {
			return d, a
		}
	}
}

// TestOnMosquitto: two of a role share its messages; each announces itself,
// with QoS 0 and not retained, and again as soon as a broken connection is back.
func TestOnMosquitto(t *testing.T) {
	b := mosquitto(t)
	role := mosquittotest.Prefix(t) + "role" // with a slash in it, as roles in graphs have none, and topics do
	proxy := transporttest.NewProxy(t, b.Addr, nil)
	c := onTopics(t, b.URL)
	fbp, out := listen(t, c, wire.Queue), listen(t, c, role+".OUT")
	d := inOut(pass)
	p := start(t, b.URL, role, d)
	if hello, a := announced(t, fbp, role); a.Payload.ID != p.ID() || hello.Persistent || hello.Retained || a.Payload.Inports[0].Queue != role+".IN" {
		t.Errorf("%s", hello.Body)
	}
	second := start(t, "mqtt://"+proxy.Addr, role, d)
	announced(t, fbp, role)
	const n = 200
	for i := range n {
		feed(t, c, role+".IN", fmt.Sprint(i))
	}
	var got []string
	for range n {
		d := transporttest.Next(t, out)
		got = append(got, string(d.Body))
		if !d.Persistent || d.Ack() != nil {
			t.Errorf("%q was published with QoS 0", d.Body)
		}
	}
	slices.Sort(got)
	if got = slices.Compact(got); len(got) != n {
		t.Errorf("%d different ones of %d", len(got), n)
	}
	proxy.Cut()
	if _, a := announced(t, fbp, role); a.Payload.ID != second.ID() {
		t.Errorf("%s announced itself", a.Payload.ID)
	}
}

// TestStopOnMQTT: a broker of topics takes nothing back, so what was handed
// over is worked on before a participant ends, and none is told to hurry.
func TestStopOnMQTT(t *testing.T) {
	b := mosquitto(t)
	role := mosquittotest.Prefix(t) + "r"
	begun, proceed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p := start(t, b.URL, role, inOut(func(ctx context.Context, m participant.Message, send participant.Send) error {
		once.Do(func() {
			close(begun)
			<-proceed
		})
		select {
		case <-participant.Stopping(ctx):
			return participant.ErrRequeue
		default:
			return send("out", participant.Raw(m.Body))
		}
	}))
	c := onTopics(t, b.URL)
	out := listen(t, c, role+".OUT")
	for i := range 10 {
		feed(t, c, role+".IN", fmt.Sprint(i))
	}
	<-begun
	stopped := make(chan error)
	go func() { stopped <- p.Stop(t.Context()) }()
	close(proceed)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if d := transporttest.Next(t, out); string(d.Body) != fmt.Sprint(i) || d.Ack() != nil {
			t.Errorf("%q instead of %d", d.Body, i)
		}
	}
}

// TestFailuresOnMQTT: what is refused is gone, what goes back comes again here.
func TestFailuresOnMQTT(t *testing.T) {
	b := mosquitto(t)
	role := mosquittotest.Prefix(t) + "r"
	start(t, b.URL, role, inOut(func(_ context.Context, m participant.Message, send participant.Send) error {
		switch {
		case string(m.Body) == "bad":
			return errors.Join(send("error", "why"), errors.New("no"))
		case string(m.Body) == "later" && !m.Redelivered:
			return participant.ErrRequeue
		}
		return send("out", participant.Raw(m.Body))
	}))
	c := onTopics(t, b.URL)
	out, failed := listen(t, c, role+".OUT"), listen(t, c, role+".ERROR")
	for _, body := range []string{"bad", "later", "good"} {
		feed(t, c, role+".IN", body)
	}
	wantAll(t, out, "later", "good")
	wantAll(t, failed, `"why"`)
}

// TestBuiltinsOnMQTT: the components that come with msgflo, one after the other
// in a chain that the test carries, as routes do.
func TestBuiltinsOnMQTT(t *testing.T) {
	b := mosquitto(t)
	prefix := mosquittotest.Prefix(t)
	c := onTopics(t, b.URL)
	var printed bytes.Buffer
	for name, initial := range map[string]map[string][]byte{
		"Repeat": nil, "Drop": nil, "Output": nil, "Split": nil,
		"Delay": {"delay": []byte(`"10ms"`)}, "Kick": {"data": []byte(`{"go":true}`)},
	} {
		role := prefix + name
		out := listen(t, c, role+".OUT")
		d, ok := builtin.New("msgflo/"+name, &printed)
		if !ok {
			t.Fatalf("there is no %s", name)
		}
		p, err := participant.Start(t.Context(), d, participant.Options{
			Initial: initial, Env: func(n string) string { return map[string]string{"MSGFLO_BROKER": b.URL, "MSGFLO_ROLE": role}[n] },
		})
		if err != nil {
			t.Fatal(err)
		}
		feed(t, c, role+".IN", `[1,2]`)
		switch name {
		case "Split":
			wantAll(t, out, "1", "2")
		case "Kick":
			wantAll(t, out, `{"go":true}`, `{"go":true}`)
		case "Drop":
		default:
			wantAll(t, out, "[1,2]")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if err := p.Stop(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	if got := strings.TrimSpace(printed.String()); got != "[1,2]" {
		t.Errorf("Output printed %q", got)
	}
}
