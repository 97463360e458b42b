package rabbitmq

import (
	"context"
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// Depth implements providers.Meter: what would be lost with each object, and
// what would go with it.
func (p *provider) Depth(ctx context.Context, queries []providers.Query) ([]providers.Depth, error) {
	depths, begun := make([]providers.Depth, len(queries)), time.Now()
	client, err := p.client(ctx)
	if err != nil && !errors.Is(err, errNoManagement) {
		return nil, err
	}
	surveys, err := p.surveys(ctx, client, queries)
	if err != nil {
		return nil, p.managementError(err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for i, q := range queries {
		g.Go(func() (err error) {
			s := surveys[attr.Text(q.Value, "vhost")]
			s.begun = begun
			depths[i], err = p.depth(ctx, client, q, s)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, p.managementError(err)
	}
	return depths, nil
}

// endpoint is a queue or exchange as one end of bindings.
type endpoint struct{ vhost, kind, name string }

// A survey is what lists tell of a vhost, where so many of its objects are
// asked about that a call for each would take longer. Its zero value is none.
type survey struct {
	bindings map[endpoint][]mgmt.Binding
	queues   map[string]*mgmt.QueueStatus
	begun    time.Time // when the first of them was asked about
}

func (p *provider) surveys(ctx context.Context, c *mgmt.Client, queries []providers.Query) (map[string]survey, error) {
	count := map[string]int{}
	for _, q := range queries {
		if q.Type == typeQueue || q.Type == typeExchange {
			count[attr.Text(q.Value, "vhost")]++
		}
	}
	out := map[string]survey{}
	if c == nil {
		return out, nil
	}
	worth, err := worthSweeping(ctx, c, count)
	if err != nil {
		return nil, err
	}
	for vhost := range count {
		if !worth[vhost] {
			continue
		}
		s, err := surveyOf(ctx, c, vhost)
		if absent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[vhost] = s
	}
	return out, nil
}

func surveyOf(ctx context.Context, c *mgmt.Client, vhost string) (survey, error) {
	var bindings []mgmt.Binding
	var queues []mgmt.QueueStatus
	var consumers map[string]int64
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { bindings, err = c.Bindings(ctx, vhost); return err })
	g.Go(func() (err error) { queues, err = c.Queues(ctx, vhost); return err })
	g.Go(func() (err error) { consumers, err = c.Consumers(ctx, vhost); return err })
	if err := g.Wait(); err != nil {
		return survey{}, err
	}
	s := survey{bindings: map[endpoint][]mgmt.Binding{}, queues: make(map[string]*mgmt.QueueStatus, len(queues))}
	for i := range queues {
		queues[i].Consumers = consumers[queues[i].Name]
		s.queues[queues[i].Name] = &queues[i]
	}
	for _, b := range bindings {
		to, from := endpoint{vhost, b.DestinationType, b.Destination}, endpoint{vhost, typeExchange, b.Source}
		s.bindings[to] = append(s.bindings[to], b)
		if b.Source != "" && from != to {
			s.bindings[from] = append(s.bindings[from], b)
		}
	}
	return s, nil
}

// status is a queue with its counts, from the survey or by asking. On 3.10 the
// list counts classic queues as it is made; nil where there is no such queue.
func (s survey) status(ctx context.Context, c *mgmt.Client, vhost, name string) (*mgmt.QueueStatus, error) {
	if s.queues != nil {
		return s.queues[name], nil
	}
	q, err := c.Queue(ctx, vhost, name)
	if absent(err) {
		return nil, nil
	}
	return q, err
}

func (p *provider) depth(ctx context.Context, c *mgmt.Client, q providers.Query, s survey) (d providers.Depth, err error) {
	vhost, name := attr.Text(q.Value, "vhost"), attr.Text(q.Value, "name")
	switch q.Type {
	case typeVhost:
		if c == nil {
			return providers.Depth{Unknown: true}, nil
		}
		d, err = p.vhostDepth(ctx, c, name, time.Time{})
		if absent(err) {
			return providers.Depth{}, nil
		}
		return d, err
	case typeQueue:
		if d, err = p.queueDepth(ctx, s, vhost, name, time.Time{}); err != nil {
			return d, err
		}
	case typeExchange:
	default:
		return d, nil
	}
	if c == nil {
		return d, nil
	}
	bs, err := bindingsAt(ctx, c, endpoint{vhost, q.Type, name}, s.bindings)
	for i := range bs {
		if bs[i].Source != "" {
			d.Collateral = append(d.Collateral, providers.Object{Type: typeBinding, Value: bindingValue(&bs[i])})
		}
	}
	return d, err
}

// bindingsAt are all bindings that go with a queue or an exchange.
func bindingsAt(ctx context.Context, c *mgmt.Client, e endpoint, index map[endpoint][]mgmt.Binding) ([]mgmt.Binding, error) {
	if index != nil {
		return index[e], nil
	}
	if e.kind == typeQueue {
		bs, err := c.BindingsOf(ctx, e.vhost, e.name)
		return bs, unlessAbsent(err)
	}
	from, err := c.BindingsFrom(ctx, e.vhost, e.name)
	if err != nil {
		return nil, unlessAbsent(err)
	}
	to, err := c.BindingsTo(ctx, e.vhost, e.name)
	for _, b := range to {
		if b.Source != e.name { // bound to itself: already among those from it
			from = append(from, b)
		}
	}
	return from, unlessAbsent(err)
}

// queueDepth counts what is in a queue now: what is ready by a passive
// declare, what clients hold by the vhost's tally. A stream tells neither at
// once, so it is read. The tally is no older than since.
func (p *provider) queueDepth(ctx context.Context, sv survey, vhost, name string, since time.Time) (providers.Depth, error) {
	var d providers.Depth
	var typ string
	c, err := p.client(ctx)
	switch {
	case errors.Is(err, errNoManagement):
		d.Unknown = true // unacknowledged messages cannot be seen
	case err != nil:
		return d, err
	default:
		s, err := sv.status(ctx, c, vhost, name)
		if err != nil || s == nil {
			return d, err
		}
		typ = s.Type
		if typ == classic && sv.queues != nil && s.Ready >= 0 && s.Unacked >= 0 {
			return providers.Depth{Ready: s.Ready, Unacked: s.Unacked, Consumers: s.Consumers}, nil
		}
		if typ == quorum && s.Leaderless {
			s, err = led(ctx, sv.begun, func() (*mgmt.QueueStatus, error) { return survey{}.status(ctx, c, vhost, name) })
			if err != nil || s == nil {
				return d, err
			}
		}
		d.Ready, d.Unacked, d.Consumers = max(0, s.Ready), max(0, s.Unacked), max(0, s.Consumers)
		if typ == quorum && s.Leaderless {
			d.Unknown = true
			return d, nil
		}
		if sv.queues == nil && typ != stream {
			held, err := p.heldOf(ctx, vhost, name, since)
			if err != nil {
				return d, err
			}
			if held != mgmt.Unknown {
				d.Unacked = held
			}
		}
	}
	err = p.countReady(ctx, vhost, name, typ, &d)
	if err == nil && typ == quorum && d.Consumers == 0 && !d.Unknown {
		d.Unacked = 0 // who holds a message of it, by whatever means, counts as a consumer
	}
	var refused *vhostError
	switch {
	case typ != "" && (errors.As(err, &refused) || hasCode(err, amqp.AccessRefused)):
		d.Unknown = true // it is there, and this login may not look into it
		return d, nil
	case hasCode(err, amqp.NotFound), errors.As(err, &refused):
		return providers.Depth{}, nil
	}
	return d, explainAMQP("counting the messages of queue "+quote(name), err)
}

// countReady counts what is ready over AMQP.
func (p *provider) countReady(ctx context.Context, vhost, name, typ string, d *providers.Depth) error {
	if typ == stream {
		return p.streamDepth(ctx, vhost, name, d)
	}
	var q amqp.Queue
	answered, pool := true, p.pool(vhost)
	err := pool.do(ctx, func(ch *amqp.Channel) (err error) {
		declare := func() (amqp.Queue, error) { return ch.QueueDeclarePassive(name, true, false, false, false, nil) }
		if typ != quorum {
			q, err = declare()
			return err
		}
		away := func() (time.Duration, error) { return pool.away.by(func() error { return ch.Qos(0, 0, false) }) }
		q, answered, err = ofLeader(declare, away)
		return err
	})
	switch {
	case err != nil:
		return err
	case !answered:
		d.Unknown = true
	default:
		d.Ready, d.Consumers = int64(q.Messages), int64(q.Consumers)
	}
	return nil
}

// streamDepth is the number of messages in a stream by the statistics, or at
// least one where they have not counted yet and the stream sends one.
func (p *provider) streamDepth(ctx context.Context, vhost, name string, d *providers.Depth) error {
	if d.Ready > 0 {
		return nil
	}
	return p.pool(vhost).do(ctx, func(ch *amqp.Channel) error {
		prefetch := func() error { return ch.Qos(1, 0, false) }
		if err := prefetch(); err != nil {
			return err
		}
		const tag = "msgflo-depth"
		deliveries, err := ch.Consume(name, tag, false, false, false, false, amqp.Table{"x-stream-offset": "first"})
		if err != nil {
			return err
		}
		n, known, err := firstOf(ctx, deliveries, prefetch)
		if err != nil {
			return err
		}
		d.Ready, d.Unknown = n, d.Unknown || !known
		// The channel ends here: a cancelled consumer may have deliveries on the way.
		return ch.Close()
	})
}

// vhostDepth sums up the queues of a vhost, and lists what is in it.
func (p *provider) vhostDepth(ctx context.Context, c *mgmt.Client, name string, since time.Time) (providers.Depth, error) {
	var d providers.Depth
	queues, err := c.Queues(ctx, name)
	if err != nil {
		return d, err
	}
	if len(queues) == 0 {
		if ok, err := c.Exists(ctx, "vhosts", name); err != nil || !ok {
			return d, err
		}
	}
	for i := range queues {
		q := &queues[i]
		live := providers.Depth{Ready: max(0, q.Ready), Unacked: max(0, q.Unacked), Consumers: max(0, q.Consumers)}
		if q.Type != classic && live.Messages() == 0 && !d.Unknown {
			// Other types' totals come with the statistics, seconds late. Once the
			// sum is unknown, nobody waits for the rest of it.
			if live, err = p.queueDepth(ctx, survey{}, name, q.Name, since); err != nil {
				return d, err
			}
		}
		d.Ready, d.Unacked, d.Consumers = d.Ready+live.Ready, d.Unacked+live.Unacked, d.Consumers+live.Consumers
		d.Unknown = d.Unknown || live.Unknown
	}
	d.Collateral, err = p.inside(ctx, c, name, "")
	return d, err
}
