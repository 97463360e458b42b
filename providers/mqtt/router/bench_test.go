package router_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// A carrier brings what is published to "from" to "to", on one broker.
type carrier func(b *testing.B, w *world, qos byte)

// direct is no carrier: the listener hears the source.
func direct(*testing.B, *world, byte) {}

// routed is the router.
func routed(b *testing.B, w *world, _ byte) {
	w.router()
	w.route(routes.Route{From: "from", To: "to", QoS: 1})
}

// bare is a program of a few lines on the same client library: what it gets it
// publishes, and with QoS 1 acknowledges once the broker has it.
func bare(b *testing.B, w *world, qos byte) {
	open := func(id string) paho.Client {
		c := paho.NewClient(paho.NewClientOptions().AddBroker(w.url).SetClientID(id).SetAutoAckDisabled(true).SetOrderMatters(true))
		if t := c.Connect(); t.Wait() && t.Error() != nil {
			b.Fatal(t.Error())
		}
		b.Cleanup(func() { c.Disconnect(100) })
		return c
	}
	in, out := open("in"), open("out")
	type sent struct {
		token paho.Token
		of    paho.Message
	}
	under := make(chan sent, 1000)
	go func() {
		for s := range under {
			s.token.Wait()
			s.of.Ack()
		}
	}()
	b.Cleanup(func() { close(under) })
	t := in.Subscribe("from", qos, func(_ paho.Client, m paho.Message) {
		token := out.Publish("to", qos, false, m.Payload())
		if qos > 0 {
			under <- sent{token, m}
		}
	})
	if t.Wait() && t.Error() != nil {
		b.Fatal(t.Error())
	}
}

func stagesOf(b *testing.B) *world {
	broker := mosquittotest.Start(b, mosquittotest.Options{Config: []string{"max_queued_messages 0", "max_inflight_messages 0", "set_tcp_nodelay true"}})
	return newWorld(b, broker.URL, "bench")
}

// BenchmarkThroughput compares the router with a bare relay in one run on one
// broker each; ns/op is the time a message, and their quotient the ratio that is
// promised: at least 0.9 of the bare relay for QoS 0, half for QoS 1.
func BenchmarkThroughput(b *testing.B) {
	for _, qos := range []byte{0, 1} {
		for name, c := range map[string]carrier{"bare": bare, "router": routed} {
			b.Run(fmt.Sprintf("qos%d/%s", qos, name), func(b *testing.B) { throughput(b, c, qos) })
		}
	}
}

func throughput(b *testing.B, c carrier, qos byte) {
	w := stagesOf(b)
	c(b, w, qos)
	const ahead = 500 // on their way at most: a broker drops QoS 0 where it cannot follow
	room, all := make(chan struct{}, ahead), make(chan struct{})
	n := 0
	sink := connect(b, w, func(m mqtt.Received) {
		_ = m.Ack()
		<-room
		if n++; n == b.N {
			close(all)
		}
	})
	if err := sink.Subscribe(b.Context(), mqtt.Filter{Topic: "to", QoS: qos}); err != nil {
		b.Fatal(err)
	}
	source := connect(b, w, nil)
	body := make([]byte, 100)
	b.ResetTimer()
	for range b.N {
		room <- struct{}{}
		source.Send(b.Context(), mqtt.Outgoing{Topic: "from", QoS: qos, Body: body}, func(error) {})
	}
	<-all
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

func connect(b *testing.B, w *world, receive func(mqtt.Received)) *mqtt.Client {
	b.Helper()
	c, err := mqtt.DialClient(b.Context(), mqtt.ClientOptions{Options: mqtt.Options{URL: w.url}, Receive: receive})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// BenchmarkLatency measures a message's way at 1 000 a second; what the router
// adds is the difference to direct.
func BenchmarkLatency(b *testing.B) {
	for _, qos := range []byte{0, 1} {
		for name, c := range map[string]carrier{"direct": direct, "bare": bare, "router": routed} {
			b.Run(fmt.Sprintf("qos%d/%s", qos, name), func(b *testing.B) { latency(b, c, qos, name == "direct") })
		}
	}
}

func latency(b *testing.B, c carrier, qos byte, straight bool) {
	w := stagesOf(b)
	c(b, w, qos)
	topic := "to"
	if straight {
		topic = "from"
	}
	took := make(chan time.Duration, b.N)
	begin := time.Now()
	sink := connect(b, w, func(m mqtt.Received) {
		took <- time.Since(begin) - time.Duration(binary.BigEndian.Uint64(m.Body))
		_ = m.Ack()
	})
	if err := sink.Subscribe(b.Context(), mqtt.Filter{Topic: topic, QoS: qos}); err != nil {
		b.Fatal(err)
	}
	source := connect(b, w, nil)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	b.ResetTimer()
	for range b.N {
		<-tick.C
		body := binary.BigEndian.AppendUint64(nil, uint64(time.Since(begin)))
		source.Send(b.Context(), mqtt.Outgoing{Topic: "from", QoS: qos, Body: body}, func(error) {})
	}
	all := make([]time.Duration, b.N)
	for i := range all {
		all[i] = <-took
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkMemory reports what a thousand routes cost, and what is more in use
// after b.N messages than after the first thousand.
func BenchmarkMemory(b *testing.B) {
	w := stagesOf(b)
	before := inUse()
	w.router()
	rs := []routes.Route{{From: "from", To: "to", QoS: 1}}
	for i := range 999 {
		rs = append(rs, routes.Route{From: fmt.Sprintf("plant/%d/+/state", i), To: fmt.Sprintf("archive/%d", i), QoS: 1})
	}
	w.route(rs...)
	cost := inUse() - before
	room, all := make(chan struct{}, 500), make(chan struct{})
	n := 0
	sink := connect(b, w, func(m mqtt.Received) {
		_ = m.Ack()
		<-room
		if n++; n == b.N+1000 {
			close(all)
		}
	})
	if err := sink.Subscribe(b.Context(), mqtt.Filter{Topic: "to", QoS: 1}); err != nil {
		b.Fatal(err)
	}
	source := connect(b, w, nil)
	send := func(n int) {
		for range n {
			room <- struct{}{}
			source.Send(b.Context(), mqtt.Outgoing{Topic: "from", QoS: 1, Body: make([]byte, 100)}, func(error) {})
		}
	}
	send(1000)
	warm := inUse()
	b.ResetTimer()
	send(b.N)
	<-all
	b.StopTimer()
	b.ReportMetric(float64(cost)/(1<<20), "MB-1000-routes")
	b.ReportMetric(float64(inUse()-warm)/(1<<20), "MB-more")
}

func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
