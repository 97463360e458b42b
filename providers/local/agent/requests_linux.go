package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/local/control"
)

// begins locks a key for one operation.
func (a *Agent) begins(ctx context.Context, k control.Key) (done func(), err error) {
	op := a.op(k)
	select {
	case op <- struct{}{}:
		return func() { <-op }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// op is held by the operation on a key that is under way.
func (a *Agent) op(k control.Key) chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ops[k] == nil {
		a.ops[k] = make(chan struct{}, 1)
	}
	return a.ops[k]
}

// put makes the agent hold an object.
func (a *Agent) put(ctx context.Context, o control.Object, emit func(control.Event)) (*control.Held, error) {
	done, err := a.begins(ctx, o.Key)
	if err != nil {
		return nil, err
	}
	defer done()
	if o.Kind != control.Process && a.opts.Kinds[o.Kind] == nil {
		return nil, &control.Error{Summary: "Unknown kind of object", Detail: fmt.Sprintf("This agent does not know objects of kind %q.%s", o.Kind, diag.DidYouMean(o.Kind, append(slices.Collect(maps.Keys(a.opts.Kinds)), control.Process)))}
	}
	secret, err := a.book.keepSecret(o.Key, o.Secret)
	if err != nil {
		return a.show(o.Key), failure("Agent cannot remember", err)
	}
	e := control.Entry{Key: o.Key, Spec: o.Spec, Dir: o.Dir, Secret: secret}
	if o.Kind == control.Process {
		err = a.role(o.Key).put(ctx, e, o.Secret, emit)
	} else {
		err = a.host(o.Key).put(ctx, e, o.Secret, emit)
	}
	a.book.arrived(secret)
	a.dropEmpty(o.Key)
	held := a.show(o.Key)
	if err != nil {
		return held, told(err, held)
	}
	_ = a.book.tidySecrets()
	return held, nil
}

// told adds to a failure what is true now.
func told(err error, held *control.Held) error {
	e, ok := errors.AsType[*control.Error](err)
	if !ok {
		return err
	}
	now := "\nNothing of it was left running. Correct it and apply again."
	if held != nil {
		now = "\nWhat was there before is in force again. Correct it and apply again."
	}
	return &control.Error{Summary: e.Summary, Detail: e.Detail + now}
}

// delete stops what belongs to a key and forgets it.
func (a *Agent) delete(ctx context.Context, k control.Key, emit func(control.Event)) error {
	done, err := a.begins(ctx, k)
	if err != nil {
		return err
	}
	defer done()
	a.mu.Lock()
	ro, ho := a.roles[k], a.hosts[k]
	a.mu.Unlock()
	switch {
	case ro != nil:
		if err := ro.halt(ro.all(), emit); err != nil {
			return failure("Participant does not end", err)
		}
	case ho != nil:
		ho.halt()
	default:
		return nil
	}
	if a.ctx.Err() != nil { // it leaves: what was to be stopped runs on
		return a.ctx.Err()
	}
	a.opts.Fault("before-delete")
	if err := a.book.note(control.Record{Op: control.OpDelete, Key: k}); err != nil {
		return failure("Agent cannot remember", err)
	}
	a.mu.Lock()
	delete(a.roles, k)
	delete(a.hosts, k)
	a.released = true
	a.mu.Unlock()
	return a.book.tidySecrets()
}

func (a *Agent) role(k control.Key) *role {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.roles[k] == nil {
		a.roles[k] = &role{agent: a, key: k}
	}
	return a.roles[k]
}

// dropEmpty forgets a role or service that came to nothing.
func (a *Agent) dropEmpty(k control.Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ro := a.roles[k]; ro != nil {
		if e, _ := ro.now(); e == nil && len(ro.all()) == 0 {
			delete(a.roles, k)
		}
	}
	if ho := a.hosts[k]; ho != nil && !ho.held() {
		delete(a.hosts, k)
	}
}

// act does one of the things that are no plan to a role.
func (a *Agent) act(ctx context.Context, name string, do func(*role) error) error {
	k := control.Key{Kind: control.Process, Name: name}
	done, err := a.begins(ctx, k)
	if err != nil {
		return err
	}
	defer done()
	a.mu.Lock()
	ro := a.roles[k]
	var names []string
	for k := range a.roles {
		names = append(names, k.Name)
	}
	a.mu.Unlock()
	if ro != nil {
		if e, _ := ro.now(); e != nil {
			return do(ro)
		}
	}
	return &control.Error{Summary: "Unknown role", Detail: fmt.Sprintf("The agent runs no participant %q.%s", name, diag.DidYouMean(name, names))}
}

// show is one object as others see it, nil where it is not held.
func (a *Agent) show(k control.Key) *control.Held {
	var held *control.Held
	a.book.with(func(l *control.Ledger, secrets map[string]control.Secret) {
		if e, ok := l.Entries[k]; ok {
			h := e.Show(secrets)
			held = &h
		}
	})
	if held == nil {
		return nil
	}
	a.mu.Lock()
	ro, ho := a.roles[k], a.hosts[k]
	a.mu.Unlock()
	if ro != nil {
		held.Status = ro.show()
	}
	if ho != nil {
		held.Note = ho.note()
	}
	return held
}

// list is all that is held.
func (a *Agent) list() []control.Held {
	var keys []control.Key
	a.book.with(func(l *control.Ledger, _ map[string]control.Secret) {
		keys = slices.SortedFunc(maps.Keys(l.Entries), control.Compare)
	})
	held := make([]control.Held, 0, len(keys))
	for _, k := range keys {
		if h := a.show(k); h != nil {
			held = append(held, *h)
		}
	}
	return held
}

// down stops all, services last, and forgets nothing.
func (a *Agent) down(emit func(control.Event)) error {
	a.mu.Lock()
	roles, hosts := slices.Collect(maps.Values(a.roles)), slices.Collect(maps.Values(a.hosts))
	a.mu.Unlock()
	errs := make([]error, len(roles))
	var stopping sync.WaitGroup
	var mu sync.Mutex
	for i, ro := range roles {
		stopping.Go(func() {
			done, err := a.begins(a.ctx, ro.key)
			if err != nil {
				return
			}
			defer done()
			errs[i] = ro.halt(ro.all(), func(e control.Event) {
				mu.Lock()
				defer mu.Unlock()
				emit(control.Event{Text: e.Text})
			})
		})
	}
	stopping.Wait()
	for _, h := range hosts {
		h.halt()
	}
	if err := errors.Join(errs...); err != nil || a.ctx.Err() != nil {
		return failureOf("Participant does not end", err)
	}
	return failureOf("Agent cannot remember", a.book.note(control.Record{Op: control.OpBegun, Down: true}))
}
