package planner_test

import (
	"maps"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
)

// An update of what a process has from its start on is a restart; any other,
// and a create, is what it always was.
func TestRestart(t *testing.T) {
	typ := testType(true)
	q := typ.Resources["queue"]
	q.Attrs = append(q.Attrs,
		providers.Attr{Name: "env", Type: cty.Map(cty.String), Restarts: true},
		providers.Attr{Name: "stop", Attrs: []providers.Attr{{Name: "signal", Type: cty.String, Restarts: true}, {Name: "timeout", Type: cty.String}}},
		providers.Attr{Name: "ports", Label: "port", Attrs: []providers.Attr{{Name: "queue", Type: cty.String, Restarts: true}, {Name: "note", Type: cty.String}}},
	)
	env := func(v string) cty.Value { return cty.MapVal(map[string]cty.Value{"A.B": s(v)}) }
	stop := func(sig, timeout string) cty.Value {
		return cty.ObjectVal(attrs{"signal": s(sig), "timeout": s(timeout)})
	}
	ports := func(queue, note string) cty.Value {
		return cty.MapVal(attrs{"in": cty.ObjectVal(attrs{"queue": s(queue), "note": s(note)})})
	}
	base := attrs{"env": env("1"), "stop": stop("SIGTERM", "1s"), "ports": ports("a", "b"), "ttl": cty.NumberIntVal(1)}
	for _, c := range []struct {
		name, attr string
		to         cty.Value
		want       string
	}{
		{"an element", "env", env("2"), "↻ queue.jobs"},
		{"all of it gone", "env", cty.NullVal(cty.Map(cty.String)), "↻ queue.jobs"},
		{"in a block", "stop", stop("SIGINT", "1s"), "↻ queue.jobs"},
		{"another of the block", "stop", stop("SIGTERM", "2s"), "~ queue.jobs"},
		{"in a labelled block", "ports", ports("c", "b"), "↻ queue.jobs"},
		{"another of the labelled block", "ports", ports("a", "c"), "~ queue.jobs"},
		{"another attribute", "ttl", cty.NumberIntVal(2), "~ queue.jobs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := tell(t, typ, queue(typ, "jobs", base))
			now := maps.Clone(base)
			now[c.attr] = c.to
			want := []desired.Object{queue(typ, "jobs", now)}
			p := mustPlan(t, st.w.input(want, st.prior))
			wantActions(t, p, c.want)
			if u := step(t, p, c.want); u.Action == plan.Restart && u.Reason == "" {
				t.Error("a restart without a reason")
			}
			n := p.Summary()
			if n.Change != 1 || (n.Restart == 1) != (p.Steps[0].Action == plan.Restart) {
				t.Errorf("counts %+v", n)
			}
			st.apply(want...)
			wantActions(t, mustPlan(t, st.w.input(want, st.prior)))
		})
	}
}

// What needs a restarted object waits for it as for an updated one.
func TestRestartIsWaitedFor(t *testing.T) {
	typ := testType(true)
	q := typ.Resources["queue"]
	q.Attrs = append(q.Attrs, providers.Attr{Name: "env", Type: cty.Map(cty.String), Restarts: true})
	make := func(v string) []desired.Object {
		a := queue(typ, "a", attrs{"env": cty.MapVal(attrs{"K": s(v)})})
		b := queue(typ, "b", attrs{"env": cty.MapVal(attrs{"K": s(v)})})
		b.After = append(b.After, a.Addr)
		return []desired.Object{a, b}
	}
	st := tell(t, typ, make("1")...)
	p := mustPlan(t, st.w.input(make("2"), st.prior))
	needs(t, p, "↻ queue.b", "↻ queue.a")
}

// Of a secret nobody knows which part differs, so the reason names none.
func TestRestartBySecret(t *testing.T) {
	typ := testType(true)
	q := typ.Resources["queue"]
	q.Attrs = append(q.Attrs, providers.Attr{Name: "secret_env", Type: cty.Map(cty.String), Restarts: true, Sensitive: []cty.Path{{}}})
	make := func(v string) desired.Object {
		return queue(typ, "jobs", attrs{"secret_env": cty.MapVal(attrs{"A": s(v), "B": s("same")})})
	}
	st := tell(t, typ, make("1"))
	p := mustPlan(t, st.w.input([]desired.Object{make("2")}, st.prior))
	if u := step(t, p, "↻ queue.jobs"); u.Reason != "a process has its secret_env from its start on" {
		t.Errorf("reason %q", u.Reason)
	}
}
