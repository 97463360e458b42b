package embedded_test

import (
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/msgflo/msgflo/providers/mqtt/embedded"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// A device is a client that reads when the test wants. Its session is kept if it
// has a name, and it promises no sign of life.
type device struct {
	t *testing.T
	net.Conn
}

func connectDevice(t *testing.T, addr, id string) device {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	d := device{t, c}
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.ClientIdentifier, p.CleanSession = "MQTT", 4, id, id == ""
	d.write(p)
	return d
}

func (d device) write(p packets.ControlPacket) {
	d.t.Helper()
	if err := p.Write(d); err != nil {
		d.t.Error(err)
	}
}

func (d device) read() packets.ControlPacket {
	d.t.Helper()
	_ = d.SetReadDeadline(time.Now().Add(patience))
	p, err := packets.ReadPacket(d)
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

func (d device) subscribe(topic string) {
	d.t.Helper()
	d.read() // CONNACK
	s := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	s.MessageID, s.Topics, s.Qoss = 1, []string{topic}, []byte{1}
	d.write(s)
	d.read()
}

// all reads messages until each number below n has come.
func (d device) all(n int) {
	d.t.Helper()
	for seen := map[string]bool{}; len(seen) < n; {
		p, ok := d.read().(*packets.PublishPacket)
		if !ok {
			continue
		}
		seen[p.TopicName[len("flood/"):]] = true
		ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
		ack.MessageID = p.MessageID
		d.write(ack)
	}
}

const large = 200 // messages of a flood; more than what fits into the buffers of sockets

// stuck waits until no more is taken.
func stuck(t *testing.T, taken *atomic.Int32) {
	t.Helper()
	still := int32(-1)
	until(t, "the publisher is stuck", func() bool {
		before := still
		still = taken.Load()
		time.Sleep(100 * time.Millisecond)
		return still == before
	})
}

// flood sends them with QoS 1; taken counts what the broker has confirmed.
func flood(t *testing.T, c *mqtt.Client) (taken *atomic.Int32) {
	taken = new(atomic.Int32)
	for i := range large {
		c.Send(t.Context(), mqtt.Outgoing{Topic: "flood/" + strconv.Itoa(i), QoS: 1, Body: make([]byte, 100_000)}, func(err error) {
			if err == nil {
				taken.Add(1)
			}
		})
	}
	return taken
}

func client(t *testing.T, url string) *mqtt.Client {
	t.Helper()
	c, err := mqtt.DialClient(t.Context(), mqtt.ClientOptions{Options: mqtt.Options{URL: url}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come true that %s", what)
		}
	}
}

// TestStuck: a client that reads nothing does not hold up those who publish to
// it for ever, and gets all when it comes back.
func TestStuck(t *testing.T) {
	for kind, keep := range map[string]bool{"kept on disk": true, "not kept": false} {
		t.Run(kind, func(t *testing.T) {
			s := spec()
			s.Persist = keep
			const stall = 3 * time.Second // long enough for who comes back to read on, on a slow machine too
			where, _ := runWith(t, s, embedded.Options{Folder: t.TempDir(), Stall: stall})
			connectDevice(t, where.MQTT, "stuck").subscribe("flood/#")
			taken := flood(t, client(t, "mqtt://"+where.MQTT))
			until(t, "all is taken", func() bool { return taken.Load() == large })
			connectDevice(t, where.MQTT, "stuck").all(large)
		})
	}
}

// TestStuckAndTakenOver: who comes back while his old connection is stuck, as
// after a change of the network, does not wait for it.
func TestStuckAndTakenOver(t *testing.T) {
	where, _ := runWith(t, spec(), embedded.Options{Stall: time.Hour})
	connectDevice(t, where.MQTT, "stuck").subscribe("flood/#")
	taken := flood(t, client(t, "mqtt://"+where.MQTT))
	stuck(t, taken)
	connectDevice(t, where.MQTT, "stuck").all(large)
	until(t, "all is taken", func() bool { return taken.Load() == large })
}

// TestStuckRouter: who reads no more before what he publishes is taken, as a
// router does, does not wait for ever because others' sessions come meanwhile.
func TestStuckRouter(t *testing.T) {
	where, _ := runWith(t, spec(), embedded.Options{Stall: time.Hour})
	url := "mqtt://" + where.MQTT
	lane, desk := connectDevice(t, where.MQTT, "lane"), client(t, url)
	lane.subscribe("flood/#")
	taken := flood(t, client(t, url))
	until(t, "the publisher is under way", func() bool { return taken.Load() > 0 })
	other := connectDevice(t, where.MQTT, "other") // waits until nothing is being queued
	done := make(chan error, 1)
	for range 8 { // some of them come while it does
		desk.Send(t.Context(), mqtt.Outgoing{Topic: "target", QoS: 1}, func(err error) { done <- err })
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("what the router publishes is not taken")
		}
		time.Sleep(10 * time.Millisecond)
	}
	lane.all(large)
	other.read()
	until(t, "all is taken", func() bool { return taken.Load() == large })
}

// TestGroupOfKeptSession: messages are queued for a session that is kept, so
// nobody waits until it is back.
func TestGroupOfKeptSession(t *testing.T) {
	folder, s := t.TempDir(), spec()
	s.Persist = true
	where, stop := run(t, s, folder)
	connectDevice(t, where.MQTT, "kept").subscribe("$share/group/flood/#")
	stop()
	where, _ = runWith(t, s, embedded.Options{Folder: folder, Comeback: time.Hour})
	sent := make(chan error, 1)
	client(t, "mqtt://"+where.MQTT).Send(t.Context(), mqtt.Outgoing{Topic: "flood/0", QoS: 1}, func(err error) { sent <- err })
	select {
	case err := <-sent:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("it is not acknowledged")
	}
	connectDevice(t, where.MQTT, "kept").all(1)
}

// TestExactlyOnceBothWays: the broker gives the messages to a client numbers
// that the client uses for its own, here of QoS 2; neither takes the other along.
func TestExactlyOnceBothWays(t *testing.T) {
	where, _ := run(t, spec(), "")
	d, ear := connectDevice(t, where.MQTT, "device"), connectDevice(t, where.MQTT, "ear")
	d.subscribe("flood/#")
	ear.subscribe("out")
	const n = 5
	c := client(t, "mqtt://"+where.MQTT)
	ids := map[uint16]bool{}
	for i := range n {
		c.Send(t.Context(), mqtt.Outgoing{Topic: "flood/" + strconv.Itoa(i), QoS: 1}, func(error) {})
		p, ok := d.read().(*packets.PublishPacket) // not acknowledged
		if !ok {
			t.Fatal("no message")
		}
		ids[p.MessageID] = true
	}
	for id := range ids {
		p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.TopicName, p.Qos, p.MessageID, p.Payload = "out", 2, id, []byte(strconv.Itoa(int(id)))
		for range 2 { // sent again, as after an answer that was lost
			d.write(p)
			p.Dup = true
			if r, ok := d.read().(*packets.PubrecPacket); !ok || r.MessageID != id {
				t.Fatalf("%v in answer to message %d", r, id)
			}
		}
		r := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
		r.MessageID = id
		d.write(r)
		if r, ok := d.read().(*packets.PubcompPacket); !ok || r.MessageID != id {
			t.Fatalf("%v in answer to the end of message %d", r, id)
		}
		if m, ok := ear.read().(*packets.PublishPacket); !ok || string(m.Payload) != strconv.Itoa(int(id)) {
			t.Fatalf("%v came instead of message %d, once", m, id)
		}
	}
	d.Close()
	connectDevice(t, where.MQTT, "device").all(n) // none was acknowledged
}

// TestKilledBeforeWritten: what is taken for a session that ends with its
// connection is on its way to it, also when the broker is killed just then.
func TestKilledBeforeWritten(t *testing.T) {
	addr, kill := child(t, t.TempDir())
	d := connectDevice(t, addr, "")
	d.subscribe("flood/#")
	taken := flood(t, client(t, "mqtt://"+addr))
	stuck(t, taken)
	kill()
	n := int(taken.Load())
	for i := range n {
		_ = d.SetReadDeadline(time.Now().Add(patience))
		if _, err := packets.ReadPacket(d); err != nil {
			t.Fatalf("%d of %d messages that were taken arrive: %v", i, n, err)
		}
	}
}
