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
	t := settler{r: r, live: live, at: r.Prior.Index(), want: map[addr.Instance]int{}}
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
	r.Prior.Sort()
}

type settler struct {
	r    *Request
	live map[addr.Instance]planner.Live
	at   map[addr.Instance]int // in Prior.Objects
	want map[addr.Instance]int // in Want
}

func (t *settler) one(b *batch, o *state.Object, res providers.Result) {
	s := t.r.Types[o.Provider].Resources[o.Addr.Type]
	form := recorded.Of(s)
	meant, err := form.Decode(o.SchemaVersion, o.Attrs)
	if err != nil || !t.ours(b, form, o, meant, res) {
		return
	}
	found := planner.Live{Value: res.Value, Owner: res.Owner, Note: res.Note, HashEqual: map[string]bool{}}
	for p := range o.Hashes {
		found.HashEqual[p] = false // nobody knows whether the secret arrived: it is set again
	}
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
