package state

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/config/addr"
)

func target(t testing.TB, s string) addr.Target {
	t.Helper()
	tg, err := addr.ParseTarget(s)
	if err != nil {
		t.Fatal(err)
	}
	return tg
}

func world(t testing.TB) *Snapshot {
	s := New("l")
	add := func(at string, within ...string) {
		o := object(a(t, at))
		for _, w := range within {
			o.Within = append(o.Within, a(t, w))
		}
		s.Objects = append(s.Objects, o)
	}
	add(`queue.jobs["a"]`)
	add(`queue.jobs["b"]`)
	add(`queue.one`)
	add(`exchange.in`)
	add(`binding.b`, `queue.jobs["a"]`, `exchange.in`)
	add(`module.eu["x"].queue.q`)
	add(`module.eu["x"].module.in.binding.b`, `module.eu["x"].queue.q`, `exchange.in`)
	add(`participant.resize.queue["in"]`)
	add(`participant.resize.process`, `participant.resize.queue["in"]`)
	s.Sort()
	return s
}

func dump(s *Snapshot) []string {
	var out []string
	for _, o := range s.Objects {
		out = append(out, strings.TrimSpace(fmt.Sprint(o.Addr, " ", o.Within)))
	}
	return out
}

func TestMove(t *testing.T) {
	for _, c := range []struct{ from, to, gone, there string }{
		{`queue.one`, `queue.two`, `queue.one`, `queue.two []`},
		{`queue.one`, `queue.one["k"]`, `queue.one []`, `queue.one["k"] []`},
		{`queue.one`, `module.m.queue.one`, ` queue.one []`, `module.m.queue.one []`},
		{`queue.jobs["a"]`, `queue.work`, `queue.jobs["a"]`, `binding.b [queue.work exchange.in]`},
		{`queue.jobs`, `queue.work`, `queue.jobs`, `binding.b [queue.work["a"] exchange.in]`},
		{`exchange.in`, `exchange.out`, `exchange.in`, `module.eu["x"].module.in.binding.b [module.eu["x"].queue.q exchange.out]`},
		{`module.eu`, `module.us`, `module.eu`, `module.us["x"].module.in.binding.b [module.us["x"].queue.q exchange.in]`},
		{`module.eu["x"]`, `module.us`, `module.eu`, `module.us.module.in.binding.b [module.us.queue.q exchange.in]`},
		{`participant.resize`, `participant.scale`, `participant.resize`, `participant.scale.process [participant.scale.queue["in"]]`},
		{`participant.resize`, `module.m.participant.scale["a"]`, `.resize`, `module.m.participant.scale["a"].process [module.m.participant.scale["a"].queue["in"]]`},
	} {
		t.Run(c.from+" to "+c.to, func(t *testing.T) {
			s := world(t)
			before := fmt.Sprint(dump(s))
			shared := *s
			moves, err := Move(s, target(t, c.from), target(t, c.to))
			if err != nil || len(moves) == 0 {
				t.Fatal(moves, err)
			}
			got := dump(s)
			if !slices.Contains(got, c.there) || strings.Contains(" "+strings.Join(got, "\n"), c.gone) {
				t.Errorf("%s", strings.Join(got, "\n"))
			}
			if !slices.IsSortedFunc(s.Objects, func(a, b Object) int { return a.Addr.Compare(b.Addr) }) {
				t.Error("not in address order")
			}
			if fmt.Sprint(dump(&shared)) != before {
				t.Error("a snapshot that shares the objects changed")
			}
		})
	}
}

// Instances may change places in one move of their block.
func TestMoveOntoWhatLeaves(t *testing.T) {
	s := New("l")
	s.Objects = []Object{object(a(t, `module.a.queue.q`)), object(a(t, `module.a["x"].queue.q`))}
	if _, err := Move(s, target(t, `module.a.queue.q`), target(t, `module.a["x"].queue.q`)); err == nil {
		t.Error("took the place of another object")
	}
}

func TestMoveRefuses(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{`queue.one`, `queue.one`, "to itself"},
		{`queue.one`, `exchange.one`, "a queue is no exchange"},
		{`queue.one`, `queue.jobs["a"]`, "already"},
		{`queue.jobs`, `queue.work["z"]`, "several instances"},
		{`module.eu`, `module.us["z"]`, "several instances"},
		{`queue.one`, `module.m`, "one kind"},
		{`module.eu`, `module.eu.module.x`, "into itself"},
		{`participant.resize`, `graph.resize`, "a participant is no graph"},
		{`participant.resize.queue["in"]`, `queue.in`, "different things"},
		{`queue.job["a"]`, `queue.work`, `Did you mean "queue.jobs[\"a\"]"?`},
		{`queue.nothing`, `queue.work`, "msgflo state list"},
	} {
		s := world(t)
		before := fmt.Sprint(dump(s))
		_, err := Move(s, target(t, c.from), target(t, c.to))
		var e *AddressError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
		}
		if fmt.Sprint(dump(s)) != before {
			t.Errorf("%s to %s: refused and done", c.from, c.to)
		}
	}
}

func TestRemove(t *testing.T) {
	s := world(t)
	gone, err := Remove(s, []addr.Target{target(t, `queue.jobs`), target(t, `module.eu["x"].queue.q`), target(t, `queue.jobs["a"]`)})
	if err != nil || len(gone) != 3 {
		t.Fatal(gone, err)
	}
	got := strings.Join(dump(s), "\n")
	if strings.Contains(got, "queue.jobs") || !strings.Contains(got, "binding.b [exchange.in]\n") || strings.Contains(got, "queue.q") {
		t.Error(got)
	}
	before := len(s.Objects)
	if _, err := Remove(s, []addr.Target{target(t, `queue.one`), target(t, `queue.none`)}); err == nil || len(s.Objects) != before {
		t.Error("half done", err)
	}
}

func TestLookup(t *testing.T) {
	s := world(t)
	found, err := Lookup(s, target(t, `module.eu`))
	if err != nil || len(found) != 2 {
		t.Error(found, err)
	}
	if _, err := Lookup(New("l"), target(t, `queue.a`)); err == nil || !strings.Contains(err.Error(), "holds no objects") {
		t.Error(err)
	}
}

func TestCheckPush(t *testing.T) {
	at := func(lineage string, serial uint64) *Snapshot {
		s := New(lineage)
		s.Serial = serial
		return s
	}
	edited, running := at("l", 3), at("l", 3)
	edited.Objects = []Object{object(a(t, `queue.a`))}
	running.Intent = []byte(`{}`)
	for name, c := range map[string]struct {
		current, pushed *Snapshot
		want            string
	}{
		"first":    {nil, at("l", 0), ""},
		"newer":    {at("l", 3), at("l", 4), ""},
		"same":     {at("l", 3), at("l", 3), ""},
		"edited":   {at("l", 3), edited, "raise its serial to 4"},
		"older":    {at("l", 3), at("l", 2), "older"},
		"lineage":  {at("l", 3), at("m", 9), "another lineage"},
		"unended":  {running, at("l", 4), "did not end"},
		"replaced": {edited, at("l", 4), ""},
	} {
		err := CheckPush(c.current, c.pushed)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
