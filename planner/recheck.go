package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
)

// Saved is a saved plan and what is there now, read as for a plan.
type Saved struct {
	Plan      *plan.Plan
	Live      map[addr.Instance]Live
	Depth     map[addr.Instance]providers.Depth // of the objects whose steps have a Risk
	Types     map[addr.Provider]*providers.Type
	Normalize func(p addr.Provider, typ string, v cty.Value) cty.Value
}

// Recheck reports every object that the plan touches and that is no longer as
// planned: in normal form, without computed and elastic attributes and secrets;
// and where messages or unmanaged objects are at risk that were not. One error an object,
// at its declaration.
func Recheck(s Saved) hcl.Diagnostics {
	r := rechecking{Saved: s, schemas: map[*providers.Schema]*schema{}, steps: map[addr.Instance][2]*plan.Step{}}
	for i := range s.Plan.Steps {
		st := &s.Plan.Steps[i]
		pair := r.steps[st.Addr]
		if st.Action == plan.Delete {
			pair[0] = st
		} else {
			pair[1] = st
		}
		r.steps[st.Addr] = pair
	}
	var diags hcl.Diagnostics
	for i := range s.Plan.Steps {
		st := &s.Plan.Steps[i]
		if why := r.differs(st); why != "" {
			diags = append(diags, diag.Error(st.Decl, "Saved plan is stale",
				fmt.Sprintf("%s is no longer as it was when the plan was made: %s. Make a new plan.", st.Addr, why)))
		}
	}
	return diags
}

type rechecking struct {
	Saved
	schemas map[*providers.Schema]*schema
	steps   map[addr.Instance][2]*plan.Step // the delete and the other step
}

func (r *rechecking) schemaOf(st *plan.Step) *schema {
	t := r.Types[st.Provider]
	if t == nil || t.Resources[st.Addr.Type] == nil {
		return nil
	}
	s := t.Resources[st.Addr.Type]
	if r.schemas[s] == nil {
		r.schemas[s] = newSchema(s)
	}
	return r.schemas[s]
}

// liveOf is what was read of the object that the step is about, and whether
// anything is known of it.
func (r *rechecking) liveOf(st *plan.Step, s *schema) (Live, bool) {
	old, ok := r.existing(st)
	if st.Action == plan.Delete {
		return old, ok
	}
	next, there := r.named(st)
	if st.Action == plan.Create || !ok {
		return next, there
	}
	before, err := s.form.Decode(st.SchemaVersion, st.Before)
	if err != nil || before.IsNull() {
		return old, ok
	}
	// Where the step begins with what was found under the new name: the delete is
	// about the old one, or what had that is gone, or has moved away.
	if r.steps[st.Addr][0] != nil || seen(next.Value) == present && s.Identity(next.Value) == s.Identity(before) {
		return next, there
	}
	return old, ok
}

// existing is what was read of what is recorded at a step's address, or was
// before it moved there.
func (r *rechecking) existing(st *plan.Step) (Live, bool) {
	l, ok := r.Live[st.PriorAddr()]
	return l, ok
}

// named is what was read under the name that is wanted at a step's address.
func (r *rechecking) named(st *plan.Step) (Live, bool) {
	l, ok := r.Live[st.Addr]
	if l.Next != nil {
		return *l.Next, true
	}
	return l, ok
}

// differs says what is not as planned, or "".
func (r *rechecking) differs(st *plan.Step) string {
	s := r.schemaOf(st)
	if s == nil {
		return fmt.Sprintf("nothing is known of %s any more", st.Provider)
	}
	if st.Action == plan.Forget || st.Action == plan.Record {
		return "" // changes nothing outside
	}
	l, ok := r.liveOf(st, s)
	if !ok || seen(l.Value) == unseen {
		return ""
	}
	if st.Action == plan.Create {
		return r.occupied(st, s, l)
	}
	before, err := s.form.Decode(st.SchemaVersion, st.Before)
	switch {
	case err != nil:
		return err.Error()
	case seen(l.Value) == absent && before.IsNull():
		return ""
	case seen(l.Value) == absent:
		return "it is gone"
	}
	if ds := r.changed(st, s, before, l.Value); len(ds) > 0 {
		return "changed outside: " + strings.Join(ds, ", ")
	}
	return r.atRisk(st)
}

// occupied: a create needs its name to be free, unless the plan itself frees it.
func (r *rechecking) occupied(st *plan.Step, s *schema, l Live) string {
	if seen(l.Value) != present {
		return ""
	}
	id := s.Identity(l.Value)
	if r.frees(st.Addr.String(), st, s, id) {
		return "" // its own delete is checked
	}
	for _, n := range st.Needs {
		if rest, ok := strings.CutPrefix(string(n), string(rune(plan.Delete))+" "); ok && r.frees(rest, st, s, id) {
			return ""
		}
	}
	if reborn(st) {
		return ""
	}
	return "something has been created under that name"
}

// reborn reports whether the plan makes something anew that is still there: it
// goes by itself with the last object that holds it. Of all creates only those, and those
// that take a name over, need the delete of another object.
func reborn(st *plan.Step) bool {
	return slices.ContainsFunc(st.Needs, func(n plan.StepID) bool {
		return strings.HasPrefix(string(n), string(rune(plan.Delete))+" ") && n != plan.ID(plan.Delete, st.Addr)
	})
}

// frees reports whether a delete of this plan removes what has that name.
func (r *rechecking) frees(at string, st *plan.Step, s *schema, id string) bool {
	a, err := addr.Parse(at)
	if err != nil {
		return false
	}
	d := r.steps[a][0]
	if d == nil || d.Provider != st.Provider || a.Type != st.Addr.Type {
		return false
	}
	before, err := s.form.Decode(d.SchemaVersion, d.Before)
	return err == nil && !before.IsNull() && s.Identity(before) == id
}

// changed lists the paths in which the live object left what the plan saw.
func (r *rechecking) changed(st *plan.Step, s *schema, before, live cty.Value) []string {
	ds := compareRecorded(s.Attrs, before, live)
	if len(ds) > 0 && r.Normalize != nil {
		ds = compareRecorded(s.Attrs, r.Normalize(st.Provider, st.Addr.Type, before), r.Normalize(st.Provider, st.Addr.Type, live))
	}
	var out []string
	for _, d := range ds {
		if !d.attr.Computed && !covers(st.Sensitive, d.path) && !covers(s.secrets, d.path) {
			out = append(out, d.path)
		}
	}
	return out
}

// atRisk says what would be lost now and would not have been, as planned.
func (r *rechecking) atRisk(st *plan.Step) string {
	if st.Risk == nil || st.Risk.Consent {
		return ""
	}
	d, ok := r.Depth[st.PriorAddr()]
	planned := st.Risk.Ready + st.Risk.Unacked
	switch {
	case !ok:
		return ""
	case d.Messages() > 0 && planned == 0:
		return fmt.Sprintf("it holds %d messages now, and held none", d.Messages())
	case d.Unknown && !st.Risk.Unknown:
		return "how many messages it holds cannot be seen any more"
	}
	return r.moreCollateral(st, d)
}

func (r *rechecking) moreCollateral(st *plan.Step, d providers.Depth) string {
	known := map[string]bool{}
	for _, c := range st.Risk.Collateral {
		known[c.Type+" "+c.Name] = true
	}
	going := map[name]bool{}
	for i := range r.Plan.Steps {
		g := &r.Plan.Steps[i]
		if s := r.schemaOf(g); s != nil && (g.Action == plan.Delete || g.Action.Updates() && s.Swap) {
			if v, err := s.form.Decode(g.SchemaVersion, g.Before); err == nil {
				going[name{g.Provider, g.Addr.Type, s.Identity(v)}] = true
			}
		}
	}
	for _, o := range d.Collateral {
		t := r.Types[st.Provider]
		if t == nil || t.Resources[o.Type] == nil {
			continue
		}
		s := newSchema(t.Resources[o.Type])
		if n := nameFor(s, o.Value); !known[o.Type+" "+n] && !going[name{st.Provider, o.Type, s.Identity(o.Value)}] {
			return fmt.Sprintf("%s %q is in it now, and was not", o.Type, n)
		}
	}
	return ""
}
