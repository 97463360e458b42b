// Package planner compares what must exist with what does and makes the
// difference a plan. It is pure: no context, no clock, no I/O, no provider
// connection.
package planner

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// Mode is what kind of plan is wanted.
type Mode int

// The modes of `plan`: make it as declared, remove all that is ours, or only
// take note of what changed outside.
const (
	Normal Mode = iota
	Destroy
	RefreshOnly
)

// Input is all that a plan is made from.
type Input struct {
	Want  []desired.Object
	Prior *state.Snapshot // never nil; empty where nothing was recorded
	Live  map[addr.Instance]Live
	Types map[addr.Provider]*providers.Type // of every provider in Want and Prior
	// Normalize gives the normal form in which two values of one object are
	// compared; nil compares them as they are.
	Normalize func(p addr.Provider, typ string, v cty.Value) cty.Value

	Mode      Mode
	Only      []addr.Target // -target: these and what they need
	Exclude   []addr.Target // -exclude: not these, nor what needs them
	Replace   []addr.Target
	AllowLoss []addr.Target
	NoDestroy bool

	// Intent are the addresses that an interrupted run meant to create: an equal
	// live object there is ours, not a find.
	Intent map[addr.Instance]bool
	Moves  []desired.Move
	Forget []addr.Target // removed blocks with destroy = false

	Depth     map[addr.Instance]providers.Depth // answers to Missing.Depth, by the addresses asked for
	Unmanaged []providers.Object
}

// Live is what was read of one object.
type Live struct {
	Value cty.Value // null: absent; wholly unknown: cannot be observed
	Owner string    // lineage marked on it
	Note  string    // see providers.Result
	// HashEqual says of a write-only attribute, by path, whether its wanted value still
	// has the recorded hash; absent: no hash recorded. Filled by refresh.
	HashEqual map[string]bool
	// Next is what was read at the wanted identity where that is another than the
	// recorded one (a name or the provider changed at this address). The fields above then
	// tell of the recorded object, which is to be deleted, and Next of the one to be created:
	// null where the new name is free. Nil where both identities are one, or only one exists.
	//
	// Live has an entry for every wanted address and for every recorded one, as
	// recorded: what moves is found under its old address, too, and HashEqual of what
	// moved is with the wanted (new) address.
	Next *Live
}

// Missing is what Plan still needs before its answer is final. The caller
// finds it out and calls again until nothing is missing.
type Missing struct {
	Depth []addr.Instance // objects in Live whose messages a step puts at risk
}

// Empty reports whether the plan is final.
func (m Missing) Empty() bool { return len(m.Depth) == 0 }
