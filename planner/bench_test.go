package planner_test

import (
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/state"
)

// roles declares n times an exchange, a queue and a binding.
func roles(w *world, n int) []desired.Object {
	out := make([]desired.Object, 0, 3*n)
	for i := range n {
		key := addr.StringKey(fmt.Sprintf("role-%d", i))
		name := s(fmt.Sprintf("role-%d", i))
		q := object(w.typ, "queue.in"+key, map[string]cty.Value{"name": name, "dead_letter": s("dead"), "arguments": cty.ObjectVal(map[string]cty.Value{"x-max-length": cty.NumberIntVal(1000)})})
		e := object(w.typ, "exchange.out"+key, map[string]cty.Value{"name": name, "type": s("fanout")})
		b := object(w.typ, "binding.edge"+key, map[string]cty.Value{"source": name, "destination": name, "key": s("")})
		b.Within = []addr.Instance{q.Addr, e.Addr}
		out = append(out, q, e, b)
	}
	return out
}

func BenchmarkPlan(b *testing.B) {
	const n = 5000
	w := newWorld(b, testType(true))
	want := roles(w, n)
	fresh := w.input(want, state.New("mine"))
	p, diags := planned(fresh)
	if diags.HasErrors() || len(p.Steps) != 3*n {
		b.Fatal(diags)
	}
	prior := w.apply(p, fresh.Prior)
	run := func(name string, in planner.Input, steps int) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if p, _ := planned(in); len(p.Steps) != steps {
					b.Fatal(len(p.Steps))
				}
			}
		})
	}
	run("create", fresh, 3*n)
	run("unchanged", w.input(want, prior), 0)
	gone := w.input(nil, prior)
	gone.Mode = planner.Destroy
	run("destroy", gone, 3*n)
}
