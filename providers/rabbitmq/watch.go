package rabbitmq

import (
	"context"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

const (
	// fewDeletes is after how many deletes in a vhost the bindings that go along
	// are looked up in a list of all, instead of by a call for each.
	fewDeletes = 32
	// listAge is how old that list may be. What this run itself binds and
	// unbinds is kept up to date in it.
	listAge = 5 * time.Second
)

// A watch knows the bindings of one vhost while many objects of it are
// deleted. One call a delete would take longer than the delete.
type watch struct {
	mu      sync.Mutex
	deletes int
	listed  time.Time
	at      map[endpoint]map[string]bool // by destination, then bindingID
}

// bindings are those that go with a queue, or that lead to an exchange.
func (w *watch) bindings(ctx context.Context, c *mgmt.Client, to endpoint) ([]mgmt.Binding, error) {
	w.mu.Lock()
	w.deletes++
	few := w.deletes <= fewDeletes
	w.mu.Unlock()
	if few {
		return askBindings(ctx, c, to)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.listed) > listAge {
		now := time.Now() // what happens during the call may or may not be in it
		bs, err := c.Bindings(ctx, to.vhost)
		if err != nil {
			return nil, unlessAbsent(err)
		}
		w.at = map[endpoint]map[string]bool{}
		for i := range bs {
			if bs[i].Source != "" { // not the default exchange's, which every queue has
				w.put(bindingValue(&bs[i]))
			}
		}
		w.listed = now
	}
	if len(w.at[to]) == 0 {
		return nil, nil
	}
	// Rather ask again than refuse by what may have changed since.
	return askBindings(ctx, c, to)
}

func askBindings(ctx context.Context, c *mgmt.Client, to endpoint) ([]mgmt.Binding, error) {
	ask := c.BindingsOf
	if to.kind == typeExchange {
		ask = c.BindingsTo
	}
	bs, err := ask(ctx, to.vhost, to.name)
	return bs, unlessAbsent(err)
}

func (w *watch) put(v cty.Value) {
	to := destinationOf(v)
	if w.at[to] == nil {
		w.at[to] = map[string]bool{}
	}
	w.at[to][bindingID(v)] = true
}

func destinationOf(binding cty.Value) endpoint {
	return endpoint{attr.Text(binding, "vhost"), attr.Text(binding, "destination_type"), attr.Text(binding, "destination")}
}

// bound and unbound keep the list up to date; before there is one they do
// nothing.
func (w *watch) bound(binding cty.Value) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at != nil {
		w.put(binding)
	}
}

func (w *watch) unbound(binding cty.Value) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at != nil {
		delete(w.at[destinationOf(binding)], bindingID(binding))
	}
}

// watch is the vhost's.
func (p *provider) watch(vhost string) *watch {
	w, _ := p.watches.LoadOrStore(vhost, &watch{})
	return w.(*watch)
}
