package mgmt

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/msgflo/msgflo/providers/providertest/child"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
)

const overviewJSON = `{"management_version":"3.10.8","rabbitmq_version":"3.10.8","exchange_types":[{"name":"direct","enabled":true}]}`

const secret = "pa55w0rd"

// quick is a client that does not wait between tries.
func quick(t testing.TB, url string, with ...func(*Options)) *Client {
	t.Helper()
	o := Options{URL: url, Username: "user", Password: secret, Retry: Retry{Initial: time.Microsecond}}
	for _, f := range with {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func answer(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestStrangeAnswers(t *testing.T) {
	const js = "application/json"
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://login.example/sso?token=hidden", http.StatusFound)
	}
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		kind    Kind
		says    string
	}{
		"web page with 200":        {answer(200, "text/html", "<html>Welcome</html>"), NotManagement, "web page"},
		"web page called JSON":     {answer(200, js, "<html>Welcome</html>"), NotManagement, "not JSON"},
		"redirect to a login":      {redirect, NotManagement, "https://login.example/sso"},
		"JSON of another kind":     {answer(200, js, `{"message":"hello"}`), NotManagement, "another form"},
		"list where an object is":  {answer(200, js, `[]`), NotManagement, "not a list"},
		"null":                     {answer(200, js, `null`), NotManagement, "not null"},
		"two values":               {answer(200, js, overviewJSON+overviewJSON), NotManagement, "several"},
		"text":                     {answer(200, "text/plain", "ok"), NotManagement, "text/plain"},
		"no content":               {answer(204, "", ""), NotManagement, "204"},
		"404 as a page":            {answer(404, "text/html", "<h1>not found</h1>"), NotManagement, "management plugin"},
		"404 as JSON":              {answer(404, js, `{"error":"Object Not Found","reason":"Not Found"}`), NotManagement, "management plugin"},
		"empty":                    {answer(200, js, ""), Cut, "cut"},
		"cut JSON":                 {answer(200, js, overviewJSON[:40]), Cut, "cut"},
		"cut string":               {answer(200, js, `{"management_version":"3.1`), Cut, "cut"},
		"401 of a proxy":           {answer(401, "text/html", "<h1>Unauthorized</h1>"), LoginRefused, `user "user"`},
		"401 login failed":         {answer(401, js, `{"error":"not_authorized","reason":"Login failed"}`), LoginRefused, "check user and password"},
		"401 not permitted":        {answer(401, js, `{"error":"not_authorised","reason":"Not administrator user"}`), Forbidden, `tag "administrator"`},
		"403":                      {answer(403, js, `{"error":"not_authorised","reason":"Access refused."}`), Forbidden, "Access refused"},
		"405":                      {answer(405, "text/plain", ""), Rejected, "does not allow GET"},
		"500":                      {answer(500, "text/plain", ""), BrokerFailed, "log"},
		"502":                      {answer(502, "text/html", "<h1>Bad gateway</h1>"), BrokerFailed, "502"},
		"503":                      {answer(503, "text/plain", ""), Overloaded, "overloaded or starting"},
		"429":                      {answer(429, "text/plain", ""), Overloaded, "overloaded"},
		"400 with HTML and breaks": {answer(400, js, `{"error":"bad_request","reason":"Validation failed\n\n[{&lt;&lt;\"x\"&gt;&gt;,1}] bad\n"}`), Rejected, `Validation failed [{<<"x">>,1}] bad`},
		"a reason with escapes":    {answer(400, js, `{"error":"bad_request","reason":"\u001b[31mred\u202e"}`), Rejected, `\x1b[31mred`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := quick(t, serve(t, tc.handler).URL).Overview(t.Context())
			checkError(t, err, tc.kind, tc.says)
		})
	}
}

func checkError(t *testing.T, err error, kind Kind, says string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("no mgmt.Error: %v", err)
	}
	if e.Kind != kind || !strings.Contains(err.Error(), says) {
		t.Errorf("want %q saying %q; got %q: %v", kind.Summary(), says, e.Summary(), err)
	}
	if e.Summary() == "" {
		t.Error("no summary")
	}
	for _, hidden := range []string{secret, "token=hidden", "\x1b", "\u202e"} {
		if strings.Contains(err.Error(), hidden) {
			t.Errorf("the error shows %q: %v", hidden, err)
		}
	}
}

// A list that ends early must never come out as a shorter list, wherever the
// connection breaks, and whether or not the length was announced.
func TestCutLists(t *testing.T) {
	const whole = `[{"source":"","vhost":"v","destination":"a","destination_type":"queue","routing_key":"a","arguments":{},"properties_key":"a"},` +
		`{"source":"e","vhost":"v","destination":"b","destination_type":"queue","routing_key":"k","arguments":{"x":[1,{}]},"properties_key":"k~1"}]`
	for _, announce := range []bool{true, false} {
		var cut atomic.Int64
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if announce {
				w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			}
			io.WriteString(w, whole[:cut.Load()])
		})
		c := quick(t, s.URL, func(o *Options) { o.Retry.Tries = 1 })
		for n := range len(whole) {
			cut.Store(int64(n))
			if got, err := c.Bindings(t.Context(), "v"); !IsKind(err, Cut) {
				t.Fatalf("cut after %d bytes: %v, %v", n, got, err)
			}
		}
		cut.Store(int64(len(whole)))
		if got, err := c.Bindings(t.Context(), "v"); err != nil || len(got) != 2 {
			t.Fatalf("whole: %v, %v", got, err)
		}
	}
}

func TestIncompleteDefinitions(t *testing.T) {
	s := serve(t, answer(200, "application/json", `{"rabbit_version":"3.10.8","queues":[],"exchanges":[],"policies":[],"parameters":[]}`))
	_, err := quick(t, s.URL).Definitions(t.Context(), "v")
	checkError(t, err, NotManagement, "/bindings should be a list")
}

func TestConnectionFaults(t *testing.T) {
	listen := func(serve func(net.Conn)) string {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				serve(conn)
				conn.Close()
			}
		}()
		t.Cleanup(func() { l.Close(); <-done })
		return "http://" + l.Addr().String()
	}
	readRequest := func(c net.Conn) { c.Read(make([]byte, 1<<16)) }
	secure := httptest.NewTLSServer(answer(200, "application/json", overviewJSON))
	t.Cleanup(secure.Close)
	// A name in onion is known to nobody, and Go asks no name service for it, which
	// might be slow to say so (RFC 7686).
	for name, tc := range map[string]struct {
		url  string
		kind Kind
		says string
	}{
		"refused":       {"http://" + child.Address(t), Unreachable, "nothing listens"},
		"unknown host":  {"http://no-such-host.onion:1", Unreachable, "no-such-host.onion"},
		"reset":         {listen(readRequest), Unreachable, "failed"},
		"AMQP port":     {listen(func(c net.Conn) { readRequest(c); c.Write([]byte("AMQP\x00\x00\x09\x01")) }), NotManagement, "AMQP port"},
		"other service": {listen(func(c net.Conn) { readRequest(c); c.Write([]byte("220 mail ready\r\n")) }), NotManagement, "does not speak HTTP"},
		"TLS alert":     {listen(func(c net.Conn) { readRequest(c); c.Write([]byte("\x15\x03\x01\x00\x02\x02\x0a")) }), NotManagement, "https://"},
		"http as https": {"https" + strings.TrimPrefix(serve(t, answer(200, "text/plain", "")).URL, "http"), NotManagement, "http://"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := quick(t, tc.url, func(o *Options) { o.Retry.Tries = 1 }).Overview(t.Context())
			checkError(t, err, tc.kind, tc.says)
			if e, ok := errors.AsType[*Error](err); ok && !e.EndsConnection() {
				t.Error("goes on after a lost connection")
			}
		})
	}
}

// silent answers after the test is over, or never completes its answer.
func TestSilence(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	for name, handler := range map[string]http.HandlerFunc{
		"before the answer": func(w http.ResponseWriter, r *http.Request) { <-release },
		"within the answer": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, overviewJSON[:30])
			w.(http.Flusher).Flush()
			<-release
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(handler)
			t.Cleanup(func() { s.CloseClientConnections() })
			c := quick(t, s.URL, func(o *Options) { o.Timeout = 50 * time.Millisecond })
			_, err := c.Overview(t.Context())
			checkError(t, err, Silent, "did not answer within 50ms")

			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := quick(t, s.URL).Overview(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("a cancelled call: %v", err)
			}
		})
	}
}

// A long answer that keeps coming is not cut by the time limit: the limit is on
// silence. Every part comes within it, the whole does not.
func TestSlowButSteadyAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 300 * time.Millisecond
		c := quick(t, "http://nowhere", func(o *Options) { o.Timeout, o.Retry.Tries = limit, 1 })
		slow := func(silence time.Duration) error {
			ended := make(chan struct{})
			c.http.Transport = answering(func(w io.Writer) {
				defer close(ended)
				_, err := io.WriteString(w, overviewJSON[:len(overviewJSON)-1])
				for i := 0; i < 15 && err == nil; i++ {
					time.Sleep(silence)
					_, err = io.WriteString(w, "\n")
				}
				io.WriteString(w, "}")
			})
			_, err := c.Overview(t.Context())
			<-ended
			return err
		}
		if err := slow(limit - time.Millisecond); err != nil {
			t.Error(err)
		}
		checkError(t, slow(limit+time.Millisecond), Silent, "did not answer within 300ms")
	})
}

// answering answers without a network, whose clock is no test's: with what is
// written until the request ends.
type answering func(io.Writer)

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	body, w := io.Pipe()
	context.AfterFunc(r.Context(), func() { w.CloseWithError(r.Context().Err()) })
	go func() {
		defer w.Close()
		a(w)
	}()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}, nil
}

func TestRetries(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		header map[string]string
		method string
		calls  int64 // until the broker recovers
		ok     bool
	}{
		"503 then well":              {503, nil, "GET", 2, true},
		"429 with Retry-After":       {429, map[string]string{"Retry-After": "0"}, "GET", 3, true},
		"429 with a date":            {429, map[string]string{"Retry-After": "Mon, 02 Jan 2006 15:04:05 GMT"}, "GET", 2, true},
		"Retry-After beyond the end": {503, map[string]string{"Retry-After": "3600"}, "GET", 1, false},
		"500 of a read":              {500, nil, "GET", 2, true},
		"500 of a write":             {500, nil, "PUT", 1, false},
		"503 of a write":             {503, nil, "PUT", 3, true},
		"401 is final":               {401, nil, "GET", 1, false},
		"always":                     {503, nil, "GET", 4, false},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if n := calls.Add(1); tc.ok && n == tc.calls {
					answer(200, "application/json", overviewJSON)(w, r)
					return
				}
				for k, v := range tc.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(tc.status)
			})
			c := quick(t, s.URL)
			var err error
			if tc.method == "GET" {
				_, err = c.Overview(t.Context())
			} else {
				_, err = c.Put(t.Context(), map[string]any{}, "vhosts", "v")
			}
			if (err == nil) != tc.ok || calls.Load() != tc.calls {
				t.Errorf("%d calls, %v", calls.Load(), err)
			}
		})
	}
}

// A read is repeated where the connection ended before or in the middle of an
// answer, be it a refusal; of a broker that is not there, no one asks twice.
func TestBrokenReadsAreRepeated(t *testing.T) {
	for name, begin := range map[string]string{
		"no answer":  "",
		"half a 404": "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"err",
		"half a 401": "HTTP/1.1 401 Unauthorized\r\nContent-Length: 99\r\n\r\n{\"err",
	} {
		var calls atomic.Int64
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if calls.Add(1) == 3 {
				answer(200, "application/json", overviewJSON)(w, r)
				return
			}
			conn, buf, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = buf.WriteString(begin)
			_ = buf.Flush()
			conn.Close()
		})
		if _, err := quick(t, s.URL).Overview(t.Context()); err != nil || calls.Load() != 3 {
			t.Errorf("%s: %d calls, %v", name, calls.Load(), err)
		}
	}
}

// After a write whose answer never came, the caller must look before it
// repeats; after one that was never sent, it need not.
func TestUnknownOutcome(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
	})
	_, err := quick(t, s.URL).Put(t.Context(), map[string]any{}, "vhosts", "v")
	var e *Error
	if !errors.As(err, &e) || !e.OutcomeUnknown {
		t.Errorf("sent, unanswered: %v", err)
	}
	_, err = quick(t, "http://"+child.Address(t)).Put(t.Context(), map[string]any{}, "vhosts", "v")
	if !errors.As(err, &e) || e.OutcomeUnknown {
		t.Errorf("never sent: %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	s := serve(t, answer(200, "application/json", "["+strings.Repeat(" ", 5000)+"]"))
	_, err := quick(t, s.URL, func(o *Options) { o.MaxAnswer = 1000 }).Vhosts(t.Context())
	checkError(t, err, TooLarge, "1000 bytes")
}

// What the client does not use may have any form.
func TestLenientFields(t *testing.T) {
	for name, body := range map[string]string{
		"as it is":           `{"name":"q","vhost":"v","messages":3,"garbage_collection":{"max_heap_size":-1}}`,
		"array for object":   `{"name":"q","vhost":"v","messages":3,"garbage_collection":[],"arguments":[]}`,
		"null for anything":  `{"name":"q","vhost":"v","messages":3,"garbage_collection":null,"arguments":null,"durable":null,"policy":null,"consumers":null}`,
		"words for numbers":  `{"name":"q","vhost":"v","messages":3,"consumers":"undefined","messages_ready":"NaN","messages_unacknowledged":1.5e3}`,
		"unknown and nested": `{"new":{"deep":[[[{}]]]},"name":"q","vhost":"v","messages":3,"effective_policy_definition":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			q, err := quick(t, serve(t, answer(200, "application/json", body)).URL).Queue(t.Context(), "v", "q")
			if err != nil || q.Name != "q" || q.Messages != 3 || q.Consumers != Unknown || len(q.Arguments) != 0 {
				t.Errorf("%+v %v", q, err)
			}
		})
	}
	hostile := serve(t, answer(200, "application/json", `{"arguments":{"\u001b[31m`+strings.Repeat("x", 9000)+`":1},"name":"q","exchange_types":["\u001b"]}`))
	_, err := quick(t, hostile.URL).Overview(t.Context())
	checkError(t, err, NotManagement, "another form")
	if len(err.Error()) > 600 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
	// Arguments decide what is declared: there an odd form is no detail.
	s := serve(t, answer(200, "application/json", `{"name":"q","vhost":"v","arguments":["x"]}`))
	_, err = quick(t, s.URL).Queue(t.Context(), "v", "q")
	checkError(t, err, NotManagement, "/arguments")
}

func TestCertificates(t *testing.T) {
	now := time.Now()
	for name, tc := range map[string]struct {
		from, to time.Time
		host     string
		trusted  bool
		says     string
	}{
		"self-signed":   {now.Add(-time.Hour), now.Add(time.Hour), "127.0.0.1", false, "self-signed"},
		"expired":       {now.Add(-48 * time.Hour), now.Add(-24 * time.Hour), "127.0.0.1", true, "expired on"},
		"not yet valid": {now.Add(24 * time.Hour), now.Add(48 * time.Hour), "127.0.0.1", true, "not valid before"},
		"wrong host":    {now.Add(-time.Hour), now.Add(time.Hour), "192.0.2.7", true, "another host"},
		"good":          {now.Add(-time.Hour), now.Add(time.Hour), "127.0.0.1", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cert := certificate(t, tc.from, tc.to, tc.host)
			s := tlsServer(t, &tls.Config{Certificates: []tls.Certificate{cert}})
			pool := x509.NewCertPool()
			if tc.trusted {
				pool.AddCert(cert.Leaf)
			}
			_, err := quick(t, s.URL, func(o *Options) { o.TLS = &tls.Config{RootCAs: pool} }).Overview(t.Context())
			if tc.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkError(t, err, TLSFailed, tc.says)
		})
	}
	t.Run("old version", func(t *testing.T) {
		s := tlsServer(t, &tls.Config{Certificates: []tls.Certificate{certificate(t, now.Add(-time.Hour), now.Add(time.Hour), "127.0.0.1")},
			MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		_, err := quick(t, s.URL).Overview(t.Context())
		checkError(t, err, TLSFailed, "version")
	})
	t.Run("client certificate wanted", func(t *testing.T) {
		cert := certificate(t, now.Add(-time.Hour), now.Add(time.Hour), "127.0.0.1")
		s := tlsServer(t, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert})
		pool := x509.NewCertPool()
		pool.AddCert(cert.Leaf)
		_, err := quick(t, s.URL, func(o *Options) { o.TLS = &tls.Config{RootCAs: pool} }).Overview(t.Context())
		checkError(t, err, TLSFailed, "client certificate")
	})
}

func tlsServer(t *testing.T, config *tls.Config) *httptest.Server {
	s := httptest.NewUnstartedServer(answer(200, "application/json", overviewJSON))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what the tests want
	s.TLS = config
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func certificate(t *testing.T, from, to time.Time, ip string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.ParseIP(ip)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestOptions(t *testing.T) {
	for _, url := range []string{"", "localhost:15672", "amqp://h", "http://", "http://u:" + secret + "@h:x"} {
		if _, err := New(Options{URL: url}); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", url, err)
		}
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.URL.EscapedPath() != "/pre%2Ffix/api/overview" || user != "u" || password != "p" {
			t.Errorf("%s %s:%s", r.URL.EscapedPath(), user, password)
		}
		answer(200, "application/json", overviewJSON)(w, r)
	})
	c := quick(t, "http://u:p@"+strings.TrimPrefix(s.URL, "http://")+"/pre%2Ffix/api/", func(o *Options) { o.Username, o.Password = "", "" })
	if _, err := c.Overview(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCallsLeaveNoGoroutines(t *testing.T) {
	leaktest.Check(t)
	s := httptest.NewServer(answer(503, "text/plain", ""))
	defer s.Close()
	c := quick(t, s.URL)
	defer c.Close()
	if _, err := c.Overview(t.Context()); !IsKind(err, Overloaded) {
		t.Error(err)
	}
}
