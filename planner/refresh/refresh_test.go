package refresh_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/planner/refresh"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/fake"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/state"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var provA, provB = addr.Provider{Kind: "broker", Name: "a"}, addr.Provider{Kind: "broker", Name: "b"}

type attrs = map[string]cty.Value

func str(s string) cty.Value { return cty.StringVal(s) }

func at(typ, name string) addr.Instance { return addr.Instance{Type: typ, Name: name} }

// A bench has two brokers, what is wanted and what is recorded.
type bench struct {
	t      testing.TB
	worlds map[addr.Provider]*fake.World
	req    refresh.Request
}

func newBench(t testing.TB) *bench {
	b := &bench{t: t, worlds: map[addr.Provider]*fake.World{provA: fake.NewWorld(), provB: fake.NewWorld()}}
	b.req = refresh.Request{
		Prior: state.New("l"), Types: map[addr.Provider]*providers.Type{}, Decl: map[addr.Provider]hcl.Range{},
		Open: func(p addr.Provider) (providers.Provider, error) {
			return b.worlds[p].Type().Open(context.Background(), providers.Env{Config: cty.NilVal, Lineage: "l", Marks: true})
		},
	}
	for p, w := range b.worlds {
		b.req.Types[p] = w.Type()
		b.req.Decl[p] = hcl.Range{Filename: p.Name + ".flo.hcl", Start: hcl.Pos{Line: 1, Column: 1}}
	}
	return b
}

func (b *bench) value(typ string, a attrs) cty.Value {
	return fake.Complete(b.req.Types[provA].Resources[typ], a)
}

func (b *bench) want(p addr.Provider, i addr.Instance, a attrs) {
	b.req.Want = append(b.req.Want, desired.Object{Addr: i, Provider: p, Type: i.Type, Value: b.value(i.Type, a),
		Decl: hcl.Range{Filename: "main.flo.hcl", Start: hcl.Pos{Line: 1 + len(b.req.Want), Column: 1}}})
}

func (b *bench) object(p addr.Provider, i addr.Instance, a attrs) state.Object {
	raw, err := recorded.Of(b.req.Types[provA].Resources[i.Type]).Encode(b.value(i.Type, a), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return state.Object{Addr: i, Provider: p, ProviderType: "fake", Owned: true, Attrs: raw}
}

func (b *bench) record(p addr.Provider, i addr.Instance, a attrs) *state.Object {
	b.req.Prior.Objects = append(b.req.Prior.Objects, b.object(p, i, a))
	return &b.req.Prior.Objects[len(b.req.Prior.Objects)-1]
}

func (b *bench) put(p addr.Provider, typ string, a attrs) {
	b.t.Helper()
	if err := b.worlds[p].Put(typ, a); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) live() map[addr.Instance]planner.Live {
	b.t.Helper()
	live, diags := refresh.Live(context.Background(), b.req)
	if diags.HasErrors() {
		b.t.Fatal(diags)
	}
	return live
}

// brief says what a Live is: the name of what is there, "-" where nothing is.
func brief(l planner.Live) string {
	s := "-"
	if l.Value == cty.NilVal {
		return "nil"
	}
	if !l.Value.IsNull() {
		s = l.Value.GetAttr("name").AsString()
	}
	if l.Next != nil {
		s += " next " + brief(*l.Next)
	}
	return s
}

func TestWhatIsRead(t *testing.T) {
	b := newBench(t)
	b.put(provA, "queue", attrs{"name": str("there")})
	b.put(provA, "queue", attrs{"name": str("old")})
	b.put(provA, "queue", attrs{"name": str("moved")})
	b.put(provB, "queue", attrs{"name": str("moved")})
	for _, c := range []struct {
		name         string
		want, record string
		on           addr.Provider // wanted
		live         string
	}{
		{"both", "there", "there", provA, "there"},
		{"wanted-new", "none", "", provA, "-"},
		{"wanted-found", "there", "", provA, "there"},
		{"unwanted", "", "there", provA, "there"},
		{"unwanted-gone", "", "none", provA, "-"},
		{"renamed", "none", "old", provA, "old next -"},
		{"renamed-taken", "there", "old", provA, "old next there"},
		{"renamed-gone", "there", "none", provA, "- next there"},
		{"other-broker", "moved", "moved", provB, "moved next moved"},
	} {
		if c.want != "" {
			b.want(c.on, at("queue", c.name), attrs{"name": str(c.want)})
		}
		if c.record != "" {
			b.record(provA, at("queue", c.name), attrs{"name": str(c.record)})
		}
		defer func() {
			if got := brief(b.live()[at("queue", c.name)]); got != c.live {
				t.Errorf("%s: %s, want %s", c.name, got, c.live)
			}
		}()
	}
	b.live()
	for p, w := range b.worlds {
		if w.Calls() != 1 {
			t.Errorf("%s: %d calls, want one", p, w.Calls())
		}
	}
}

func TestUnreachable(t *testing.T) {
	b := newBench(t)
	b.want(provA, at("queue", "x"), attrs{"name": str("x")})
	b.want(provA, at("queue", "y"), attrs{"name": str("y")})
	b.want(provB, at("queue", "z"), attrs{"name": str("z")})
	b.worlds[provA].Fail(1, fake.Lost)
	live, diags := refresh.Live(context.Background(), b.req)
	if len(diags) != 1 || diags[0].Summary != "Connection lost" || diags[0].Subject.Filename != "a.flo.hcl" {
		t.Errorf("%v", diags)
	}
	if _, ok := live[at("queue", "x")]; ok || brief(live[at("queue", "z")]) != "-" {
		t.Errorf("%v", live)
	}
	open := b.req.Open
	b.req.Open = func(p addr.Provider) (providers.Provider, error) {
		if p == provB {
			return nil, errors.New("password_command failed")
		}
		return open(p)
	}
	if _, diags := refresh.Live(context.Background(), b.req); len(diags) != 1 || diags[0].Subject.Filename != "b.flo.hcl" {
		t.Errorf("%v", diags)
	}
}

func TestCancelled(t *testing.T) {
	b := newBench(t)
	b.want(provA, at("queue", "x"), attrs{"name": str("x")})
	b.want(provB, at("queue", "y"), attrs{"name": str("y")})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, diags := refresh.Live(ctx, b.req); len(diags) == 0 || diags[len(diags)-1].Summary != "Interrupted" {
		t.Errorf("%v", diags)
	}
}

func TestStateThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		spoil   func(*state.Object)
		summary string
	}{
		"broken":    {func(o *state.Object) { o.Attrs = json.RawMessage(`{"name":{"x":"\u001b[31m"}}`) }, "Recorded object not understood"},
		"newer":     {func(o *state.Object) { o.SchemaVersion = 9 }, "Recorded object not understood"},
		"type":      {func(o *state.Object) { o.Addr.Type = "teapot" }, "Recorded object not understood"},
		"no broker": {func(o *state.Object) { o.Provider.Name = "gone" }, "Broker not declared"},
	} {
		for _, wanted := range []bool{false, true} {
			b := newBench(t)
			o := b.record(provA, at("queue", "q"), attrs{"name": str("q")})
			if wanted && name != "type" {
				b.want(provA, o.Addr, attrs{"name": str("q")})
			}
			c.spoil(o)
			_, diags := refresh.Live(context.Background(), b.req)
			if len(diags) != 1 || diags[0].Summary != c.summary || strings.Contains(diags[0].Detail, "\x1b") {
				t.Errorf("%s (wanted: %v): %v", name, wanted, diags)
			}
		}
	}
}

func TestEmptied(t *testing.T) {
	for _, c := range []struct {
		name   string
		n      int
		change func(b *bench)
		errors int
	}{
		{"all gone", 5, func(*bench) {}, 1},
		{"too few to tell", 4, func(*bench) {}, 0},
		{"accepted", 5, func(b *bench) { b.req.AcceptEmpty = true }, 0},
		{"one is there", 5, func(b *bench) { b.put(provA, "queue", attrs{"name": str("q0")}) }, 0},
		{"not wanted any more", 5, func(b *bench) { b.req.Want = nil }, 0},
		{"adopted", 5, func(b *bench) {
			for i := range b.req.Prior.Objects {
				b.req.Prior.Objects[i].Owned = false
			}
		}, 0},
		{"an interrupted run was at it", 5, func(b *bench) { b.req.Prior.Pending = slices.Clone(b.req.Prior.Objects[:1]) }, 0},
		{"another vhost is as it should be", 5, func(b *bench) {
			b.put(provA, "vhost", attrs{"name": str("v")})
			b.put(provA, "queue", attrs{"name": str("q"), "vhost": str("v")})
			b.want(provA, at("queue", "other"), attrs{"name": str("q"), "vhost": str("v")})
			b.record(provA, at("queue", "other"), attrs{"name": str("q"), "vhost": str("v")})
		}, 1},
		{"auto-delete queues come and go", 5, func(b *bench) {
			for i := range b.req.Want {
				b.req.Want[i].Value = b.value("queue", attrs{"name": str(fmt.Sprint("q", i)), "auto_delete": cty.True})
			}
		}, 0},
	} {
		b := newBench(t)
		for i := range c.n {
			a := attrs{"name": str(fmt.Sprint("q", i))}
			b.want(provA, at("queue", fmt.Sprint(i)), a)
			b.record(provA, at("queue", fmt.Sprint(i)), a)
		}
		c.change(b)
		_, diags := refresh.Live(context.Background(), b.req)
		if len(diags) != c.errors {
			t.Errorf("%s: %v", c.name, diags)
		}
		if c.errors > 0 && (diags[0].Subject.Filename != "a.flo.hcl" || !strings.Contains(diags[0].Detail, fmt.Sprintf(`%d objects in "/" on broker.a`, c.n))) {
			t.Errorf("%s: %v", c.name, diags[0].Detail)
		}
	}
}

func TestHashes(t *testing.T) {
	b := newBench(t)
	hash, err := state.HashSecret([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	user := func(name, password, recorded string) {
		pw := cty.NullVal(cty.String)
		if password != "" {
			pw = str(password)
		}
		b.want(provA, at("user", name), attrs{"name": str(name), "password": pw})
		o := b.record(provA, at("user", name), attrs{"name": str(name)})
		if recorded != "" {
			o.Hashes = map[string]string{"password": recorded}
		}
		b.put(provA, "user", attrs{"name": str(name)})
	}
	user("same", "secret", hash)
	user("other", "geheim", hash)
	user("none", "", hash)
	user("unhashed", "secret", "")
	user("unknown", "secret", "unknown")
	b.want(provA, at("user", "new"), attrs{"name": str("moved"), "password": str("secret")})
	b.record(provA, at("user", "old"), attrs{"name": str("moved")}).Hashes = map[string]string{"password": hash}
	target := func(name string) addr.Target { return addr.Target{Instance: at("user", name)} }
	b.req.Moves = []desired.Move{{From: target("old"), To: target("new")}}
	live := b.live()
	for name, want := range map[string]string{"same": "true", "other": "false", "none": "false", "unhashed": "", "unknown": "false", "new": "true"} {
		got := ""
		if eq, ok := live[at("user", name)].HashEqual["password"]; ok {
			got = fmt.Sprint(eq)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Objects whose creation had an unknown outcome are ours if they are there as
// they were meant, and nobody else's mark is on them.
func TestPending(t *testing.T) {
	for _, c := range []struct {
		name   string
		set    func(b *bench)
		wanted string // name of the wanted binding's key, "" not wanted
		record string // key recorded at the same address
		ours   string // addresses and keys recorded afterwards
		live   string
	}{
		{"absent", func(*bench) {}, "k", "", "", "-"},
		{"there", func(b *bench) { b.bind("k") }, "k", "", "x:k", "k"},
		{"there, not wanted any more", func(b *bench) { b.bind("k") }, "", "", "x:k", "k"},
		{"there, and another is wanted", func(b *bench) { b.bind("k") }, "l", "", "x:k", "k next -"},
		{"a swap that was done", func(b *bench) { b.bind("k") }, "k", "j", "x:k", "k"},
		{"a swap that was done half", func(b *bench) { b.bind("k"); b.bind("j") }, "k", "j", "x:j", "j next k"},
		{"a swap that was not begun", func(b *bench) { b.bind("j") }, "k", "j", "x:j", "j next -"},
		{"a swap done half, and a third is wanted", func(b *bench) { b.bind("k"); b.bind("j") }, "l", "j", `x:j x["interrupted "]:k`, "j next -"},
		{"a swap done half, and nothing is wanted", func(b *bench) { b.bind("k"); b.bind("j") }, "", "j", `x:j x["interrupted "]:k`, "j"},
		{"made anew where the delete is not recorded", func(b *bench) { b.bind("k") }, "k", "k", "x:k", "k"},
	} {
		b := newBench(t)
		b.put(provA, "exchange", attrs{"name": str("e")})
		b.put(provA, "queue", attrs{"name": str("q")})
		c.set(b)
		x := at("binding", "x")
		b.req.Prior.Pending = []state.Object{b.object(provA, x, binding("k"))}
		if c.wanted != "" {
			b.want(provA, x, binding(c.wanted))
		}
		if c.record != "" {
			b.record(provA, x, binding(c.record))
		}
		live := b.live()
		var ours []string
		for _, o := range b.req.Prior.Objects {
			v, err := recorded.Decode(b.req.Types[provA].Resources["binding"], 0, o.Attrs)
			if err != nil || !o.Owned || o.ProviderType != "fake" {
				t.Fatal(err, o)
			}
			ours = append(ours, o.Addr.Name+o.Addr.Key+":"+v.GetAttr("key").AsString())
			if _, ok := live[o.Addr]; !ok {
				t.Errorf("%s: %s is recorded and was not read", c.name, o.Addr)
			}
		}
		if got := strings.Join(ours, " "); got != c.ours || len(b.req.Prior.Pending) > 0 {
			t.Errorf("%s: recorded %s, want %s", c.name, got, c.ours)
		}
		if got := keys(live[x]); got != c.live {
			t.Errorf("%s: live %s, want %s", c.name, got, c.live)
		}
	}
}

// TestPendingUnderAnotherAddress: an exchange gets another address by going
// and being made again, and the end of the old one is not recorded. One live
// object has one address: else the next run would keep it as the one and delete it
// as the other.
func TestPendingUnderAnotherAddress(t *testing.T) {
	old, now := at("exchange", "old"), at("exchange", "now")
	for _, c := range []struct {
		name, wanted, as string // which address is wanted, under which name
		ours             string
		liveOld, liveNow string
	}{
		{"the new one is wanted", "now", "e", "now", "nil", "e"},
		{"the old one is wanted again", "old", "e", "old", "e", "nil"},
		{"the old one is wanted, with another name", "old", "f", "now", "-", "e"},
		{"none is wanted", "", "", "now", "nil", "e"},
	} {
		b := newBench(t)
		b.put(provA, "exchange", attrs{"name": str("e")})
		b.record(provA, old, attrs{"name": str("e")})
		b.req.Prior.Pending = []state.Object{b.object(provA, now, attrs{"name": str("e")})}
		if c.wanted != "" {
			b.want(provA, at("exchange", c.wanted), attrs{"name": str(c.as)})
		}
		live := b.live()
		if len(b.req.Prior.Objects) != 1 || b.req.Prior.Objects[0].Addr.Name != c.ours {
			t.Errorf("%s: recorded %v, want %s", c.name, b.req.Prior.Objects, c.ours)
		}
		if o, n := brief(live[old]), brief(live[now]); o != c.liveOld || n != c.liveNow {
			t.Errorf("%s: live %s and %s, want %s and %s", c.name, o, n, c.liveOld, c.liveNow)
		}
	}
}

func binding(key string) attrs {
	return attrs{"source": str("e"), "destination": str("q"), "key": str(key)}
}

func (b *bench) bind(key string) { b.t.Helper(); b.put(provA, "binding", binding(key)) }

func keys(l planner.Live) string {
	s := "-"
	if l.Value == cty.NilVal {
		return "nil"
	}
	if !l.Value.IsNull() {
		s = l.Value.GetAttr("key").AsString()
	}
	if l.Next != nil {
		s += " next " + keys(*l.Next)
	}
	return s
}

func TestPendingOfOthers(t *testing.T) {
	for _, c := range []struct {
		name string
		put  func(b *bench)
		ours bool
	}{
		{"without a mark, as meant", func(b *bench) { b.put(provA, "queue", attrs{"name": str("q")}) }, true},
		{"without a mark, not as meant", func(b *bench) { b.put(provA, "queue", attrs{"name": str("q"), "type": str("quorum")}) }, false},
		{"with our mark, not as meant", func(b *bench) { b.make("l", attrs{"name": str("q"), "type": str("quorum")}) }, true},
		{"with another's mark, as meant", func(b *bench) { b.make("m", attrs{"name": str("q")}) }, false},
	} {
		b := newBench(t)
		c.put(b)
		b.req.Prior.Pending = []state.Object{b.object(provA, at("queue", "q"), attrs{"name": str("q")})}
		b.req.Prior.Pending[0].Hashes = map[string]string{"secret": "unknown"}
		live := b.live()
		if got := len(b.req.Prior.Objects) == 1; got != c.ours {
			t.Errorf("%s: ours: %v", c.name, got)
		}
		if eq, ok := live[at("queue", "q")].HashEqual["secret"]; c.ours && (!ok || eq) {
			t.Errorf("%s: its secret is taken to be set", c.name)
		}
	}
}

// make creates a queue as another lineage's run would.
func (b *bench) make(lineage string, a attrs) {
	p, err := b.worlds[provA].Type().Open(context.Background(), providers.Env{Config: cty.NilVal, Lineage: lineage, Marks: true})
	if err != nil {
		b.t.Fatal(err)
	}
	v := b.value("queue", a)
	if _, err := p.Apply(context.Background(), providers.Change{Type: "queue", Before: cty.NullVal(v.Type()), After: v}); err != nil {
		b.t.Fatal(err)
	}
}

func TestComputedValuesAreThoseOfNow(t *testing.T) {
	b := newBench(t)
	b.put(provA, "widget", attrs{"name": str("a")})
	from := at("widget", "a")
	b.want(provA, from, attrs{"name": str("a")})
	for name, peer := range map[string]cty.Value{"unknown": cty.UnknownVal(cty.String), "old": str("w-0")} {
		b.want(provA, at("widget", name), attrs{"name": str(name), "peer": peer})
		b.req.Want[len(b.req.Want)-1].Holes = []plan.Hole{{Path: "peer", Addr: &from, Attr: "id"}}
	}
	b.live()
	for _, o := range b.req.Want[1:] {
		if got := o.Value.GetAttr("peer"); !got.RawEquals(str("w-1")) {
			t.Errorf("%s: %#v", o.Addr, got)
		}
	}
}

func TestNoSuchType(t *testing.T) {
	b := newBench(t)
	b.want(provA, at("queue", "q"), attrs{"name": str("q")})
	b.req.Want[0].Type = "teapot"
	if _, diags := refresh.Live(context.Background(), b.req); len(diags) != 1 || diags[0].Subject.Filename != "main.flo.hcl" {
		t.Errorf("%v", diags)
	}
}

// BenchmarkLive reads 15 000 objects, all wanted and recorded.
func BenchmarkLive(b *testing.B) {
	h := newBench(b)
	for i := range 15000 {
		a := attrs{"name": str(fmt.Sprint("q", i))}
		h.want(provA, at("queue", fmt.Sprint(i)), a)
		h.record(provA, at("queue", fmt.Sprint(i)), a)
		h.put(provA, "queue", a)
	}
	b.ReportAllocs()
	for b.Loop() {
		if live := h.live(); len(live) != 15000 {
			b.Fatal(len(live))
		}
	}
}
