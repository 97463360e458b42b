package participant_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/msgflo/msgflo/providers/discovery/wire"
	"github.com/msgflo/msgflo/providers/participant"
	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/memory"
	"github.com/msgflo/msgflo/providers/transport/transporttest"
)

// A bench is a broker in memory with a participant on it, and what the test
// does around it.
type bench struct {
	t      *testing.T
	broker *memory.Broker
	conn   *memory.Conn // the test's
	own    *memory.Conn // the participant's
	p      *participant.Participant
}

func options(c transport.Conn) participant.Options {
	return participant.Options{Role: "r", Conn: c, Log: slog.New(slog.DiscardHandler), Env: func(string) string { return "" }}
}

func newBench(t *testing.T) *bench {
	b := memory.New()
	return &bench{t: t, broker: b, conn: b.Connect(), own: b.Connect()}
}

func (b *bench) start(d participant.Definition, change ...func(*participant.Options)) {
	b.t.Helper()
	o := options(b.own)
	for _, c := range change {
		c(&o)
	}
	d.Component = "test/Component"
	var err error
	if b.p, err = participant.Start(b.t.Context(), d, o); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) stop() {
	b.t.Helper()
	if err := b.p.Stop(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// tap gets a copy of all that an exchange carries; it makes the exchange.
func (b *bench) tap(exchange string) transport.Subscription {
	b.t.Helper()
	err := b.conn.Declare(b.t.Context(), transport.Topology{
		Exchanges: []transport.Exchange{{Name: exchange, Kind: "fanout", Durable: true}},
		Queues:    []transport.Queue{{Name: "tap-" + exchange}},
		Bindings:  []transport.Binding{{Queue: "tap-" + exchange, Exchange: exchange}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.consume("tap-" + exchange)
}

func (b *bench) consume(queue string) transport.Subscription {
	b.t.Helper()
	s, err := b.conn.Subscribe(b.t.Context(), queue, transport.SubscribeOptions{Prefetch: 10000})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) put(queue string, bodies ...string) {
	b.t.Helper()
	for _, body := range bodies {
		if err := transport.Publish(b.t.Context(), b.conn, transport.ToQueue(queue), transport.Message{Body: []byte(body)}); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) next(s transport.Subscription, want string) {
	b.t.Helper()
	if d := transporttest.Next(b.t, s); string(d.Body) != want {
		b.t.Fatalf("got %q, want %q", d.Body, want)
	}
}

func wantAll(t *testing.T, s transport.Subscription, want ...string) {
	t.Helper()
	var got []string
	for range want {
		got = append(got, string(transporttest.Next(t, s).Body))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func none(t *testing.T, s transport.Subscription) {
	t.Helper()
	synctest.Wait()
	select {
	case d := <-s.Deliveries():
		t.Fatalf("unexpected %q", d.Body)
	default:
	}
}

func ports(ids ...string) []participant.Port {
	var ps []participant.Port
	for _, id := range ids {
		ps = append(ps, participant.Port{ID: id})
	}
	return ps
}

func inOut(f participant.Process) participant.Definition {
	return participant.Definition{Inports: ports("in"), Outports: ports("out", "error"), Process: f}
}

func TestAnnouncement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := participant.Definition{
			Label: "A label", Icon: "star", Process: func(context.Context, participant.Message, participant.Send) error { return nil },
			Inports:  []participant.Port{{ID: "inPut"}, {ID: "quiet", Hidden: true}},
			Outports: []participant.Port{{ID: "out", Queue: "elsewhere", Type: "boolean", Description: "d", Transient: true}},
		}
		b.start(d)
		seen := b.consume(wire.Queue)
		want := `{"protocol":"discovery","command":"participant","payload":{"id":"ID","role":"r","component":"test/Component","label":"A label","icon":"star",` +
			`"inports":[{"id":"inPut","queue":"r.INPUT","type":"any","hidden":false}],` +
			`"outports":[{"id":"out","queue":"elsewhere","type":"boolean","hidden":false,"description":"d","persistent":false}]}}`
		want = strings.Replace(want, "ID", b.p.ID(), 1)
		begin := time.Now()
		for i := range 4 {
			b.next(seen, want)
			// 60 s by default, divided by 2.2: wire sheet §1.3.
			if got, due := time.Since(begin).Milliseconds(), int64(i)*60000*10/22; got != due {
				t.Errorf("announcement %d after %v ms, want %v", i, got, due)
			}
		}
		if id, uuid, _ := strings.Cut(b.p.ID(), "-"); id != "r" || len(uuid) != 36 || uuid[14] != '4' {
			t.Errorf("the id %q is not ROLE-UUID4", b.p.ID())
		}
		b.stop()
		time.Sleep(time.Hour)
		none(t, seen)
	})
}

func TestEnvironment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		env := map[string]string{"MSGFLO_ROLE": "fromenv", "MSGFLO_DISCOVERY_PERIOD": "2.2"}
		b.start(inOut(pass), func(o *participant.Options) { o.Role = ""; o.Env = func(n string) string { return env[n] } })
		seen := b.consume(wire.Queue)
		transporttest.Next(t, seen)
		begin := time.Now()
		if d := transporttest.Next(t, seen); !strings.Contains(string(d.Body), `"queue":"fromenv.IN"`) {
			t.Errorf("%s", d.Body)
		}
		if got := time.Since(begin).Round(time.Millisecond); got != time.Second {
			t.Errorf("announced again after %v", got)
		}
		b.stop()
	})
	for env, want := range map[string]string{"": "amqp://localhost", "CLOUDAMQP_URL=b": "b", "MSGFLO_BROKER=a CLOUDAMQP_URL=b": "a"} {
		got := participant.BrokerURL(func(n string) string {
			for kv := range strings.FieldsSeq(env) {
				if k, v, _ := strings.Cut(kv, "="); k == n {
					return v
				}
			}
			return ""
		})
		if got != want {
			t.Errorf("%q: %q", env, got)
		}
	}
}

func pass(_ context.Context, m participant.Message, send participant.Send) error {
	return send("out", participant.Raw(m.Body))
}

func TestStartErrors(t *testing.T) {
	good := inOut(pass)
	good.Component = "c"
	for name, c := range map[string]struct {
		change func(*participant.Definition, *participant.Options)
		want   string
	}{
		"role":    {func(_ *participant.Definition, o *participant.Options) { o.Role = "" }, "MSGFLO_ROLE"},
		"name":    {func(d *participant.Definition, _ *participant.Options) { d.Component = "" }, "name of its component"},
		"process": {func(d *participant.Definition, _ *participant.Options) { d.Process = nil }, "has no Process"},
		"twice":   {func(d *participant.Definition, _ *participant.Options) { d.Inports = ports("a", "a") }, `"a"`},
		"initial": {func(_ *participant.Definition, o *participant.Options) { o.Initial = map[string][]byte{"IN": nil} }, `Did you mean "in"?`},
		"period": {func(_ *participant.Definition, o *participant.Options) {
			o.Env = func(n string) string { return map[string]string{"MSGFLO_DISCOVERY_PERIOD": "soon"}[n] }
		}, `"soon"`},
		"mqtt":   {func(_ *participant.Definition, o *participant.Options) { o.Conn = nil; o.Broker = "mqtt://h/path" }, "has a path"},
		"http":   {func(_ *participant.Definition, o *participant.Options) { o.Conn = nil; o.Broker = "http://u:secret@h" }, `"http"`},
		"scheme": {func(_ *participant.Definition, o *participant.Options) { o.Conn = nil; o.Broker = "secret" }, "no scheme"},
		"packet": {func(d *participant.Definition, o *participant.Options) {
			o.Initial = map[string][]byte{"in": []byte("1")}
			d.Process = func(context.Context, participant.Message, participant.Send) error { return errors.New("no good") }
		}, "no good"},
	} {
		d, o := good, options(memory.New().Connect())
		c.change(&d, &o)
		_, err := participant.Start(t.Context(), d, o)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestOutcomes: what becomes of a message, by what Process says.
func TestOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		dead, out, failed := b.tap("dead-r.IN"), b.tap("r.OUT"), b.tap("r.ERROR")
		again := false
		b.start(inOut(func(_ context.Context, m participant.Message, send participant.Send) error {
			switch string(m.JSON()) {
			case `"two"`:
				return errors.Join(send("out", 1), send("out", map[string]int{"x": 2}))
			case `"bad"`:
				return errors.New("no")
			case `"with data"`:
				return errors.Join(send("error", "why"), errors.New("no"))
			case `"panic"`:
				panic("oh")
			case `"port"`:
				return send("ouT", 1)
			case `"value"`:
				return send("out", func() {})
			case `"again"`:
				if !again {
					again = true
					return fmt.Errorf("later: %w", participant.ErrRequeue)
				}
				return send("out", m.Redelivered)
			}
			return send("out", m.JSON())
		}))
		b.put("r.IN", "two", "bad", "with data", "panic", "port", "value", `"again"`, `{"n":1.00}`, "tab\tand \"quotes\"")
		// Settled side by side, one of them twice: so in any order.
		wantAll(t, out, "1", `{"x":2}`, "true", `{"n":1.00}`, `"tab\tand \"quotes\""`)
		wantAll(t, dead, "bad", "with data", "panic", "port", "value")
		b.next(failed, `"why"`)
		b.stop()
		if n := b.broker.Ready("r.IN"); n != 0 {
			t.Errorf("%d messages were not settled", n)
		}
	})
}

// A slow transport confirms when the test says so.
type slow struct {
	*memory.Conn
	confirm chan struct{}
	refuse  *atomic.Int32 // so many are refused first
}

func (s slow) Publish(ctx context.Context, to transport.Address, m transport.Message) <-chan error {
	if to.Exchange == "" {
		return s.Conn.Publish(ctx, to, m)
	}
	result := make(chan error, 1)
	if s.refuse.Add(-1) >= 0 {
		result <- transport.ErrRefused
		return result
	}
	go func() {
		<-s.confirm
		result <- <-s.Conn.Publish(ctx, to, m)
	}()
	return result
}

// TestAckAfterConfirm: a message is not acknowledged before what came of it is
// confirmed, and the next one is worked on meanwhile.
func TestAckAfterConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := slow{b.own, make(chan struct{}), new(atomic.Int32)}
		s.refuse.Store(3) // the target is full at first
		var calls atomic.Int32
		b.start(inOut(func(_ context.Context, m participant.Message, send participant.Send) error {
			calls.Add(1)
			return send("out", participant.Raw(m.Body))
		}), func(o *participant.Options) { o.Conn = s })
		out := b.tap("r.OUT")
		b.put("r.IN", "1", "2", "3")
		time.Sleep(time.Minute)
		if calls.Load() != 2 {
			t.Errorf("%d calls, want as many as the prefetch", calls.Load())
		}
		s.confirm <- struct{}{}
		synctest.Wait()
		if calls.Load() != 3 {
			t.Errorf("%d calls after one was confirmed", calls.Load())
		}
		// Not confirmed is not acknowledged: the other two come again.
		b.own.Break()
		time.Sleep(time.Minute)
		close(s.confirm)
		got := map[string]bool{}
		for len(got) < 3 {
			got[string(transporttest.Next(t, out).Body)] = true
		}
		b.stop()
		if n := b.broker.Ready("r.IN"); n != 0 {
			t.Errorf("%d messages left", n)
		}
	})
}

// TestStop: what is being worked on is finished and acknowledged, what was
// only prefetched goes back, nothing is taken any more.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start(inOut(func(ctx context.Context, m participant.Message, send participant.Send) error {
			time.Sleep(10 * time.Second)
			return send("out", participant.Raw(m.Body))
		}))
		out := b.tap("r.OUT")
		b.put("r.IN", "begun", "prefetched", "waiting")
		synctest.Wait()
		begin := time.Now()
		b.stop()
		if d := time.Since(begin); d != 10*time.Second {
			t.Errorf("stopped after %v", d)
		}
		b.next(out, "begun")
		none(t, out)
		if n := b.broker.Ready("r.IN"); n != 2 {
			t.Errorf("%d messages are in the queue, want 2", n)
		}
		rest := b.consume("r.IN")
		b.next(rest, "prefetched")
		b.next(rest, "waiting")
	})
}

// TestStopTimeout: a call that does not end is given up, its message goes back.
func TestStopTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, cancel := context.WithCancel(t.Context())
		d := inOut(func(ctx context.Context, _ participant.Message, _ participant.Send) error {
			<-ctx.Done()
			return ctx.Err()
		})
		d.Component = "c"
		o := options(b.own)
		o.StopTimeout = time.Minute
		ended := make(chan error)
		go func() { ended <- participant.Run(ctx, d, o) }()
		synctest.Wait()
		b.put("r.IN", "stuck")
		synctest.Wait()
		begin := time.Now()
		cancel()
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		if b.broker.Ready("r.IN") != 1 {
			t.Error("the message did not go back")
		}
	})
}

// TestLostDelivery: a call for a message that the broker has taken back is told.
func TestLostDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var causes []error
		b.start(inOut(func(ctx context.Context, m participant.Message, _ participant.Send) error {
			if m.Redelivered {
				return nil
			}
			<-ctx.Done()
			causes = append(causes, context.Cause(ctx))
			return ctx.Err()
		}))
		dead := b.tap("dead-r.IN")
		b.put("r.IN", "m")
		synctest.Wait()
		b.own.Break()
		none(t, dead)
		b.stop()
		if len(causes) != 1 || !errors.Is(causes[0], transport.ErrLost) || b.broker.Ready("r.IN") != 0 {
			t.Errorf("%v, %d left", causes, b.broker.Ready("r.IN"))
		}
	})
}

func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		d := inOut(func(_ context.Context, m participant.Message, send participant.Send) error {
			time.Sleep(time.Second)
			return send("out", participant.Raw(m.Body))
		})
		d.Prefetch, d.Concurrency = 10, 5
		b.start(d)
		out := b.tap("r.OUT")
		begin := time.Now()
		for i := range 10 {
			b.put("r.IN", fmt.Sprint(i))
		}
		for range 10 {
			transporttest.Next(t, out)
		}
		if got := time.Since(begin); got != 2*time.Second {
			t.Errorf("10 calls of 1 s, 5 at a time, took %v", got)
		}
		b.stop()
	})
}

func TestSourceAndInitial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		out := b.tap("r.OUT")
		var order []string
		d := inOut(func(_ context.Context, m participant.Message, send participant.Send) error {
			order = append(order, m.Port+string(m.Body))
			if !m.Initial {
				return errors.New("not initial")
			}
			return send("out", participant.Raw(m.Body))
		})
		d.Inports = ports("b", "in", "a")
		d.Start = func(_ context.Context, send participant.Send) error {
			if err := send("out", "from the source"); err != nil {
				return err
			}
			return errors.New("dry")
		}
		b.start(d, func(o *participant.Options) {
			o.Initial = map[string][]byte{"a": []byte("1"), "b": []byte("2")}
		})
		for _, want := range []string{"2", "1", `"from the source"`} {
			b.next(out, want)
		}
		<-b.p.Done()
		if err := b.p.Stop(t.Context()); err == nil || !strings.Contains(err.Error(), "dry") {
			t.Errorf("stopped: %v", err)
		}
		if !slices.Equal(order, []string{"b2", "a1"}) {
			t.Error(order)
		}
	})
}

func FuzzMessageJSON(f *testing.F) {
	for _, s := range []string{"", "x", `{"a":1}`, "\xff", `"a"`, "1e9", " null "} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m := participant.Message{Port: "in", Body: body}
		if !json.Valid(m.JSON()) {
			t.Errorf("%q became %q", body, m.JSON())
		}
		var v any
		if err := m.Decode(&v); err != nil {
			t.Error(err)
		}
	})
}
