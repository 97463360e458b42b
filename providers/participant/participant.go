package participant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/msgflo/msgflo/providers/discovery/wire"
	"github.com/msgflo/msgflo/providers/transport"
)

// A Participant that runs.
type Participant struct {
	id   string
	def  Definition
	opts Options
	conn transport.Conn
	log  *slog.Logger

	ctx      context.Context // ends when all is over
	cancel   context.CancelCauseFunc
	stopping chan struct{} // closed when it is to stop
	stopOnce sync.Once
	subs     []transport.Subscription
	work     sync.WaitGroup // deliveries and the calls for them
	around   sync.WaitGroup // heartbeat and source

	endOnce sync.Once
	done    chan struct{} // closed when a source failed
	err     error         // why; read after done
}

// Run runs a participant until ctx ends, then stops it gracefully. Nil means
// that it was stopped and all it had begun is settled.
func Run(ctx context.Context, d Definition, o Options) error {
	p, err := Start(ctx, d, o)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-p.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.opts.StopTimeout)
	defer cancel()
	return p.Stop(stop)
}

// Start connects, declares, processes the initial packets, begins to consume,
// and announces the participant, in this order: who hears of it can rely on
// all the rest. ctx bounds the start only. What fails is undone.
func Start(ctx context.Context, d Definition, o Options) (*Participant, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if d, err = d.instance(o.Role); err != nil {
		return nil, err
	}
	for id := range o.Initial {
		if _, err := port(d.Inports, "inport", id); err != nil {
			return nil, fmt.Errorf("an initial packet cannot be delivered: %w", err)
		}
	}
	p := &Participant{
		id: newID(o.Role), def: d, opts: o, conn: o.Conn, log: o.Log.With("role", o.Role),
		stopping: make(chan struct{}), done: make(chan struct{}),
	}
	if p.conn == nil {
		if p.conn, err = dial(ctx, o); err != nil {
			return nil, err
		}
	}
	p.ctx, p.cancel = context.WithCancelCause(context.WithValue(context.Background(), stoppingKey{}, (<-chan struct{})(p.stopping)))
	if err := p.begin(ctx); err != nil {
		stop, cancel := context.WithCancel(context.Background())
		cancel()
		return nil, errors.Join(err, ignoreCancelled(p.Stop(stop)))
	}
	return p, nil
}

func ignoreCancelled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// ID is the name of this process in announcements.
func (p *Participant) ID() string { return p.id }

// Done is closed when the participant has ended by itself: its source failed.
// Stop says why, and is still needed.
func (p *Participant) Done() <-chan struct{} { return p.done }

func (p *Participant) begin(ctx context.Context) error {
	if err := p.conn.Declare(ctx, p.def.topology()); err != nil {
		return err
	}
	if err := p.initial(ctx); err != nil {
		return err
	}
	for _, in := range p.def.Inports {
		if in.Queue == "" {
			continue
		}
		s, err := p.conn.Subscribe(ctx, in.Queue, transport.SubscribeOptions{Prefetch: p.def.Prefetch})
		if err != nil {
			return err
		}
		p.subs = append(p.subs, s)
		p.work.Go(func() { p.consume(in.ID, s) })
	}
	if err := p.announce(ctx); err != nil {
		return fmt.Errorf("announcing the participant: %w", err)
	}
	p.around.Go(p.heartbeats)
	if p.def.Start != nil {
		p.around.Go(p.source)
	}
	return nil
}

// initial processes the initial packets, in the order of the ports.
func (p *Participant) initial(ctx context.Context) error {
	for _, in := range p.def.Inports {
		body, ok := p.opts.Initial[in.ID]
		if !ok {
			continue
		}
		out := &outbox{p: p}
		err := p.call(ctx, Message{Port: in.ID, Body: body, Received: time.Now(), Initial: true}, out)
		if err = errors.Join(err, out.wait(ctx)); err != nil {
			return fmt.Errorf("processing the initial packet of %q: %w", in.ID, err)
		}
	}
	return nil
}

func (p *Participant) announce(ctx context.Context) error {
	m := transport.Message{Body: p.def.announcement(p.opts.Role, p.id)}
	return transport.Publish(ctx, p.conn, transport.ToQueue(wire.Queue), m)
}

func (p *Participant) heartbeats() {
	ticker := time.NewTicker(wire.Heartbeat(p.opts.DiscoveryPeriod))
	defer ticker.Stop()
	var again <-chan struct{} // who listens may have missed us, or be new himself
	if n, ok := p.conn.(transport.Notifier); ok {
		again = n.Reconnected()
	}
	for {
		select {
		case <-ticker.C:
		case <-again:
		case <-p.stopping:
			return
		}
		ctx, cancel := p.untilStopping()
		if err := p.announce(ctx); err != nil && ctx.Err() == nil {
			p.log.Warn("cannot announce the participant", "error", err)
		}
		cancel()
	}
}

// untilStopping is a context that ends when the participant is to stop.
func (p *Participant) untilStopping() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(p.ctx)
	p.around.Go(func() {
		select {
		case <-p.stopping:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

func (p *Participant) source() {
	ctx, cancel := p.untilStopping()
	defer cancel()
	err := guard(func() error { return p.def.Start(ctx, p.sendConfirmed(ctx)) })
	if err != nil && ctx.Err() == nil {
		p.endOnce.Do(func() {
			p.err = fmt.Errorf("the source of %s failed: %w", p.opts.Role, err)
			close(p.done)
		})
	}
}

// Stop ends the participant: no more is taken, what was begun is finished and
// settled, then the connection is closed. What only waited goes back to its
// queue; MQTT takes nothing back, and there it is worked on too. When ctx ends
// first, the rest goes back (on MQTT it is lost), and its cause is returned.
func (p *Participant) Stop(ctx context.Context) error {
	p.stopOnce.Do(func() { close(p.stopping) })
	var err error
	for _, s := range p.subs {
		if failed := s.Cancel(ctx); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		if _, ok := s.(transport.OneWay); ok {
			continue // nothing can go back: consume works it off
		}
		// What was only prefetched goes back now, to others who may be waiting
		// for work, and not after the call that it waits behind.
		for d := range s.Deliveries() {
			p.settle(d.Nack(true))
		}
	}
	finished := make(chan struct{})
	go func() { p.work.Wait(); p.around.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-ctx.Done():
		err = fmt.Errorf("%s was stopped before all it had begun was done: %w", p.opts.Role, context.Cause(ctx))
		p.cancel(err)
	}
	err = errors.Join(err, p.conn.Close())
	if ctx.Err() == nil {
		<-finished
	}
	p.cancel(transport.ErrClosed)
	select {
	case <-p.done:
		err = errors.Join(p.err, err)
	default:
	}
	return err
}
