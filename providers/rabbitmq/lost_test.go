package rabbitmq_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// TestBrokerGoesAway: whoever spoke AMQP before is no wrong port when it ends
// connections in the middle of a run.
func TestBrokerGoesAway(t *testing.T) {
	b := rabbittest.Shared(t)
	_, to, _ := strings.Cut(b.AMQPURL, "@")
	to, _, _ = strings.Cut(to, "/")
	way := wayTo(t, to)
	p := open(t, b, "/", attrs{"url": str(strings.Replace(b.AMQPURL, to, way.Addr().String(), 1)), "management": str("none")})
	v := value("queue", attrs{"name": str("no such queue"), "vhost": str("/")})
	if r := readOne(t, p, "queue", v); r.Err != nil || !r.Value.IsNull() {
		t.Fatalf("%+v", r)
	}
	way.cut()
	var lost *providers.ConnectionError
	_, err := apply(t, p, "queue", null("queue"), v)
	if !errors.As(err, &lost) || lost.Headline != "Connection lost" || !strings.Contains(lost.Detail, "answered before") {
		t.Errorf("got %v", err)
	}
}

// A passage is a port that leads to another one until it is cut.
type passage struct {
	net.Listener
	to    string
	isCut atomic.Bool
	first net.Conn
	ready chan struct{}
}

func wayTo(t *testing.T, to string) *passage {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w, ended := &passage{Listener: l, to: to, ready: make(chan struct{})}, make(chan struct{})
	go func() {
		defer close(ended)
		w.serve()
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return w
}

func (w *passage) serve() {
	for {
		in, err := w.Accept()
		if err != nil {
			return
		}
		if w.isCut.Load() {
			in.Close()
			continue
		}
		out, err := net.Dial("tcp", w.to)
		if err != nil {
			in.Close()
			continue
		}
		if w.first == nil {
			w.first = in
			close(w.ready)
		}
		go func() { _, _ = io.Copy(out, in); out.Close() }()
		go func() { _, _ = io.Copy(in, out); in.Close() }()
	}
}

// cut ends what passes, and what comes later at once.
func (w *passage) cut() {
	w.isCut.Store(true)
	<-w.ready
	w.first.Close()
}
