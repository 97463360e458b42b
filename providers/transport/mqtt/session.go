package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// A session is one network connection, from login to its end. The library's
// own reconnecting is not used: it gives up what waits where the broker keeps
// no session, and hides why it cannot connect.
type session struct {
	client  paho.Client
	wire    *wire
	present bool          // the broker had kept it
	refused []Filter      // subscriptions that were granted before; of the client's run
	done    chan struct{} // closed when it ended; where it broke, all that came is handed over
	handed  atomic.Int64  // messages that were handed over

	once sync.Once
	err  error // why; read after done
}

func (s *session) over() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *session) finish(err error) {
	s.once.Do(func() {
		s.err = err
		close(s.done)
	})
}

func (s *session) reason() string {
	if s.err == nil {
		return "the connection broke"
	}
	return s.err.Error()
}

// end takes leave.
func (s *session) end() {
	s.finish(errors.New("closed"))
	s.client.Disconnect(farewell)
}

// connect logs in.
func (c *Client) connect(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, errNoAnswer)
	defer cancel()
	s := &session{done: make(chan struct{})}
	var failed error // to open; the library says less
	release := func() bool { return true }
	o := c.pahoOptions(s)
	o.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
		conn, err := c.end.open(ctx, &c.opts.Options)
		if err != nil {
			failed = err
			return nil, err
		}
		// The library has no context: ending the socket is how a login ends.
		release = context.AfterFunc(ctx, func() { _ = conn.Close() })
		s.wire = conn
		return conn, nil
	})
	s.client = paho.NewClient(o)
	token := s.client.Connect()
	<-token.Done()
	err := token.Error()
	if err == nil && release() {
		if t, ok := token.(*paho.ConnectToken); ok {
			s.present = t.SessionPresent()
		}
		return s, nil
	}
	if err == nil {
		s.end()
	}
	if failed != nil {
		err = failed
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return nil, c.end.dialError(err)
}

func (c *Client) pahoOptions(s *session) *paho.ClientOptions {
	o := paho.NewClientOptions()
	o.Servers = []*url.URL{{Scheme: c.end.scheme, Host: c.end.address}}
	o.SetClientID(c.id).SetUsername(c.end.user).SetPassword(c.end.password)
	o.SetProtocolVersion(4).SetCleanSession(!c.opts.KeepSession)
	o.SetAutoReconnect(false).SetConnectRetry(false).SetResumeSubs(false).SetStore(noStore{})
	o.SetAutoAckDisabled(true).SetOrderMatters(true)
	o.SetKeepAlive(keepAlive).SetPingTimeout(pingTimeout).SetConnectTimeout(dialTimeout).SetWriteTimeout(handOver)
	o.SetConnectionLostHandler(func(_ paho.Client, err error) { s.finish(err) })
	if w := c.opts.Will; w != nil {
		o.SetBinaryWill(w.Topic, w.Body, w.QoS, w.Retained)
	}
	o.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
		defer s.handed.Add(1)
		if c.opts.Receive != nil {
			c.opts.Receive(Received{
				Topic: m.Topic(), Body: m.Payload(), QoS: m.Qos(), Retained: m.Retained(), Duplicate: m.Duplicate(),
				ack: m.Ack, session: s,
			})
		}
	})
	return o
}

// look is how often it is looked whether the library has handed over what came.
const look = time.Millisecond

// caughtUp waits until the library has handed over what has come by now. It
// completes a call as soon as it reads the answer, while messages that were read
// before it are still on their way through its goroutines.
func (s *session) caughtUp(ctx context.Context) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for came := s.wire.in.messages.Load(); s.handed.Load() < came; {
		select {
		case <-tick.C:
		case <-s.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// write publishes a message of QoS 0 past the library, whose queues cost more
// than the message: nothing answers it, and it has no number.
func (s *session) write(m Outgoing) error {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.Retain = m.Topic, m.Body, m.Retained
	return p.Write(teller{s.wire})
}

// call waits for the broker's answer to a request on this session.
func (s *session) call(ctx context.Context, token paho.Token) error {
	t := time.NewTimer(callTimeout)
	defer t.Stop()
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			if s.over() || !s.client.IsConnectionOpen() {
				return errGone
			}
			return err
		}
		return nil
	case <-s.done:
		return errGone
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return errNoAnswer
	}
}

var errGone = errors.New("the connection broke")

// batch is how many filters go into one packet: some brokers bound its size.
const batch = 64

// subscribe asks for filters; the error names the first that was refused.
func (s *session) subscribe(ctx context.Context, filters []Filter) error {
	for len(filters) > 0 {
		n := min(batch, len(filters))
		ask := map[string]byte{}
		for _, f := range filters[:n] {
			ask[f.Topic] = f.QoS
		}
		token := s.client.SubscribeMultiple(ask, nil)
		if err := s.call(ctx, token); err != nil {
			return err
		}
		if t, ok := token.(*paho.SubscribeToken); ok {
			for name, code := range t.Result() {
				if code >= refusedFilter {
					return &refusal{name}
				}
			}
		}
		filters = filters[n:]
	}
	return nil
}

// refusedFilter is the code of a refusal (MQTT 3.1.1, 3.9.3). Some brokers give
// the reason, as MQTT 5 has it: those are above.
const refusedFilter = 0x80

// A refusal is the broker's no to one filter.
type refusal struct{ filter string }

func (r *refusal) Error() string {
	return fmt.Sprintf("the broker refused the subscription to %q; the user may lack a permission for it", r.filter)
}

// noStore keeps nothing: what is to be sent again is kept by the publisher,
// and what came in by the broker.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}
