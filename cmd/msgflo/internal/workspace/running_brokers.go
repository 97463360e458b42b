package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/local/control"
)

// An answer is what a broker said of itself and of its queues.
type answer struct {
	queues  map[string]*Traffic // nil: they are not known
	unknown error               // why they are not
	silent  error               // it does not answer
	unasked error               // it could not be asked
}

// ask asks all declared brokers at once: each about its queues, by one list,
// and one that is not asked about any, or cannot tell, whether it answers at all. What is slow
// is given up after the patience.
func (r *Running) ask(ctx context.Context, t *table, s *Status) {
	asked := r.queues(t)
	on := slices.DeleteFunc(sortedProviders(r.brokers), func(p addr.Provider) bool { return r.brokers[p].Type.Launcher })
	answers := make([]answer, len(on))
	var all sync.WaitGroup
	for i, p := range on {
		all.Go(func() {
			ctx, cancel := context.WithTimeoutCause(ctx, r.patience, fmt.Errorf("no answer within %s", r.patience))
			defer cancel()
			answers[i] = r.answer(ctx, p, asked[p])
		})
	}
	all.Wait()
	s.Brokers = []Broker{}
	for i, p := range on {
		a := &answers[i]
		s.Brokers = append(s.Brokers, a.broker(p.Name))
		if a.queues != nil {
			t.fill(p, a.queues)
		} else if len(asked[p]) > 0 {
			s.Notes = append(s.Notes, fmt.Sprintf("Queue depths of %s are not known: %s", p, diag.Sentence(a.why())))
		}
	}
}

// queues are those of inports, by broker and name.
func (r *Running) queues(t *table) map[addr.Provider]map[string]cty.Value {
	asked := map[addr.Provider]map[string]cty.Value{}
	for _, role := range t.roles {
		p := addr.Provider{Kind: "broker", Name: role.Broker}
		b, ok := r.brokers[p]
		if !ok || b.Type.Resources["queue"] == nil {
			continue // topics have no depth
		}
		for _, port := range role.Inports {
			if port.Queue == "" {
				continue
			}
			if asked[p] == nil {
				asked[p] = map[string]cty.Value{}
			}
			if _, done := asked[p][port.Queue]; !done {
				asked[p][port.Queue] = queueValue(b, t.vhosts[brokerQueue{p, port.Queue}], port.Queue)
			}
		}
	}
	return asked
}

func (r *Running) answer(ctx context.Context, p addr.Provider, queues map[string]cty.Value) (a answer) {
	pr, err := r.pool.Open(p)
	if err != nil {
		a.unasked = err
		return a
	}
	if len(queues) > 0 {
		if a.queues, a.unknown = observe(ctx, pr, queues); a.unknown == nil {
			return a
		}
	}
	if d, ok := pr.(providers.Dialer); ok { // what tells of queues may be away, and the broker not
		a.silent = dial(ctx, d)
	} else {
		a.unasked = cmp.Or(a.unknown, errors.New("this kind of broker has no connection"))
	}
	if a.silent != nil && ctx.Err() != nil {
		a.silent = context.Cause(ctx)
	}
	if a.silent != nil || a.unknown != nil {
		r.pool.forget(p) // it may answer the next time, and a provider remembers that it did not
	}
	return a
}

func dial(ctx context.Context, d providers.Dialer) error {
	c, err := d.Dial(ctx)
	if err != nil {
		return err
	}
	_ = c.Close() // it answered
	return nil
}

func observe(ctx context.Context, pr providers.Provider, queues map[string]cty.Value) (map[string]*Traffic, error) {
	o, ok := pr.(providers.Observer)
	if !ok {
		return nil, errors.New("this kind of broker does not tell them")
	}
	names := slices.Sorted(maps.Keys(queues))
	qs := make([]providers.Query, len(names))
	for i, n := range names {
		qs[i] = providers.Query{Type: "queue", Value: queues[n]}
	}
	got, err := o.Observe(ctx, qs)
	if err != nil {
		return nil, err
	}
	out := make(map[string]*Traffic, len(got))
	for i, g := range got {
		out[names[i]] = trafficOf(g)
	}
	return out, nil
}

func (a *answer) broker(name string) Broker {
	b := Broker{Name: name}
	if a.unasked != nil {
		b.Problem = diag.EscapeText(a.unasked.Error())
		return b
	}
	answers := a.silent == nil
	b.Answers = &answers
	if !answers {
		b.Problem = diag.EscapeText(a.silent.Error())
	}
	return b
}

// why is why queues are not known.
func (a *answer) why() string {
	switch {
	case a.silent != nil:
		return "it does not answer"
	case a.unasked != nil:
		return diag.EscapeText(a.unasked.Error())
	}
	return diag.EscapeText(a.unknown.Error())
}

// servicesOf are what is held beside processes, as control.Compare has sorted it.
func servicesOf(held []control.Held) []Service {
	out := []Service{}
	for i := range held {
		if h := &held[i]; h.Kind != control.Process {
			out = append(out, Service{h.Kind, h.Name, h.Note})
		}
	}
	return out
}
