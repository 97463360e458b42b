package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/msgflo/msgflo/providers/mqtt/embedded"
	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
	"github.com/msgflo/msgflo/providers/transport/transporttest"
)

// folderEnv makes this test binary a broker of its own, to be killed.
const folderEnv = "MSGFLO_TEST_EMBEDDED_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(folderEnv); folder != "" {
		s, err := embedded.New(embedded.Spec{Broker: "b", Listen: "127.0.0.1:0", Persist: true}, embedded.Options{
			Folder: folder, Ready: func(a embedded.Addresses) { fmt.Println(a.MQTT) },
		})
		if err == nil {
			err = s.Run(context.Background())
		}
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(leaktest.Judge(mosquittotest.Run(m)))
}

const patience = 30 * time.Second

// run runs a broker until the test ends, or stop.
func run(t *testing.T, s embedded.Spec, folder string) (where embedded.Addresses, stop func()) {
	t.Helper()
	return runWith(t, s, embedded.Options{Folder: folder})
}

func runWith(t *testing.T, s embedded.Spec, o embedded.Options) (where embedded.Addresses, stop func()) {
	t.Helper()
	ready := make(chan embedded.Addresses, 1)
	var log strings.Builder
	o.Ready, o.Log = func(a embedded.Addresses) { ready <- a }, slog.New(slog.NewTextHandler(&log, nil))
	b, err := embedded.New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if log.Len() > 0 {
			t.Errorf("it logged: %s", &log)
		}
	}
	t.Cleanup(stop)
	select {
	case where = <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal("not ready")
	}
	return where, stop
}

func spec() embedded.Spec {
	return embedded.Spec{Broker: "b", Listen: "127.0.0.1:0", WebSocket: "127.0.0.1:0"}
}

func dial(t *testing.T, url, group string) *mqtt.Conn {
	t.Helper()
	c, err := mqtt.Dial(t.Context(), mqtt.ConnOptions{Options: mqtt.Options{URL: url}, Share: group})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestTransport(t *testing.T) {
	for _, persist := range []bool{false, true} {
		s := spec()
		s.Persist = persist
		where, _ := run(t, s, t.TempDir())
		for name, url := range map[string]string{"mqtt": "mqtt://" + where.MQTT, "ws": "ws://" + where.WebSocket} {
			t.Run(fmt.Sprint(name, persist), func(t *testing.T) {
				transporttest.RunTopics(t, mosquittotest.Prefix(t), func(t *testing.T) transport.Conn { return dial(t, url, "") })
			})
		}
	}
}

// TestShared: two of a group share.
func TestShared(t *testing.T) {
	where, _ := run(t, spec(), "")
	url := "mqtt://" + where.MQTT
	subscribe := func() transport.Subscription {
		s, err := dial(t, url, "g").Subscribe(t.Context(), "t", transport.SubscribeOptions{Prefetch: 100})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b, c := subscribe(), subscribe(), dial(t, url, "")
	const n = 50
	for i := range n {
		if err := transport.Publish(t.Context(), c, transport.ToQueue("t"), transport.Message{Body: fmt.Append(nil, i), Persistent: true}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for range n {
		select {
		case d := <-a.Deliveries():
			seen[string(d.Body)] = true
		case d := <-b.Deliveries():
			seen[string(d.Body)] = true
		case <-time.After(patience):
			t.Fatalf("got %d", len(seen))
		}
	}
	if len(seen) != n {
		t.Errorf("%d different ones of %d", len(seen), n)
	}
}

// TestGroupsComeBack: sessions that share end with their connection, so what is
// published to them after a start is acknowledged when somebody is there again, or
// does not come.
func TestGroupsComeBack(t *testing.T) {
	folder, s := t.TempDir(), spec()
	s.Persist = true
	begin := func(comeback time.Duration) (url string, stop func()) {
		where, stop := runWith(t, s, embedded.Options{Folder: folder, Comeback: comeback})
		return "mqtt://" + where.MQTT, stop
	}
	send := func(url, topic string) chan error {
		sent := make(chan error, 1)
		c := dial(t, url, "")
		go func() {
			defer c.Close()
			sent <- transport.Publish(t.Context(), c, transport.ToQueue(topic), transport.Message{Body: []byte(topic), Persistent: true})
		}()
		return sent
	}
	join := func(url string) (transport.Subscription, *mqtt.Conn) {
		c := dial(t, url, "role")
		in, err := c.Subscribe(t.Context(), "role.IN", transport.SubscribeOptions{Prefetch: 1})
		if err != nil {
			t.Fatal(err)
		}
		return in, c
	}
	passes := func(sent chan error) {
		t.Helper()
		select {
		case err := <-sent:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Fatal("it is not acknowledged")
		}
	}

	url, stop := begin(time.Hour)
	_, c := join(url)
	stop()
	c.Close()

	url, stop = begin(time.Hour)
	sent := send(url, "role.IN")
	passes(send(url, "elsewhere.IN")) // who is not missed keeps nobody waiting
	select {
	case err := <-sent:
		t.Fatalf("a message for who is not back was taken: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	in, c := join(url)
	passes(sent)
	select {
	case d := <-in.Deliveries():
		if string(d.Body) != "role.IN" {
			t.Errorf("%q came", d.Body)
		}
		d.Ack()
	case <-time.After(patience):
		t.Error("it is lost")
	}
	stop()
	c.Close()

	url, stop = begin(50 * time.Millisecond) // nobody comes back
	passes(send(url, "role.IN"))
	in, c = join(url)
	if err := in.Cancel(t.Context()); err != nil { // of its own will
		t.Error(err)
	}
	c.Close()
	stop()

	url, _ = begin(time.Hour)
	passes(send(url, "role.IN"))
}

// child starts this binary as a broker and returns its address.
func child(t *testing.T, folder string) (addr string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), folderEnv+"="+folder)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "127.0.0.1:") {
		t.Fatalf("the broker says %q: %v", line, err)
	}
	return strings.TrimSpace(line), kill
}

// TestKilled: what a broker had acknowledged it still has after it was killed,
// in order: retained messages, sessions, and what was queued for them, also
// what had been delivered and not acknowledged.
func TestKilled(t *testing.T) {
	folder := t.TempDir()
	addr, kill := child(t, folder)
	got := make(chan mqtt.Received, 1000)
	session := func(addr string) *mqtt.Client {
		o := mqtt.ClientOptions{Options: mqtt.Options{URL: "mqtt://" + addr, ClientID: "stays"}, KeepSession: true, Receive: func(m mqtt.Received) { got <- m }}
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
	c := session(addr)
	if err := c.Subscribe(t.Context(), mqtt.Filter{Topic: "q/+", QoS: 1}); err != nil {
		t.Fatal(err)
	}
	out := dial(t, "mqtt://"+addr, "")
	put := func(topic, body string, retained bool) {
		t.Helper()
		if err := transport.Publish(t.Context(), out, transport.ToQueue(topic), transport.Message{Body: []byte(body), Persistent: true, Retained: retained}); err != nil {
			t.Fatal(err)
		}
	}
	put("kept", "old", true)
	put("kept", "new", true)
	put("gone", "x", true)
	put("gone", "", true)
	put("q/1", "done", false)
	put("q/1", "unacknowledged", false)
	if m := next(); string(m.Body) != "done" || m.Ack() != nil {
		t.Errorf("got %q", m.Body)
	}
	next()
	c.Close()
	const n = 300
	for i := range n {
		put("q/1", fmt.Sprint(i), false)
	}
	kill()
	addr, _ = child(t, folder)
	session(addr)
	if m := next(); string(m.Body) != "unacknowledged" || !m.Duplicate || m.Ack() != nil {
		t.Errorf("got %q first", m.Body)
	}
	for i := range n {
		if m := next(); string(m.Body) != fmt.Sprint(i) || m.Ack() != nil {
			t.Fatalf("%q instead of %d", m.Body, i)
		}
	}
	retained, err := dial(t, "mqtt://"+addr, "").Subscribe(t.Context(), "#", transport.SubscribeOptions{Prefetch: 10})
	if err != nil {
		t.Fatal(err)
	}
	if d := transporttest.Next(t, retained); string(d.Body) != "new" || d.Topic != "kept" || !d.Retained {
		t.Errorf("retained: %q on %s", d.Body, d.Topic)
	}
	// The session's subscription has survived too.
	out = dial(t, "mqtt://"+addr, "")
	put("q/2", "after", false)
	if m := next(); string(m.Body) != "after" || m.Ack() != nil {
		t.Errorf("got %q", m.Body)
	}
	if d := transporttest.Next(t, retained); string(d.Body) != "after" {
		t.Errorf("%q was retained", d.Body)
	}
}

// TestRestarted: the same in one process, in order; a session that was made
// clean meanwhile is gone.
func TestRestarted(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "made", "here")
	s := spec()
	s.Persist = true
	client := func(addr string, keep bool) (*mqtt.Client, chan bool) {
		up := make(chan bool, 10)
		o := mqtt.ClientOptions{Options: mqtt.Options{URL: "mqtt://" + addr, ClientID: "c"}, KeepSession: keep, Up: func(present bool) { up <- present }}
		c, err := mqtt.DialClient(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return c, up
	}
	for i, keep := range []bool{true, true, false, true} {
		where, stop := run(t, s, folder)
		c, up := client(where.MQTT, keep)
		if present := <-up; present != (i == 1) {
			t.Errorf("run %d: session present: %v", i, present)
		}
		c.Close()
		stop()
	}
}

func TestErrors(t *testing.T) {
	where, _ := run(t, spec(), "")
	folder := t.TempDir()
	held := spec()
	held.Persist = true
	run(t, held, folder)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*embedded.Spec)
		folder string
		want   []string
	}{
		{func(s *embedded.Spec) { s.Listen = where.MQTT }, "", []string{where.MQTT, "another program", `listen = "127.0.0.1:PORT"`, `"b"`}},
		{func(s *embedded.Spec) { s.WebSocket = where.MQTT }, "", []string{where.MQTT, `websocket = "127.0.0.1:PORT"`}},
		{func(s *embedded.Spec) { s.Listen = "192.0.2.1:1883" }, "", []string{"192.0.2.1:1883", "address of this machine"}},
		{func(s *embedded.Spec) { s.Persist = true }, folder, []string{"in use by another"}},
		{func(s *embedded.Spec) { s.Persist = true }, file, []string{"move it away"}},
	} {
		s := spec()
		c.change(&s)
		b, err := embedded.New(s, embedded.Options{Folder: c.folder})
		if err != nil {
			t.Fatal(err)
		}
		err = b.Run(t.Context())
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	}
	if _, err := embedded.New(embedded.Spec{Broker: "b", Persist: true}, embedded.Options{}); err == nil {
		t.Error("kept nowhere")
	}
}

func TestSpec(t *testing.T) {
	s, err := embedded.ParseSpec([]byte(`{"broker":"b","listen":":1883","websocket":"localhost:1884","persist":true}`))
	if err != nil || s != (embedded.Spec{Broker: "b", Listen: ":1883", WebSocket: "localhost:1884", Persist: true}) {
		t.Errorf("%+v %v", s, err)
	}
	for _, bad := range []string{"", "{", `{"listen":1}`, `{"listen":"1883"}`, `{"websocket":"a:b:c"}`} {
		if _, err := embedded.ParseSpec([]byte(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestOrigins: pages of the world are not let in.
func TestOrigins(t *testing.T) {
	where, _ := run(t, spec(), "")
	for origin, want := range map[string]bool{
		"": true, "http://localhost:8080": true, "http://127.0.0.1": true, "https://[::1]:3": true,
		"https://example.com": false, "null": false, "http://localhost.example.com": false, "http://" + "127.0.0.1.nip.io": false,
	} {
		h := http.Header{}
		if origin != "" {
			h.Set("Origin", origin)
		}
		if strings.Contains(origin, "nip.io") {
			h.Set("Host", "127.0.0.1.nip.io:"+where.WebSocket[strings.LastIndex(where.WebSocket, ":")+1:])
		}
		c, resp, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+where.WebSocket+"/mqtt", h)
		if (err == nil) != want {
			t.Errorf("%q: %v", origin, err)
		}
		if resp != nil {
			resp.Body.Close()
		}
		if err == nil {
			c.Close()
		}
	}
}

// TestWarns: a broker that others reach says that it is open.
func TestWarns(t *testing.T) {
	var log strings.Builder
	ctx, cancel := context.WithCancel(t.Context())
	b, err := embedded.New(embedded.Spec{Broker: "b", Listen: ":0"}, embedded.Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Ready: func(embedded.Addresses) { cancel() }})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Run(ctx); err != nil || !strings.Contains(log.String(), "beyond this machine") {
		t.Errorf("%v, log: %s", err, &log)
	}
}

// TestGarbage: who does not speak MQTT does no harm.
func TestGarbage(t *testing.T) {
	where, _ := run(t, spec(), "")
	for _, text := range []string{"", "GET / HTTP/1.1\r\n\r\n", "\x10\xff\xff\xff\xff\xff", strings.Repeat("\x00", 5000)} {
		c, err := net.Dial("tcp", where.MQTT)
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte(text))
		c.Close()
	}
	dial(t, "mqtt://"+where.MQTT, "")
}

// TestBothWays: a client that publishes with QoS 1 on the connection that it
// receives on uses the same packet ids as the broker does; neither forgets.
func TestBothWays(t *testing.T) {
	where, _ := run(t, spec(), "")
	got := make(chan mqtt.Received, 100)
	open := func() *mqtt.Client {
		o := mqtt.ClientOptions{Options: mqtt.Options{URL: "mqtt://" + where.MQTT, ClientID: "c"}, KeepSession: true, Receive: func(m mqtt.Received) { got <- m }}
		c, err := mqtt.DialClient(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	next := func(want string) {
		t.Helper()
		select {
		case m := <-got:
			if string(m.Body) != want {
				t.Errorf("%q instead of %q", m.Body, want)
			}
		case <-time.After(patience):
			t.Fatalf("no %q", want)
		}
	}
	c := open()
	if err := c.Subscribe(t.Context(), mqtt.Filter{Topic: "in", QoS: 1}); err != nil {
		t.Fatal(err)
	}
	other := dial(t, "mqtt://"+where.MQTT, "")
	const n = 10
	for i := range n {
		if err := transport.Publish(t.Context(), other, transport.ToQueue("in"), transport.Message{Body: fmt.Append(nil, i), Persistent: true}); err != nil {
			t.Fatal(err)
		}
		next(fmt.Sprint(i))
	}
	for range 2 * n {
		done := make(chan error, 1)
		c.Send(t.Context(), mqtt.Outgoing{Topic: "out", QoS: 1}, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	open()
	for i := range n { // none was acknowledged
		next(fmt.Sprint(i))
	}
}
