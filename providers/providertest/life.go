package providertest

import (
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
)

// life leads an object of a case from its creation to its end.
func life(t *testing.T, h Harness, name string) {
	b, ns := open(t, h)
	c := b.find(name, ns)
	null := b.null(c.Type)
	b.prepare(c)
	before := b.inventory()

	b.absent("before its creation", c.Type, c.Base)
	for i, v := range c.Invalid {
		if left, err := b.apply(c.Type, null, v); err == nil {
			t.Errorf("invalid value %d is accepted", i)
		} else if left != cty.NilVal && !left.IsNull() {
			t.Errorf("invalid value %d left %#v", i, left)
		}
	}
	left := b.must("creating", c.Type, null, c.Base)
	b.equal("what creating left", c.Type, c.Base, left)
	b.live(c, "after creating", c.Base)
	if again := b.must("creating it again", c.Type, null, c.Base); !again.IsNull() {
		b.equal("what creating it again left", c.Type, c.Base, again)
	}
	b.conflicts(c)

	now := c.Base
	for i, v := range c.InPlace {
		what := fmt.Sprintf("update %d", i)
		b.equal("what "+what+" left", c.Type, v, b.must(what, c.Type, now, v))
		b.live(c, "after "+what, v)
		now = v
	}
	if len(c.InPlace) > 0 {
		b.must("updating back", c.Type, now, c.Base)
		now = c.Base
	}
	for i, v := range c.ForceNew {
		what := fmt.Sprintf("replacement %d", i)
		b.delete(c, what, now)
		b.equal("what "+what+" left", c.Type, v, b.must(what, c.Type, null, v))
		b.live(c, "after "+what, v)
		now = v
	}
	b.delete(c, "at the end", now)
	if gone := b.must("deleting what is absent", c.Type, now, null); !gone.IsNull() {
		t.Errorf("deleting what is absent left %#v", gone)
	}
	b.untouched(before)
}

// live reads the object and compares it, its mark, and what reading twice says.
func (b *bench) live(c Case, what string, want cty.Value) {
	b.t.Helper()
	r := b.read(c.Type, want)
	b.equal(what, c.Type, want, r.Value)
	if c.Marked && r.Owner != Lineage {
		b.t.Errorf("%s: its owner is %q, want %q", what, r.Owner, Lineage)
	}
	if !c.Marked && r.Owner != "" {
		b.t.Errorf("%s: it has an owner, %q; set Marked if it can bear one", what, r.Owner)
	}
	if !r.Value.IsWhollyKnown() {
		return
	}
	if again := b.read(c.Type, r.Value); !again.Value.RawEquals(r.Value) {
		b.t.Errorf("%s: read by what was read it is %#v, was %#v", what, again.Value, r.Value)
	}
}

// conflicts tries to create something else under the same name.
func (b *bench) conflicts(c Case) {
	b.t.Helper()
	if !c.Conflict {
		return
	}
	s := b.h.Type.Resources[c.Type]
	for i, v := range c.ForceNew {
		if s.Identity(v) != s.Identity(c.Base) {
			continue
		}
		left, err := b.apply(c.Type, b.null(c.Type), v)
		if err == nil {
			b.t.Errorf("creating variant %d over what is there is accepted", i)
		}
		if left != cty.NilVal && !left.IsNull() {
			b.t.Errorf("refused variant %d left %#v, which would be taken for ours", i, left)
		}
		b.live(c, fmt.Sprintf("after refused variant %d", i), c.Base)
	}
}

func (b *bench) delete(c Case, what string, v cty.Value) {
	b.t.Helper()
	if left := b.must("deleting "+what, c.Type, v, b.null(c.Type)); !left.IsNull() {
		b.t.Errorf("deleting %s left %#v", what, left)
	}
	b.absent("after deleting "+what, c.Type, v)
}

// inventory is all that the broker has, where it can be listed.
func (b *bench) inventory() map[string]cty.Value {
	l, ok := b.p.(providers.Lister)
	if !ok {
		return nil
	}
	objects, err := l.List(b.ctx(), "", "")
	b.secretless(err)
	if err != nil {
		b.t.Fatalf("listing: %v", err)
	}
	out := map[string]cty.Value{}
	for _, o := range objects {
		if s := b.h.Type.Resources[o.Type]; s != nil {
			out[o.Type+" "+s.Identity(o.Value)] = o.Value
		}
	}
	return out
}

// untouched: what was there before the case is there after it, as it was, and
// nothing else is.
func (b *bench) untouched(before map[string]cty.Value) {
	b.t.Helper()
	after := b.inventory()
	for name, v := range before {
		if now, ok := after[name]; !ok {
			b.t.Errorf("%s is gone", name)
		} else if v.IsWhollyKnown() && !now.RawEquals(v) {
			b.t.Errorf("%s is %#v, was %#v", name, now, v)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			b.t.Errorf("%s is left over", name)
		}
	}
}
