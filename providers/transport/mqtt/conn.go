package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"

	"github.com/msgflo/msgflo/providers/transport"
)

// ConnOptions of a Conn.
type ConnOptions struct {
	Options
	Name string // becomes part of a client id that is made up; a role, say
	// Share lets several subscribers of one topic share its messages: those who
	// name the same group. "" is a subscription of one's own. Where the broker
	// has no shared subscriptions it is one of one's own too, and logged.
	Share string
}

// A Conn is a transport.Conn on MQTT.
//
// Queues and exchanges are topics; Declare makes nothing, and there are no dead
// letters: what is refused for good is acknowledged. Publish sends a persistent
// message with QoS 1, confirmed by the broker; another one with QoS 0, confirmed
// once it is given to the network. ContentType and Headers do not exist in MQTT 3.1.1.
//
// Each subscription is a client of its own: brokers bound what is
// unacknowledged by client, so that one slow reader would hold up the others.
// Sessions are clean: the broker forgets them when the connection breaks. What
// was delivered before a break stays and is worked on; what is published to a
// topic while nobody is subscribed is gone.
type Conn struct {
	opts  ConnOptions
	id    string
	log   *slog.Logger
	out   *Client
	again chan struct{} // holds one: it stands again

	mu     sync.Mutex
	subs   map[*subscription]bool
	made   int // how many, for client ids
	closed bool
	ctx    context.Context
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup

	sharing sharing
}

var (
	_ transport.Conn     = (*Conn)(nil)
	_ transport.Notifier = (*Conn)(nil)
)

// Dial connects. A broker that cannot be reached, or refuses the login, is an
// error at once; a connection that breaks later is made again until Close.
func Dial(ctx context.Context, o ConnOptions) (*Conn, error) {
	c := &Conn{opts: o, id: o.ClientID, log: o.Log, again: make(chan struct{}, 1), subs: map[*subscription]bool{}}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	end, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if c.id == "" {
		c.id = end.clientID
	}
	if c.id == "" {
		c.id = newID(o.Name)
	}
	c.sharing.off = !end.share
	own := o.Options
	own.ClientID = c.id
	if c.out, err = DialClient(ctx, ClientOptions{Options: own, Up: c.ups()}); err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c, nil
}

// ups tells of every connection but the first.
func (c *Conn) ups() func(bool) {
	first := true
	return func(bool) {
		if first {
			first = false
			return
		}
		select {
		case c.again <- struct{}{}:
		default:
		}
	}
}

// Reconnected implements transport.Notifier.
func (c *Conn) Reconnected() <-chan struct{} { return c.again }

// Declare implements transport.Conn: it makes nothing, since a topic exists by
// being used; it finds names that cannot be topics.
func (c *Conn) Declare(_ context.Context, t transport.Topology) error {
	if c.ctx.Err() != nil {
		return transport.ErrClosed
	}
	var errs []error
	for _, q := range t.Queues {
		errs = append(errs, CheckTopic(q.Name))
	}
	for _, e := range t.Exchanges {
		errs = append(errs, CheckTopic(e.Name))
	}
	return errors.Join(errs...)
}

// Publish implements transport.Conn.
func (c *Conn) Publish(ctx context.Context, to transport.Address, m transport.Message) <-chan error {
	result := make(chan error, 1)
	out := Outgoing{Topic: topic(to), Body: m.Body, Retained: m.Retained}
	if m.Persistent {
		out.QoS = AtLeastOnce
	}
	c.out.Send(ctx, out, func(err error) { result <- err })
	return result
}

func topic(to transport.Address) string {
	if to.Exchange != "" {
		return to.Exchange
	}
	return to.Key
}

// Subscribe implements transport.Conn: queue is a topic, and may have
// wildcards. Messages come with QoS 1 as far as they were published so.
func (c *Conn) Subscribe(ctx context.Context, queue string, o transport.SubscribeOptions) (transport.Subscription, error) {
	return c.subscribe(ctx, queue, c.opts.Share, o)
}

func (c *Conn) subscribe(ctx context.Context, name, group string, o transport.SubscribeOptions) (*subscription, error) {
	if err := CheckFilter(name); err != nil {
		return nil, fmt.Errorf("subscribing: %w", err)
	}
	filter := name
	if group != "" && c.shares(ctx) {
		filter = shared(group, name)
	}
	s, err := c.newSubscription(name, filter, o)
	if err != nil {
		return nil, err
	}
	if _, err = s.client.session(ctx); err == nil {
		err = s.client.Subscribe(ctx, Filter{filter, AtLeastOnce})
	}
	if err != nil {
		s.discard()
		if filter != name {
			return nil, fmt.Errorf("subscribing to %q: %w; if the broker has no shared subscriptions, add ?share=false to its URL", name, err)
		}
		return nil, fmt.Errorf("subscribing to %q: %w", name, err)
	}
	if !c.task(s.run) {
		s.discard()
		return nil, transport.ErrClosed
	}
	return s, nil
}

// newSubscription makes the client of a subscription, not connected yet.
func (c *Conn) newSubscription(name, filter string, o transport.SubscribeOptions) (*subscription, error) {
	prefetch := max(o.Prefetch, 1)
	s := &subscription{
		conn: c, name: name, filter: filter, wake: make(chan struct{}, 1),
		out: make(chan transport.Delivery, prefetch), slots: make(chan struct{}, prefetch),
		ending: make(chan struct{}),
	}
	own := c.opts.Options
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, transport.ErrClosed
	}
	c.made++
	own.ClientID = c.id + "-" + strconv.Itoa(c.made)
	var err error
	if s.client, err = newClient(ClientOptions{Options: own, Receive: s.receive, Up: c.ups()}); err != nil {
		return nil, err
	}
	s.client.task(func() { s.client.run(nil) })
	c.subs[s] = true
	return s, nil
}

// task runs f as a goroutine that Close waits for; false: it is too late.
func (c *Conn) task(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.tasks.Go(f)
	}
	return !c.closed
}

// Close implements transport.Conn. What was delivered and not acknowledged is
// lost, as the broker keeps no session: whoever wants it cancels his
// subscriptions first, and works off what they still give.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		c.tasks.Wait()
		return nil
	}
	c.closed = true
	subs := c.subs
	c.subs = nil
	c.mu.Unlock()
	c.cancel(transport.ErrClosed)
	var all sync.WaitGroup
	for s := range subs {
		all.Go(func() { _ = s.client.Close() }) // it has no error
	}
	err := c.out.Close()
	all.Wait()
	c.tasks.Wait()
	for s := range subs {
		if n := s.left(); n > 0 {
			c.log.Warn("messages that the broker had handed over were not worked on, and are lost: MQTT takes nothing back", "topic", s.name, "messages", n)
		}
	}
	return err
}
