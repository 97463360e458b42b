package http

import (
	"encoding/json"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/msgflo/msgflo/state"
)

// server speaks the protocol as GitLab does: 204 where there is no state, ids
// of locks compared, updates of a locked state only under its id.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	body     []byte
	previous []byte
	lock     *state.LockInfo
	posts    int
	// fault, if it returns true, has answered in the server's place; serve does
	// what the server would have done.
	fault func(w nethttp.ResponseWriter, r *nethttp.Request, serve func(nethttp.ResponseWriter)) bool
}

func newServer(t testing.TB) *server {
	s := &server{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	serve := func(w nethttp.ResponseWriter) { s.serve(w, r) }
	if s.fault == nil || !s.fault(w, r, serve) {
		serve(w)
	}
}

func (s *server) serve(w nethttp.ResponseWriter, r *nethttp.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(nethttp.StatusBadRequest)
		return
	}
	var info state.LockInfo
	switch r.Method {
	case nethttp.MethodGet:
		if s.body == nil {
			w.WriteHeader(nethttp.StatusNoContent)
			return
		}
		_, _ = w.Write(s.body)
	case nethttp.MethodPost:
		if s.lock != nil && r.URL.Query().Get("ID") != s.lock.ID {
			s.locked(w)
			return
		}
		s.previous, s.body = s.body, body
		s.posts++
	case nethttp.MethodDelete:
		s.body = nil
	case "LOCK", "UNLOCK":
		if json.Unmarshal(body, &info) != nil || info.ID == "" {
			w.WriteHeader(nethttp.StatusBadRequest)
			return
		}
		if s.lock != nil && (r.Method == "LOCK" || s.lock.ID != info.ID) {
			s.locked(w)
			return
		}
		s.lock = nil
		if r.Method == "LOCK" {
			s.lock = &info
		}
	default:
		w.WriteHeader(nethttp.StatusMethodNotAllowed)
	}
}

func (s *server) locked(w nethttp.ResponseWriter) {
	w.WriteHeader(nethttp.StatusLocked)
	_ = json.NewEncoder(w).Encode(s.lock)
}

// cut sends the first half of what is served and closes the connection.
func cut(w nethttp.ResponseWriter, serve func(nethttp.ResponseWriter)) {
	rec := httptest.NewRecorder()
	serve(rec)
	w.Header().Set("Content-Length", "1000000")
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
	drop()
}

// drop closes the connection as it is.
func drop() { panic(nethttp.ErrAbortHandler) }
