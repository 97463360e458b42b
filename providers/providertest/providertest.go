// Package providertest is the conformance suite of providers: what the engine
// relies on, checked against a real broker or a fake. A provider's own test
// gives it a Harness of twenty lines. It imports testing, providers and cty.
package providertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/providers"
)

// A Harness is a provider type with a place to try it in.
type Harness struct {
	Type *providers.Type
	// Open opens a provider on an empty namespace of its own (a fresh vhost), and
	// says what it is called. It registers what cleans up with t. Marks are on and the
	// lineage is Lineage.
	Open func(t *testing.T) (providers.Provider, string)
	// Cases are the objects to try, in a namespace.
	Cases func(namespace string) []Case
	// Secret is a text that only the configuration and wanted values of the
	// harness hold: it must be in no error. "": none.
	Secret string
}

// Lineage is the one to open providers under test with.
const Lineage = "providertest"

// A Case is one type of object. Values are complete: every attribute of the
// schema, as Complete makes them.
type Case struct {
	Name     string
	Type     string
	Needs    []providers.Object // what must be there, in order of creation
	Base     cty.Value
	InPlace  []cty.Value // what Base can be updated to
	ForceNew []cty.Value // what only a delete and a create lead to
	// Conflict: creating a ForceNew variant over Base is refused, and Base stays.
	Conflict bool
	Marked   bool // the object bears the lineage
	// Invalid values are refused by the broker, nothing made.
	Invalid []cty.Value
}

// Run checks a provider.
func Run(t *testing.T, h Harness) {
	t.Run("lazy", func(t *testing.T) { lazy(t, h) })
	t.Run("cancelled", func(t *testing.T) { cancelled(t, h) })
	t.Run("concurrent", func(t *testing.T) { concurrent(t, h) })
	t.Run("order", func(t *testing.T) { order(t, h) })
	for _, name := range names(h) {
		t.Run(name, func(t *testing.T) { life(t, h, name) })
	}
}

func names(h Harness) []string {
	var out []string
	for _, c := range h.Cases("x") {
		out = append(out, c.Name)
	}
	return out
}

// bench is one provider under test.
type bench struct {
	t *testing.T
	h Harness
	p providers.Provider
}

func open(t *testing.T, h Harness) (*bench, string) {
	p, ns := h.Open(t)
	return &bench{t, h, p}, ns
}

func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	b.t.Cleanup(cancel)
	return ctx
}

func (b *bench) null(typ string) cty.Value {
	return cty.NullVal(b.h.Type.Resources[typ].ImpliedType())
}

func (b *bench) apply(typ string, before, after cty.Value, opts ...func(*providers.Change)) (cty.Value, error) {
	c := providers.Change{Addr: addr.Instance{Type: typ, Name: "x"}, Type: typ, Before: before, After: after}
	for _, o := range opts {
		o(&c)
	}
	v, err := b.p.Apply(b.ctx(), c)
	b.secretless(err)
	return v, err
}

func (b *bench) must(what, typ string, before, after cty.Value) cty.Value {
	b.t.Helper()
	v, err := b.apply(typ, before, after)
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	return v
}

func (b *bench) read(typ string, v cty.Value) providers.Result {
	b.t.Helper()
	res, err := b.p.Read(b.ctx(), []providers.Query{{Type: typ, Value: v}})
	b.secretless(err)
	if err != nil {
		b.t.Fatalf("reading: %v", err)
	}
	if len(res) != 1 {
		b.t.Fatalf("one question, %d answers", len(res))
	}
	b.secretless(res[0].Err)
	if res[0].Err != nil {
		b.t.Fatalf("reading: %v", res[0].Err)
	}
	return res[0]
}

func (b *bench) secretless(err error) {
	if err != nil && b.h.Secret != "" && strings.Contains(err.Error(), b.h.Secret) {
		b.t.Errorf("the error holds the secret: %v", err)
	}
}

func (b *bench) absent(what, typ string, v cty.Value) {
	b.t.Helper()
	if r := b.read(typ, v); !r.Value.IsNull() {
		b.t.Fatalf("%s: it is there: %#v", what, r.Value)
	}
}

// equal compares as the engine does: normal form, what is unknown on either
// side and what is computed left out.
func (b *bench) equal(what, typ string, want, got cty.Value) {
	b.t.Helper()
	if got == cty.NilVal || got.IsNull() {
		b.t.Fatalf("%s: nothing is there", what)
	}
	if n, ok := b.p.(providers.Normalizer); ok {
		want, got = n.Normalize(typ, want), n.Normalize(typ, got)
	}
	for i := range b.h.Type.Resources[typ].Attrs {
		a := &b.h.Type.Resources[typ].Attrs[i]
		w, g := want.GetAttr(a.Name), got.GetAttr(a.Name)
		if a.ReadOnly || a.Computed && w.IsNull() || !w.IsWhollyKnown() || !g.IsWhollyKnown() {
			continue
		}
		if !w.RawEquals(g) {
			b.t.Errorf("%s: %s is %#v, want %#v", what, a.Name, g, w)
		}
	}
}

func (b *bench) find(name, ns string) Case {
	for _, c := range b.h.Cases(ns) {
		if c.Name == name {
			return c
		}
	}
	b.t.Fatalf("the cases depend on the namespace: no %q", name)
	return Case{}
}

func (b *bench) prepare(c Case) {
	b.t.Helper()
	for i, n := range c.Needs {
		b.must(fmt.Sprintf("making what it needs (%d, a %s)", i, n.Type), n.Type, b.null(n.Type), n.Value)
	}
}

func lazy(t *testing.T, h Harness) {
	b, _ := open(t, h)
	res, err := b.p.Read(b.ctx(), nil)
	if err != nil || len(res) != 0 {
		t.Fatalf("no question: %v, %v", res, err)
	}
	if pinger, ok := b.p.(providers.Pinger); ok {
		line, err := pinger.Ping(b.ctx())
		if err != nil || line == "" || strings.Contains(line, "\n") {
			t.Errorf("ping: %q, %v", line, err)
		}
	}
}

// cancelled: every call returns when its context ends, with an error.
func cancelled(t *testing.T, h Harness) {
	b, ns := open(t, h)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := h.Cases(ns)[0]
	if _, err := b.p.Read(ctx, []providers.Query{{Type: c.Type, Value: c.Base}}); err == nil {
		t.Error("Read answers though its context ended")
	}
	v, err := b.p.Apply(ctx, providers.Change{Type: c.Type, Before: b.null(c.Type), After: c.Base})
	if err == nil {
		t.Error("Apply succeeds though its context ended")
	}
	if v != cty.NilVal && !v.IsNull() {
		t.Errorf("Apply says that it left %#v", v)
	}
}

// concurrent: all cases at once, and reads beside. It is -race that judges.
func concurrent(t *testing.T, h Harness) {
	b, ns := open(t, h)
	cases := h.Cases(ns)
	for _, c := range cases {
		b.prepare(c)
	}
	var wg sync.WaitGroup
	for _, c := range cases {
		wg.Go(func() {
			if _, err := b.p.Apply(b.ctx(), providers.Change{Type: c.Type, Before: b.null(c.Type), After: c.Base}); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		})
		wg.Go(func() {
			if _, err := b.p.Read(b.ctx(), []providers.Query{{Type: c.Type, Value: c.Base}}); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		})
	}
	wg.Wait()
	for _, c := range cases {
		b.equal(c.Name+" after all were made at once", c.Type, c.Base, b.read(c.Type, c.Base).Value)
	}
}

// order: answers stand where the questions do, and one that makes no sense
// does not spoil the others.
func order(t *testing.T, h Harness) {
	b, ns := open(t, h)
	cases := h.Cases(ns)
	made := cases[0]
	b.prepare(made)
	b.must("creating", made.Type, b.null(made.Type), made.Base)
	var qs []providers.Query
	for _, c := range cases {
		qs = append(qs, providers.Query{Type: c.Type, Value: c.Base})
	}
	qs = append(qs, providers.Query{Type: "no-such-type", Value: cty.EmptyObjectVal}, qs[0])
	res, err := b.p.Read(b.ctx(), qs)
	if err != nil {
		t.Fatalf("one wrong question spoils all: %v", err)
	}
	if len(res) != len(qs) {
		t.Fatalf("%d questions, %d answers", len(qs), len(res))
	}
	for i, r := range res[:len(cases)] {
		if r.Err != nil {
			t.Errorf("%s: %v", cases[i].Name, r.Err)
		} else if !r.Value.Type().Equals(h.Type.Resources[cases[i].Type].ImpliedType()) {
			t.Errorf("%s: the answer is not of the schema's type: %#v", cases[i].Name, r.Value.Type())
		}
	}
	if res[len(cases)].Err == nil {
		t.Error("a type that does not exist is read without error")
	}
	b.equal("first answer", made.Type, made.Base, res[0].Value)
	b.equal("last answer", made.Type, made.Base, res[len(res)-1].Value)
}
