package rabbitmq_test

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// TestBrokerGoesAway: whoever spoke AMQP before is no wrong port when it ends
// connections in the middle of a run.
func TestBrokerGoesAway(t *testing.T) {
	b := rabbittest.Shared(t)
	_, to, _ := strings.Cut(b.AMQPURL, "@")
	to, _, _ = strings.Cut(to, "/")
	way := wayTo(t, to, 0)
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

// TestFarBroker: a broker at the other end of the world (here 260 ms there and
// back) is not taken for one that is too busy to count.
func TestFarBroker(t *testing.T) {
	t.Parallel()
	b := rabbittest.Shared(t)
	vhost := rabbittest.Vhost(t, b)
	_, to, _ := strings.Cut(b.AMQPURL, "@")
	to, _, _ = strings.Cut(to, "/")
	way := wayTo(t, to, 130*time.Millisecond)
	p := open(t, b, vhost, attrs{"url": str(strings.Replace(b.AMQPURL, to, way.Addr().String(), 1))})
	for _, typ := range []string{"quorum", "stream"} {
		v := value("queue", attrs{"name": str(typ), "vhost": str(vhost), "type": str(typ)})
		mustMake(t, p, "queue", v)
		if d := depth(t, p, "queue", v); d.Unknown || d.Messages() > 0 {
			t.Errorf("an empty one of type %s: %+v", typ, d)
		}
		mustDelete(t, p, "queue", v)
	}
}

// A passage is a port that leads to another one until it is cut.
type passage struct {
	net.Listener
	to    string
	delay time.Duration // in each direction
	isCut atomic.Bool
	first net.Conn
	ready chan struct{}
}

func wayTo(t *testing.T, to string, delay time.Duration) *passage {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w, ended := &passage{Listener: l, to: to, delay: delay, ready: make(chan struct{})}, make(chan struct{})
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
		go w.carry(out, in)
		go w.carry(in, out)
	}
}

// carry brings what comes from one side to the other, each piece as much later.
func (w *passage) carry(to, from net.Conn) {
	defer to.Close()
	type piece struct {
		came time.Time
		what []byte
	}
	pieces := make(chan piece, 1000)
	go func() {
		defer close(pieces)
		for {
			b := make([]byte, 4096)
			n, err := from.Read(b)
			if err != nil {
				return
			}
			pieces <- piece{time.Now(), b[:n]}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.came.Add(w.delay)))
		_, _ = to.Write(p.what) // who listens no more has closed the other way too
	}
}

// cut ends what passes, and what comes later at once.
func (w *passage) cut() {
	w.isCut.Store(true)
	<-w.ready
	w.first.Close()
}
