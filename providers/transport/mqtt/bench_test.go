package mqtt_test

import (
	"sync"
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// BenchmarkRelay carries messages from one topic to another through a broker of
// its own, by a bare program on the client library and by a Client: what a
// router is measured against. A QoS 0 source may be too fast for the broker,
// which then drops; each message is therefore waited for within a window.
//
//	go test -bench Relay -benchtime 100000x ./providers/transport/mqtt
func BenchmarkRelay(b *testing.B) {
	for name, qos := range map[string]byte{"qos0": mqtt.AtMostOnce, "qos1": mqtt.AtLeastOnce} {
		b.Run("bare/"+name, func(b *testing.B) { relay(b, qos, bareRelay) })
		b.Run("client/"+name, func(b *testing.B) { relay(b, qos, clientRelay) })
	}
}

// relay measures how fast messages come out at the other end.
func relay(b *testing.B, qos byte, begin func(b *testing.B, url, from, to string, qos byte)) {
	broker := mosquittotest.Start(b, mosquittotest.Options{Config: []string{"max_queued_messages 0", "max_inflight_messages 0"}})
	const from, to, ahead = "from", "to", 500
	begin(b, broker.URL, from, to, qos)
	room := make(chan struct{}, ahead)
	all := make(chan struct{})
	seen := 0
	sink := client(b, broker.URL, func(m mqtt.Received) {
		_ = m.Ack() // the broker goes with the benchmark
		<-room
		if seen++; seen == b.N {
			close(all)
		}
	})
	if err := sink.Subscribe(b.Context(), mqtt.Filter{Topic: to, QoS: qos}); err != nil {
		b.Fatal(err)
	}
	source := client(b, broker.URL, nil)
	body := make([]byte, 100)
	var confirmed sync.WaitGroup
	b.ResetTimer()
	for range b.N {
		room <- struct{}{}
		confirmed.Add(1)
		source.Send(b.Context(), mqtt.Outgoing{Topic: from, QoS: qos, Body: body}, func(err error) {
			if err != nil {
				b.Error(err)
			}
			confirmed.Done()
		})
	}
	<-all
	confirmed.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

func client(b *testing.B, url string, receive func(mqtt.Received)) *mqtt.Client {
	b.Helper()
	c, err := mqtt.DialClient(b.Context(), mqtt.ClientOptions{Options: mqtt.Options{URL: url}, Receive: receive})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

func bareRelay(b *testing.B, url, from, to string, qos byte) {
	b.Helper()
	open := func(id string) paho.Client {
		o := paho.NewClientOptions().AddBroker(url).SetClientID(id).SetAutoAckDisabled(true).SetOrderMatters(true)
		c := paho.NewClient(o)
		if t := c.Connect(); t.Wait() && t.Error() != nil {
			b.Fatal(t.Error())
		}
		b.Cleanup(func() { c.Disconnect(100) })
		return c
	}
	in, out := open("in"), open("out")
	type carried struct {
		m paho.Message
		t paho.Token
	}
	confirmed := make(chan carried, 1000)
	b.Cleanup(func() { close(confirmed) })
	go func() {
		for c := range confirmed {
			c.t.Wait()
			c.m.Ack()
		}
	}()
	t := in.Subscribe(from, qos, func(_ paho.Client, m paho.Message) {
		t := out.Publish(to, m.Qos(), false, m.Payload())
		if m.Qos() > 0 {
			confirmed <- carried{m, t}
		}
	})
	if t.Wait() && t.Error() != nil {
		b.Fatal(t.Error())
	}
}

func clientRelay(b *testing.B, url, from, to string, qos byte) {
	b.Helper()
	out := client(b, url, nil)
	in := client(b, url, func(m mqtt.Received) {
		out.Send(b.Context(), mqtt.Outgoing{Topic: to, QoS: m.QoS, Body: m.Body}, func(err error) {
			if err == nil {
				_ = m.Ack() // the broker goes with the benchmark
			}
		})
	})
	if err := in.Subscribe(b.Context(), mqtt.Filter{Topic: from, QoS: qos}); err != nil {
		b.Fatal(err)
	}
}
