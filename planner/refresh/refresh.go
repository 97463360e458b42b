// Package refresh reads the live objects that a plan needs to see: those that
// are wanted and those that state remembers, one sweep a provider. It changes
// nothing anywhere. It imports planner and the floors below; it opens no
// provider itself and knows no store.
package refresh

import (
	"context"
	"fmt"
	"sort"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// A Request says what to look at and with what.
type Request struct {
	Want []desired.Object
	// Prior is what is recorded; nil: nothing. Its Pending objects are settled in
	// place, see Live.
	Prior *state.Snapshot
	Moves []desired.Move
	// Open is called once a provider that has something to read, at the same time for several.
	Open  func(addr.Provider) (providers.Provider, error)
	Types map[addr.Provider]*providers.Type // of every provider in Want and Prior
	Decl  map[addr.Provider]hcl.Range       // broker blocks: where a connection that fails is reported
	// AcceptEmpty is consent to a broker that has none of what state remembers
	// (see emptied); set for -refresh-only, which only takes note of it.
	AcceptEmpty bool
	// NoteOnly: nothing will be made (-refresh-only), so what it would need does not matter.
	NoteOnly bool
}

// Live reads what every wanted and every recorded address names. One Read a
// provider, all providers at once. A provider that cannot be reached is one
// diagnostic at its block, and nothing of it is in the answer.
//
// Where nothing failed, Prior.Pending is empty afterwards: its objects have
// been looked for, and those that are ours were added to Prior.Objects. And what
// Want takes from an object that was read (a hole) is filled in, in Want itself:
// state may remember another value.
func Live(ctx context.Context, r Request) (map[addr.Instance]planner.Live, hcl.Diagnostics) {
	if r.Prior == nil {
		r.Prior = &state.Snapshot{}
	}
	batches, diags := gather(&r)
	hashes := make(chan map[addr.Instance]map[string]bool, 1)
	go func() { hashes <- compareHashes(ctx, &r) }()
	var wg sync.WaitGroup
	for _, b := range batches {
		wg.Go(func() { b.read(ctx, &r) })
	}
	wg.Wait()
	equal := <-hashes
	if err := ctx.Err(); err != nil {
		return nil, append(diags, diag.Error(hcl.Range{}, "Interrupted", "Reading the live objects was interrupted; nothing was changed."))
	}
	live := make(map[addr.Instance]planner.Live, len(r.Want))
	for _, b := range batches {
		diags = append(diags, b.diags...)
		b.into(live)
	}
	for a, eq := range equal {
		if l, ok := live[a]; ok {
			l.HashEqual = eq
			live[a] = l
		}
	}
	diags = append(diags, unfit(&r, live, batches)...)
	if !diags.HasErrors() {
		settle(&r, live, batches)
		fill(&r, live)
	}
	return live, diags
}

// unfit reports brokers that are not as anything here expects them.
func unfit(r *Request, live map[addr.Instance]planner.Live, batches []*batch) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if !r.NoteOnly {
		diags = missing(r, batches)
	}
	if !diags.HasErrors() && !r.AcceptEmpty { // a vhost that is gone says the same more plainly
		diags = emptied(r, live)
	}
	return diags
}

// A batch is what is asked of one provider.
type batch struct {
	provider addr.Provider
	queries  []providers.Query
	slots    []slot
	results  []providers.Result
	compare  providers.Normalizer // nil: values are compared as they are
	diags    hcl.Diagnostics
}

// A slot says what for a query is.
type slot struct {
	addr    addr.Instance
	wanted  bool          // not only recorded
	next    bool          // the wanted identity beside a recorded one
	pending *state.Object // it may have been made by a run that does not know
	decl    hcl.Range
}

func (b *batch) read(ctx context.Context, r *Request) {
	p, err := r.Open(b.provider)
	if err == nil {
		b.results, err = p.Read(ctx, b.queries)
	}
	if err == nil && len(b.results) != len(b.queries) {
		err = fmt.Errorf("%s gave %d answers to %d questions; this is a fault in msgflo", b.provider, len(b.results), len(b.queries))
	}
	if err != nil {
		b.results = nil
		at := r.Decl[b.provider]
		if at.Filename == "" && len(b.slots) > 0 { // this machine's launcher has no block
			at = b.slots[0].decl
		}
		b.diags = append(b.diags, diag.At(err, at)...)
		return
	}
	b.compare, _ = p.(providers.Normalizer)
	if w, ok := p.(providers.Warner); ok {
		b.diags = append(b.diags, diag.At(w.Warnings(), r.Decl[b.provider])...)
	}
	if l, ok := p.(providers.Linter); ok {
		b.diags = append(b.diags, l.Lint(b.wanted())...)
	}
	b.failures()
}

// wanted are the declared objects among what is asked about.
func (b *batch) wanted() []providers.Object {
	var out []providers.Object
	for i, s := range b.slots {
		if s.wanted || s.next {
			out = append(out, providers.Object{Provider: b.provider, Addr: s.addr, Type: b.queries[i].Type, Value: b.queries[i].Value, Decl: s.decl})
		}
	}
	return out
}

// failures reports queries that failed, one diagnostic for all that failed
// alike: a vhost that may not be read is one event, not one an object.
func (b *batch) failures() {
	type failure struct{ first, more int }
	var order []*failure
	alike := map[string]*failure{}
	reason := func(i int) error {
		if err := b.results[i].Err; err != nil || b.results[i].Value != cty.NilVal {
			return err
		}
		return fmt.Errorf("%s said nothing about it; this is a fault in msgflo", b.provider)
	}
	for i := range b.results {
		err := reason(i)
		if err == nil {
			continue
		}
		if f := alike[err.Error()]; f != nil {
			f.more++
			continue
		}
		f := &failure{first: i}
		alike[err.Error()] = f
		order = append(order, f)
	}
	for _, f := range order {
		err := fmt.Errorf("reading %s: %w", b.slots[f.first].addr, reason(f.first))
		if f.more > 0 {
			err = fmt.Errorf("reading %s and %d more objects: %w", b.slots[f.first].addr, f.more, reason(f.first))
		}
		b.diags = append(b.diags, diag.At(err, b.slots[f.first].decl)...)
	}
}

// into files the answers under their addresses. A recorded identity comes
// before the wanted one of the same address, in another batch or in this one.
func (b *batch) into(live map[addr.Instance]planner.Live) {
	for i, res := range b.results {
		if res.Err != nil || res.Value == cty.NilVal || b.slots[i].pending != nil {
			continue
		}
		s, l := b.slots[i], planner.Live{Value: res.Value, Owner: res.Owner, Note: res.Note}
		at, seen := live[s.addr]
		switch {
		case s.next && !seen:
			// Its recorded identity is read by a batch that comes later, or could not
			// be read: then there are errors, and nobody plans.
			live[s.addr] = planner.Live{Next: &l}
		case s.next:
			at.Next = &l
			live[s.addr] = at
		default:
			l.Next = at.Next
			live[s.addr] = l
		}
	}
}

func (b *batch) normalize(typ string) func(cty.Value) cty.Value {
	if b.compare == nil {
		return nil
	}
	return func(v cty.Value) cty.Value { return b.compare.Normalize(typ, v) }
}

func sortBatches(m map[addr.Provider]*batch) []*batch {
	out := make([]*batch, 0, len(m))
	for _, b := range m {
		out = append(out, b)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].provider.String() < out[j].provider.String() })
	return out
}
