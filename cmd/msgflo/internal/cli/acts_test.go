package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/providers"
)

func TestScales(t *testing.T) {
	got, err := scales([]string{"resize=3", `module.m.participant.x["a=b"]=0`})
	if want := []scaling{{"resize", 3}, {`module.m.participant.x["a=b"]`, 0}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v", got, err)
	}
	for _, bad := range []string{"resize", "=3", "resize=", "resize=-1", "resize=many", "resize=99999999999999999999", "\x1b[31m=x"} {
		if _, err := scales([]string{bad}); err == nil || strings.ContainsRune(err.Error(), '\x1b') {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := scales(nil); err == nil {
		t.Error("nothing to scale")
	}
}

func TestSelection(t *testing.T) {
	for _, c := range []struct {
		f              logFlags
		limited, timed bool
		ok             bool
		last           int
	}{
		{logFlags{last: -1}, false, false, true, -1},
		{logFlags{last: 0}, true, false, true, 0},
		{logFlags{last: -1}, true, false, false, 0},
		{logFlags{last: -1, since: "5m"}, false, true, true, -1},
		{logFlags{last: -1, since: ""}, false, true, false, 0},
		{logFlags{last: -1, since: "soon"}, false, true, false, 0},
	} {
		sel, err := c.f.selection(c.limited, c.timed)
		if (err == nil) != c.ok || c.ok && sel.Last != c.last || c.ok && c.timed == sel.Since.IsZero() {
			t.Errorf("%+v: %+v %v", c, sel, err)
		}
	}
}

func TestTypeOf(t *testing.T) {
	has := func(types ...string) map[string]*providers.Schema {
		out := map[string]*providers.Schema{}
		for _, name := range types {
			out[name] = &providers.Schema{}
		}
		return out
	}
	a := &app{env: Env{Types: []*providers.Type{
		{Name: "rabbitmq", Resources: has("queue", "both")}, {Name: "mqtt", Resources: has("route", "both")},
		{Name: "local", Launcher: true, Resources: has("process")}}}}
	main := addr.Provider{Kind: "broker", Name: "main"}
	for _, c := range []struct {
		at     addr.Provider
		object string
		want   string
	}{
		{main, "queue", "rabbitmq"}, {main, "route", "mqtt"}, {main, "both", "broker"}, {main, "neither", "broker"},
		{addr.Provider{Kind: "launcher", Name: "local.here"}, "process", "local"},
	} {
		if got := a.typeOf(c.at, c.object); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.object, c.at, got, c.want)
		}
	}
}

// A shim is known by its arguments alone, and nothing else is taken for one.
func TestShimArguments(t *testing.T) {
	for _, args := range [][]string{nil, {"msgflo"}, {"msgflo", "agent"}, {"msgflo", "agent", "serve"}, {"msgflo", "plan", "agent", "shim"}} {
		if _, ok := Shim(args); ok {
			t.Errorf("%q is taken for a shim", args)
		}
	}
}
