package participant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/msgflo/msgflo/providers/transport"
)

// consume takes one inport's deliveries until there are no more. Calls begin
// in the order of the deliveries; their confirmations are awaited beside, so
// that the next message is worked on meanwhile.
func (p *Participant) consume(in string, s transport.Subscription) {
	slots := make(chan struct{}, p.def.Concurrency) // a token for each call
	stopping, ctx := p.stopping, p.ctx
	if _, ok := s.(transport.OneWay); ok {
		// Nobody can take over: calls are not told to hurry, and none is left out.
		stopping, ctx = nil, context.WithValue(ctx, stoppingKey{}, (<-chan struct{})(nil))
	}
	for d := range s.Deliveries() {
		select {
		case slots <- struct{}{}:
		case <-d.Lost:
			continue
		}
		select {
		case <-stopping: // what was not begun is somebody else's
			p.settle(d.Nack(true))
			<-slots
			continue
		default:
		}
		j := &job{p: p, delivery: d, parent: ctx, message: Message{Port: in, Body: d.Body, Received: d.Received, Redelivered: d.Redelivered}}
		if p.def.Concurrency > 1 {
			p.work.Go(func() {
				err := j.process()
				<-slots
				j.finish(err)
			})
			continue
		}
		err := j.process()
		<-slots
		p.work.Go(func() { j.finish(err) })
	}
}

// settle logs what could not be settled. That a connection is gone is no news:
// the message comes again.
func (p *Participant) settle(err error) {
	if err != nil && !errors.Is(err, transport.ErrLost) {
		p.log.Warn("a message could not be settled", "error", err)
	}
}

// A job is one delivery, from its arrival to its settlement.
type job struct {
	p        *Participant
	delivery transport.Delivery
	parent   context.Context
	message  Message
	out      outbox
	ctx      context.Context
	cancel   context.CancelCauseFunc
}

// process calls the component.
func (j *job) process() error {
	j.ctx, j.cancel = context.WithCancelCause(j.parent)
	j.out.p = j.p
	j.p.work.Go(func() {
		select {
		case <-j.delivery.Lost:
			j.cancel(transport.ErrLost)
		case <-j.ctx.Done():
		}
	})
	return j.p.call(j.ctx, j.message, &j.out)
}

// finish settles the delivery once all that came of it is confirmed.
func (j *job) finish(err error) {
	defer j.cancel(nil)
	if failed := j.out.wait(j.ctx); failed != nil {
		if j.ctx.Err() != nil {
			return // lost, or given up: it is delivered again
		}
		// What came of it is nowhere: it must be worked on again, and the
		// message itself is not to blame.
		j.p.log.Error("what was sent was not taken, the message goes back", "port", j.message.Port, "error", failed)
		j.p.settle(j.delivery.Nack(true))
		return
	}
	switch {
	case err == nil:
		j.p.settle(j.delivery.Ack())
	case errors.Is(err, ErrRequeue):
		j.p.settle(j.delivery.Nack(true))
	case j.ctx.Err() != nil: // its own error, or that of the end of ctx: who knows
		j.p.settle(j.delivery.Nack(true))
	default:
		j.p.log.Error("a message was refused", "port", j.message.Port, "error", err)
		j.p.settle(j.delivery.Nack(false))
	}
}

// call calls Process; a panic in it is an error.
func (p *Participant) call(ctx context.Context, m Message, out *outbox) error {
	return guard(func() error { return p.def.Process(ctx, m, out.send(ctx)) })
}

// A panicError keeps the stack for the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return f()
}

// An outbox is what one call sent.
type outbox struct {
	p    *Participant
	sent []outgoing
}

type outgoing struct {
	to     transport.Address
	msg    transport.Message
	result <-chan error
}

// send is for one goroutine: that of the call.
func (o *outbox) send(ctx context.Context) Send {
	return func(id string, value any) error {
		to, m, err := o.p.outgoing(id, value)
		if err != nil || to == (transport.Address{}) {
			return err
		}
		o.sent = append(o.sent, outgoing{to, m, o.p.conn.Publish(ctx, to, m)})
		return nil
	}
}

// wait waits until everything is confirmed.
func (o *outbox) wait(ctx context.Context) error {
	for _, s := range o.sent {
		if err := o.p.await(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// await waits for one confirmation. A broker that refuses (a target is full)
// is asked again: that holds up this participant, and those before it in turn,
// which is what a full queue is for.
func (p *Participant) await(ctx context.Context, s outgoing) error {
	const least, most = 100 * time.Millisecond, 5 * time.Second
	for pause := least; ; pause = min(2*pause, most) {
		select {
		case err := <-s.result:
			if !errors.Is(err, transport.ErrRefused) {
				return err
			}
			p.log.Warn("the broker refused a message, trying again", "to", s.to.String(), "in", pause)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		s.result = p.conn.Publish(ctx, s.to, s.msg)
	}
}

// sendConfirmed is the Send of a source.
func (p *Participant) sendConfirmed(ctx context.Context) Send {
	return func(id string, value any) error {
		to, m, err := p.outgoing(id, value)
		if err != nil || to == (transport.Address{}) {
			return err
		}
		return p.await(ctx, outgoing{to, m, p.conn.Publish(ctx, to, m)})
	}
}

// outgoing is the message for an outport; the zero Address for one without a
// queue.
func (p *Participant) outgoing(id string, value any) (transport.Address, transport.Message, error) {
	out, err := port(p.def.Outports, "outport", id)
	if err != nil || out.Queue == "" {
		return transport.Address{}, transport.Message{}, err
	}
	m := transport.Message{Persistent: true}
	switch v := value.(type) {
	case Raw:
		m.Body = v
	case json.RawMessage:
		m.Body, m.ContentType = v, contentJSON
	default:
		if m.Body, err = json.Marshal(v); err != nil {
			return transport.Address{}, transport.Message{}, fmt.Errorf("sending on %q: %w", id, err)
		}
		m.ContentType = contentJSON
	}
	return transport.ToExchange(out.Queue), m, nil
}

const contentJSON = "application/json"
