package fake_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/fake"
)

type attrs = map[string]cty.Value

func put(t *testing.T, w *fake.World, typ string, a attrs) {
	t.Helper()
	if err := w.Put(typ, a); err != nil {
		t.Fatal(err)
	}
}

// names lists what a world has, in short.
func names(w *fake.World) string {
	var out []string
	for _, o := range w.Objects() {
		s := o.Type
		for _, a := range []string{"name", "source", "destination", "user"} {
			if o.Value.Type().HasAttribute(a) {
				s += " " + o.Value.GetAttr(a).AsString()
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// topology is two exchanges, one of which dies with its last binding, a queue
// and what ties them together.
func topology(t *testing.T) *fake.World {
	w := fake.NewWorld()
	put(t, w, "exchange", attrs{"name": str("e")})
	put(t, w, "exchange", attrs{"name": str("auto"), "auto_delete": cty.True})
	put(t, w, "queue", attrs{"name": str("q")})
	put(t, w, "binding", attrs{"source": str("e"), "destination": str("q")})
	put(t, w, "binding", attrs{"source": str("auto"), "destination": str("q")})
	put(t, w, "binding", attrs{"source": str("e"), "destination": str("auto"), "destination_type": str("exchange")})
	return w
}

func TestCascades(t *testing.T) {
	for _, c := range []struct {
		name, typ string
		remove    attrs
		left      string
	}{
		{"a queue takes its bindings, its last one an auto_delete exchange, and that its own", "queue", attrs{"name": str("q")}, "exchange e, vhost /"},
		{"an exchange takes bindings at both ends", "exchange", attrs{"name": str("e")}, "binding auto q, exchange auto, queue q, vhost /"},
		{"a binding is not the last of both", "binding", attrs{"source": str("e"), "destination": str("q")},
			"binding auto q, binding e auto, exchange auto, exchange e, queue q, vhost /"},
		{"a vhost takes all", "vhost", attrs{"name": str("/")}, ""},
	} {
		w := topology(t)
		w.Remove(c.typ, c.remove)
		if got := names(w); got != c.left {
			t.Errorf("%s: left %s, want %s", c.name, got, c.left)
		}
	}
}

func TestAutoDeleteWaitsForItsFirstBinding(t *testing.T) {
	w := fake.NewWorld()
	put(t, w, "exchange", attrs{"name": str("auto"), "auto_delete": cty.True})
	put(t, w, "queue", attrs{"name": str("q")})
	w.Remove("queue", attrs{"name": str("q")})
	if got := names(w); got != "exchange auto, vhost /" {
		t.Errorf("left %s", got)
	}
}

func value(w *fake.World, typ string, a attrs) cty.Value {
	return fake.Complete(w.Type().Resources[typ], a)
}

func change(w *fake.World, typ string, before, after attrs) providers.Change {
	c := providers.Change{Addr: addr.Instance{Type: typ, Name: "x"}, Type: typ}
	null := cty.NullVal(w.Type().Resources[typ].ImpliedType())
	c.Before, c.After = null, null
	if before != nil {
		c.Before = value(w, typ, before)
	}
	if after != nil {
		c.After = value(w, typ, after)
	}
	return c
}

func TestRefusesLoss(t *testing.T) {
	ctx := context.Background()
	q := attrs{"name": str("q")}
	for _, c := range []struct {
		name   string
		typ    string
		remove attrs
		tune   func(w *fake.World, c *providers.Change)
		ok     bool
	}{
		{"bindings nobody spoke of", "queue", q, nil, false},
		{"messages", "queue", q, func(w *fake.World, c *providers.Change) {
			w.Remove("binding", attrs{"source": str("e"), "destination": str("q")})
			w.Remove("binding", attrs{"source": str("auto"), "destination": str("q")})
			if err := w.Fill("/", "q", 3); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"a vhost with something in it", "vhost", attrs{"name": str("/")}, nil, false},
		{"bindings of the plan", "queue", q, func(w *fake.World, c *providers.Change) {
			for _, src := range []string{"e", "auto"} {
				c.Collateral = append(c.Collateral, providers.Object{Type: "binding",
					Value: value(w, "binding", attrs{"source": str(src), "destination": str("q")})})
			}
		}, true},
		{"consent", "queue", q, func(w *fake.World, c *providers.Change) {
			c.AllowLoss = true
			if err := w.Fill("/", "q", 3); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		w := topology(t)
		p := openOn(t, w, "l")
		ch := change(w, c.typ, c.remove, nil)
		if c.tune != nil {
			c.tune(w, &ch)
		}
		_, err := p.Apply(ctx, ch)
		var refused *providers.RefusedError
		if c.ok && err != nil || !c.ok && !errors.As(err, &refused) {
			t.Errorf("%s: %v", c.name, err)
		}
		if want := map[bool]int64{true: 3}[c.ok && ch.AllowLoss]; w.LostMessages() != want {
			t.Errorf("%s: %d messages lost", c.name, w.LostMessages())
		}
	}
}

func TestDepth(t *testing.T) {
	w := topology(t)
	if err := w.Fill("/", "q", 5); err != nil {
		t.Fatal(err)
	}
	if err := w.Consume("/", "q", 2, 4); err != nil {
		t.Fatal(err)
	}
	p := openOn(t, w, "l")
	d, err := p.(providers.Meter).Depth(context.Background(), []providers.Query{
		{Type: "queue", Value: value(w, "queue", attrs{"name": str("q")})},
		{Type: "queue", Value: value(w, "queue", attrs{"name": str("none")})},
		{Type: "vhost", Value: value(w, "vhost", attrs{"name": str("/")})},
	})
	if err != nil {
		t.Fatal(err)
	}
	if d[0].Ready != 5 || d[0].Unacked != 4 || d[0].Consumers != 2 || len(d[0].Collateral) != 2 {
		t.Errorf("queue: %+v", d[0])
	}
	if d[1].Messages() != 0 || len(d[1].Collateral) != 0 {
		t.Errorf("absent queue: %+v", d[1])
	}
	if d[2].Messages() != 9 || len(d[2].Collateral) != 6 {
		t.Errorf("vhost: %+v", d[2])
	}
}

func TestList(t *testing.T) {
	w := topology(t)
	put(t, w, "queue", attrs{"name": str("a/b")})
	p := openOn(t, w, "l")
	for _, c := range []struct {
		vhost, match string
		want         int
	}{{"", "", 8}, {"/", "", 8}, {"nowhere", "", 0}, {"", "a*", 2}, {"", "a/?", 1}} {
		got, err := p.(providers.Lister).List(context.Background(), c.vhost, c.match)
		if err != nil || len(got) != c.want {
			t.Errorf("%q in %q: %d, %v", c.match, c.vhost, len(got), err)
		}
	}
	if _, err := p.(providers.Lister).List(context.Background(), "", "["); err == nil {
		t.Error("a broken pattern is accepted")
	}
}

func TestFaults(t *testing.T) {
	ctx := context.Background()
	for _, f := range fake.Faults() {
		w := fake.NewWorld()
		p := openOn(t, w, "l")
		w.Fail(2, f)
		if _, err := p.Read(ctx, nil); err != nil {
			t.Fatal(err)
		}
		left, err := p.Apply(ctx, change(w, "queue", nil, attrs{"name": str("q")}))
		if !errors.Is(err, fake.ErrInjected) || left != cty.NilVal {
			t.Errorf("%s: %#v, %v", f, left, err)
		}
		var lost *providers.ConnectionError
		if got, want := errors.As(err, &lost), f == fake.Lost || f == fake.LostAfter; got != want {
			t.Errorf("%s: a lost connection: %v", f, got)
		}
		after := f == fake.Unanswered || f == fake.LostAfter || f == fake.KillAfter
		if got := strings.Contains(names(w), "queue q"); got != after {
			t.Errorf("%s: the queue is there: %v", f, got)
		}
		_, err = p.Apply(ctx, change(w, "queue", nil, attrs{"name": str("r")}))
		if goesOn := f == fake.Refused || f == fake.Unanswered; goesOn != (err == nil) {
			t.Errorf("%s: the next call: %v", f, err)
		}
		killed := f == fake.Kill || f == fake.KillAfter
		if w.Killed() != killed {
			t.Errorf("%s: killed: %v", f, w.Killed())
		}
		w.Revive()
		if _, err := p.Read(ctx, nil); killed && err == nil {
			t.Errorf("%s: a dead process reads", f)
		}
		if _, err := openOn(t, w, "l").Apply(ctx, change(w, "queue", nil, attrs{"name": str("s")})); err != nil {
			t.Errorf("%s: a new process: %v", f, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	ty := fake.NewType(func(url string) (*fake.World, error) { return nil, errors.New("no " + url) })
	p, err := ty.Open(context.Background(), providers.Env{Config: cty.NilVal})
	if err != nil {
		t.Fatalf("opening connects: %v", err)
	}
	_, err = p.Read(context.Background(), nil)
	if _, lost := errors.AsType[*providers.ConnectionError](err); !lost {
		t.Errorf("%v", err)
	}
}
