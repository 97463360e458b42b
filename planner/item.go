package planner

import (
	"cmp"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// Presence is what is known of a live object.
type presence int8

const (
	unseen  presence = iota // could not be observed: taken to be as recorded
	absent                  // it is not there
	present                 // it is there
)

// An item is one address and all that is decided about it. What exists there
// now may go (one delete step), and what shall exist may come or change (one
// further step, do): a replace is both.
type item struct {
	at    addr.Instance
	prev  addr.Instance // where state has it; at, unless it moved
	want  *desired.Object
	prior *state.Object
	sch   *schema // of the wanted object, else of the recorded one
	old   *schema // of what exists: the recorded one's where there is one

	live        Live
	is          presence
	readdressed bool      // its recorded relations name old addresses
	inUse       bool      // within the scope of -target and -exclude
	was         cty.Value // the recorded value once decoded, else NilVal

	goes    bool        // what exists is deleted by this plan
	dragged bool        // not ours, and yet it dies with what it is in
	do      plan.Action // what is done for the wanted object, 0: nothing
	base    cty.Value   // what do starts from: NilVal for a create
	from    presence    // of base
	owned   bool        // what state says afterwards
	away    string      // why it is not there without that being drift (fact 8)
	gone    bool        // it was deleted outside
	renamed bool        // wanted under another identity than the one recorded
	reborn  bool        // it goes by itself with what held it, and is made again
	refused bool        // it would be replaced, and must not be: reported
	swap    bool        // renamed in one update: the new is made before the old goes

	changed, forceNew []string
	drift             []string // paths in which live left what was recorded
	stale             bool     // recorded computed values are no longer those of the live object
	why               string   // of do
	whyGoes           string
}

// ours reports whether the existing object may be deleted by us.
func (i *item) ours() bool {
	switch {
	case i.shared():
		return false
	case i.prior != nil && i.prior.Owned:
		return true
	case i.want == nil:
		return false
	}
	return i.want.Lifecycle.Adopt == adoptOwn || i.want.ImportID != "" || i.prior == nil && i.owned
}

// shared reports whether the object belongs to all who use its broker.
func (i *item) shared() bool { return i.want != nil && i.want.Lifecycle.Shared }

// vanishes reports whether what is in it is gone, or will be.
func (i *item) vanishes() bool { return i.goes || i.dragged || i.gone }

// value is the existing object as it is, or, where it cannot be seen, was.
func (i *item) value() cty.Value {
	if i.is == present {
		return i.live.Value
	}
	return i.was
}

func (i *item) provider() addr.Provider {
	if i.prior != nil {
		return i.prior.Provider
	}
	return i.want.Provider
}

// A schema is a providers.Schema with what is asked of it again and again.
type schema struct {
	*providers.Schema
	form      *recorded.Form
	typ       cty.Type
	sensitive []cty.Path
	secrets   []string       // the same as texts
	sorted    []recordedAttr // in the order of recorded values
}

// A recordedAttr is what writing values down has to know.
type recordedAttr struct {
	name    string
	dynamic bool // recorded with its type beside it
}

func newSchema(s *providers.Schema) *schema {
	out := &schema{Schema: s, form: recorded.Of(s), typ: s.ImpliedType(), sensitive: s.SensitivePaths()}
	out.secrets = formatted(s, out.sensitive)
	for i := range s.Attrs {
		a := &s.Attrs[i]
		out.sorted = append(out.sorted, recordedAttr{a.Name, out.typ.AttributeType(a.Name) == cty.DynamicPseudoType})
	}
	slices.SortFunc(out.sorted, func(a, b recordedAttr) int { return cmp.Compare(a.name, b.name) })
	return out
}

// named reports whether an import's ID means the object that v is.
func (s *schema) named(v cty.Value, id string) bool {
	return s.MatchID != nil && s.MatchID(v, id) || s.idOf(v) == id
}

// idOf is the text by which an import names the object.
func (s *schema) idOf(v cty.Value) string {
	if s.ID != nil {
		return s.ID(v)
	}
	return nameFor(s, v)
}

// sameSet reports whether two lists name the same objects.
func sameSet(a, b []addr.Instance) bool {
	if slices.Equal(a, b) {
		return true
	}
	in := make(map[addr.Instance]bool, len(a))
	for _, x := range a {
		in[x] = true
	}
	n := len(in)
	for _, x := range b {
		if !in[x] {
			return false
		}
	}
	seen := make(map[addr.Instance]bool, len(b))
	for _, x := range b {
		seen[x] = true
	}
	return len(seen) == n
}

// The words of lifecycle.adopt.
const (
	adoptKeep   = "keep"
	adoptOwn    = "own"
	adoptRefuse = "refuse"
)
