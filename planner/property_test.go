package planner_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// configuration draws what is declared: few names, so that runs collide in
// every way. Relations follow the references, and so differ from run to run.
func configuration(t *rapid.T, typ *providers.Type, label string) []desired.Object {
	var out []desired.Object
	exchanges := map[string]addr.Instance{}
	queues := map[string]addr.Instance{}
	pick := func(n int, what string) int { return rapid.IntRange(0, n-1).Draw(t, label+what) }
	perm := rapid.Permutation([]string{"0", "1", "2"}).Draw(t, label+"order")
	var names []string
	for _, i := range perm {
		if pick(4, "has") == 0 {
			continue
		}
		name := "e" + i
		attrs := map[string]cty.Value{"name": s(name), "type": s([]string{"direct", "fanout"}[pick(2, "etype")]), "auto_delete": cty.BoolVal(pick(3, "auto") == 0)}
		o := object(typ, "exchange.x"+[]string{i, i, i, i + "b"}[pick(4, "label")], attrs)
		if len(names) > 0 && pick(2, "alternate") == 0 {
			to := names[pick(len(names), "to")]
			o = object(typ, o.Addr.String(), withAttr(attrs, "alternate", s(to)))
			o.After = []addr.Instance{exchanges[to]}
		}
		names = append(names, name)
		exchanges[name] = o.Addr
		out = append(out, o)
	}
	for i := range 3 {
		if pick(4, "has") == 0 {
			continue
		}
		name := fmt.Sprintf("q%d", []int{i, i, i, (i + 1) % 3}[pick(4, "qname")])
		if _, taken := queues[name]; taken {
			continue
		}
		attrs := map[string]cty.Value{"name": s(name), "type": s([]string{"classic", "quorum"}[pick(2, "qtype")]), "ttl": cty.NumberIntVal(int64(pick(2, "ttl")))}
		o := object(typ, fmt.Sprintf("queue.y%d", i), attrs)
		if pick(2, "arguments") == 0 {
			attrs["arguments"] = cty.ObjectVal(map[string]cty.Value{"x-max": cty.NumberIntVal(int64(pick(2, "max")))})
			attrs["limits"] = cty.ObjectVal(map[string]cty.Value{"length": cty.NumberIntVal(int64(pick(2, "length"))), "bytes": cty.NullVal(cty.Number)})
			o = object(typ, o.Addr.String(), attrs)
		}
		if len(names) > 0 && pick(2, "dead") == 0 {
			to := names[pick(len(names), "to")]
			o = object(typ, o.Addr.String(), withAttr(attrs, "dead_letter", s(to)))
			o.After = []addr.Instance{exchanges[to]}
		}
		queues[name] = o.Addr
		out = append(out, o)
	}
	if pick(2, "shared") == 0 {
		o := object(typ, "queue.fbp", map[string]cty.Value{"name": s("fbp"), "ttl": cty.NumberIntVal(int64(pick(2, "ttl")))})
		o.Lifecycle.Shared = true
		queues["fbp"] = o.Addr
		out = append(out, o)
	}
	seen := map[string]bool{}
	for i := range 4 {
		if len(names) == 0 || len(queues) == 0 || pick(4, "has") == 0 {
			continue
		}
		e := names[pick(len(names), "from")]
		qs := slices.Sorted(maps.Keys(queues))
		q := qs[pick(len(qs), "to")]
		k := []string{"a", "b"}[pick(2, "key")]
		if seen[e+q+k] {
			continue
		}
		seen[e+q+k] = true
		o := object(typ, fmt.Sprintf("binding.z%d", i), map[string]cty.Value{"source": s(e), "destination": s(q), "key": s(k), "note": s([]string{"m", "n"}[pick(2, "note")])})
		o.Within = []addr.Instance{exchanges[e], queues[q]}
		out = append(out, o)
	}
	return out
}

func withAttr(m map[string]cty.Value, k string, v cty.Value) map[string]cty.Value {
	m = maps.Clone(m)
	m[k] = v
	return m
}

// meddle changes the broker behind our back; foreign are the objects put there.
func meddle(t *rapid.T, w *world, foreign map[string]bool) {
	for _, k := range slices.Sorted(maps.Keys(w.live)) {
		v, ok := w.live[k]
		if !ok {
			continue
		}
		switch rapid.IntRange(0, 7).Draw(t, "meddle") {
		case 0:
			w.remove(k)
			delete(foreign, k)
		case 1:
			if typeOf(k) == "queue" {
				m := v.AsValueMap()
				m["ttl"] = cty.NumberIntVal(99)
				w.live[k] = cty.ObjectVal(m)
			}
		}
	}
	if k := `queue |"fbp"`; w.live[k] == cty.NilVal && rapid.Bool().Draw(t, "other's fbp") {
		w.put("queue", object(w.typ, "queue.fbp", map[string]cty.Value{"name": s("fbp"), "ttl": cty.NumberIntVal(5)}).Value, "other")
		foreign[k] = true
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "foreign") {
		o := object(w.typ, fmt.Sprintf("queue.f%d", i), map[string]cty.Value{"name": s(fmt.Sprintf("f%d", i))})
		w.put("queue", o.Value, "")
		foreign[w.key("queue", o.Value)] = true
	}
}

// TestConverges: for every pair of configurations, with a broker that was
// meddled with in between, the graph has no circle, every step can be done when its
// needs are met, one run is enough, and what is not ours stays.
func TestConverges(t *testing.T) {
	for _, swap := range []bool{false, true} {
		t.Run(fmt.Sprintf("swap=%v", swap), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { converges(t, swap) })
		})
	}
}

func converges(t *rapid.T, swap bool) {
	typ := testType(swap)
	w := newWorld(t, typ)
	prior := state.New("mine")
	foreign := map[string]bool{}
	for _, label := range []string{"a", "b", "c"} {
		want := configuration(t, typ, label)
		prior = partly(t, w, want, prior)
		in := w.input(want, prior)
		in.Prior.Serial++
		p, diags := planned(in)
		if diags.HasErrors() {
			inOrder(t, p)
			t.Fatalf("%v", diags)
		}
		noneLost(t, in, p)
		same(t, in, p)
		recheckFresh(t, in, p)
		prior = w.apply(p, prior)
		if k := `queue |"fbp"`; w.live[k] != cty.NilVal {
			foreign[k] = true // shared: it stays, whoever made it
		}
		again, diags := planned(w.input(want, prior))
		if diags.HasErrors() || len(again.Steps) > 0 || len(again.Drift) > 0 {
			t.Fatalf("not settled: %v %v %v\nfirst: %v", actions(again), len(again.Drift), diags, actions(p))
		}
		for f := range foreign {
			if _, ok := w.live[f]; !ok {
				t.Fatalf("%s is gone", f)
			}
		}
		meddle(t, w, foreign)
	}
	destroy := w.input(nil, prior)
	destroy.Mode = planner.Destroy
	p, diags := planned(destroy)
	if diags.HasErrors() {
		t.Fatalf("%v", diags)
	}
	if left := w.apply(p, prior); len(left.Objects) > 0 {
		t.Fatalf("state has %v after destroy", left.Objects)
	}
	for k := range w.live {
		if !foreign[k] {
			t.Fatalf("%s is left after destroy", k)
		}
	}
}

// partly carries out a part of the way now and then: a run with -target or
// -exclude leaves nothing behind that the next one cannot go on from.
func partly(t *rapid.T, w *world, want []desired.Object, prior *state.Snapshot) *state.Snapshot {
	t.Helper()
	in := w.input(want, prior)
	var all []addr.Target
	for i := range want {
		all = append(all, addr.Target{Instance: want[i].Addr})
	}
	for i := range prior.Objects {
		all = append(all, addr.Target{Instance: prior.Objects[i].Addr})
	}
	if len(all) == 0 || rapid.IntRange(0, 2).Draw(t, "partly") > 0 {
		return prior
	}
	some := rapid.SliceOfN(rapid.SampledFrom(all), 1, 3).Draw(t, "targets")
	if rapid.Bool().Draw(t, "exclude") {
		in.Exclude = some
	} else {
		in.Only = some
	}
	in.NoDestroy = rapid.IntRange(0, 3).Draw(t, "no-destroy") == 0
	p, diags := planned(in)
	if diags.HasErrors() {
		inOrder(t, p)
		return prior
	}
	noneLost(t, in, p)
	return w.apply(p, prior)
}

// noneLost: what is wanted under any address is deleted only to be made anew at
// that very one.
func noneLost(t *rapid.T, in planner.Input, p *plan.Plan) {
	t.Helper()
	wanted := map[string]addr.Instance{}
	for _, o := range in.Want {
		wanted[o.Type+in.Types[main_].Resources[o.Type].Identity(o.Value)] = o.Addr
	}
	for _, st := range p.Steps {
		sch := in.Types[main_].Resources[st.Addr.Type]
		v, err := recorded.Decode(sch, st.SchemaVersion, st.Before)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if st.Action != plan.Delete {
			continue
		}
		if a, ok := wanted[st.Addr.Type+sch.Identity(v)]; ok && a != st.Addr {
			t.Fatalf("%s deletes what %s wants: %v", st.ID, a, actions(p))
		}
	}
}

// same: the order of declarations and of recorded objects is irrelevant, and a
// plan survives its file.
func same(t *rapid.T, in planner.Input, p *plan.Plan) {
	t.Helper()
	in.Want = rapid.Permutation(in.Want).Draw(t, "want")
	prior := *in.Prior
	prior.Objects = rapid.Permutation(prior.Objects).Draw(t, "prior")
	in.Prior = &prior
	q, _ := planned(in)
	a, err := plan.Encode(p)
	if err != nil {
		t.Fatalf("%v", err)
	}
	b, _ := plan.Encode(q)
	if string(a) != string(b) {
		t.Fatalf("another order, another plan:\n%s\n%s", a, b)
	}
	back, err := plan.Decode(a)
	if err != nil || !reflect.DeepEqual(back, p) {
		t.Fatalf("not the plan that was written (%v):\n%s", err, a)
	}
}

// TestAcyclic feeds state and declarations that no run could leave behind:
// recorded relations in circles, everything related to everything.
func TestAcyclic(t *testing.T) {
	typ := testType(true)
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, typ)
		prior := state.New("mine")
		prior.Serial = 1
		all := []addr.Instance{}
		for i := range 6 {
			all = append(all, at(fmt.Sprintf("queue.o%d", i)))
		}
		some := func(from []addr.Instance, what string) []addr.Instance {
			if len(from) == 0 {
				return nil
			}
			return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, min(3, len(from)), rapid.ID[addr.Instance]).Draw(t, what)
		}
		var want []desired.Object
		for i, a := range all {
			v := object(typ, a.String(), map[string]cty.Value{"name": s(a.Name), "type": s("classic")}).Value
			if rapid.Bool().Draw(t, "recorded") {
				if rapid.Bool().Draw(t, "lives") {
					v = w.put("queue", v, "mine")
				}
				prior.Objects = append(prior.Objects, state.Object{Addr: a, Provider: main_, ProviderType: "test", Owned: rapid.IntRange(0, 3).Draw(t, "owned") > 0,
					Attrs: encoded(t, typ, "queue", v), Within: some(all, "within"), After: some(all, "after")})
			}
			if rapid.Bool().Draw(t, "wanted") {
				name := rapid.SampledFrom([]string{a.Name, a.Name, a.Name + "n", "o0", "o1"}).Draw(t, "name")
				o := object(typ, a.String(), map[string]cty.Value{"name": s(name), "ttl": cty.NumberIntVal(int64(rapid.IntRange(0, 1).Draw(t, "ttl"))),
					"type": s(rapid.SampledFrom([]string{"classic", "quorum"}).Draw(t, "type"))})
				o.Within, o.After = some(all[:i], "wantWithin"), some(all[:i], "wantAfter")
				o.Lifecycle.ReplaceTriggeredBy = some(all, "triggers")
				want = append(want, o)
			}
		}
		in := w.input(want, prior)
		in.Mode = rapid.SampledFrom([]planner.Mode{planner.Normal, planner.Normal, planner.Normal, planner.Destroy, planner.RefreshOnly}).Draw(t, "mode")
		in.NoDestroy = rapid.IntRange(0, 3).Draw(t, "no-destroy") == 0
		for _, a := range some(all, "exclude") {
			in.Exclude = append(in.Exclude, addr.Target{Instance: a})
		}
		p, diags := planned(in)
		if p == nil {
			t.Fatalf("%v", diags)
		}
		inOrder(t, p)
		for i := range p.Steps {
			st := &p.Steps[i]
			if in.Mode == planner.RefreshOnly && st.Action.Changes() {
				t.Fatalf("%s in a refresh-only plan", st.ID)
			}
			if in.NoDestroy && st.Action == plan.Delete {
				t.Fatalf("%s although -no-destroy", st.ID)
			}
			for _, e := range in.Exclude {
				if e.Matches(st.Addr) {
					t.Fatalf("%s although excluded", st.ID)
				}
			}
		}
	})
}
