package apply

import (
	"encoding/json"
	"maps"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/state"
)

// Fold brings outcomes, in the order recorded, into a copy of the snapshot.
// Folding what was folded before changes nothing. It takes time in proportion
// to the snapshot, once, however many outcomes there are.
func Fold(snapshot *state.Snapshot, outcomes []state.Outcome) *state.Snapshot {
	next := *snapshot
	next.Outputs = maps.Clone(snapshot.Outputs)
	f := newFolder(snapshot)
	for i := range outcomes {
		f.add(&outcomes[i])
	}
	next.Objects, next.Pending = f.objects(), f.pendings()
	return &next
}

// Readdress brings recorded objects to the addresses that a plan found for
// them, all at once: they may take each other's. It changes names only, so it is stored before
// the first step, which then finds everything under the address that it has in the plan.
func Readdress(snapshot *state.Snapshot, moves []plan.Moved) *state.Snapshot {
	if len(moves) == 0 {
		return snapshot
	}
	to := make(map[addr.Instance]addr.Instance, len(moves))
	for _, m := range moves {
		to[m.From] = m.To
	}
	next := *snapshot
	next.Readdress(to)
	return &next
}

// A folder is a snapshot by address. Objects are shared with the snapshot it
// was made from, and replaced, never changed.
type folder struct {
	at      map[addr.Instance]*state.Object
	pending map[addr.Instance]*state.Object
	gone    map[addr.Instance]bool
}

func newFolder(s *state.Snapshot) *folder {
	f := &folder{
		at: make(map[addr.Instance]*state.Object, len(s.Objects)), pending: map[addr.Instance]*state.Object{}, gone: map[addr.Instance]bool{},
	}
	for i := range s.Objects {
		f.at[s.Objects[i].Addr] = &s.Objects[i]
	}
	for i := range s.Pending {
		f.pending[s.Pending[i].Addr] = &s.Pending[i]
	}
	return f
}

func (f *folder) add(o *state.Outcome) {
	if o.Pending {
		f.pending[o.Addr] = o.Object
		return
	}
	delete(f.pending, o.Addr)
	if o.Object == nil {
		delete(f.at, o.Addr)
		f.gone[o.Addr] = true
		return
	}
	c := *o.Object
	c.Addr = o.Addr
	f.at[o.Addr] = &c
	delete(f.gone, o.Addr)
}

// objects are the folded ones in address order. Relations forget an object that
// is gone.
func (f *folder) objects() []state.Object {
	s := state.Snapshot{Objects: make([]state.Object, 0, len(f.at))}
	edit := state.Relink(nil, f.gone)
	for _, o := range f.at {
		c := *o
		c.Within, c.After = edit(c.Within), edit(c.After)
		s.Objects = append(s.Objects, c)
	}
	s.Sort()
	return s.Objects
}

func (f *folder) pendings() []state.Object {
	if len(f.pending) == 0 {
		return nil
	}
	s := state.Snapshot{}
	for _, o := range f.pending {
		s.Objects = append(s.Objects, *o)
	}
	s.Sort()
	return s.Objects
}

// Recover is what a new run makes of one that did not end: the snapshot with
// the recorded outcomes (its objects are under the addresses of the plan: see
// Readdress), and Pending in it every object that the run may have
// created without recording it. The second answer names those addresses.
func Recover(prior *state.Snapshot, intent *plan.Plan, outcomes []state.Outcome) (*state.Snapshot, map[addr.Instance]bool) {
	next := Fold(prior, outcomes)
	may := map[addr.Instance]bool{}
	for i := range next.Pending {
		may[next.Pending[i].Addr] = true
	}
	run := journaled(intent, outcomes)
	at := next.Index()
	for i := range intent.Steps {
		st := &intent.Steps[i]
		if run.ended[st.ID] || !run.begun(st) {
			continue
		}
		if st.Action.Updates() {
			doubtSecrets(next, at, st)
		}
		makes := st.Action == plan.Create || st.Action.Updates() && leadsElsewhere(st)
		if !makes || may[st.Addr] {
			continue
		}
		attrs, ok := filled(st, run.made)
		if !ok {
			continue
		}
		next.Pending = append(next.Pending, pendingObject(st, attrs))
		may[st.Addr] = true
	}
	return next, may
}

// doubtSecrets makes the hashes of an object unknown whose secrets an update
// may have set: whichever is wanted next, it is set again.
func doubtSecrets(next *state.Snapshot, at map[addr.Instance]int, st *plan.Step) {
	holes := secretsOf(st)
	i, has := at[st.Addr]
	if !has || len(holes) == 0 {
		return
	}
	o := &next.Objects[i]
	maps.Copy(holes, without(o.Hashes, holes))
	o.Hashes = holes
}

// without are the entries of m that are not in other.
func without(m, other map[string]string) map[string]string {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(k, _ string) bool { _, in := other[k]; return in })
	return out
}

// secretsOf are the secrets that a step sets, with the hash of none.
func secretsOf(st *plan.Step) map[string]string {
	var out map[string]string
	for _, h := range st.Holes {
		if !h.Secret {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[h.Path] = unknownHash
	}
	return out
}

// A journal is what the recorded outcomes say of an intent's steps.
type journal struct {
	ended map[plan.StepID]bool
	made  map[addr.Instance]json.RawMessage
}

func journaled(intent *plan.Plan, outcomes []state.Outcome) journal {
	j := journal{ended: make(map[plan.StepID]bool, len(outcomes)), made: make(map[addr.Instance]json.RawMessage, len(outcomes))}
	removed := map[addr.Instance]bool{}
	for i := range outcomes {
		switch o := &outcomes[i]; {
		case o.Pending:
		case o.Object == nil:
			removed[o.Addr] = true
		default:
			j.made[o.Addr] = o.Object.Attrs
		}
	}
	for i := range intent.Steps {
		st := &intent.Steps[i]
		if st.Action == plan.Delete || st.Action == plan.Forget {
			j.ended[st.ID] = removed[st.Addr]
		} else {
			j.ended[st.ID] = j.made[st.Addr] != nil
		}
	}
	return j
}

// begun reports whether a step can have been started: all that it needs ended.
func (j journal) begun(st *plan.Step) bool {
	for _, n := range st.Needs {
		if !j.ended[n] {
			return false
		}
	}
	return true
}

// leadsElsewhere reports whether an update may have made a second live object:
// its ends are not of one identity. Without schemas only "something fixed
// changed" can be told, which is enough to look.
func leadsElsewhere(st *plan.Step) bool { return len(st.ForceNew) > 0 }

// filled is the After of a step with the computed values that it was given.
func filled(st *plan.Step, made map[addr.Instance]json.RawMessage) (json.RawMessage, bool) {
	after := st.After
	for _, h := range st.Holes {
		if h.Addr == nil {
			continue
		}
		part, ok := recorded.RawAt(made[*h.Addr], h.Attr)
		if !ok {
			return nil, false
		}
		if after, ok = recorded.RawSet(after, h.Path, part); !ok {
			return nil, false
		}
	}
	return after, true
}

func pendingObject(st *plan.Step, attrs json.RawMessage) state.Object {
	o := state.Object{
		Addr: st.Addr, Provider: st.Provider, SchemaVersion: st.SchemaVersion, Attrs: attrs, Sensitive: st.Sensitive,
		Within: st.Record.Within, After: st.Record.After, Owned: st.Record.Owned, Keep: st.Record.Keep,
	}
	o.Hashes = secretsOf(st)
	return o
}
