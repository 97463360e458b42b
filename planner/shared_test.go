package planner_test

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/state"
)

func shared(o desired.Object) desired.Object {
	o.Lifecycle.Shared = true
	return o
}

// A shared object is made without our mark and without being ours, adopted
// from whoever made it, mended in place, and only ever forgotten.
func TestSharedLife(t *testing.T) {
	typ := testType(true)
	fbp := func(a attrs) desired.Object { return shared(queue(typ, "fbp", a)) }
	st := tell(t, typ)
	p := mustPlan(t, st.w.input([]desired.Object{fbp(nil)}, st.prior))
	if c := step(t, p, "+ queue.fbp"); c.Record.Owned || !c.Shared {
		t.Errorf("created as %+v", c)
	}
	st.apply(fbp(nil))
	if o := st.w.owner[st.w.key("queue", fbp(nil).Value)]; o != "" {
		t.Errorf("it is marked as that of %q", o)
	}
	wantActions(t, mustPlan(t, st.w.input([]desired.Object{fbp(nil)}, st.prior)))

	st.change(fbp(nil), "ttl", cty.NumberIntVal(7))
	want := fbp(attrs{"ttl": cty.NumberIntVal(8)})
	p = mustPlan(t, st.w.input([]desired.Object{want}, st.prior))
	if u := step(t, p, "~ queue.fbp"); u.Record.Owned || !u.Shared {
		t.Errorf("updated as %+v", u)
	}
	st.apply(want)

	st.remove(want)
	p = mustPlan(t, st.w.input([]desired.Object{want}, st.prior))
	if c := step(t, p, "+ queue.fbp"); c.Record.Owned {
		t.Error("made again, it is ours")
	}
	st.apply(want)

	wantActions(t, mustPlan(t, st.w.input(nil, st.prior)), ". queue.fbp")
	in := st.w.input(nil, st.prior)
	in.Mode = planner.Destroy
	wantActions(t, mustPlan(t, in), ". queue.fbp")
}

// One that is there and not recorded, marked by somebody else or by nobody.
func TestSharedIsFound(t *testing.T) {
	typ := testType(true)
	for _, c := range []struct {
		name, owner string
		live        attrs
		intent      bool
		want        string
	}{
		{"unmarked and equal", "", nil, false, "= queue.fbp"},
		{"another's and equal", "other", nil, false, "= queue.fbp"},
		{"ours by its mark", "mine", nil, false, "= queue.fbp"},
		{"a run meant to make it", "", nil, true, "= queue.fbp"},
		{"unmarked and different", "", attrs{"ttl": cty.NumberIntVal(9)}, false, "~ queue.fbp"},
		{"another's and different", "other", attrs{"ttl": cty.NumberIntVal(9)}, false, "~ queue.fbp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := tell(t, typ)
			st.prior = state.New("mine") // nothing is recorded at all
			st.w.put("queue", queue(typ, "fbp", c.live).Value, c.owner)
			want := shared(queue(typ, "fbp", nil))
			in := st.w.input([]desired.Object{want}, st.prior)
			in.Intent = map[addr.Instance]bool{want.Addr: c.intent}
			p := mustPlan(t, in)
			if step(t, p, c.want).Record.Owned {
				t.Error("it is taken for ours")
			}
			st.apply(want)
			wantActions(t, mustPlan(t, st.w.input([]desired.Object{want}, st.prior)))
		})
	}
}

// What is fixed at creation is never changed by a replace, recorded or not.
func TestSharedIsNeverReplaced(t *testing.T) {
	typ := testType(true)
	live := queue(typ, "fbp", attrs{"type": s("quorum")})
	want := shared(queue(typ, "fbp", nil))
	refused := func(t *testing.T, in planner.Input, summary string, words ...string) {
		t.Helper()
		p, diags := planned(in)
		wantError(t, diags, summary, words...)
		for _, d := range diags {
			if d.Severity == hcl.DiagError && (d.Subject == nil || *d.Subject != want.Decl) {
				t.Errorf("the error is at %v", d.Subject)
			}
		}
		for _, s := range p.Steps {
			if s.Action == plan.Delete {
				t.Errorf("it is deleted: %v", actions(p))
			}
		}
	}
	st := tell(t, typ)
	st.w.put("queue", live.Value, "other")
	refused(t, st.w.input([]desired.Object{want}, state.New("mine")), "Shared object differs", "type", "quorum", "classic")

	st = tell(t, typ, want)
	st.change(want, "type", s("quorum"))
	refused(t, st.w.input([]desired.Object{want}, st.prior), "Shared object differs", "type", "quorum", "classic")

	st = tell(t, typ, want)
	in := st.w.input([]desired.Object{want}, st.prior)
	in.Replace = []addr.Target{target(t, "queue.fbp")}
	refused(t, in, "Shared object cannot be replaced", "-replace")

	// Declared by itself before, and so ours: it is shared from now on.
	own := queue(typ, "fbp", nil)
	st = tell(t, typ, own)
	st.apply(want)
	in = st.w.input(nil, st.prior)
	in.Mode = planner.Destroy
	wantActions(t, mustPlan(t, in), ". queue.fbp")
}

// Under another name (another vhost) it is made there, and what was stays.
func TestSharedMoves(t *testing.T) {
	typ := testType(true)
	st := tell(t, typ, shared(queue(typ, "fbp", nil)))
	next := shared(object(typ, "queue.fbp", attrs{"name": s("fbp2")}))
	p := mustPlan(t, st.w.input([]desired.Object{next}, st.prior))
	wantActions(t, p, "+ queue.fbp")
	if strings.Contains(string(p.Steps[0].After), `"fbp"`) {
		t.Error("made under its old name")
	}
	st.apply(next)
	if len(st.w.live) != 2 {
		t.Errorf("left %d objects", len(st.w.live))
	}
	wantActions(t, mustPlan(t, st.w.input([]desired.Object{next}, st.prior)))
}
