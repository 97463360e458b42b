package router

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/msgflo/msgflo/providers/mqtt/router/retained"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// A replay hands on what the source of a new route had retained. It is read
// beside the session: what a subscription brings with QoS 1 is cut short. What is
// published meanwhile is newer, and wins.
type replay struct {
	mu   sync.Mutex
	seen map[string]bool // source topics
}

func newReplay() *replay { return &replay{seen: map[string]bool{}} }

// live forwards what was published to a topic now.
func (p *replay) live(topic string, send func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[topic] = true
	send()
}

// old forwards what was retained, unless there is something newer.
func (p *replay) old(topic string, send func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.seen[topic] {
		send()
	}
}

// replay hands on what is retained for new routes that retain. A target that
// has it already is left alone: a router that starts again repeats nothing.
// (Of a filter with wildcards nobody can tell what the target had last: it gets
// what there is only while it has nothing.)
func (r *run) replay(ctx context.Context, fresh []*target) error {
	if len(fresh) == 0 {
		return nil
	}
	defer func() {
		for _, t := range fresh {
			t.replay.Store(nil)
		}
	}()
	reader, err := retained.Dial(ctx, r.dials)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }() // it has no error
	var targets []string
	for _, t := range fresh {
		targets = append(targets, t.To)
	}
	has, err := reader.Read(ctx, targets...)
	if err != nil {
		return err
	}
	var sent sync.WaitGroup
	var failed firstError
	for _, t := range fresh {
		there, kept := has[reader.Key(t.To)]
		err := reader.Each(ctx, func(m mqtt.Received) {
			if routes.Protected(m.Topic) || kept && (strings.ContainsAny(t.From, "+#") || bytes.Equal(there, m.Body)) {
				return
			}
			t.replay.Load().old(m.Topic, func() {
				sent.Add(1)
				r.desk.Send(ctx, mqtt.Outgoing{Topic: t.To, Body: m.Body, QoS: t.QoS, Retained: true}, func(err error) {
					failed.note(err)
					sent.Done()
				})
			})
		}, t.From)
		if err != nil {
			return errors.Join(err, failed.err())
		}
	}
	return errors.Join(wait(ctx, &sent), failed.err())
}

func wait(ctx context.Context, all *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done(): // the goroutine ends with the desk at the latest
		return context.Cause(ctx)
	}
}

// firstError keeps the first of several.
type firstError struct {
	mu   sync.Mutex
	kept error
}

func (f *firstError) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept == nil {
		f.kept = err
	}
}

func (f *firstError) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kept
}
