package mqtt_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
	"github.com/msgflo/msgflo/providers/transport/transporttest"
)

func TestMain(m *testing.M) { os.Exit(mosquittotest.Run(m)) }

const patience = 30 * time.Second

func fast(url string) mqtt.Options {
	return mqtt.Options{URL: url, RetryMin: time.Millisecond, RetryMax: 100 * time.Millisecond}
}

func dial(t testing.TB, url, group string) *mqtt.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := mqtt.Dial(ctx, mqtt.ConnOptions{Options: fast(url), Name: "test", Share: group})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func wait(t testing.TB, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(patience):
		t.Fatal("no answer")
		return nil
	}
}

func subscribe(t testing.TB, c transport.Conn, topic string) transport.Subscription {
	t.Helper()
	s, err := c.Subscribe(t.Context(), topic, transport.SubscribeOptions{Prefetch: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func text(s string) transport.Message { return transport.Message{Body: []byte(s), Persistent: true} }

func TestOnMosquitto(t *testing.T) {
	b := mosquittotest.Shared(t)
	leaktest.Check(t)
	for name, url := range map[string]string{"mqtt": b.URL, "ws": b.WebSocketURL} {
		t.Run(name, func(t *testing.T) {
			transporttest.RunTopics(t, mosquittotest.Prefix(t), func(t *testing.T) transport.Conn { return dial(t, url, "") })
		})
		t.Run(name+" shared", func(t *testing.T) { share(t, url, true) })
	}
}

// TestOnRabbit: RabbitMQ's plugin is an MQTT broker too, without shared
// subscriptions.
func TestOnRabbit(t *testing.T) {
	b := rabbittest.Own(t, rabbittest.Options{Plugins: []string{"rabbitmq_mqtt"}})
	leaktest.Check(t)
	transporttest.RunTopics(t, mosquittotest.Prefix(t), func(t *testing.T) transport.Conn { return dial(t, b.MQTTURL, "") })
	share(t, b.MQTTURL, false)
	if _, err := mqtt.Dial(t.Context(), mqtt.ConnOptions{Options: fast(strings.Replace(b.MQTTURL, rabbittest.Password+"@", "secret@", 1))}); err == nil ||
		!strings.Contains(err.Error(), "refused the login") || strings.Contains(err.Error(), "secret") {
		t.Errorf("a wrong password: %v", err)
	}
}

// share has two of one group and one of another on a topic.
func share(t *testing.T, url string, works bool) {
	topic := mosquittotest.Prefix(t) + "t"
	var subs []transport.Subscription
	for _, group := range []string{"a/+#", "a/+#", "b"} {
		s, err := dial(t, url, group).Subscribe(t.Context(), topic, transport.SubscribeOptions{Prefetch: 100})
		if err != nil {
			t.Fatal(err)
		}
		subs = append(subs, s)
	}
	c := dial(t, url, "")
	const n = 20
	for i := range n {
		if err := transport.Publish(t.Context(), c, transport.ToQueue(topic), text(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		transporttest.Next(t, subs[2]).Ack()
	}
	total := n
	if !works {
		total = 2 * n
	}
	seen := map[string]int{}
	for range total {
		select {
		case d := <-subs[0].Deliveries():
			seen[string(d.Body)]++
			d.Ack()
		case d := <-subs[1].Deliveries():
			seen[string(d.Body)]++
			d.Ack()
		case <-time.After(patience):
			t.Fatalf("got %d of %d", len(seen), total)
		}
	}
	if len(seen) != n {
		t.Errorf("%d different ones of %d", len(seen), n)
	}
}

func TestDialErrors(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Users: map[string]string{"u": "right"}, WebSocket: true})
	leaktest.Check(t)
	web := httptest.NewServer(nil)
	t.Cleanup(web.Close)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mute.Close() })
	go func() {
		for {
			c, err := mute.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	for raw, want := range map[string]string{
		"":                                         "empty",
		"amqp://u:secret@localhost":                "does not begin with mqtt://",
		"mqtt://u:secret%zz@localhost":             "percent-encoded",
		"mqtt://:secret@localhost":                 "without a user",
		"mqtt://u:secret@localhost:0":              "1 to 65535",
		"mqtt://localhost/secret":                  "has a path",
		"mqtt://localhost?ca_certs=secret":         "use mqtts://",
		"mqtts://localhost?certfile=secret":        "both certfile and keyfile",
		"mqtts://localhost?insecure=perhaps":       "true or false",
		"mqtt://u:secret@127.0.0.1:1":              "nothing listens at mqtt://127.0.0.1:1",
		"mqtt://u:secret@nowhere.invalid":          "is not known",
		b.As("u", "secret"):                        "check user and password",
		b.URL:                                      "wants a user and a password",
		"mqtts" + b.URL[len("mqtt"):]:              "with TLS",
		"mqtts://localhost?ca_certs=/no/such/file": "no such file",
		"ws" + web.URL[len("http"):] + "/secret":   "no MQTT broker's WebSocket",
		"mqtt://u:secret@" + mute.Addr().String():  "closed the connection",
	} {
		_, err := mqtt.Dial(t.Context(), mqtt.ConnOptions{Options: fast(raw)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") && !strings.Contains(want, "secret") {
			t.Errorf("the error holds a secret: %v", err)
		}
		if strings.Contains(mqtt.Where(raw), "secret") {
			t.Errorf("Where(%q) = %q", raw, mqtt.Where(raw))
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := mqtt.Dial(ctx, mqtt.ConnOptions{Options: fast(b.As("u", "right"))}); err == nil {
		t.Error("dialled although the context had ended")
	}
	dial(t, b.As("u", "right"), "")
	dial(t, strings.Replace(b.WebSocketURL, "ws://", "ws://u:right@", 1)+"/any?token=x", "")
}

// certificate makes one that is its own authority, for servers and clients.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{name}, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", pkcs8)
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t, "broker.example")
	other, otherKey := certificate(t, "other.example")
	open := mosquittotest.Start(t, mosquittotest.Options{TLS: &mosquittotest.TLS{Cert: cert, Key: key}})
	strict := mosquittotest.Start(t, mosquittotest.Options{TLS: &mosquittotest.TLS{Cert: cert, Key: key, CA: cert}})
	leaktest.Check(t)
	const sni = "&server_name_indication=broker.example"
	client := func(cert, key string) string { return "&certfile=" + cert + "&keyfile=" + key }
	for _, c := range []struct {
		b           *mosquittotest.Broker
		query, want string
	}{
		{open, "ca_certs=" + cert + sni, ""},
		{open, "cacertfile=" + cert + sni, ""},
		{open, "insecure=true", ""},
		{open, sni, "not trusted here"},
		{open, "ca_certs=" + other + sni, "not trusted here"},
		{open, "ca_certs=" + cert, "for another name"},
		{open, "ca_certs=" + key, "no PEM certificate"},
		{open, client(key, cert), "reading the client certificate"},
		{strict, "insecure=true" + client(cert, key), ""},
		{strict, "insecure=true", "client certificate"},
		{strict, "insecure=true" + client(other, otherKey), "client certificate"},
	} {
		for _, u := range []string{c.b.SecureURL, c.b.SecureWebSocketURL} {
			conn, err := mqtt.Dial(t.Context(), mqtt.ConnOptions{Options: fast(u + "?" + c.query)})
			if err == nil {
				conn.Close()
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s?%s: %v, want %q", u, c.query, err, c.want)
			}
		}
	}
	// What is given with the options has the names of the broker block.
	o := fast(open.SecureURL)
	o.TLS = &tls.Config{ServerName: "broker.example"}
	if _, err := mqtt.Dial(t.Context(), mqtt.ConnOptions{Options: o}); err == nil || !strings.Contains(err.Error(), "ca_file in the block tls") {
		t.Errorf("an unknown authority: %v", err)
	}
	o.TLS = &tls.Config{InsecureSkipVerify: true}
	conn, err := mqtt.Dial(t.Context(), mqtt.ConnOptions{Options: o})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// behind puts a proxy before the shared broker.
func behind(t *testing.T) (through, direct string, p *transporttest.Proxy) {
	return before(t, mosquittotest.Shared(t))
}

func before(t *testing.T, b *mosquittotest.Broker) (through, direct string, p *transporttest.Proxy) {
	leaktest.Check(t)
	p = transporttest.NewProxy(t, b.Addr, nil)
	return "mqtt://" + p.Addr, b.URL, p
}

// TestReconnect: the connection breaks while a delivery is held, and while
// there is something to publish. What is here can still be settled, what was
// published arrives, and the subscription goes on.
func TestReconnect(t *testing.T) {
	through, direct, proxy := behind(t)
	topic := mosquittotest.Prefix(t) + "t"
	c, other := dial(t, through, ""), dial(t, direct, "")
	s, seen := subscribe(t, c, topic), subscribe(t, other, topic+"/out")
	if err := wait(t, other.Publish(t.Context(), transport.ToQueue(topic), text("held"))); err != nil {
		t.Fatal(err)
	}
	held := transporttest.Next(t, s)
	proxy.Down()
	results := make([]<-chan error, 50)
	for i := range results {
		results[i] = c.Publish(t.Context(), transport.ToQueue(topic+"/out"), text(fmt.Sprint(i)))
	}
	select {
	case <-held.Lost:
		t.Error("a delivery is lost although the broker would not bring it again")
	default:
	}
	proxy.Up()
	select {
	case <-c.Reconnected():
	case <-time.After(patience):
		t.Fatal("nobody was told of the reconnect")
	}
	if err := held.Ack(); err != nil {
		t.Errorf("acknowledging after a reconnect: %v", err)
	}
	for i, r := range results {
		if err := wait(t, r); err != nil {
			t.Error(err)
		}
		d := transporttest.Next(t, seen)
		for ; string(d.Body) != fmt.Sprint(i); d = transporttest.Next(t, seen) { // one may come twice
			d.Ack()
		}
		d.Ack()
	}
	eventually(t, other, topic, s)
}

// eventually publishes until one arrives: nothing tells when a clean session is
// subscribed again.
func eventually(t *testing.T, c transport.Conn, topic string, s transport.Subscription) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err := wait(t, c.Publish(t.Context(), transport.ToQueue(topic), text("after"))); err != nil {
			t.Fatal(err)
		}
		select {
		case d := <-s.Deliveries():
			if err := d.Ack(); err != nil || string(d.Body) != "after" {
				t.Errorf("%q: %v", d.Body, err)
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatal("the subscription did not come back")
}

// TestNothingLost: two thousand confirmed messages over a connection that
// breaks all the time, into a session that stays.
func TestNothingLost(t *testing.T) {
	// The sender may be there again long before the receiver is: for so long the
	// broker is to queue all.
	through, direct, proxy := before(t, mosquittotest.Start(t, mosquittotest.Options{Config: []string{"max_queued_messages 0"}}))
	topic := mosquittotest.Prefix(t) + "t"
	const n = 2000
	var mu sync.Mutex
	seen := map[string]int{}
	all := make(chan struct{})
	o := mqtt.ClientOptions{Options: fast(through), KeepSession: true, Receive: func(m mqtt.Received) {
		if m.Ack() != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if seen[string(m.Body)]++; len(seen) == n {
			select {
			case <-all:
			default:
				close(all)
			}
		}
	}}
	o.ClientID = strings.ReplaceAll(topic, "/", "-")
	in, err := mqtt.DialClient(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	if err := in.Subscribe(t.Context(), mqtt.Filter{Topic: topic, QoS: mqtt.AtLeastOnce}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { forget(t, direct, o.ClientID) })
	out := dial(t, through, "")
	var results []<-chan error
	for i := range n {
		results = append(results, out.Publish(t.Context(), transport.ToQueue(topic), text(fmt.Sprint(i))))
		if i%400 == 399 {
			proxy.Cut()
		}
		if i%50 != 49 {
			continue
		}
		for _, r := range results {
			if err := wait(t, r); err != nil {
				t.Fatal(err)
			}
		}
		results = nil
	}
	select {
	case <-all:
	case <-time.After(patience):
		mu.Lock()
		defer mu.Unlock()
		t.Fatalf("%d of %d arrived", len(seen), n)
	}
}

// forget makes the broker forget a session.
func forget(t *testing.T, url, id string) {
	o := fast(url)
	o.ClientID = id
	c, err := mqtt.DialClient(context.Background(), mqtt.ClientOptions{Options: o})
	if err != nil {
		t.Error(err)
		return
	}
	c.Close()
}

// TestSession: what arrives while the client is away, and what it did not
// acknowledge, comes when it is back; its will is published when it goes
// without a word.
func TestSession(t *testing.T) {
	through, direct, proxy := behind(t)
	topic := mosquittotest.Prefix(t) + "t"
	got := make(chan mqtt.Received, 100)
	ups := make(chan bool, 100)
	o := mqtt.ClientOptions{
		Options: fast(through), KeepSession: true, Receive: func(m mqtt.Received) { got <- m }, Up: func(present bool) { ups <- present },
		Will: &mqtt.Outgoing{Topic: topic + "/will", Body: []byte("gone"), QoS: mqtt.AtLeastOnce},
	}
	if _, err := mqtt.DialClient(t.Context(), o); err == nil || !strings.Contains(err.Error(), "client id") {
		t.Errorf("a session without a name: %v", err)
	}
	o.ClientID = strings.ReplaceAll(topic, "/", "-")
	t.Cleanup(func() { forget(t, direct, o.ClientID) })
	open := func() *mqtt.Client {
		c, err := mqtt.DialClient(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	next := func() mqtt.Received {
		t.Helper()
		select {
		case m := <-got:
			return m
		case <-time.After(patience):
			t.Fatal("nothing arrived")
			panic("unreachable")
		}
	}
	up := func() bool {
		t.Helper()
		select {
		case p := <-ups:
			return p
		case <-time.After(patience):
			t.Fatal("not up")
			return false
		}
	}
	c := open()
	if up() {
		t.Error("a new session is said to be known")
	}
	if err := c.Subscribe(t.Context(), mqtt.Filter{Topic: topic, QoS: 1}, mqtt.Filter{Topic: topic + "/none", QoS: 0}); err != nil {
		t.Fatal(err)
	}
	other := dial(t, direct, "")
	will := subscribe(t, other, topic+"/will")
	put := func(body string) {
		if err := wait(t, other.Publish(t.Context(), transport.ToQueue(topic), text(body))); err != nil {
			t.Fatal(err)
		}
	}
	put("unacknowledged")
	first := next()
	proxy.Down()
	<-first.Lost()
	if err := first.Ack(); !errors.Is(err, transport.ErrLost) {
		t.Errorf("acknowledged on a connection that is gone: %v", err)
	}
	if d := transporttest.Next(t, will); string(d.Body) != "gone" {
		t.Errorf("the will is %q", d.Body)
	}
	put("away")
	proxy.Up()
	if !up() {
		t.Error("the broker has forgotten the session")
	}
	if m := next(); string(m.Body) != "unacknowledged" || !m.Duplicate || m.Ack() != nil {
		t.Errorf("got %q again, duplicate %v", m.Body, m.Duplicate)
	}
	if m := next(); string(m.Body) != "away" || m.Ack() != nil {
		t.Errorf("got %q", m.Body)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	put("closed")
	c = open() // another process of the same name
	if !up() {
		t.Error("the broker has forgotten the session")
	}
	if m := next(); string(m.Body) != "closed" || m.Ack() != nil {
		t.Errorf("got %q", m.Body)
	}
	if err := c.Unsubscribe(t.Context(), topic, topic+"/none"); err != nil {
		t.Fatal(err)
	}
	put("unsubscribed")
	if err := c.Subscribe(t.Context(), mqtt.Filter{Topic: topic + "/end", QoS: 1}); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, other.Publish(t.Context(), transport.ToQueue(topic+"/end"), text("end"))); err != nil {
		t.Fatal(err)
	}
	if m := next(); string(m.Body) != "end" || m.Ack() != nil {
		t.Errorf("got %q", m.Body)
	}
}

// TestTooLarge: a message for which the broker ends the connection each time is
// an error of its own; its neighbours arrive.
func TestTooLarge(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Config: []string{"max_packet_size 1000"}})
	leaktest.Check(t)
	c := dial(t, b.URL, "")
	s := subscribe(t, c, "t")
	before := c.Publish(t.Context(), transport.ToQueue("t"), text("before"))
	bad := c.Publish(t.Context(), transport.ToQueue("t"), text(strings.Repeat("x", 5000)))
	after := c.Publish(t.Context(), transport.ToQueue("t"), text("after"))
	if err := wait(t, before); err != nil {
		t.Error(err)
	}
	if err := wait(t, bad); err == nil || !strings.Contains(err.Error(), "larger than the broker takes") {
		t.Errorf("too large: %v", err)
	}
	if err := wait(t, after); err != nil {
		t.Error(err)
	}
	for d := transporttest.Next(t, s); string(d.Body) != "after"; d = transporttest.Next(t, s) { // "before" may come twice
		d.Ack()
	}
}

// TestRestart: the broker is killed and comes back.
func TestRestart(t *testing.T) {
	leaktest.Check(t)
	b := mosquittotest.Start(t, mosquittotest.Options{})
	c := dial(t, b.URL, "g")
	s := subscribe(t, c, "t")
	b.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := transport.Publish(ctx, c, transport.ToQueue("t"), text("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("published to nobody: %v", err)
	}
	b.Restart(t)
	eventually(t, c, "t", s)
}

// TestCancelWhileDown: who stops does not wait for a broker that is gone.
func TestCancelWhileDown(t *testing.T) {
	through, _, proxy := behind(t)
	c := dial(t, through, "")
	s := subscribe(t, c, "t")
	proxy.Down()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// Also if it is only now that the client finds out.
	if err := s.Cancel(ctx); err != nil {
		t.Error(err)
	}
	if _, ok := <-s.Deliveries(); ok {
		t.Error("a delivery out of nowhere")
	}
}

// TestQuiet: nothing is logged in a life without incidents.
func TestQuiet(t *testing.T) {
	b := mosquittotest.Shared(t)
	var log strings.Builder
	o := fast(b.URL)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	c, err := mqtt.Dial(t.Context(), mqtt.ConnOptions{Options: o, Share: "g"})
	if err != nil {
		t.Fatal(err)
	}
	s := subscribe(t, c, mosquittotest.Prefix(t))
	if err := s.Cancel(t.Context()); err != nil {
		t.Error(err)
	}
	if c.Close(); log.Len() > 0 {
		t.Error(log.String())
	}
}
