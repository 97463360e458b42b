package builtin_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/msgflo/msgflo/config/component"
	"github.com/msgflo/msgflo/providers/participant"
	"github.com/msgflo/msgflo/providers/participant/builtin"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/memory"
	"github.com/msgflo/msgflo/providers/transport/transporttest"
)

// TestSameAsLibrary: what graphs know of the built-in components is what they
// are.
func TestSameAsLibrary(t *testing.T) {
	ids := func(ps []participant.Port) (out []string) {
		for _, p := range ps {
			out = append(out, p.ID)
		}
		return out
	}
	known := func(ps []component.Port) (out []string) {
		for _, p := range ps {
			out = append(out, p.ID)
		}
		return out
	}
	for _, c := range component.Builtins() {
		d, ok := builtin.New(c.Name, nil)
		if !ok {
			t.Errorf("%s does nothing", c.Name)
			continue
		}
		if a, b := fmt.Sprint(ids(d.Inports), ids(d.Outports), d.Icon, d.Component), fmt.Sprint(known(c.Inports), known(c.Outports), c.Icon, c.Name); a != b {
			t.Errorf("%s is %s and known as %s", c.Name, a, b)
		}
	}
	for _, name := range []string{"", "Repeat", "msgflo/repeat", "msgflo/"} {
		if _, ok := builtin.New(name, nil); ok {
			t.Errorf("there is a %q", name)
		}
	}
}

type running struct {
	t      *testing.T
	broker *memory.Broker
	conn   *memory.Conn
	p      *participant.Participant
	out    transport.Subscription
	dead   transport.Subscription
	print  bytes.Buffer
}

// run starts a component in the role r, with taps on r.OUT and dead-r.IN.
func run(t *testing.T, name string, initial map[string][]byte) *running {
	t.Helper()
	b := memory.New()
	r := &running{t: t, broker: b, conn: b.Connect()}
	tap := func(exchange string) transport.Subscription {
		err := r.conn.Declare(t.Context(), transport.Topology{
			Exchanges: []transport.Exchange{{Name: exchange, Kind: "fanout", Durable: true}},
			Queues:    []transport.Queue{{Name: "tap-" + exchange}},
			Bindings:  []transport.Binding{{Queue: "tap-" + exchange, Exchange: exchange}},
		})
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.conn.Subscribe(t.Context(), "tap-"+exchange, transport.SubscribeOptions{Prefetch: 10000})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	r.out, r.dead = tap("r.OUT"), tap("dead-r.IN")
	d, _ := builtin.New(name, &r.print)
	var err error
	r.p, err = participant.Start(t.Context(), d, participant.Options{
		Role: "r", Conn: b.Connect(), Initial: initial, Log: slog.New(slog.DiscardHandler), Env: func(string) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *running) put(port string, bodies ...string) {
	r.t.Helper()
	for _, b := range bodies {
		if err := transport.Publish(r.t.Context(), r.conn, transport.ToQueue("r."+port), transport.Message{Body: []byte(b)}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *running) want(bodies ...string) {
	r.t.Helper()
	for _, b := range bodies {
		if d := transporttest.Next(r.t, r.out); string(d.Body) != b {
			r.t.Fatalf("got %q, want %q", d.Body, b)
		}
	}
}

func (r *running) quiet() {
	r.t.Helper()
	synctest.Wait()
	select {
	case d := <-r.out.Deliveries():
		r.t.Fatalf("unexpected %q", d.Body)
	default:
	}
}

func each(t *testing.T, name string, initial map[string][]byte, f func(*running)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := run(t, name, initial)
			f(r)
			if err := r.p.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestComponents(t *testing.T) {
	each(t, "msgflo/Repeat", nil, func(r *running) {
		r.put("IN", "text", "\x00\xff", `{ "a" : 1.0 }`, "")
		r.want("text", "\x00\xff", `{ "a" : 1.0 }`, "")
	})
	each(t, "msgflo/Drop", nil, func(r *running) {
		r.put("IN", "1", "2")
		r.quiet()
		if r.broker.Ready("r.IN") != 0 {
			t.Error("something is left")
		}
	})
	each(t, "msgflo/Output", nil, func(r *running) {
		r.put("IN", "{\n \"a\" : [ 1.0 ]\n}", "two\nlines \x1b[31m", "\xff")
		r.want("{\n \"a\" : [ 1.0 ]\n}", "two\nlines \x1b[31m", "\xff")
		if got := r.print.String(); got != "{\"a\":[1.0]}\ntwo\\nlines \\x1b[31m\n\"\\xff\"\n" {
			t.Errorf("printed %q", got)
		}
	})
	each(t, "msgflo/Split", nil, func(r *running) {
		r.put("IN", `[1.0, "two", {"three": [3]}, null]`, "[]", "[", "null", `{"a":1}`)
		r.want("1.0", `"two"`, `{"three": [3]}`, "null", "[", "null", `{"a":1}`)
	})
}

func TestDelay(t *testing.T) {
	each(t, "msgflo/Delay", map[string][]byte{"delay": []byte(`"20s"`)}, func(r *running) {
		begin := time.Now()
		r.put("IN", "a", "b")
		time.Sleep(10 * time.Second)
		r.put("IN", "c")
		r.want("a", "b")
		if d := time.Since(begin); d != 20*time.Second {
			t.Errorf("after %v", d)
		}
		r.want("c")
		if d := time.Since(begin); d != 30*time.Second {
			t.Errorf("after %v", d)
		}
		r.put("DELAY", "soon", "-1", "1e300", `{}`, "250")
		synctest.Wait()
		begin = time.Now()
		r.put("IN", "d")
		r.want("d")
		if d := time.Since(begin); d != 250*time.Millisecond {
			t.Errorf("after %v", d)
		}
		r.put("DELAY", `"24h"`)
		synctest.Wait()
		r.put("IN", "e", "f")
		synctest.Wait()
		if err := r.p.Stop(r.t.Context()); err != nil { // at once, and nothing is lost
			t.Error(err)
		}
		if n := r.broker.Ready("r.IN"); n != 2 || time.Since(begin) > time.Second {
			t.Errorf("%d messages went back, after %v", n, time.Since(begin))
		}
	})
}

func TestKick(t *testing.T) {
	each(t, "msgflo/Kick", map[string][]byte{"data": []byte(`{"go":true}`), "interval": []byte("10000")}, func(r *running) {
		r.want(`{"go":true}`)
		begin := time.Now()
		r.want(`{"go":true}`, `{"go":true}`)
		if d := time.Since(begin); d != 20*time.Second {
			t.Errorf("two intervals took %v", d)
		}
		r.put("INTERVAL", "0")
		synctest.Wait()
		time.Sleep(time.Hour)
		r.quiet()
		r.put("DATA", "text")
		r.want(`"text"`)
		r.put("IN", "anything")
		r.want(`"text"`)
		r.put("INTERVAL", "1000")
		synctest.Wait()
		r.put("INTERVAL", `"2s"`)
		synctest.Wait()
		begin = time.Now()
		r.want(`"text"`)
		if d := time.Since(begin); d != 2*time.Second {
			t.Errorf("after %v", d)
		}
	})
	each(t, "msgflo/Kick", nil, func(r *running) {
		time.Sleep(time.Hour)
		r.quiet()
		r.put("IN", "x")
		r.want("null")
	})
}
