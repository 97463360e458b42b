package refresh

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// settle decides about objects whose creation had an unknown outcome, now that
// they have been looked for: what is there as it was meant, or bears our mark,
// is ours and recorded as such, so that a later run can also remove it; any other is
// forgotten.
func settle(r *Request, live map[addr.Instance]planner.Live, batches []*batch) {
	if len(r.Prior.Pending) == 0 {
		return
	}
	t := settler{r: r, live: live, at: r.Prior.Index(), want: map[addr.Instance]int{}, dropped: map[int]bool{}}
	t.indexNames()
	for i := range r.Want {
		t.want[r.Want[i].Addr] = i
	}
	for _, b := range batches {
		for i, s := range b.slots {
			if s.pending != nil {
				t.one(b, s.pending, b.results[i])
			}
		}
	}
	r.Prior.Pending = nil
	t.drop()
	r.Prior.Sort()
}

type settler struct {
	r    *Request
	live map[addr.Instance]planner.Live
	at   map[addr.Instance]int // in Prior.Objects
	want map[addr.Instance]int // in Want
	// names are the recorded objects by what they are called, dropped those of
	// them that turned out to be gone.
	names   map[string]int
	dropped map[int]bool
}

// indexNames finds recorded objects of the types that are pending by their
// identity on the broker.
func (t *settler) indexNames() {
	types := map[string]bool{}
	for i := range t.r.Prior.Pending {
		types[t.r.Prior.Pending[i].Addr.Type] = true
	}
	t.names = map[string]int{}
	for i := range t.r.Prior.Objects {
		if o := &t.r.Prior.Objects[i]; types[o.Addr.Type] {
			if n, ok := t.name(o); ok {
				t.names[n] = i
			}
		}
	}
}

func (t *settler) name(o *state.Object) (string, bool) {
	p := t.r.Types[o.Provider]
	if p == nil || p.Resources[o.Addr.Type] == nil {
		return "", false
	}
	s := p.Resources[o.Addr.Type]
	v, err := recorded.Of(s).Decode(o.SchemaVersion, o.Attrs)
	if err != nil {
		return "", false
	}
	return o.Provider.String() + " " + o.Addr.Type + " " + s.Identity(v), true
}

// namesake decides where another address is recorded with the pending object's
// name: one live object has one address. That other was to go first (an
// exchange under a new address), and its end is not recorded. It keeps the object if
// it is wanted with that name; else the pending one has it. It reports whether
// the pending one is to be forgotten.
func (t *settler) namesake(o *state.Object, s *providers.Schema, meant cty.Value) bool {
	n, ok := t.name(o)
	if !ok {
		return false
	}
	i, has := t.names[n]
	if !has || t.r.Prior.Objects[i].Addr == o.Addr || t.dropped[i] {
		return false
	}
	other := t.r.Prior.Objects[i]
	if t.wants(s, &other, meant) {
		l := t.live[other.Addr]
		l.HashEqual = unequal(o.Hashes)
		t.live[other.Addr] = l
		return true
	}
	t.dropped[i] = true
	delete(t.at, other.Addr)
	if l := t.live[other.Addr]; l.Next != nil {
		t.live[other.Addr] = *l.Next
	} else {
		delete(t.live, other.Addr)
	}
	return false
}

// unequal: nobody knows whether a secret arrived, so it is set again.
func unequal(hashes map[string]string) map[string]bool {
	out := make(map[string]bool, len(hashes))
	for p := range hashes {
		out[p] = false
	}
	return out
}

func (t *settler) drop() {
	kept := t.r.Prior.Objects[:0]
	for i := range t.r.Prior.Objects {
		if !t.dropped[i] {
			kept = append(kept, t.r.Prior.Objects[i])
		}
	}
	t.r.Prior.Objects = kept
}

func (t *settler) one(b *batch, o *state.Object, res providers.Result) {
	s := t.r.Types[o.Provider].Resources[o.Addr.Type]
	form := recorded.Of(s)
	meant, err := form.Decode(o.SchemaVersion, o.Attrs)
	if err != nil || !t.ours(b, form, o, meant, res) || t.namesake(o, s, meant) {
		return
	}
	found := planner.Live{Value: res.Value, Owner: res.Owner, Note: res.Note, HashEqual: unequal(o.Hashes)}
	wanted := t.wants(s, o, meant)
	mine := *o
	mine.ProviderType = t.r.Types[o.Provider].Name
	was := t.live[o.Addr]
	i, has := t.at[o.Addr]
	switch {
	case !has:
		if !wanted && was.Value != cty.NilVal {
			found.Next = &was
		}
		t.at[o.Addr] = len(t.r.Prior.Objects)
		t.r.Prior.Objects = append(t.r.Prior.Objects, mine)
	case was.Value == cty.NilVal || was.Value.IsNull():
		// The old one of a swap is gone, the new one is there.
		if !wanted {
			found.Next = was.Next
		}
		t.r.Prior.Objects[i] = mine
	case wanted:
		return // both ends of a swap are there: it is done again, and harmless
	default:
		// Both are there and the new one is not wanted any more: it gets an
		// address of its own, undeclared, and so is removed.
		c := mine
		c.Addr.Key = addr.StringKey(fmt.Sprintf("interrupted %s", o.Addr.Key))
		t.r.Prior.Objects = append(t.r.Prior.Objects, c)
		t.live[c.Addr] = found
		return
	}
	t.live[o.Addr] = found
}

// ours reports whether the live object is what the interrupted step meant to
// make.
func (t *settler) ours(b *batch, f *recorded.Form, o *state.Object, meant cty.Value, res providers.Result) bool {
	if res.Value.IsNull() || !res.Value.IsKnown() {
		return false
	}
	if res.Owner != "" {
		return res.Owner == t.r.Prior.Lineage
	}
	return f.Like(res.Value, meant, o.Sensitive, b.normalize(o.Addr.Type))
}

// wants reports whether the pending object's own identity is wanted at its
// address.
func (t *settler) wants(s *providers.Schema, o *state.Object, meant cty.Value) bool {
	i, has := t.want[o.Addr]
	if !has {
		return false
	}
	w := &t.r.Want[i]
	return w.Provider == o.Provider && s.Identity(w.Value) == s.Identity(meant)
}
