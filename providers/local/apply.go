package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/local/control"
)

// Apply implements providers.Provider. A create, an update and a restart are
// one thing to the agent: what it is to hold from now on. What it says of the object
// afterwards is what is there, also when it failed.
func (p *provider) Apply(ctx context.Context, c providers.Change) (cty.Value, error) {
	k := p.kinds[c.Type]
	if k == nil {
		return cty.NilVal, fmt.Errorf("a launcher has no objects of type %q", c.Type)
	}
	before := cty.NullVal(k.schema.ImpliedType())
	if c.Before != cty.NilVal {
		before = c.Before
	}
	if err := ctx.Err(); err != nil {
		return before, err // nothing was begun
	}
	if c.After.IsNull() {
		return p.remove(ctx, k, c)
	}
	return p.put(ctx, k, c, before)
}

func (p *provider) put(ctx context.Context, k *kind, c providers.Change, before cty.Value) (cty.Value, error) {
	o, err := k.object(c.After, p.agent.Dir)
	if err != nil {
		return before, err
	}
	client, err := p.ensure(ctx)
	if err != nil {
		return cty.NilVal, err
	}
	// Before anything is torn down: a command that is not there fails here.
	if err := client.Check(ctx, o); err != nil {
		return checked(ctx, before, err)
	}
	held, err := client.Put(ctx, o, progress(c))
	if refused, ok := errors.AsType[*control.Error](err); ok {
		return p.left(k, held, c, &launchError{refused})
	}
	if err != nil {
		return cty.NilVal, lost(ctx, err)
	}
	return p.left(k, held, c, nil)
}

// checked is what a failed check leaves: all as it was.
func checked(ctx context.Context, before cty.Value, err error) (cty.Value, error) {
	if refused, ok := errors.AsType[*control.Error](err); ok {
		return before, &launchError{refused}
	}
	return before, lost(ctx, err)
}

// left is what is there after a put.
func (p *provider) left(k *kind, held *control.Held, c providers.Change, failed error) (cty.Value, error) {
	if held == nil {
		return cty.NullVal(k.schema.ImpliedType()), failed
	}
	v, err := p.live(k, *held, c.After)
	if err != nil {
		return cty.NilVal, errors.Join(failed, err)
	}
	if failed == nil && c.Warn != nil && held.Status != nil && p.news(held) {
		c.Warn(otherwise(c.Addr, held.Status.Mismatch))
	}
	return v, failed
}

// news tells whether a process announced itself otherwise, and not as it did when it
// was read: of that Lint has warned.
func (p *provider) news(held *control.Held) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.read[held.Key].Status
	return held.Status.Mismatch != "" && (was == nil || was.Mismatch != held.Status.Mismatch)
}

// otherwise warns of a participant that announced other ports or queues than its
// block declares, since messages go where the declaration says.
func otherwise(at addr.Instance, mismatch string) (summary, detail string) {
	return "Announced otherwise", fmt.Sprintf("What %s announced is not what is declared: %s. "+
		"Declare it as it is, with inport and outport blocks, or correct the participant.", at, diag.Escape(mismatch))
}

func (p *provider) remove(ctx context.Context, k *kind, c providers.Change) (cty.Value, error) {
	null := cty.NullVal(k.schema.ImpliedType())
	key, err := k.key(c.Before)
	if err != nil {
		return cty.NilVal, err
	}
	// No agent is started for what nobody holds.
	held, _, err := p.held(ctx)
	if err != nil {
		return cty.NilVal, err
	}
	has := false
	for _, h := range held {
		has = has || h.Key == key
	}
	if !has {
		return null, nil
	}
	client, err := p.ensure(ctx)
	if err != nil {
		return cty.NilVal, err
	}
	err = client.Delete(ctx, key, progress(c))
	if refused, ok := errors.AsType[*control.Error](err); ok {
		return cty.NilVal, &launchError{refused}
	}
	if err != nil {
		return cty.NilVal, lost(ctx, err)
	}
	return null, nil
}

// progress passes on what is counted, and what is said beside that.
func progress(c providers.Change) func(control.Event) {
	return func(e control.Event) {
		switch {
		case e.Total > 0 && c.Progress != nil:
			c.Progress(e.Count, e.Total)
		case e.Total == 0 && e.Text != "" && c.Say != nil:
			c.Say(e.Text)
		}
	}
}

// A launchError is what the agent says of a failure: its own headline, and a
// detail with the last lines of the log.
type launchError struct{ refused *control.Error }

func (e *launchError) Error() string   { return e.refused.Detail }
func (e *launchError) Unwrap() error   { return e.refused }
func (e *launchError) Summary() string { return e.refused.Summary }

// unreachable ends all work with this launcher.
func unreachable(err error) error {
	return &providers.ConnectionError{Headline: "Agent unreachable", Detail: err.Error(), Err: err}
}

// lost is a conversation that broke off in the middle; an interrupted one is
// the context's error.
func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return unreachable(err)
}
