package addr

import (
	"cmp"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	for _, s := range []string{
		`queue.jobs`, `queue.jobs["eu"]`, `queue.jobs[0]`, `module.eu.queue.jobs`,
		`module.eu["a"].module.b.queue.jobs[3]`, `participant.resize.queue["in"]`,
		`participant.resize.process`, `graph.thumbnails.binding["fetch.out -> resize.in"]`,
		`module.m.participant.resize["a"].queue["in"]`, `queue.jobs["a.b\"c"]`, `broker.main.server`,
		`queue.x["$${y}"]`, `queue.x["\u001b[0m"]`, "queue.x[\"\u202e\"]",
	} {
		a, err := Parse(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		b, err := Parse(a.String())
		if err != nil || a != b {
			t.Errorf("%s became %s (%v)", s, a, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{
		``, `queue`, `queue.`, `module.eu`, `participant.resize`, `queue.jobs[1.5]`, `queue.jobs[-1]`,
		`queue.jobs[*]`, `queue.a.b`, `queue["a"].b`, `module["a"].b.queue.c`, `queue.jobs["a"]["b"]`, `module.eu.queue`,
		`participant["a"].x.process`, `participant.x["a"]`, `graph.g`, `participant.x.queue.in`, `participant.x["a"]["b"].process`,
	} {
		if a, err := Parse(s); err == nil {
			t.Errorf("%q parsed as %#v", s, a)
		}
	}
}

// KeyText reads what StringKey wrote, whatever it is.
func TestKeyText(t *testing.T) {
	for _, s := range []string{"", "eu", "a.out -> b.in", `a"b\c`, "${x}", "$${x}", "$$${", "%{if}", "%%{", "$$", "é\x1b\n\t", "\u202e", "\U0001F600"} {
		if got, ok := (Instance{Type: "queue", Name: "q", Key: StringKey(s)}).KeyText(); got != s || !ok {
			t.Errorf("%q became %q, %t", s, got, ok)
		}
	}
	for _, key := range []string{"", "[0]", "[12]", "[", `["a"`, `"a"`} {
		if got, ok := (Instance{Type: "queue", Name: "q", Key: key}).KeyText(); got != "" || ok {
			t.Errorf("%q is the text %q", key, got)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		target, object string
		want           bool
	}{
		{`queue.jobs`, `queue.jobs["eu"]`, true},
		{`queue.jobs["eu"]`, `queue.jobs["us"]`, false},
		{`queue.jobs`, `queue.jobs2`, false},
		{`module.eu`, `module.eu.queue.jobs`, true},
		{`module.eu`, `module.eu["a"].queue.jobs`, true},
		{`module.eu["a"]`, `module.eu["b"].queue.jobs`, false},
		{`module.eu`, `module.eu2.queue.jobs`, false},
		{`module.eu`, `module.eu.module.x.queue.jobs`, true},
		{`module.eu`, `queue.jobs`, false},
		{`participant.resize`, `participant.resize.queue["in"]`, true},
		{`participant.resize`, `participant.resizer.queue["in"]`, false},
		{`participant.resize`, `participant.resize["a"].process`, true},
		{`participant.resize["a"]`, `participant.resize["a"].queue["in"]`, true},
		{`participant.resize["a"]`, `participant.resize["b"].process`, false},
		{`participant.resize["a"].queue`, `participant.resize["a"].queue["in"]`, false},
		{`participant.resize["a"].queue["in"]`, `participant.resize["a"].queue["in"]`, true},
		{`participant.resize[1]`, `participant.resize[10].process`, false},
		{`module.m["x"].participant.resize`, `module.m["x"].participant.resize[0].process`, true},
		{`graph.thumbs`, `graph.thumbs.binding["a.out -> b.in"]`, true},
		{`graph.thumbs`, `graph.thumbs["eu"].keeper`, true},
	} {
		tg, err := ParseTarget(c.target)
		if err != nil {
			t.Fatal(err)
		}
		i, err := Parse(c.object)
		if err != nil {
			t.Fatal(err)
		}
		if got := tg.Matches(i); got != c.want {
			t.Errorf("%s matches %s: %v", c.target, c.object, got)
		}
	}
}

func TestOrder(t *testing.T) {
	want := []string{
		`queue.a[2]`, `queue.a[10]`, `participant.p.process`, `participant.p["a"].process`, `participant.p[2].queue["in"]`, `participant.p[10].process`,
		`participant.q.process`,
	}
	as := make([]Instance, len(want))
	for i, s := range want {
		a, err := Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		as[len(want)-1-i] = a
	}
	Sort(as)
	for i := range as {
		if as[i].String() != want[i] {
			t.Errorf("%d: %s, wanted %s", i, as[i], want[i])
		}
		for j := range as {
			if got := as[i].Compare(as[j]); cmp.Compare(got, 0) != cmp.Compare(i, j) || as[i].Less(as[j]) != (i < j) {
				t.Errorf("%s compared with %s: %d", as[i], as[j], got)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`module.eu["a"].queue.jobs[0]`)
	f.Add(`participant.resize.queue["in"]`)
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		b, err := Parse(a.String())
		if err != nil || a != b {
			t.Fatalf("%q: %#v became %#v (%v)", s, a, b, err)
		}
	})
}
