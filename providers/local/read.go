package local

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// Read implements providers.Provider. All that an agent holds is its
// lineage's, so that is the owner.
func (p *provider) Read(ctx context.Context, queries []providers.Query) ([]providers.Result, error) {
	held, alive, err := p.held(ctx)
	if err != nil {
		return nil, err
	}
	by := make(map[control.Key]control.Held, len(held))
	for _, h := range held {
		by[h.Key] = h
	}
	p.mu.Lock()
	p.read, p.alive = by, alive
	p.mu.Unlock()
	out := make([]providers.Result, len(queries))
	for i := range queries {
		out[i] = p.one(by, &queries[i])
	}
	return out, nil
}

// downed tells whether an object does not run because of `msgflo down`.
func downed(h control.Held) bool {
	if h.Status == nil {
		return h.Note == control.ByDown
	}
	return slices.ContainsFunc(h.Status.Replicas, func(r launch.Replica) bool { return r.Reason == control.ByDown })
}

func (p *provider) one(held map[control.Key]control.Held, q *providers.Query) providers.Result {
	k := p.kinds[q.Type]
	if k == nil {
		return providers.Result{Err: fmt.Errorf("a launcher has no objects of type %q", q.Type)}
	}
	key, err := k.key(q.Value)
	if err != nil {
		return providers.Result{Err: err}
	}
	h, has := held[key]
	if !has {
		if m := attr.Text(q.Recorded, "machine"); m != "" && !sameMachine(m, p.machine) {
			return providers.Result{Err: &elsewhereError{recorded: host(m), here: host(p.machine)}}
		}
		return providers.Result{Value: cty.NullVal(k.schema.ImpliedType())}
	}
	v, err := p.live(k, h, q.Value)
	if err != nil {
		return providers.Result{Err: err}
	}
	r := providers.Result{Value: v, Owner: p.agent.Lineage}
	if h.Status != nil && v.GetAttr("replicas").RawEquals(cty.NumberIntVal(int64(running(*h.Status)))) {
		r.Note = why(*h.Status) // where as few are wanted, none of it matters
	}
	return r
}

// Normalize implements providers.Normalizer.
func (p *provider) Normalize(typ string, v cty.Value) cty.Value {
	if k := p.kinds[typ]; k != nil {
		return k.normalize(v)
	}
	return v
}

// An elsewhereError says that an object runs on another machine: one that is
// absent here may well run there, and would run twice.
type elsewhereError struct{ recorded, here string }

func (e *elsewhereError) Error() string {
	return fmt.Sprintf("it was started on the machine %s, and this is %s: nothing can be said of it here, and started here it could run twice. "+
		"Run msgflo on %[1]s. If that machine is gone for good, `msgflo state rm` makes msgflo forget the object, and the next apply starts it here",
		diag.Escape(e.recorded), diag.Escape(e.here))
}

// Summary is the error's headline.
func (e *elsewhereError) Summary() string { return "Running on another machine" }

// sameMachine compares what control.Machine says by its digest: a machine may
// get another host name.
func sameMachine(a, b string) bool {
	_, x, ok := strings.Cut(a, "/")
	_, y, ok2 := strings.Cut(b, "/")
	if !ok || !ok2 {
		return a == b
	}
	return x == y
}

// host is the part of a machine's name that is for people.
func host(machine string) string {
	name, _, _ := strings.Cut(machine, "/")
	return name
}
