package amqp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/amqp"
	"github.com/msgflo/msgflo/providers/transport/transporttest"
)

func TestMain(m *testing.M) { os.Exit(rabbittest.Run(m)) }

func dial(t *testing.T, url string) *amqp.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := amqp.Dial(ctx, amqp.Options{URL: url, RetryMin: time.Millisecond, RetryMax: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestTransport(t *testing.T) {
	b := rabbittest.Shared(t)
	url := b.VhostURL(rabbittest.Vhost(t, b))
	leaktest.Check(t)
	transporttest.Run(t, func(t *testing.T) transport.Conn { return dial(t, url) })
}

func TestDialErrors(t *testing.T) {
	b := rabbittest.Shared(t)
	leaktest.Check(t)
	for url, want := range map[string]string{
		"":                                "empty",
		"http://secret@localhost":         "does not begin with amqp://",
		"amqp://u:secret%zz@localhost":    "percent-encoded",
		"amqp://u:secret@127.0.0.1:1":     "nothing listens at amqp://127.0.0.1:1",
		b.VhostURL("no-such-vhost"):       "no-such-vhost",
		"amqps" + b.AMQPURL[len("amqp"):]: "does not speak TLS",
		strings.Replace(b.AMQPURL, rabbittest.Password+"@", "secret@", 1): "refused the login",
	} {
		_, err := amqp.Dial(t.Context(), amqp.Options{URL: url})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error holds the password: %v", err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := amqp.Dial(ctx, amqp.Options{URL: b.AMQPURL}); err == nil {
		t.Error("dialled although the context had ended")
	}
}

// behind puts a proxy before a vhost of the shared broker.
func behind(t *testing.T) (through, direct string, p *transporttest.Proxy) {
	b := rabbittest.Shared(t)
	direct = b.VhostURL(rabbittest.Vhost(t, b))
	leaktest.Check(t)
	p = transporttest.NewProxy(t, b.AMQPURL[strings.Index(b.AMQPURL, "@")+1:], nil)
	return strings.Replace(direct, b.AMQPURL[strings.Index(b.AMQPURL, "@")+1:], p.Addr, 1), direct, p
}

func channel(t *testing.T, url string) *rabbit.Channel {
	t.Helper()
	conn, err := rabbit.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// awaitQueue waits until the broker says of a queue what it should.
func awaitQueue(t *testing.T, ch *rabbit.Channel, name string, is func(rabbit.Queue) bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		if is(q) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the queue stays at %+v", q)
		}
		time.Sleep(5 * time.Millisecond) // polling: the broker tells nobody
	}
}

func subscribe(t *testing.T, c transport.Conn, queue string) transport.Subscription {
	t.Helper()
	s, err := c.Subscribe(t.Context(), queue, transport.SubscribeOptions{Prefetch: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wait(t *testing.T, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("no confirmation")
		return nil
	}
}

func text(s string) transport.Message { return transport.Message{Body: []byte(s), Persistent: true} }

// TestReconnect: the connection breaks while a delivery is held, and while
// there is something to publish. The delivery comes again, what was published
// arrives, and what had gone meanwhile is declared again.
func TestReconnect(t *testing.T) {
	through, direct, proxy := behind(t)
	c := dial(t, through)
	top := transporttest.Declared("q")
	top.Exchanges = append(top.Exchanges, transport.Exchange{Name: "transient", Kind: "fanout"})
	top.Bindings = append(top.Bindings, transport.Binding{Queue: "q", Exchange: "transient"})
	if err := c.Declare(t.Context(), top); err != nil {
		t.Fatal(err)
	}
	s := subscribe(t, c, "q")
	if err := wait(t, c.Publish(t.Context(), transport.ToQueue("q"), text("first"))); err != nil {
		t.Fatal(err)
	}
	held := transporttest.Next(t, s)

	proxy.Down()
	<-held.Lost
	if err := held.Ack(); !errors.Is(err, transport.ErrLost) {
		t.Errorf("a lost delivery was acknowledged: %v", err)
	}
	ch := channel(t, direct)
	if err := ch.ExchangeDelete("transient", false, false); err != nil { // as a broker's restart does
		t.Fatal(err)
	}
	// What is held goes back when the broker has seen the end of its connection:
	// only then it is the first in the queue again.
	awaitQueue(t, ch, "q", func(q rabbit.Queue) bool { return q.Messages == 1 && q.Consumers == 0 })
	second := c.Publish(t.Context(), transport.ToExchange("transient"), text("second"))
	impatient, cancel := context.WithCancelCause(t.Context())
	never := c.Publish(impatient, transport.ToQueue("q"), text("never"))
	cancel(errors.New("no time"))
	third := c.Publish(t.Context(), transport.ToQueue("q"), text("third"))
	proxy.Up()

	if err := errors.Join(wait(t, second), wait(t, third)); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, never); err == nil || err.Error() != "no time" {
		t.Errorf("what nobody waits for was published: %v", err)
	}
	for _, want := range []string{"first", "second", "third"} {
		d := transporttest.Next(t, s)
		if string(d.Body) != want || d.Redelivered != (want == "first") {
			t.Errorf("got %q (again: %t), want %q", d.Body, d.Redelivered, want)
		}
		if err := d.Ack(); err != nil {
			t.Error(err)
		}
	}
}

// TestNothingLostOverCuts: a stream of messages over a connection that breaks
// every now and then arrives whole.
func TestNothingLostOverCuts(t *testing.T) {
	through, _, proxy := behind(t)
	c := dial(t, through)
	if err := c.Declare(t.Context(), transporttest.Declared("q")); err != nil {
		t.Fatal(err)
	}
	s, err := c.Subscribe(t.Context(), "q", transport.SubscribeOptions{Prefetch: 20})
	if err != nil {
		t.Fatal(err)
	}
	const n = 1000
	results := make(chan (<-chan error), n)
	go func() {
		defer close(results)
		for i := range n {
			results <- c.Publish(t.Context(), transport.ToExchange("q"), text(fmt.Sprint(i)))
			if i%250 == 100 {
				proxy.Cut()
			}
		}
	}()
	seen := map[string]bool{}
	for len(seen) < n {
		d := transporttest.Next(t, s)
		if d.Ack() == nil {
			seen[string(d.Body)] = true
		}
		if len(seen)%300 == 150 {
			proxy.Cut()
		}
	}
	for r := range results {
		if err := wait(t, r); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTopologyTakenAway: somebody deletes what the client declared; it is made
// again at the next use, and the subscription goes on.
func TestTopologyTakenAway(t *testing.T) {
	through, direct, _ := behind(t)
	c := dial(t, through)
	if err := c.Declare(t.Context(), transporttest.Declared("q")); err != nil {
		t.Fatal(err)
	}
	s := subscribe(t, c, "q")
	ch := channel(t, direct)
	if err := wait(t, c.Publish(t.Context(), transport.ToExchange("q"), text("before"))); err != nil {
		t.Fatal(err)
	}
	if err := transporttest.Next(t, s).Ack(); err != nil {
		t.Fatal(err)
	}
	if err := ch.ExchangeDelete("q", false, false); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, c.Publish(t.Context(), transport.ToExchange("q"), text("after"))); err != nil {
		t.Fatal(err)
	}
	if d := transporttest.Next(t, s); string(d.Body) != "after" || d.Ack() != nil {
		t.Fatalf("got %q", d.Body)
	}
	if _, err := ch.QueueDelete("q", false, false, false); err != nil {
		t.Fatal(err)
	}
	for { // until the queue is there again
		err := wait(t, c.Publish(t.Context(), transport.ToQueue("q"), text("again")))
		if err == nil {
			break
		}
		if !errors.Is(err, transport.ErrNoQueue) {
			t.Fatal(err)
		}
	}
	if d := transporttest.Next(t, s); string(d.Body) != "again" || d.Ack() != nil {
		t.Fatalf("got %q", d.Body)
	}
}

// TestFullQueue: a message that the broker refuses is an error of that message.
func TestFullQueue(t *testing.T) {
	_, direct, _ := behind(t)
	c := dial(t, direct)
	if err := c.Declare(t.Context(), transport.Topology{Queues: []transport.Queue{
		{Name: "full", Durable: true, Arguments: map[string]any{"x-max-length": 1, "x-overflow": "reject-publish"}},
		{Name: "mine", Exclusive: true},
	}}); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, c.Publish(t.Context(), transport.ToQueue("full"), text("a"))); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, c.Publish(t.Context(), transport.ToQueue("full"), text("b"))); !errors.Is(err, transport.ErrRefused) {
		t.Errorf("a full queue took a message: %v", err)
	}
	if err := wait(t, c.Publish(t.Context(), transport.ToQueue("mine"), text("c"))); err != nil {
		t.Errorf("an exclusive queue of the connection that consumes: %v", err)
	}
	bad := text("d")
	bad.Headers = map[string]any{"x": struct{}{}}
	if err := wait(t, c.Publish(t.Context(), transport.ToQueue("mine"), bad)); err == nil {
		t.Error("a header that AMQP has no type for was sent")
	}
}

// TestTLS: a certificate is checked, against what is given or what the URL
// names.
func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(nil) // for its certificate
	server.Close()
	certificate, authority := server.TLS.Certificates[0], x509.NewCertPool()
	authority.AddCert(server.Certificate())
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	_, direct, _ := behind(t)
	host := direct[strings.Index(direct, "@")+1 : strings.LastIndex(direct, "/")]
	p := transporttest.NewProxy(t, host, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	url := "amqps" + strings.Replace(direct[len("amqp"):], host, p.Addr, 1)
	for name, c := range map[string]struct {
		url, want string
		tls       *tls.Config
	}{
		"given":   {url, "", &tls.Config{RootCAs: authority, MinVersion: tls.VersionTLS12}},
		"in URL":  {url + "?cacertfile=" + file, "", nil},
		"unknown": {url, "not trusted here", nil},
		"name":    {url, "for another name", &tls.Config{RootCAs: authority, ServerName: "elsewhere.org", MinVersion: tls.VersionTLS12}},
		"no file": {url + "?cacertfile=" + file + "x", "no such file", nil},
	} {
		conn, err := amqp.Dial(t.Context(), amqp.Options{URL: c.url, TLS: c.tls})
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want == "":
			err = errors.Join(conn.Declare(t.Context(), transporttest.Declared("q")), wait(t, conn.Publish(t.Context(), transport.ToQueue("q"), text("x"))), conn.Close())
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case err == nil || !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
