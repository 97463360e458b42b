package apply_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/planner/apply"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/state"
)

// BenchmarkApply creates 5 000 roles, each a queue, an exchange and a binding
// that needs both, on the fake broker.
func BenchmarkApply(b *testing.B) {
	for _, roles := range []int{100, 5000} {
		b.Run(fmt.Sprint(3*roles), func(b *testing.B) {
			h := newBench(b)
			var steps []plan.Step
			for i := range roles {
				q := h.step(plan.Create, provA, "queue", fmt.Sprint("q", i), map[string]cty.Value{"dead_letter": str("dlx")})
				e := h.step(plan.Create, provA, "exchange", fmt.Sprint("e", i), nil)
				bind := h.step(plan.Create, provA, "binding", fmt.Sprint("b", i), map[string]cty.Value{
					"source": str(fmt.Sprint("e", i)), "destination": str(fmt.Sprint("q", i))}, string(q.ID), string(e.ID))
				steps = append(steps, bind, q, e)
			}
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				h := newBench(b)
				h.deps.Events, h.deps.Parallelism = nil, 32
				p := &plan.Plan{Lineage: "l", Steps: steps}
				b.StartTimer()
				r, diags := apply.Run(context.Background(), p, h.deps)
				if diags.HasErrors() || r.Done != len(steps) {
					b.Fatalf("%s %v", counts(r), diags)
				}
				if s := apply.Fold(state.New("l"), r.Outcomes); len(s.Objects) != len(steps) {
					b.Fatal("objects are missing")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(steps)), "ns/step")
		})
	}
}
