package apply_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/apply"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/state"
)

func object(name string, within ...addr.Instance) *state.Object {
	return &state.Object{Addr: at("queue", name), Provider: provA, ProviderType: "fake", Owned: true, Within: within,
		Attrs: json.RawMessage(`{"name":"` + name + `"}`)}
}

func snapshot(objects ...*state.Object) *state.Snapshot {
	s := state.New("l")
	for _, o := range objects {
		s.Objects = append(s.Objects, *o)
	}
	s.Sort()
	return s
}

func made(name string, o *state.Object) state.Outcome {
	return state.Outcome{Run: "r", Addr: at("queue", name), Object: o}
}

// brief writes a snapshot as `address=name(within)`.
func brief(s *state.Snapshot) string {
	var out []string
	for _, o := range s.Objects {
		t := o.Addr.Name + "=" + strings.Split(string(o.Attrs), `"`)[3]
		for _, w := range o.Within {
			t += "(" + w.Name + ")"
		}
		out = append(out, t)
	}
	for _, o := range s.Pending {
		out = append(out, "?"+o.Addr.Name)
	}
	return strings.Join(out, " ")
}

func TestFold(t *testing.T) {
	a := at("queue", "a")
	pending := made("c", object("c"))
	pending.Pending = true
	for _, c := range []struct {
		name     string
		prior    *state.Snapshot
		outcomes []state.Outcome
		want     string
	}{
		{"nothing", snapshot(object("a")), nil, "a=a"},
		{"made and replaced", snapshot(object("a")), []state.Outcome{made("a", nil), made("a", object("x")), made("b", object("b"))}, "a=x b=b"},
		{"gone, and relations to it", snapshot(object("a"), object("b", a)), []state.Outcome{made("a", nil)}, "b=b"},
		{"replaced, and relations to it", snapshot(object("a"), object("b", a)), []state.Outcome{made("a", nil), made("a", object("a"))}, "a=a b=b(a)"},
		{"pending", snapshot(object("a")), []state.Outcome{pending}, "a=a ?c"},
		{"pending and then known", snapshot(), []state.Outcome{pending, made("c", object("c"))}, "c=c"},
		{"pending and then known to be absent", snapshot(), []state.Outcome{pending, made("c", nil)}, ""},
	} {
		before := brief(c.prior)
		once := apply.Fold(c.prior, c.outcomes)
		if got := brief(once); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if brief(c.prior) != before {
			t.Errorf("%s: the snapshot was changed", c.name)
		}
		if got := brief(apply.Fold(once, c.outcomes)); got != c.want {
			t.Errorf("%s: folded twice: %q", c.name, got)
		}
	}
}

// Addresses change all at once: objects may take each other's.
func TestReaddress(t *testing.T) {
	a := at("queue", "a")
	for _, c := range []struct {
		name  string
		prior *state.Snapshot
		moves string
		want  string
	}{
		{"none", snapshot(object("a")), "", "a=a"},
		{"relations follow", snapshot(object("a"), object("z", a)), "a>b", "b=a z=z(b)"},
		{"a chain", snapshot(object("a"), object("b")), "a>b b>c", "b=a c=b"},
		{"a swap", snapshot(object("a"), object("b", a)), "a>b b>a", "a=b(b) b=a"},
		{"a circle", snapshot(object("a"), object("b", a), object("c", a)), "c>a a>b b>c", "a=c(b) b=a c=b(b)"},
	} {
		var moves []plan.Moved
		for m := range strings.FieldsSeq(c.moves) {
			from, to, _ := strings.Cut(m, ">")
			moves = append(moves, plan.Moved{From: at("queue", from), To: at("queue", to)})
		}
		before := brief(c.prior)
		if got := brief(apply.Readdress(c.prior, moves)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if brief(c.prior) != before {
			t.Errorf("%s: the snapshot was changed", c.name)
		}
	}
}

func TestRecover(t *testing.T) {
	step := func(a plan.Action, name string, needs ...plan.StepID) plan.Step {
		i := at("queue", name)
		return plan.Step{ID: plan.ID(a, i), Addr: i, Action: a, Provider: provA, After: json.RawMessage(`{"name":"` + name + `","peer":null}`),
			Needs: needs, Record: plan.Recorded{Owned: true}}
	}
	from := at("queue", "a")
	holed := step(plan.Create, "d", "+ queue.a")
	holed.Holes = []plan.Hole{{Path: "peer", Addr: &from, Attr: "name"}, {Path: "password", Secret: true}}
	secret := step(plan.Update, "e")
	secret.Holes = []plan.Hole{{Path: "password", Secret: true}}
	intent := &plan.Plan{Steps: []plan.Step{
		step(plan.Create, "a"), step(plan.Create, "b", "+ queue.a"), step(plan.Create, "c", "+ queue.b"), holed, secret,
		step(plan.Delete, "f"), step(plan.Create, "f", "- queue.f"), step(plan.Adopt, "g"),
	}}
	e := object("e")
	e.Hashes = map[string]string{"password": "$argon2id$", "other": "$x"}
	next, may := apply.Recover(snapshot(e, object("f")), intent, []state.Outcome{made("a", object("a"))})
	var names []string
	for a := range may {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "b d" {
		t.Errorf("may have been created: %s", got)
	}
	if got := brief(next); got != "a=a e=e f=f ?b ?d" {
		t.Errorf("recovered: %s", got)
	}
	d := next.Pending[1]
	if string(d.Attrs) != `{"name":"d","peer":"a"}` || d.Hashes["password"] == "" || !d.Owned {
		t.Errorf("pending: %+v", d)
	}
	if h := next.Objects[1].Hashes; h["password"] == "$argon2id$" || h["other"] != "$x" || e.Hashes["password"] != "$argon2id$" {
		t.Errorf("hashes: %v, and before: %v", h, e.Hashes)
	}
	// Recovering again, with all recorded, finds nothing open.
	var all []state.Outcome
	for _, n := range []string{"a", "b", "c", "d", "e", "g"} {
		all = append(all, made(n, object(n)))
	}
	all = append(all, made("f", nil), made("f", object("f")))
	if next, may := apply.Recover(snapshot(e, object("f")), intent, all); len(may)+len(next.Pending) > 0 {
		t.Errorf("still open: %v", may)
	}
}
