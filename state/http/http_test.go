package http

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/providers/providertest/child"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/state"
	"github.com/msgflo/msgflo/state/storetest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func (s *server) config(dir string) Config {
	return Config{
		Address: s.URL + "/state?job=1", LockAddress: s.URL + "/state/lock", JournalDir: dir,
		RetryMax: 2, RetryWaitMin: time.Millisecond, RetryWaitMax: 2 * time.Millisecond,
	}
}

func open(t testing.TB, c Config) *Store {
	t.Helper()
	s, err := Open(c)
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place {
		srv, dir := newServer(t), filepath.Join(t.TempDir(), "journals")
		return storetest.Place{
			Open: func(t *testing.T) state.Store { return open(t, srv.config(dir)) },
			Previous: func(t *testing.T) *state.Snapshot {
				s, err := state.Decode(srv.previous)
				must(t, err)
				return s
			},
		}
	})
}

func TestDelete(t *testing.T) {
	srv := newServer(t)
	s := open(t, srv.config(t.TempDir()))
	must(t, s.Save(t.Context(), storetest.Snapshot("l", 1, 1)))
	must(t, s.Delete(t.Context()))
	if got, err := s.Load(t.Context()); got != nil || err != nil {
		t.Error(got, err)
	}
}

func TestUpdatesNameTheLock(t *testing.T) {
	srv := newServer(t)
	mine, other := open(t, srv.config(t.TempDir())), open(t, srv.config(t.TempDir()))
	l, err := mine.Lock(t.Context(), storetest.Info("one"), 0)
	must(t, err)
	must(t, mine.Save(t.Context(), storetest.Snapshot("l", 1, 1)))
	err = other.Save(t.Context(), storetest.Snapshot("l", 2, 1))
	if err == nil || !strings.Contains(err.Error(), "ada@elsewhere") {
		t.Errorf("written past the lock: %v", err)
	}
	must(t, l.Unlock())
}

// Another machine finds the intent in the document, and no outcomes: those are
// in the first one's journal. A journal that an ended run left on a machine
// is not taken for a later run's.
func TestUnfinishedElsewhere(t *testing.T) {
	srv := newServer(t)
	here, there := t.TempDir(), t.TempDir()
	start := func(dir, id string) {
		r, err := open(t, srv.config(dir)).Begin(t.Context(), state.Intent{ID: id, Lineage: "l", Plan: json.RawMessage(`{}`)})
		must(t, err)
		must(t, r.Record(t.Context(), state.Outcome{Run: id, Addr: addr.Instance{Type: "queue", Name: id}}))
		must(t, r.Close())
	}
	check := func(dir, id string, outcomes int) {
		t.Helper()
		in, outs, err := open(t, srv.config(dir)).Unfinished(t.Context())
		must(t, err)
		if in == nil || in.ID != id || len(outs) != outcomes {
			t.Errorf("%+v %v", in, outs)
		}
	}
	start(here, "r1")
	check(here, "r1", 1)
	check(there, "r1", 0)
	must(t, open(t, srv.config(there)).End(t.Context()))
	start(there, "r2")
	check(here, "r2", 0)
	check(there, "r2", 1)
}

type fault = func(w nethttp.ResponseWriter, r *nethttp.Request, serve func(nethttp.ResponseWriter)) bool

// on breaks the first n requests of a method.
func on(method string, n int, do func(w nethttp.ResponseWriter, serve func(nethttp.ResponseWriter))) fault {
	return func(w nethttp.ResponseWriter, r *nethttp.Request, serve func(nethttp.ResponseWriter)) bool {
		if r.Method != method || n == 0 {
			return false
		}
		n--
		do(w, serve)
		return true
	}
}

func status(code int) func(nethttp.ResponseWriter, func(nethttp.ResponseWriter)) {
	return func(w nethttp.ResponseWriter, _ func(nethttp.ResponseWriter)) { w.WriteHeader(code) }
}

// Faults that pass are not seen, and nothing is written twice over another's.
func TestPassingFaults(t *testing.T) {
	lost := func(_ nethttp.ResponseWriter, _ func(nethttp.ResponseWriter)) { drop() }
	doneThenLost := func(_ nethttp.ResponseWriter, serve func(nethttp.ResponseWriter)) {
		serve(httptest.NewRecorder())
		drop()
	}
	doneThen502 := func(w nethttp.ResponseWriter, serve func(nethttp.ResponseWriter)) {
		serve(httptest.NewRecorder())
		w.WriteHeader(nethttp.StatusBadGateway)
	}
	for name, f := range map[string]fault{
		"GET 500":            on("GET", 2, status(500)),
		"GET 429":            on("GET", 1, status(429)),
		"GET cut":            on("GET", 2, cut),
		"GET dropped":        on("GET", 1, lost),
		"POST 500":           on("POST", 2, status(500)),
		"POST dropped":       on("POST", 2, lost),
		"POST done, dropped": on("POST", 1, doneThenLost),
		"POST done, 502":     on("POST", 1, doneThen502),
		"LOCK done, dropped": on("LOCK", 1, doneThenLost),
		"LOCK 503":           on("LOCK", 1, status(503)),
		"UNLOCK lost":        on("UNLOCK", 1, doneThenLost),
	} {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			s := open(t, srv.config(t.TempDir()))
			must(t, s.Save(t.Context(), storetest.Snapshot("l", 1, 1)))
			srv.fault, srv.posts = f, 0
			l, err := s.Lock(t.Context(), storetest.Info("one"), 0)
			must(t, err)
			_, err = s.Load(t.Context())
			must(t, err)
			must(t, s.Save(t.Context(), storetest.Snapshot("l", 2, 2)))
			must(t, l.Unlock())
			got, err := s.Load(t.Context())
			if err != nil || got.Serial != 2 || srv.posts != 1 || srv.lock != nil {
				t.Errorf("%+v %v, %d writes, lock %v", got, err, srv.posts, srv.lock)
			}
		})
	}
}

// Where another run wrote while the outcome of ours was unknown, ours does not
// go over it.
func TestUnknownOutcomeOverAnother(t *testing.T) {
	srv := newServer(t)
	s := open(t, srv.config(t.TempDir()))
	must(t, s.Save(t.Context(), storetest.Snapshot("l", 1, 1)))
	other, err := state.Encode(storetest.Snapshot("l", 2, 9))
	must(t, err)
	srv.fault = on("POST", 1, func(_ nethttp.ResponseWriter, _ func(nethttp.ResponseWriter)) {
		srv.body = other
		drop()
	})
	if err := s.Save(t.Context(), storetest.Snapshot("l", 2, 2)); !errors.Is(err, state.ErrMoved) {
		t.Error(err)
	}
	if string(srv.body) != string(other) {
		t.Error("written over")
	}
}

// What is no state is never "nothing exists", and no secret is in the error.
func TestBadAnswers(t *testing.T) {
	body := func(code int, text string) fault {
		return on("GET", 1000, func(w nethttp.ResponseWriter, _ func(nethttp.ResponseWriter)) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(text))
		})
	}
	for name, c := range map[string]struct {
		fault fault
		want  string
	}{
		"empty 200":   {body(200, ""), "it is empty"},
		"html":        {body(200, "<html>Sign in</html>"), "HTML"},
		"garbage":     {body(200, "ok"), "not a JSON object"},
		"null":        {body(200, "null"), "not a JSON object"},
		"other JSON":  {body(200, `{"message":"hello"}`), "no version"},
		"truncated":   {body(200, `{"version":1,"lineage":"l","obj`), "cut off"},
		"401":         {body(401, "who is s3cret-password?"), "check username"},
		"403":         {body(403, ""), "check username"},
		"400":         {body(400, "token s3cret-header \x1b[31m and s3cret-query are no good"), "(sensitive)"},
		"500 forever": {body(500, "s3cret-password"), "500 Internal Server Error"},
		"cut forever": {on("GET", 1000, cut), "cut in the middle"},
		"gone":        {body(410, "<html>"), "410 Gone"},
		"redirect": {on("GET", 1000, func(w nethttp.ResponseWriter, _ func(nethttp.ResponseWriter)) {
			w.Header().Set("Location", "http://u:s3cret-password@elsewhere.example/?t=s3cret-query")
			w.WriteHeader(nethttp.StatusFound)
		}), "redirects to http://elsewhere.example/"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t)
			srv.body = []byte("x")
			srv.fault = c.fault
			cfg := srv.config(t.TempDir())
			cfg.Address = strings.Replace(srv.URL, "http://", "http://ada:s3cret-password@", 1) + "/state?token=s3cret-query"
			cfg.Headers = map[string]string{"X-Token": "s3cret-header"}
			s := open(t, cfg)
			got, err := s.Load(t.Context())
			if got != nil || err == nil {
				t.Fatal(got, err)
			}
			if msg := err.Error(); !strings.Contains(msg, c.want) || strings.Contains(msg, "s3cret") || strings.Contains(msg, "\x1b") || strings.Contains(msg, "ada") {
				t.Error(msg)
			}
			if strings.Contains(s.Describe(), "s3cret") || strings.Contains(s.Describe(), "ada") {
				t.Error(s.Describe())
			}
			if _, err := s.Begin(t.Context(), state.Intent{ID: "r", Lineage: "l"}); err == nil {
				t.Error("a run began")
			}
		})
	}
}

// net/http would turn a redirected POST into a GET, whose 200 is no proof of
// anything.
func TestRedirectedWriteIsAnError(t *testing.T) {
	srv := newServer(t)
	for _, code := range []int{301, 302, 303, 307, 308} {
		srv.fault = on("POST", 1000, func(w nethttp.ResponseWriter, _ func(nethttp.ResponseWriter)) {
			w.Header().Set("Location", srv.URL+"/other")
			w.WriteHeader(code)
		})
		if err := open(t, srv.config(t.TempDir())).Save(t.Context(), storetest.Snapshot("l", 1, 1)); err == nil || !strings.Contains(err.Error(), "redirects") {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestCredentials(t *testing.T) {
	srv := newServer(t)
	var seen []string
	srv.fault = func(_ nethttp.ResponseWriter, r *nethttp.Request, _ func(nethttp.ResponseWriter)) bool {
		user, password, _ := r.BasicAuth()
		seen = append(seen, fmt.Sprint(r.Method, " ", r.URL, " ", user, ":", password, " ", r.Header.Get("X-Token")))
		return false
	}
	cfg := srv.config(t.TempDir())
	cfg.Address = strings.Replace(srv.URL, "http://", "http://ada:pw@", 1) + "/s?job=1"
	cfg.Headers = map[string]string{"X-Token": "tok"}
	cfg.UpdateMethod = "PUT"
	srv.fault = func(f fault) fault {
		return func(w nethttp.ResponseWriter, r *nethttp.Request, serve func(nethttp.ResponseWriter)) bool {
			f(w, r, serve)
			if r.Method == nethttp.MethodPut {
				r.Method = nethttp.MethodPost
			}
			return false
		}
	}(srv.fault)
	s := open(t, cfg)
	l, err := s.Lock(t.Context(), storetest.Info("id 1"), 0)
	must(t, err)
	must(t, s.Save(t.Context(), storetest.Snapshot("l", 1, 1)))
	must(t, l.Unlock())
	want := "LOCK /state/lock ada:pw tok|GET /s?job=1 ada:pw tok|PUT /s?ID=id+1&job=1 ada:pw tok|UNLOCK /state/lock ada:pw tok"
	if got := strings.Join(seen, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A lock that was granted to a run that had been cancelled is given back.
func TestCancelledLockIsNotLeft(t *testing.T) {
	srv := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	srv.fault = on("LOCK", 1, func(w nethttp.ResponseWriter, serve func(nethttp.ResponseWriter)) {
		cancel()
		serve(w)
	})
	l, err := open(t, srv.config(t.TempDir())).Lock(ctx, storetest.Info("one"), 0)
	if err == nil {
		must(t, l.Unlock())
	}
	if srv.lock != nil {
		t.Error("left behind")
	}
}

func TestWithoutLockAddress(t *testing.T) {
	cfg := newServer(t).config(t.TempDir())
	cfg.LockAddress = ""
	s := open(t, cfg)
	l, err := s.Lock(t.Context(), storetest.Info("one"), 0)
	must(t, err)
	must(t, l.Check())
	must(t, l.Unlock())
	var refused *state.UnlockError
	if err := s.ForceUnlock(t.Context(), "one"); s.Locks() || !errors.As(err, &refused) {
		t.Error(err)
	}
}

// A server that does not lock says so with 405, and one that does not compare
// ids is not trusted to.
func TestLockRefusals(t *testing.T) {
	srv := newServer(t)
	s := open(t, srv.config(t.TempDir()))
	srv.fault = on("LOCK", 1, status(405))
	if _, err := s.Lock(t.Context(), storetest.Info("one"), time.Minute); err == nil || !strings.Contains(err.Error(), "405") {
		t.Error(err)
	}
	srv.fault = nil
	var refused *state.UnlockError
	if err := s.ForceUnlock(t.Context(), "one"); !errors.As(err, &refused) || srv.lock != nil {
		t.Error(err, srv.lock)
	}
	_, err := s.Lock(t.Context(), storetest.Info("one"), 0)
	must(t, err)
	srv.fault = on("UNLOCK", 1, func(nethttp.ResponseWriter, func(nethttp.ResponseWriter)) { srv.lock = nil })
	if err := s.ForceUnlock(t.Context(), "two"); !errors.As(err, &refused) || srv.lock == nil {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	srv := &server{}
	srv.Server = httptest.NewTLSServer(srv)
	t.Cleanup(srv.Close)
	srv.Config.ErrorLog = nil
	cfg := srv.config(t.TempDir())
	if _, err := open(t, cfg).Load(t.Context()); err == nil || !strings.Contains(err.Error(), "client_ca_certificate_pem") {
		t.Error(err)
	}
	skip, ca := cfg, cfg
	skip.SkipCertVerification = true
	ca.ClientCACertificatePEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	for _, c := range []Config{skip, ca} {
		if _, err := open(t, c).Load(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestNoServer(t *testing.T) {
	cfg := Config{Address: "http://" + child.Address(t) + "/state", JournalDir: t.TempDir(), RetryWaitMin: time.Millisecond, RetryWaitMax: 2 * time.Millisecond}
	_, err := open(t, cfg).Load(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Summary() != "State server does not answer" || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
}

func TestJournalDirIsFoundBeforeTheRun(t *testing.T) {
	srv := newServer(t)
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	s := open(t, srv.config(filepath.Join(file, "journals")))
	if _, err := s.Begin(t.Context(), state.Intent{ID: "r", Lineage: "l"}); err == nil || srv.body != nil {
		t.Error(err, string(srv.body))
	}
}

func TestDecode(t *testing.T) {
	c, err := Decode(map[string]cty.Value{
		"address": cty.StringVal("https://h/s"), "lock_address": cty.StringVal("https://h/l"), "username": cty.StringVal("u"),
		"password": cty.StringVal("p").Mark("sensitive"), "headers": cty.ObjectVal(map[string]cty.Value{"A": cty.StringVal("b")}),
		"skip_cert_verification": cty.True, "retry_max": cty.NumberIntVal(5), "retry_wait_min": cty.NumberIntVal(3),
		"update_method": cty.NullVal(cty.String),
	})
	must(t, err)
	if c.Password != "p" || c.Headers["A"] != "b" || !c.SkipCertVerification || c.RetryMax != 5 || c.RetryWaitMin != 3*time.Second || c.RetryWaitMax != 30*time.Second {
		t.Errorf("%+v", c)
	}
	address := cty.StringVal("https://h/s")
	for want, attrs := range map[string]map[string]cty.Value{
		"needs the address":           {},
		`Did you mean "lock_address"`: {"address": address, "lock_adress": address},
		"whole number":                {"address": address, "retry_max": cty.NumberFloatVal(-1.5)},
		"bool":                        {"address": address, "skip_cert_verification": cty.StringVal("maybe")},
		"known before":                {"address": cty.UnknownVal(cty.String)},
		"is null":                     {"address": address, "headers": cty.MapVal(map[string]cty.Value{"A": cty.NullVal(cty.String)})},
	} {
		_, err := Decode(attrs)
		var pe cty.PathError
		if !errors.As(err, &pe) || len(pe.Path) != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"scheme":  {Address: "ftp://u:s3cret@h/s"},
		"host":    {Address: "http:///s"},
		"nothing": {},
		"control": {Address: "http://u:s3cret@h/\x7f"},
		"lock":    {Address: "http://h/s", LockAddress: "h/s"},
		"ca":      {Address: "http://h/s", ClientCACertificatePEM: "none"},
		"key":     {Address: "http://h/s", ClientCertificatePEM: "none", ClientPrivateKeyPEM: "s3cret"},
	} {
		_, err := Open(c)
		var pe cty.PathError
		if !errors.As(err, &pe) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
