package planner_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/desired"
)

// A broker object is its name, whatever is written around it: addresses that
// swap names, or hand them on, change their places in the state and nothing on
// the broker.
func TestNamesChangeAddresses(t *testing.T) {
	typ := testType(true)
	called := func(address, name string, more ...attrs) desired.Object {
		a := attrs{"name": s(name)}
		for _, m := range more {
			maps.Copy(a, m)
		}
		return object(typ, address, a)
	}
	quorum := attrs{"type": s("quorum")}
	for _, c := range []struct {
		name          string
		first, second []desired.Object
		want, moved   []string
	}{
		{"swapped",
			[]desired.Object{called("queue.a", "a"), called("queue.b", "b")},
			[]desired.Object{called("queue.a", "b"), called("queue.b", "a")},
			[]string{"* queue.a", "* queue.b"}, []string{"b>a", "a>b"}},
		{"a circle of three, one of them changed",
			[]desired.Object{called("queue.a", "a"), called("queue.b", "b"), called("queue.c", "c")},
			[]desired.Object{called("queue.a", "b"), called("queue.b", "c", attrs{"ttl": cty.NumberIntVal(5)}), called("queue.c", "a")},
			[]string{"* queue.a", "~ queue.b", "* queue.c"}, []string{"b>a", "c>b", "a>c"}},
		{"swapped, and one is fixed otherwise",
			[]desired.Object{called("queue.a", "a"), called("queue.b", "b", quorum)},
			[]desired.Object{called("queue.a", "b"), called("queue.b", "a")},
			[]string{"- queue.a", "+ queue.a", "* queue.b"}, []string{"b>a", "a>b"}},
		{"the first of a list is taken out",
			[]desired.Object{called("queue.w[0]", "a"), called("queue.w[1]", "b"), called("queue.w[2]", "c")},
			[]desired.Object{called("queue.w[0]", "b"), called("queue.w[1]", "c")},
			[]string{"* queue.w[0]", "* queue.w[1]", "- queue.w[2]"}, []string{"w[1]>w[0]", "w[2]>w[1]", "w[0]>w[2]"}},
		{"one is put before the first of a list",
			[]desired.Object{called("queue.w[0]", "a"), called("queue.w[1]", "b")},
			[]desired.Object{called("queue.w[0]", "new"), called("queue.w[1]", "a"), called("queue.w[2]", "b")},
			[]string{"+ queue.w[0]", "* queue.w[1]", "* queue.w[2]"}, []string{"w[0]>w[1]", "w[1]>w[2]"}},
		{"a name is taken over, and the taker's old one is given up",
			[]desired.Object{called("queue.a", "a"), called("queue.b", "b")},
			[]desired.Object{called("queue.a", "b")},
			[]string{"* queue.a", "- queue.b"}, []string{"b>a", "a>b"}},
		{"an address is handed to something new",
			[]desired.Object{called(`participant.p.queue["x"]`, "out")},
			[]desired.Object{called(`participant.p.queue["x"]`, "in"), called(`participant.p.queue["x (outport)"]`, "out")},
			[]string{`+ participant.p.queue["x"]`, `* participant.p.queue["x (outport)"]`}, []string{`["x"]>["x (outport)"]`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := tell(t, typ, c.first...)
			before := maps.Clone(st.w.live)
			p := mustPlan(t, st.w.input(c.second, st.prior))
			wantActions(t, p, c.want...)
			var moved []string
			for _, m := range p.Moved {
				moved = append(moved, m.From.Name+m.From.Key+">"+m.To.Name+m.To.Key)
			}
			if !slices.Equal(moved, c.moved) {
				t.Errorf("moved %v, want %v", moved, c.moved)
			}
			st.apply(c.second...)
			again := mustPlan(t, st.w.input(c.second, st.prior))
			wantActions(t, again)
			for k, v := range before {
				if now, ok := st.w.live[k]; ok && p.Empty() && !now.RawEquals(v) {
					t.Errorf("%s was changed", k)
				}
			}
		})
	}
}

// What loses its address to another is still protected by what is written
// where it was.
func TestDisplacedIsProtected(t *testing.T) {
	typ := testType(true)
	st := tell(t, typ, queue(typ, "a", nil), queue(typ, "b", nil))
	want := object(typ, "queue.a", attrs{"name": s("b")})
	want.Lifecycle.PreventDestroy = true
	_, diags := planned(st.w.input([]desired.Object{want}, st.prior))
	wantError(t, diags, "Object is protected", "queue.b would be deleted")
}

// A live object that two addresses have recorded stays while one of them is
// declared.
func TestTwins(t *testing.T) {
	typ := testType(true)
	a, b := queue(typ, "a", nil), object(typ, "queue.b", attrs{"name": s("a")})
	st := tell(t, typ, a)
	twin := st.prior.Objects[0]
	twin.Addr = b.Addr
	st.prior.Objects = append(st.prior.Objects, twin)
	wantActions(t, mustPlan(t, st.w.input([]desired.Object{b}, st.prior)), ". queue.a")
	wantActions(t, mustPlan(t, st.w.input([]desired.Object{a}, st.prior)), ". queue.b")
	wantActions(t, mustPlan(t, st.w.input(nil, st.prior)), "- queue.a", "- queue.b")
}

// What moved is compared as it was read for the wanted value: only there a
// provider knows the secret that it is to be compared with.
func TestMovedSecret(t *testing.T) {
	typ := testType(true)
	a := object(typ, "user.a", attrs{"name": s("ann"), "token": s("geheim")})
	b := object(typ, "user.b", attrs{"name": s("ann"), "token": s("geheim")})
	st := tell(t, typ, a)
	for _, byBlock := range []bool{false, true} {
		in := st.w.input([]desired.Object{b}, st.prior)
		in.Live[a.Addr] = planner.Live{Value: object(typ, "user.a", attrs{"name": s("ann"), "token": s("what differs")}).Value}
		in.Live[b.Addr] = planner.Live{Value: b.Value}
		if byBlock {
			in.Moves = []desired.Move{{From: target(t, "user.a"), To: target(t, "user.b")}}
		}
		wantActions(t, mustPlan(t, in), "* user.b")
	}
}
