package planner_test

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/desired"
)

// What is there and not as it was left, and whose provider knows why, is
// repaired for that reason: nobody changed it, and state remembers nothing of it.
func TestNotAsItWasLeft(t *testing.T) {
	typ := testType(true)
	q := queue(typ, "jobs", attrs{"ttl": cty.NumberIntVal(3)})
	st := tell(t, typ, q)
	st.change(q, "ttl", cty.Zero)
	explained := func(want ...desired.Object) planner.Input {
		in := st.w.input(want, st.prior)
		l := in.Live[q.Addr]
		l.Note = "it was brought down"
		in.Live[q.Addr] = l
		return in
	}
	p := mustPlan(t, explained(q))
	wantActions(t, p, "~ queue.jobs")
	if u := step(t, p, "~ queue.jobs"); u.Reason != "it was brought down" || u.Drift || len(p.Drift) > 0 || p.Empty() {
		t.Errorf("%+v, drift %+v", u, p.Drift)
	}
	for name, in := range map[string]planner.Input{"refresh-only": explained(q), "ignored": explained(ignoring(q, "ttl"))} {
		if name == "refresh-only" {
			in.Mode = planner.RefreshOnly
		}
		if p := mustPlan(t, in); len(p.Drift)+len(p.Steps) > 0 {
			t.Errorf("%s: %+v %+v", name, p.Drift, p.Steps)
		}
	}
}

func ignoring(o desired.Object, path string) desired.Object {
	o.Lifecycle.IgnoreChanges = []string{path}
	return o
}
