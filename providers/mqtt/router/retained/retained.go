// Package retained reads what an MQTT broker retains. MQTT has no request for
// that: who subscribes is sent it, and nobody says when that was all. So after
// subscribing a message of our own is published, the sentinel, to a topic that
// nobody else knows: brokers keep the order, and when it comes back the rest has
// come. All is read with QoS 0: what is sent with QoS 1 goes through the queue
// of the session, whose bound cuts a flood short (Mosquitto: max_queued_messages).
//
// It imports providers/transport and its mqtt; it knows nothing of routes.
package retained

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/msgflo/msgflo/providers/transport"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// A Reader is a connection for reading. Its methods may be called by several
// goroutines at once; they take turns. Once it breaks it is of no more use: every
// call fails with transport.ErrLost.
type Reader struct {
	client  *mqtt.Client
	broken  <-chan struct{}
	name    string // of this reader, in its sentinels' topics
	turn    sync.Mutex
	rounds  int
	silence int // as the constant; tests are in a hurry

	mu   sync.Mutex
	now  *round // nil while nothing is read
	dots bool
}

// A round is one reading.
type round struct {
	sentinel string // its last level
	visit    func(mqtt.Received)
	done     chan struct{} // closed when the sentinel has come

	mu    sync.Mutex // held while it is visited
	over  bool
	heard int // messages
}

func (r *round) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}

func (r *round) take(m mqtt.Received) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard++
	if !r.over {
		r.visit(m)
	}
}

func (r *round) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heard
}

const (
	sentinels = "msgflo/sentinel/"
	// again is after how long a sentinel is sent again: it is QoS 0 too, and may
	// have been dropped.
	again = time.Second
	// limit bounds one reading.
	limit = 60 * time.Second
	// silence is after how many sentinels a broker that sends nothing at all is
	// not waited for any more: one whose lists of rights drop them never answers.
	silence = 20
)

// Dial connects. Options are those of the client; its id should be a random one.
func Dial(ctx context.Context, o mqtt.Options) (*Reader, error) {
	r := &Reader{name: rand.Text(), silence: silence}
	o.ClientID = "msgflo-read-" + r.name[:10]
	var err error
	r.client, err = mqtt.DialClient(ctx, mqtt.ClientOptions{Options: o, Receive: r.receive})
	if err != nil {
		return nil, err
	}
	if r.broken, err = r.client.Broken(ctx); err != nil {
		_ = r.client.Close() // it has no error
		return nil, err
	}
	return r, nil
}

// bounded ends with the connection, and after a while in any case.
func (r *Reader) bounded(ctx context.Context, late error) (context.Context, func()) {
	ctx, stop := context.WithTimeoutCause(ctx, limit, late)
	ctx, lost := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		select {
		case <-r.broken:
			lost(fmt.Errorf("the connection broke: %w", transport.ErrLost))
		case <-done:
		}
	}()
	return ctx, func() {
		close(done)
		lost(nil)
		stop()
	}
}

// Broken reports whether the connection has ended by itself.
func (r *Reader) Broken() bool {
	select {
	case <-r.broken:
		return true
	default:
		return false
	}
}

// Close ends the connection.
func (r *Reader) Close() error { return r.client.Close() }

// Send publishes on the same connection, and waits for the broker's answer.
func (r *Reader) Send(ctx context.Context, m mqtt.Outgoing) error {
	ctx, end := r.bounded(ctx, errNoAnswer)
	defer end()
	return Send(ctx, r.client, m)
}

var errNoAnswer = errors.New("the broker did not confirm the message in time")

// Send publishes and waits for the broker's answer.
func Send(ctx context.Context, c *mqtt.Client, m mqtt.Outgoing) error {
	result := make(chan error, 1)
	c.Send(ctx, m, func(err error) { result <- err })
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Read returns what is retained under some filters, by topic.
func (r *Reader) Read(ctx context.Context, filters ...string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := r.Each(ctx, func(m mqtt.Received) { out[m.Topic] = m.Body }, filters...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Each visits what is retained under some filters; a topic that several match
// may come more than once. Visit must not wait for this reader.
func (r *Reader) Each(ctx context.Context, visit func(mqtt.Received), filters ...string) error {
	ctx, end := r.bounded(ctx, ErrSilent)
	defer end()
	r.turn.Lock()
	defer r.turn.Unlock()
	r.rounds++
	// RabbitMQ gives a . in a topic back as a /, which this tells.
	last := fmt.Sprintf("%d.x", r.rounds)
	own := sentinels + r.name + "/" + last
	now := &round{sentinel: last, visit: visit, done: make(chan struct{})}
	r.set(now)
	defer now.end()
	defer r.set(nil)
	subs := make([]mqtt.Filter, 0, len(filters)+1)
	for _, f := range filters {
		subs = append(subs, mqtt.Filter{Topic: f})
	}
	if err := r.client.Subscribe(ctx, append(subs, mqtt.Filter{Topic: own})...); err != nil {
		return reading(err)
	}
	if err := r.await(ctx, own, now); err != nil {
		return reading(err)
	}
	if err := r.client.Unsubscribe(ctx, append(filters, own)...); err != nil {
		return reading(err)
	}
	return nil
}

func reading(err error) error {
	return fmt.Errorf("reading what the broker retains: %w", err)
}

// ErrSilent says that a sentinel did not come back.
var ErrSilent = errors.New("the broker does not hand back what is published to the topic msgflo/sentinel/…; the user may lack the permission to write and read msgflo/#")

func (r *Reader) await(ctx context.Context, topic string, now *round) error {
	tick := time.NewTicker(again)
	defer tick.Stop()
	for quiet, heard := 0, 0; quiet < r.silence; quiet++ {
		if n := now.count(); n > heard {
			quiet, heard = 0, n
		}
		r.client.Send(ctx, mqtt.Outgoing{Topic: topic}, func(error) {})
		select {
		case <-now.done:
			return nil
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return ErrSilent
}

// Dots reports whether . and / are the same to this broker, as they are to
// RabbitMQ, which also hands out retained messages by exact topic only. It is
// known after the first reading.
func (r *Reader) Dots() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dots
}

// Key is a topic as Read has it: RabbitMQ translates it.
func (r *Reader) Key(topic string) string {
	if r.Dots() {
		return strings.ReplaceAll(topic, ".", "/")
	}
	return topic
}

func (r *Reader) set(now *round) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = now
}

func (r *Reader) receive(m mqtt.Received) {
	r.mu.Lock()
	now := r.now
	r.mu.Unlock()
	if now == nil {
		return
	}
	if of, mine := strings.CutPrefix(m.Topic, sentinels+r.name+"/"); mine {
		translated := of == strings.ReplaceAll(now.sentinel, ".", "/")
		if of != now.sentinel && !translated {
			return
		}
		r.mu.Lock()
		r.dots = translated
		r.mu.Unlock()
		select {
		case <-now.done:
		default:
			close(now.done)
		}
		return
	}
	if m.Retained && len(m.Body) > 0 && !strings.HasPrefix(m.Topic, sentinels) {
		now.take(m)
	}
}
