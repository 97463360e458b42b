package launch_test

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
)

func str(s string) cty.Value { return cty.StringVal(s) }

// spec draws any Spec that is in normal form.
func spec(t *rapid.T) launch.Spec {
	word := func(name string) string { return rapid.String().Draw(t, name) }
	table := func(name string) map[string]string {
		m := rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, name)
		if len(m) == 0 {
			return nil
		}
		return m
	}
	span := func(name string) time.Duration {
		return time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, name)).Truncate(time.Millisecond)
	}
	whole := func(name string) int { return rapid.IntRange(0, math.MaxInt32).Draw(t, name) }
	ports := func(name string) []launch.Port {
		ps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) launch.Port {
			return launch.Port{ID: rapid.String().Draw(t, "id"), Queue: rapid.String().Draw(t, "queue")}
		}), 0, 3).Draw(t, name)
		if len(ps) == 0 {
			return nil
		}
		return ps
	}
	pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	return launch.Spec{
		Broker: word("broker"), Role: word("role"), Component: word("component"), Client: word("client"),
		Command:   rapid.SliceOfN(rapid.String(), 1, 4).Draw(t, "command"),
		Directory: pick("directory", ".", "sub", "../up", "/abs/olute"), Env: table("env"), Replicas: whole("replicas"),
		Version: word("version"), Watched: word("watched"), Inports: ports("in"), Outports: ports("out"), Initial: table("initial"),
		Restart: launch.Restart{Policy: pick("policy", "always", "on-failure", "never"), Max: whole("max"), Within: span("within"), Backoff: span("backoff"), BackoffMax: span("backoff_max")},
		Stop:    launch.Stop{Signal: pick("signal", "SIGTERM", "SIGINT"), Timeout: span("stop")},
		Ready: launch.Ready{When: pick("when", launch.Announced, launch.Started, launch.Exec), Timeout: span("ready"), Command: []string{word("probe")},
			URL: word("url"), Address: word("address")},
		Update: launch.Update{Strategy: pick("strategy", "rolling", "recreate"), MaxParallel: whole("parallel")},
	}
}

// A Spec and its value are two forms of one thing, also through JSON, which is
// how an agent gets it.
func TestInverse(t *testing.T) {
	typ := launch.Process().ImpliedType()
	rapid.Check(t, func(t *rapid.T) {
		s := spec(t)
		v := launch.ValueOf(s)
		if !v.Type().Equals(typ) {
			t.Fatalf("not of the schema's type: %#v", v.Type())
		}
		back, secrets, err := launch.SpecOf(v)
		if err != nil || secrets != nil || !reflect.DeepEqual(normal(back), normal(s)) {
			t.Fatalf("%+v\nbecame %+v (%v)", s, back, err)
		}
		if n := launch.Normalize(v); !n.RawEquals(v) || !launch.Normalize(n).RawEquals(n) {
			t.Fatalf("%#v\nis not normal: %#v", v, n)
		}
		raw, err := json.Marshal(s)
		var sent launch.Spec
		if err != nil || json.Unmarshal(raw, &sent) != nil || !launch.ValueOf(sent).RawEquals(v) {
			t.Fatalf("%s became %+v", raw, sent)
		}
	})
}

// normal lets cty's normalization of texts (NFC) alone: that is its own affair.
func normal(s launch.Spec) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	var v any
	_ = json.Unmarshal(b, &v)
	return nfc(v)
}

func nfc(v any) string {
	switch v := v.(type) {
	case string:
		return str(v).AsString()
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, nfc(e))
		}
		return "[" + strings.Join(out, ",") + "]"
	case map[string]any:
		m := map[string]string{}
		for k, e := range v {
			m[str(k).AsString()] = nfc(e)
		}
		b, _ := json.Marshal(m)
		return string(b)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// What people write differently and mean alike.
func TestNormalize(t *testing.T) {
	base := map[string]cty.Value{"broker": str("main"), "role": str("resize"), "command": cty.ListVal([]cty.Value{str("node")})}
	bare := launch.Process().Complete(base)
	block := func(name string, more map[string]cty.Value) cty.Value {
		for _, b := range launch.Blocks() {
			if b.Name != name {
				continue
			}
			m := map[string]cty.Value{}
			for _, a := range b.Attrs {
				m[a.Name] = cty.NullVal(a.ValueType())
				if v, ok := more[a.Name]; ok {
					m[a.Name] = v
				}
			}
			return cty.ObjectVal(m)
		}
		panic(name)
	}
	for _, c := range []struct {
		name, attr string
		v          cty.Value
		same       bool
	}{
		{"empty environment", "env", cty.MapValEmpty(cty.String), true},
		{"no such environment", "env", cty.MapVal(map[string]cty.Value{"A": str("")}), false},
		{"empty ports", "inports", cty.ListValEmpty(cty.Object(map[string]cty.Type{"id": cty.String, "queue": cty.String})), true},
		{"no directory", "directory", cty.NullVal(cty.String), true},
		{"this directory", "directory", str("./"), true},
		{"another", "directory", str("./x"), false},
		{"no version", "version", str(""), true},
		{"no number", "replicas", cty.NullVal(cty.Number), true},
		{"none", "replicas", cty.Zero, false},
		{"restart with its defaults", "restart", block("restart", map[string]cty.Value{"within": str("600s"), "max": cty.NumberIntVal(5)}), true},
		{"restart with others", "restart", block("restart", map[string]cty.Value{"within": str("601s")}), false},
		{"ready with its defaults", "ready", block("ready", map[string]cty.Value{"when": str("started"), "timeout": str("0.5m")}), true},
		{"ready otherwise", "ready", block("ready", map[string]cty.Value{"when": str("announced")}), false},
	} {
		m := bare.AsValueMap()
		m[c.attr] = c.v
		if got := launch.Normalize(cty.ObjectVal(m)).RawEquals(launch.Normalize(bare)); got != c.same {
			t.Errorf("%s: equal %v", c.name, got)
		}
	}
	open := bare.AsValueMap()
	open["env"], open["restart"] = cty.UnknownVal(cty.Map(cty.String)), cty.UnknownVal(open["restart"].Type())
	if n := launch.Normalize(cty.ObjectVal(open)); n.GetAttr("env").IsKnown() || n.GetAttr("restart").IsKnown() || !n.GetAttr("stop").IsKnown() {
		t.Errorf("%#v", n)
	}
}

func TestSpecOfErrors(t *testing.T) {
	base := map[string]cty.Value{"broker": str("main"), "role": str("resize"), "command": cty.ListVal([]cty.Value{str("node")})}
	const secret = "geheim"
	for _, c := range []struct {
		attr string
		v    cty.Value
		at   string
		why  string
	}{
		{"secret_env", cty.MapVal(map[string]cty.Value{"A": str(secret), "B": cty.UnknownVal(cty.String)}), "secret_env", "not known yet"},
		{"secret_env", cty.MapVal(map[string]cty.Value{"A": str(secret), "B": cty.NullVal(cty.String)}), `secret_env["B"]`, "null"},
		{"command", cty.ListVal([]cty.Value{str("a"), cty.NullVal(cty.String)}), "command[1]", "null"},
		{"replicas", cty.NumberFloatVal(1.5), "replicas", "whole"},
		{"replicas", cty.MustParseNumberVal("1e300"), "replicas", "whole"},
		{"env", cty.UnknownVal(cty.Map(cty.String)), "env", "not known yet"},
	} {
		m := launch.Process().Complete(base).AsValueMap()
		m[c.attr] = c.v
		_, _, err := launch.SpecOf(cty.ObjectVal(m))
		pe, ok := errors.AsType[cty.PathError](err)
		if !ok || diag.FormatPath(pe.Path) != c.at || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", c.at, err)
		}
	}
	for _, v := range []cty.Value{cty.NilVal, cty.NullVal(launch.Process().ImpliedType()), cty.UnknownVal(launch.Process().ImpliedType())} {
		if _, _, err := launch.SpecOf(v); err == nil {
			t.Errorf("%#v is a spec", v)
		}
	}
	_, secrets, err := launch.SpecOf(launch.Process().Complete(map[string]cty.Value{"broker": str("b"), "role": str("r"),
		"command": base["command"], "secret_env": cty.MapVal(map[string]cty.Value{"A": str(secret)})}))
	if err != nil || secrets["A"] != secret {
		t.Errorf("%v %v", secrets, err)
	}
}

func TestChecks(t *testing.T) {
	s := launch.Process()
	attr := func(path ...string) func(cty.Value) error {
		a := s.Attr(path[0])
		for _, name := range path[1:] {
			for i := range a.Attrs {
				if a.Attrs[i].Name == name {
					a = &a.Attrs[i]
					break
				}
			}
		}
		return a.Check
	}
	words := func(w ...string) cty.Value {
		var vs []cty.Value
		for _, s := range w {
			vs = append(vs, str(s))
		}
		return cty.ListVal(vs)
	}
	for _, c := range []struct {
		check func(cty.Value) error
		v     cty.Value
		why   string // "" for none
	}{
		{attr("command"), words("node", ""), ""},
		{attr("command"), cty.ListValEmpty(cty.String), "empty"},
		{attr("command"), words("", "x"), "program"},
		{attr("command"), words("a", "b\x00c"), "word 2 of it has a NUL"},
		{attr("command"), cty.ListVal([]cty.Value{cty.UnknownVal(cty.String)}), ""},
		{attr("env"), cty.MapVal(map[string]cty.Value{"A=B": str("1")}), `"A=B"`},
		{attr("env"), cty.MapVal(map[string]cty.Value{"A": cty.NullVal(cty.String)}), "A is null"},
		{attr("secret_env"), cty.MapVal(map[string]cty.Value{"A": str("geheim\x00")}), "the value of A has a NUL byte"},
		{attr("replicas"), cty.NumberIntVal(-1), "from 0 on"},
		{attr("ready", "url"), str("ftp://x"), "http://"},
		{attr("ready", "url"), str("http://localhost:1/x"), ""},
		{attr("ready", "address"), str("localhost"), "host and a port"},
		{attr("ready", "address"), str("[::1]:80"), ""},
		{attr("ready", "timeout"), str("-1s"), "duration"},
		{attr("stop", "signal"), str("TERM"), "SIGTERM"},
		{attr("update", "max_parallel"), cty.Zero, "from 1 on"},
	} {
		err := c.check(c.v)
		if (err == nil) != (c.why == "") || err != nil && (!strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "geheim")) {
			t.Errorf("%#v: %v", c.v, err)
		}
	}
}

func TestValidate(t *testing.T) {
	bare := launch.Process().Complete(map[string]cty.Value{"broker": str("b"), "role": str("r"), "command": cty.ListVal([]cty.Value{str("x")})})
	whole := launch.Normalize(bare)
	with := func(block string, attrs map[string]cty.Value) cty.Value {
		m := whole.AsValueMap()
		in := m[block].AsValueMap()
		maps.Copy(in, attrs)
		m[block] = cty.ObjectVal(in)
		return cty.ObjectVal(m)
	}
	null := cty.NullVal(cty.String)
	for _, c := range []struct {
		v    cty.Value
		want string // paths and words of the errors
	}{
		{bare, ""},
		{whole, ""},
		{with("ready", map[string]cty.Value{"when": str("exec")}), `ready.command: when = "exec" needs it`},
		{with("ready", map[string]cty.Value{"when": str("http")}), `ready.url: when = "http" needs it`},
		{with("ready", map[string]cty.Value{"when": str("tcp"), "url": str("http://x")}),
			`ready.url: it is for when = "http", and when is "tcp"; ready.address: when = "tcp" needs it`},
		{with("ready", map[string]cty.Value{"when": null, "address": str("x:1")}), `ready.address: it is used with when = "tcp", which is not written`},
		{with("ready", map[string]cty.Value{"when": cty.UnknownVal(cty.String), "address": str("x:1")}), ""},
		{with("ready", map[string]cty.Value{"when": str("tcp"), "address": cty.UnknownVal(cty.String)}), ""},
		{with("restart", map[string]cty.Value{"backoff": str("2m"), "backoff_max": str("1m")}), "restart.backoff_max: the longest wait, 1m, is shorter than the first, 2m"},
		{cty.UnknownVal(bare.Type()), ""},
		{cty.EmptyObjectVal, ""},
	} {
		var got []string
		for _, err := range launch.Validate(c.v) {
			pe, ok := errors.AsType[cty.PathError](err)
			if !ok {
				t.Fatalf("no path: %v", err)
			}
			got = append(got, diag.FormatPath(pe.Path)+": "+err.Error())
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), c.want)
		}
	}
}

// No two values with one identity, and a title that `import` and people use.
func TestIdentity(t *testing.T) {
	s := launch.Process()
	v := s.Complete(map[string]cty.Value{"broker": str("main"), "role": str("eu/resize")})
	if s.ID(v) != "eu/resize@main" || len(s.SensitivePaths()) != 1 || !s.Derived {
		t.Errorf("%s %v", s.ID(v), s.SensitivePaths())
	}
}
