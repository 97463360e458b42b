package apply_test

import (
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/providers/fake"
)

// small are pairs of configurations that have every kind of step between
// them: create, update, replace with its bindings, rename, swap, delete,
// cascades, a computed value handed on, a vhost that goes with all in it.
func small() map[string][2]config {
	q := func(a, name, typ string) block {
		return block{addr: at("queue", a), attrs: map[string]cty.Value{"name": str(name), "type": str(typ)}}
	}
	e := func(a, name string) block {
		return block{addr: at("exchange", a), attrs: map[string]cty.Value{"name": str(name)}}
	}
	b := func(a, src, dst, key string) block {
		return block{addr: at("binding", a), attrs: map[string]cty.Value{"source": str(src), "destination": str(dst), "key": str(key),
			"destination_type": str("queue")}}
	}
	auto := e("auto", "eauto")
	auto.attrs["auto_delete"] = cty.True
	user := func(pw string) block {
		return block{addr: at("user", "u"), attrs: map[string]cty.Value{"name": str("ann"), "password": str(password + pw)}}
	}
	widget := func(a string, size int64, peer *addr.Instance) block {
		return block{addr: at("widget", a), attrs: map[string]cty.Value{"name": str("w" + a), "size": cty.NumberIntVal(size)}, peer: peer}
	}
	running := func(env string, peer *addr.Instance) block {
		a := "a"
		if peer != nil {
			a = "b"
		}
		w := widget(a, 1, peer)
		w.attrs["env"] = cty.MapVal(map[string]cty.Value{"LEVEL": str(env)})
		return w
	}
	shared := func(b block) block {
		b.shared = true
		return b
	}
	common := func(pattern string) block {
		return shared(block{addr: at("policy", "common"), attrs: map[string]cty.Value{"name": str("common"), "pattern": str(pattern)}})
	}
	in := func(v string, bs ...block) config {
		for i := range bs {
			bs[i].attrs["vhost"] = str(v)
		}
		return append(config{{addr: at("vhost", "v"), attrs: map[string]cty.Value{"name": str(v)}}}, bs...)
	}
	wa := at("widget", "a")
	return map[string][2]config{
		"replace a queue with its bindings": {
			{e("a", "ea"), q("a", "qa", "classic"), b("a", "ea", "qa", "k"), b("b", "ea", "qa", "l")},
			{e("a", "ea"), q("a", "qa", "quorum"), b("a", "ea", "qa", "k"), b("b", "ea", "qa", "l")},
		},
		"an auto_delete exchange loses its last binding for a moment": {
			{auto, q("a", "qa", "classic"), b("a", "eauto", "qa", "k")},
			{auto, q("a", "qa", "quorum"), b("a", "eauto", "qa", "k")},
		},
		"rename": {
			{e("a", "ea"), q("a", "qa", "classic"), b("a", "ea", "qa", "k")},
			{e("a", "eb"), q("a", "qb", "classic"), b("a", "eb", "qb", "k")},
		},
		"two addresses swap their names": {
			{q("a", "qa", "classic"), q("b", "qb", "quorum")},
			{q("a", "qb", "classic"), q("b", "qa", "quorum")},
		},
		"bind before unbind": {
			{e("a", "ea"), q("a", "qa", "classic"), b("a", "ea", "qa", "k")},
			{e("a", "ea"), q("a", "qa", "classic"), b("a", "ea", "qa", "l")},
		},
		"another password":                 {{user("1")}, {user("2")}},
		"a computed value handed on":       {{widget("a", 1, nil), widget("b", 1, &wa)}, {widget("a", 2, nil), widget("b", 1, &wa)}},
		"a restart, and what waits for it": {{running("1", nil), running("1", &wa)}, {running("2", nil), running("2", &wa)}},
		"shared by all": {
			{shared(q("fbp", "fbp", "classic")), common("^a$"), e("a", "fe2"), b("a", "fe2", "fbp", "k")},
			{shared(q("fbp", "fbp", "classic")), common("^b$"), q("b", "qb", "classic")},
		},
		"shared no more": {{shared(q("fbp", "fbp", "classic")), common("^a$")}, {q("b", "qb", "classic")}},
		"shared under other addresses": {
			{shared(q("one", "fbp", "classic")), shared(q("two", "fbp2", "classic"))},
			{shared(q("two", "fbp", "classic")), shared(q("one", "fbp2", "classic"))},
		},
		"two addresses swap what they name": {
			{e("a", "ea"), q("a", "qa", "classic"), q("b", "qb", "quorum"), b("x", "ea", "qa", "k"), b("y", "ea", "qb", "k")},
			{e("a", "ea"), q("b", "qa", "classic"), q("a", "qb", "quorum"), b("y", "ea", "qa", "k"), b("x", "ea", "qb", "k")},
		},
		"a list loses its first": {
			{q("w0", "qa", "classic"), q("w1", "qb", "classic"), q("w2", "qc", "classic")},
			{q("w0", "qb", "classic"), q("w1", "qc", "quorum")},
		},
		"an address is handed on": {
			{e("x", "eout"), q("a", "qa", "classic"), b("a", "eout", "qa", "k")},
			{e("x", "ein"), e("y", "eout"), q("a", "qa", "classic"), b("a", "eout", "qa", "k")},
		},
		"everything inside a vhost": {in("v", e("a", "ea"), q("a", "qa", "classic"), b("a", "ea", "qa", "k")), in("w", e("a", "ea"), q("a", "qa", "classic"), b("a", "ea", "qa", "k"))},
		"the dead letter exchange goes": {
			{e("a", "ea"), block{addr: at("queue", "a"), attrs: map[string]cty.Value{"name": str("qa"), "dead_letter": str("ea")}}},
			{q("b", "qb", "classic")},
		},
	}
}

// trial is two configurations, the second of which meets a fault at call k.
type trial struct {
	name        string
	from, to    declared
	fault       fake.Fault
	k           int
	then        string // what the next run does: again, back, destroy
	parallelism int
}

// run reports whether the fault was met.
func (tr trial) run(t tester) bool {
	t.Helper()
	w := foreign(t)
	before := inventory(w)
	e := newEngine(t, w, tr.parallelism)
	if tr.from == nil {
		tr.from = config{}
	} else {
		e.ok(e.run(tr.from, options{consent: true}))
	}
	w.Revive()
	w.Fail(tr.k, tr.fault)
	r := e.run(tr.to, options{consent: true})
	met := w.Calls() >= tr.k
	killed := tr.fault == fake.Kill || tr.fault == fake.KillAfter
	if met && killed != r.killed {
		t.Fatalf("killed: %v", r.killed)
	}
	lost := tr.fault == fake.Lost || tr.fault == fake.LostAfter
	if met && lost && !r.diags.HasErrors() {
		t.Fatalf("nobody says that something went wrong")
	}
	if met && !killed && !r.diags.HasErrors() {
		// Whatever went wrong did not matter, or was found out and settled.
		w.Revive()
		converged(e, tr.to, before)
	}
	if lost && len(r.diags) > 1 {
		t.Fatalf("a lost connection is one event, not %d: %v", len(r.diags), r.diags)
	}
	w.Revive()
	switch tr.then {
	case "again":
		e.ok(e.run(tr.to, options{consent: true}))
		converged(e, tr.to, before)
	case "back":
		e.ok(e.run(tr.from, options{consent: true}))
		converged(e, tr.from, before)
	}
	e.destroyed(before)
	return met
}

// Whatever goes wrong at whatever call, one more run reaches what is wanted,
// or takes everything down: nothing is forgotten, nothing foreign touched.
func TestEveryFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	for name, p := range small() {
		pair := [2]declared{p[0], p[1]}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tried := 0
			for _, f := range fake.Faults() {
				for _, start := range []declared{nil, pair[0]} {
					for _, then := range []string{"again", "back", "destroy"} {
						for k := 1; ; k++ {
							to := pair[1]
							if start == nil {
								to = pair[0]
							}
							tr := trial{name, start, to, f, k, then, 1}
							met := tr.run(named{t, fmt.Sprintf("%s at call %d, then %s (from nothing: %v)", f, k, then, start == nil)})
							if !met {
								break
							}
							tried++
						}
					}
				}
			}
			if tried < 60 {
				t.Errorf("only %d faults were met", tried)
			}
		})
	}
}

// named says in which trial something failed.
type named struct {
	*testing.T
	what string
}

func (n named) Fatalf(format string, args ...any) {
	n.Helper()
	n.T.Fatalf(n.what+": "+format, args...)
}

// The same with any configurations, and several steps at once.
func TestFaultsAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trial{
			from: drawConfig(t, "from "), to: drawConfig(t, "to "),
			fault: rapid.SampledFrom(fake.Faults()).Draw(t, "fault"), k: rapid.IntRange(2, 25).Draw(t, "call"),
			then:        rapid.SampledFrom([]string{"again", "back", "destroy"}).Draw(t, "then"),
			parallelism: rapid.SampledFrom([]int{1, 8}).Draw(t, "parallelism"),
		}.run(t)
	})
}
