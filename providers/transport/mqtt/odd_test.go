package mqtt_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// fake serves connections that it numbers, from 0, until the test ends.
func fake(t *testing.T, serve func(c net.Conn, n int)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		tasks.Wait()
	})
	tasks.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tasks.Go(func() {
				defer c.Close()
				serve(c, n)
			})
		}
	})
	return "mqtt://" + l.Addr().String()
}

// behave is a broker that says yes to everything.
func behave(c io.ReadWriter) {
	for {
		p, err := packets.ReadPacket(c)
		if err != nil {
			return
		}
		switch p := p.(type) {
		case *packets.ConnectPacket:
			_ = packets.NewControlPacket(packets.Connack).Write(c)
		case *packets.SubscribePacket:
			a := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			a.MessageID, a.ReturnCodes = p.MessageID, make([]byte, len(p.Topics))
			_ = a.Write(c)
		case *packets.PublishPacket:
			a := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
			a.MessageID = p.MessageID
			_ = a.Write(c)
		case *packets.DisconnectPacket:
			return
		}
	}
}

// next reads one packet of the client.
func next(c io.Reader) { _, _ = packets.ReadPacket(c) }

// TestOddBrokers: whatever a broker answers, the client tries again, and is well
// once the broker is.
func TestOddBrokers(t *testing.T) {
	login := []byte{0x20, 2, 0, 0}
	// instead of a login, or of an answer to the subscription; then it waits.
	instead := func(b ...byte) func(net.Conn) {
		return func(c net.Conn) {
			next(c)
			_, _ = c.Write(b)
			_, _ = io.Copy(io.Discard, c)
		}
	}
	after := func(b ...byte) func(net.Conn) {
		return func(c net.Conn) {
			next(c)
			_, _ = c.Write(login)
			next(c)
			_, _ = c.Write(b)
			_, _ = io.Copy(io.Discard, c)
		}
	}
	for name, odd := range map[string]func(net.Conn){
		"closes at once":              func(net.Conn) {},
		"closes after the login":      func(c net.Conn) { next(c) },
		"closes within its answer":    func(c net.Conn) { next(c); _, _ = c.Write(login[:3]) },
		"closes after its answer":     func(c net.Conn) { next(c); _, _ = c.Write(login) },
		"is a web server":             func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); next(c) },
		"is the client itself":        func(c net.Conn) { _, _ = io.Copy(c, c) }, // as TCP can be on loopback
		"a message first":             instead(append([]byte{0x30, 4, 0, 1, 'a', 'x'}, login...)...),
		"a refusal nobody knows":      instead(0x20, 2, 0, 6),
		"a refusal of MQTT 5":         instead(0x20, 2, 0, 0x85),
		"an empty answer":             instead(0x20, 0),
		"a length without end":        instead(0x20, 0xff, 0xff, 0xff, 0xff, 0xff),
		"too many codes":              after(0x90, 5, 0, 1, 0, 0, 0),
		"too few codes":               after(0x90, 2, 0, 1),
		"a subscription nobody asked": after(0x90, 4, 9, 9, 0, 0),
		"a packet of no type":         after(0, 0),
		"a packet of type 15":         after(0xf0, 0),
		"a message that is cut":       after(0x32, 2, 0, 9),
	} {
		t.Run(name, func(t *testing.T) {
			leaktest.Check(t)
			url := fake(t, func(c net.Conn, n int) {
				switch n {
				case 0:
					next(c)
					_, _ = c.Write(login)
				case 1:
					odd(c)
				default:
					behave(c)
				}
			})
			o := fast(url)
			var log syncBuffer
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
			c, err := mqtt.DialClient(t.Context(), mqtt.ClientOptions{Options: o})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			done := make(chan error, 2)
			go func() { done <- c.Subscribe(t.Context(), mqtt.Filter{Topic: "a"}) }()
			// Before keepalive would find out, which takes 30 s.
			select {
			case err = <-done:
			case <-time.After(patience * 9 / 10):
				t.Fatalf("no further attempt: %s", log.String())
			}
			if err != nil {
				t.Fatal(err)
			}
			c.Send(t.Context(), mqtt.Outgoing{Topic: "x", QoS: 1}, func(err error) { done <- err })
			if err := wait(t, done); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUnknownRefusal: a code that MQTT 3.1.1 does not know is no success.
func TestUnknownRefusal(t *testing.T) {
	leaktest.Check(t)
	url := fake(t, func(c net.Conn, _ int) {
		next(c)
		_, _ = c.Write([]byte{0x20, 2, 0, 0x85})
		next(c)
	})
	c, err := mqtt.DialClient(t.Context(), mqtt.ClientOptions{Options: fast(url)})
	if err == nil {
		c.Close()
		t.Fatal("logged in")
	}
	if !strings.Contains(err.Error(), "code 133") {
		t.Error(err)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestLastWords: what a broker had sent before it was killed arrives, although
// nothing can be written to it any more.
func TestLastWords(t *testing.T) {
	leaktest.Check(t)
	const n = 40 // of 1 kB: more than is read ahead, and less than what waits at the other side
	ended := make(chan struct{})
	url := fake(t, func(c net.Conn, i int) {
		if i > 0 {
			behave(c)
			return
		}
		next(c)
		out := bytes.NewBuffer([]byte{0x20, 2, 0, 0})
		for i := range n {
			p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
			p.TopicName, p.Qos, p.MessageID, p.Payload = "a", 1, uint16(i+1), make([]byte, 1000)
			_ = p.Write(out)
		}
		// In one segment: what were still to be sent when the first answer comes to the
		// closed socket would be dropped on this side.
		_, _ = c.Write(out.Bytes())
		c.Close()
		close(ended)
	})
	got := make(chan struct{}, n)
	c, err := mqtt.DialClient(t.Context(), mqtt.ClientOptions{Options: fast(url), Receive: func(m mqtt.Received) {
		<-ended
		_ = m.Ack() // where the connection broke it is forgotten
		got <- struct{}{}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range n {
		select {
		case <-got:
		case <-time.After(patience):
			t.Fatalf("%d of %d arrive", i, n)
		}
	}
}

// TestRefusedAgain: a right that is taken away while the connection is down,
// and then given back, is used without another connection. A refusal may give its
// reason, as MQTT 5 has it.
func TestRefusedAgain(t *testing.T) {
	const refusals = 3
	granted := make(chan struct{})
	url := fake(t, func(c net.Conn, n int) {
		for asked := 0; ; {
			p, err := packets.ReadPacket(c)
			if err != nil {
				return
			}
			switch p := p.(type) {
			case *packets.ConnectPacket:
				_ = packets.NewControlPacket(packets.Connack).Write(c)
			case *packets.SubscribePacket:
				a := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
				a.MessageID, a.ReturnCodes = p.MessageID, []byte{0}
				if asked++; n > 0 && asked <= refusals {
					a.ReturnCodes = []byte{[]byte{0x80, 0x87}[asked%2]}
				}
				_ = a.Write(c)
				if n == 0 {
					<-granted
					return // the connection breaks
				}
				if asked > refusals {
					m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
					m.TopicName = "t"
					_ = m.Write(c)
				}
			case *packets.DisconnectPacket:
				return
			}
		}
	})
	leaktest.Check(t)
	got := make(chan bool, 9)
	c, err := mqtt.DialClient(t.Context(), mqtt.ClientOptions{Options: fast(url), Receive: func(mqtt.Received) { got <- true }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Subscribe(t.Context(), mqtt.Filter{Topic: "t"})
	close(granted)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-got:
	case <-time.After(patience):
		t.Error("what was refused was not asked for again")
	}
}

// TestRefused: a subscription that is refused is an error, whatever the reason.
func TestRefused(t *testing.T) {
	for _, code := range []byte{0x80, 0x87} {
		url := fake(t, func(c net.Conn, _ int) {
			next(c)
			_, _ = c.Write([]byte{0x20, 2, 0, 0})
			next(c)
			_, _ = c.Write([]byte{0x90, 3, 0, 1, code})
			_, _ = io.Copy(io.Discard, c)
		})
		c, err := mqtt.DialClient(t.Context(), mqtt.ClientOptions{Options: fast(url)})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Subscribe(t.Context(), mqtt.Filter{Topic: "t"}); err == nil || !strings.Contains(err.Error(), "refused the subscription") {
			t.Errorf("%#x: %v", code, err)
		}
		c.Close()
	}
}

// TestNoMQTT: what answers otherwise is said to be no MQTT broker.
func TestNoMQTT(t *testing.T) {
	url := fake(t, func(c net.Conn, _ int) {
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
	})
	_, err := mqtt.DialClient(t.Context(), mqtt.ClientOptions{Options: fast(url)})
	if err == nil || !strings.Contains(err.Error(), "does not speak MQTT") {
		t.Error(err)
	}
}
