package routes_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
	"github.com/msgflo/msgflo/providers/transport/mqtt"
)

// levels are few, so that filters meet.
func topics(t *rapid.T, name string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "", "$x", "."}), 1, 4).Draw(t, name), "/") + "/" + rapid.SampledFrom([]string{"a", "b"}).Draw(t, name+" end")
}

func filters(t *rapid.T, name string) string {
	ls := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "", "+", "$x", "."}), 1, 4).Draw(t, name)
	if rapid.Bool().Draw(t, name+" all") {
		ls = append(ls, "#")
	}
	if f := strings.Join(ls, "/"); f != "" {
		return f
	}
	return "+"
}

// The index finds what mqtt.Match says.
func TestIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return filters(t, "filter") }), 0, 12).Draw(t, "filters")
		x := routes.Index[int]{}
		for i, f := range fs {
			x.Add(f, i)
		}
		topic := topics(t, "topic")
		var got, want []int
		x.Each(topic, func(i int) { got = append(got, i) })
		for i, f := range fs {
			if mqtt.Match(f, topic) {
				want = append(want, i)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%q in %q: %v, want %v", topic, fs, got, want)
		}
	})
}

// Filters that a topic matches both overlap.
func TestOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, g, topic := filters(t, "f"), filters(t, "g"), topics(t, "topic")
		if mqtt.Match(f, topic) && mqtt.Match(g, topic) && !routes.Overlap(f, g) {
			t.Fatalf("%q matches %q and %q", topic, f, g)
		}
		if routes.Overlap(f, g) != routes.Overlap(g, f) {
			t.Fatalf("%q and %q", f, g)
		}
	})
	for _, c := range []struct {
		f, g string
		want bool
	}{
		{"a", "b", false}, {"a", "a", true}, {"a/+", "+/b", true}, {"a/#", "a", true}, {"a/#", "b/#", false}, {"+", "a/b", false},
		{"#", "a/b", true}, {"#", "$SYS/x", false}, {"+/x", "$SYS/x", false}, {"$SYS/#", "$SYS/x", true}, {"a/+/c", "a/b/#", true}, {"a/+", "a/b/c", false},
	} {
		if routes.Overlap(c.f, c.g) != c.want || routes.Overlap(c.g, c.f) != c.want {
			t.Errorf("%q and %q: want %v", c.f, c.g, c.want)
		}
	}
}

// A document keeps its own rules through any changes, survives its text, and
// no two filters of a lane overlap.
func TestNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const lineage = "l"
		var d *routes.Document
		type key struct{ from, to string }
		want := map[key]routes.Route{}
		seen := map[string]map[int]bool{} // the lanes that a filter ever had
		for step := range rapid.IntRange(1, 6).Draw(t, "steps") {
			var changes []routes.Change
			for range rapid.IntRange(0, 6).Draw(t, "changes") {
				r := routes.Route{From: filters(t, "from"), To: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "to"), QoS: byte(rapid.IntRange(0, 1).Draw(t, "qos"))}
				c := routes.Change{Route: r, Delete: rapid.Bool().Draw(t, "delete")}
				changes = append(changes, c)
				if k := (key{r.From, r.To}); c.Delete {
					delete(want, k)
				} else {
					want[k] = r
				}
			}
			before := int64(0)
			if d != nil {
				before = d.Revision
			}
			d = d.Next(lineage, changes, 0, int64(step))
			if d.Revision <= before {
				t.Fatalf("revision %d after %d", d.Revision, before)
			}
			body, err := d.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if d, err = routes.Parse(lineage, body); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if len(d.Routes) != len(want) {
				t.Fatalf("%d routes, want %d", len(d.Routes), len(want))
			}
			for k, r := range want {
				if got, ok := d.Find(k.from, k.to); !ok || got != r {
					t.Fatalf("%v: %v", k, got)
				}
			}
			for i, r := range d.Routes {
				for _, s := range d.Routes[:i] {
					if r.From != s.From && d.Lane(r.From) == d.Lane(s.From) && routes.Overlap(r.From, s.From) {
						t.Fatalf("%q and %q are both in lane %d", r.From, s.From, d.Lane(r.From))
					}
				}
				if seen[r.From] == nil {
					seen[r.From] = map[int]bool{}
				}
				seen[r.From][d.Lane(r.From)] = true
			}
			// No router has applied anything: all that a session may have is told.
			for f, lanes := range seen {
				for lane := range lanes {
					now := slices.ContainsFunc(d.Routes, func(r routes.Route) bool { return r.From == f && d.Lane(f) == lane })
					gone := slices.Contains(d.Gone, routes.Gone{From: f, Lane: lane})
					if now == gone {
						t.Fatalf("%q of lane %d: there %v, gone %v", f, lane, now, gone)
					}
				}
			}
		}
	})
}

func TestLoops(t *testing.T) {
	for _, c := range []struct {
		name  string
		hops  string // "from>to from>to"
		loops []string
		dots  bool
	}{
		{"none", "a>b b>c a>c", nil, false},
		{"itself", "a>a", []string{"a>a"}, false},
		{"two", "b>a a>b x>a", []string{"a>b b>a"}, false},
		{"wildcard", "a/#>a/b", []string{"a/#>a/b"}, false},
		{"a/# is also a", "a/#>a", []string{"a/#>a"}, false},
		{"wildcard that cannot match", "a/+>a/b/c a/+>b", nil, false},
		{"back through a wildcard", "a/+>b/1 b/#>c c>a/2", []string{"a/+>b/1 b/#>c c>a/2"}, false},
		{"one of two is told by its shortest way", "a>b b>c c>d d>a b>a", []string{"a>b b>a"}, false},
		{"two loops", "a>b b>a x>y y>x", []string{"a>b b>a", "x>y y>x"}, false},
		{"broker's own", "#>$x", nil, false},
		{"dots", "a.b>a/b", nil, false},
		{"dots that are slashes", "a.b>a/b", []string{"a.b>a/b"}, true},
	} {
		var hops []routes.Hop
		for f := range strings.FieldsSeq(c.hops) {
			from, to, _ := strings.Cut(f, ">")
			hops = append(hops, routes.Hop{Route: routes.Route{From: from, To: to}})
		}
		var got []string
		for _, loop := range routes.Loops(hops, c.dots) {
			var words []string
			for _, h := range loop {
				words = append(words, h.From+">"+h.To)
			}
			got = append(got, strings.Join(words, " "))
		}
		if !slices.Equal(got, c.loops) {
			t.Errorf("%s: %q, want %q", c.name, got, c.loops)
		}
	}
}

func TestChecks(t *testing.T) {
	for _, c := range []struct {
		check func(string) error
		text  string
		want  string // "": fine
	}{
		{routes.CheckFrom, "a/+/#", ""}, {routes.CheckFrom, "/a//b/", ""}, {routes.CheckFrom, "$SYS/broker/load/#", ""}, {routes.CheckFrom, "#", ""},
		{routes.CheckFrom, "", "empty"}, {routes.CheckFrom, "a+", "wildcard"}, {routes.CheckFrom, "#/a", "at its end"},
		{routes.CheckFrom, "$share/g/a", "shared"}, {routes.CheckFrom, "msgflo/routes/+", "holds routes"}, {routes.CheckFrom, "msgflo/routers/x", "holds routes"},
		{routes.CheckTo, "a//b", ""}, {routes.CheckTo, "a/+", "one topic"}, {routes.CheckTo, "#", "one topic"}, {routes.CheckTo, "$SYS/x", "broker's own"},
		{routes.CheckTo, "msgflo/routes/x", "msgflo itself"}, {routes.CheckTo, "", "empty"}, {routes.CheckTo, "a\x00", "NUL"},
	} {
		err := c.check(c.text)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}

func TestAnnouncements(t *testing.T) {
	a, b := routes.Announcement{Epoch: 2, Instance: "a"}, routes.Announcement{Epoch: 2, Instance: "b"}
	if a.Beats(b) || !b.Beats(a) || a.Beats(a) || !(routes.Announcement{Epoch: 3, Instance: "a"}).Beats(b) {
		t.Error("two routers do not agree on who carries")
	}
	body, err := a.Encode()
	if got, ok := routes.ParseAnnouncement(body); err != nil || !ok || got.Epoch != 2 || got.Instance != "a" {
		t.Errorf("%s: %v %v", body, got, ok)
	}
	for _, bad := range []string{"", "{}", "{", `{"version":1}`, "null", "7"} {
		if _, ok := routes.ParseAnnouncement([]byte(bad)); ok {
			t.Errorf("%q is an announcement", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"lineage":"l","revision":5,"routes":[{"from":"a/+","to":"b","qos":1}],"lanes":{"a/+":1},"gone":[{"from":"x"}]}`))
	f.Add([]byte(`{"version":1,"lineage":"l","revision":5,"lanes":{"a":99999999}}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := routes.Parse("l", body)
		if err != nil || d == nil {
			return
		}
		again, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if e, err := routes.Parse("l", again); err != nil || !jsonEqual(d, e) {
			t.Fatalf("%s becomes %s: %v", body, again, err)
		}
		d.Next("l", []routes.Change{{Route: routes.Route{From: "a", To: "b"}}}, 0, 0)
	})
}

func jsonEqual(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func BenchmarkIndex(b *testing.B) {
	x := routes.Index[int]{}
	for i := range 1000 {
		x.Add(fmt.Sprintf("plant/%d/+/state", i), i)
	}
	n := 0
	for b.Loop() {
		x.Each("plant/500/pump/state", func(int) { n++ })
	}
}
