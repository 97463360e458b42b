package change_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/uitest"
	"github.com/msgflo/msgflo/planner/plan"
)

func bind(from, to, typ, key, args string) string {
	return fmt.Sprintf(`{"vhost":"/","source":%q,"destination":%q,"destination_type":%q,"routing_key":%q,"arguments":%s}`, from, to, typ, key, args)
}

func TestEdges(t *testing.T) {
	a := bind("events", "billing", "queue", "order.*", "null")
	toExchange := bind("events", "all", "exchange", "", "null")
	headers := bind("h", "q", "queue", "", `{"value":{"x-match":"all"},"type":["object",{"x-match":"string"}]}`)
	for name, c := range map[string]struct {
		steps []plan.Step
		want  []string
	}{
		"closed": {[]plan.Step{uitest.Step(plan.Delete, "binding.a", a, "")}, []string{"`order.*` from exchange events no longer reaches queue billing"}},
		"opened": {[]plan.Step{uitest.Step(plan.Create, "binding.a", "", a), uitest.Step(plan.Create, "binding.b", "", toExchange), uitest.Step(plan.Create, "binding.h", "", headers)},
			[]string{"exchange events now reaches exchange all", "`order.*` from exchange events now reaches queue billing", "exchange h now reaches queue q where `{ x-match = \"all\" }`"}},
		"made again":          {[]plan.Step{uitest.Step(plan.Delete, "binding.a", a, ""), uitest.Step(plan.Create, "binding.a", "", a)}, nil},
		"under a new address": {[]plan.Step{uitest.Step(plan.Delete, "binding.a", a, ""), uitest.Step(plan.Create, "binding.b", "", a)}, nil},
		"another key": {[]plan.Step{uitest.Step(plan.Delete, "binding.a", a, ""), uitest.Step(plan.Create, "binding.a", "", strings.Replace(a, "order.*", "#", 1))},
			[]string{"`#` from exchange events now reaches queue billing", "`order.*` from exchange events no longer reaches queue billing"}},
		"adopted":   {[]plan.Step{uitest.Step(plan.Adopt, "binding.a", a, a)}, nil},
		"forgotten": {[]plan.Step{uitest.Step(plan.Forget, "binding.a", a, "")}, nil},
		"broken":    {[]plan.Step{uitest.Step(plan.Create, "binding.a", "", `{"source":1}`)}, nil},
	} {
		var got []string
		for _, e := range change.Edges(change.Merge(&plan.Plan{Steps: c.steps})) {
			got = append(got, e.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestASecretRoutingKeyIsMasked(t *testing.T) {
	s := uitest.Step(plan.Create, "binding.a", "", bind("x", "q", "queue", "leak", `{"value":{"k":"leak"},"type":["object",{"k":"string"}]}`))
	s.Sensitive = []string{"routing_key", `arguments["k"]`}
	for _, e := range change.Edges(change.Merge(&plan.Plan{Steps: []plan.Step{s}})) {
		if strings.Contains(e.String(), "leak") {
			t.Error(e)
		}
	}
}

func TestArrange(t *testing.T) {
	q := func(n string) string { return fmt.Sprintf(`{"name":%q,"vhost":"/"}`, n) }
	p := &plan.Plan{Steps: []plan.Step{
		uitest.Step(plan.Create, "policy.p", "", q("p")),
		uitest.Step(plan.Create, "binding.e", "", bind("x1", "x2", "exchange", "", "null")),
		uitest.Step(plan.Create, "binding.z", "", bind("x2", "a", "queue", "", "null")),
		uitest.Step(plan.Create, "queue.b", "", q("b")),
		uitest.Step(plan.Create, "queue.a", "", q("a")),
		uitest.Step(plan.Create, "exchange.x2", "", q("x2")),
		uitest.Step(plan.Create, "exchange.x1", "", q("x1")),
		uitest.Step(plan.Create, "exchange.alone", "", q("alone")),
		uitest.Step(plan.Create, "user.u", "", q("u")),
		uitest.Step(plan.Create, "vhost.v", "", q("v")),
		uitest.Step(plan.Record, "queue.r", q("r"), q("r")),
		uitest.Step(plan.Create, "module.m.queue.a", "", q("ma")),
	}}
	var got []string
	for _, g := range change.Arrange(change.Merge(p)) {
		got = append(got, g.Module+":")
		for _, c := range g.Changes {
			got = append(got, c.Addr.Type+"."+c.Addr.Name)
		}
	}
	want := ": vhost.v user.u exchange.x2 binding.e queue.a binding.z queue.b exchange.alone exchange.x1 policy.p module.m: queue.a"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// Whatever the steps and their order, every change is shown once, and a replace
// stays one.
func TestArrangeLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &plan.Plan{}
		wanted := map[string]plan.Action{}
		n := rapid.IntRange(0, 12).Draw(t, "n")
		for i := range n {
			typ := rapid.SampledFrom([]string{"queue", "exchange", "binding", "user", "policy"}).Draw(t, "type")
			module := rapid.SampledFrom([]string{"", "module.a.", `module.a["k"].`}).Draw(t, "module")
			ends := rapid.SampledFrom([]string{"n0", "n1", "n2", "n3"})
			v := bind(ends.Draw(t, "from"), ends.Draw(t, "to"), rapid.SampledFrom([]string{"queue", "exchange"}).Draw(t, "kind"), "", "null")
			if typ != "binding" {
				v = fmt.Sprintf(`{"name":%q,"vhost":"/"}`, ends.Draw(t, "name"))
			}
			at := fmt.Sprintf("%s%s.o%d", module, typ, i)
			a := rapid.SampledFrom([]plan.Action{plan.Create, plan.Delete, plan.Update, plan.Replace, plan.Adopt}).Draw(t, "action")
			wanted[at] = a
			if a == plan.Replace {
				p.Steps = append(p.Steps, uitest.Step(plan.Delete, at, v, ""), uitest.Step(plan.Create, at, "", v))
				continue
			}
			p.Steps = append(p.Steps, uitest.Step(a, at, v, v))
		}
		p.Steps = rapid.Permutation(p.Steps).Draw(t, "order")
		cs := change.Merge(p)
		seen := map[string]bool{}
		for _, g := range change.Arrange(cs) {
			for _, c := range g.Changes {
				at := c.Addr.String()
				if seen[at] || wanted[at] != c.Action {
					t.Fatalf("%s twice or as %s", at, c.Action)
				}
				seen[at] = true
			}
		}
		if len(seen) != len(wanted) {
			t.Fatalf("%d of %d changes are shown", len(seen), len(wanted))
		}
	})
}

func TestCounts(t *testing.T) {
	for _, c := range []struct {
		n    change.Counts
		want string
	}{
		{change.Counts{Add: 3, Change: 1, Migrate: 1, Adopt: 2}, "Plan: 3 to add, 1 to change, 1 to migrate, 0 to destroy, 2 to adopt. 0 messages at risk."},
		{change.Counts{Add: 1, Messages: 18216, Import: 1, Forget: 4}, "Plan: 1 to add, 0 to change, 0 to destroy, 1 to import, 4 to forget. 18 216 messages at risk."},
		{change.Counts{Destroy: 1, Unknown: true}, "Plan: 0 to add, 0 to change, 1 to destroy. An unknown number of messages at risk."},
		{change.Counts{Destroy: 1, Unknown: true, Messages: 1}, "Plan: 0 to add, 0 to change, 1 to destroy. At least 1 message at risk."},
	} {
		if got := c.n.Line(); got != c.want {
			t.Errorf("got %s", got)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1 000", 1234567: "1 234 567", -1234: "-1 234", -123: "-123"} {
		if got := change.Number(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}
