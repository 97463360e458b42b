package launch

import (
	"math/big"
	"path/filepath"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
)

// ValueOf is a Spec as the value of a process object. It has no secrets and
// no machine: both are null. It is in normal form if the Spec is (see SpecOf).
func ValueOf(s Spec) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"broker": cty.StringVal(s.Broker), "role": cty.StringVal(s.Role),
		"component": text(s.Component), "client": text(s.Client),
		"command": list(s.Command), "directory": text(s.Directory),
		"env": table(s.Env), "secret_env": cty.NullVal(cty.Map(cty.String)),
		"replicas": cty.NumberIntVal(int64(s.Replicas)), "version": text(s.Version), "watched": text(s.Watched),
		"inports": ports(s.Inports), "outports": ports(s.Outports), "initial": table(s.Initial),
		"machine": cty.NullVal(cty.String),
		"restart": cty.ObjectVal(map[string]cty.Value{
			"policy": text(s.Restart.Policy), "max": cty.NumberIntVal(int64(s.Restart.Max)), "within": span(s.Restart.Within),
			"backoff": span(s.Restart.Backoff), "backoff_max": span(s.Restart.BackoffMax),
		}),
		"stop": cty.ObjectVal(map[string]cty.Value{"signal": text(s.Stop.Signal), "timeout": span(s.Stop.Timeout)}),
		"ready": cty.ObjectVal(map[string]cty.Value{
			"when": text(s.Ready.When), "timeout": span(s.Ready.Timeout), "command": list(s.Ready.Command),
			"url": text(s.Ready.URL), "address": text(s.Ready.Address),
		}),
		"update": cty.ObjectVal(map[string]cty.Value{
			"strategy": text(s.Update.Strategy), "max_parallel": cty.NumberIntVal(int64(s.Update.MaxParallel)),
		}),
	})
}

func text(s string) cty.Value {
	if s == "" {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(s)
}

func list(words []string) cty.Value {
	if len(words) == 0 {
		return cty.NullVal(cty.List(cty.String))
	}
	out := make([]cty.Value, len(words))
	for i, w := range words {
		out[i] = cty.StringVal(w)
	}
	return cty.ListVal(out)
}

func table(m map[string]string) cty.Value {
	if len(m) == 0 {
		return cty.NullVal(cty.Map(cty.String))
	}
	out := make(map[string]cty.Value, len(m))
	for k, v := range m {
		out[k] = cty.StringVal(v)
	}
	return cty.MapVal(out)
}

func ports(ps []Port) cty.Value {
	if len(ps) == 0 {
		return cty.NullVal(portList())
	}
	out := make([]cty.Value, len(ps))
	for i, p := range ps {
		out[i] = cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal(p.ID), "queue": text(p.Queue)})
	}
	return cty.ListVal(out)
}

func portList() cty.Type {
	return cty.List(cty.Object(map[string]cty.Type{"id": cty.String, "queue": cty.String}))
}

// span writes a duration as people do: 10m, not 10m0s.
func span(d time.Duration) cty.Value {
	s := d.String()
	for _, zero := range []string{"0s", "0m"} {
		if cut := strings.TrimSuffix(s, zero); cut != s && strings.HasSuffix(cut, map[string]string{"0s": "m", "0m": "h"}[zero]) {
			s = cut
		}
	}
	return cty.StringVal(s)
}

// Normalize gives the form in which two values of a process are compared: what
// is not written is its default, nothing and empty are both null, a duration is written
// in one way. Unknown parts stay unknown.
func Normalize(v cty.Value) cty.Value {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return v
	}
	m := v.AsValueMap()
	for name, a := range m {
		m[name] = normal(name, a)
	}
	if d, ok := m["directory"]; ok && d.IsKnown() {
		m["directory"] = cleaned(d)
	}
	for _, b := range Blocks() {
		if in, ok := m[b.Name]; ok && in.IsKnown() {
			m[b.Name] = normalBlock(b.Attrs, in)
		}
	}
	if n, ok := m["replicas"]; ok && n.IsNull() {
		m["replicas"] = cty.NumberIntVal(1)
	}
	return cty.ObjectVal(m)
}

func normal(name string, v cty.Value) cty.Value {
	t := v.Type()
	empty := v.IsKnown() && !v.IsNull() && t.IsCollectionType() && v.LengthInt() == 0 ||
		t == cty.String && name != "broker" && name != "role" && v.IsKnown() && !v.IsNull() && v.AsString() == ""
	if empty {
		return cty.NullVal(t)
	}
	return v
}

func cleaned(d cty.Value) cty.Value {
	if d.IsNull() {
		return cty.StringVal(".")
	}
	return cty.StringVal(filepath.Clean(d.AsString()))
}

func normalBlock(attrs []providers.Attr, in cty.Value) cty.Value {
	var m map[string]cty.Value
	if !in.IsNull() {
		m = in.AsValueMap()
	}
	out := make(map[string]cty.Value, len(attrs))
	for i := range attrs {
		a := &attrs[i]
		v, has := m[a.Name]
		if !has {
			v = cty.NullVal(a.ValueType())
		}
		if v = normal(a.Name, v); v.IsNull() && a.Default != cty.NilVal {
			v = a.Default
		}
		if a.Name == "when" && v.IsNull() {
			v = cty.StringVal(Started)
		}
		out[a.Name] = sameSpan(a.Default, v)
	}
	return cty.ObjectVal(out)
}

// sameSpan writes a duration in one way; an attribute holds one if its default
// is one.
func sameSpan(def, v cty.Value) cty.Value {
	if def == cty.NilVal || def.Type() != cty.String || !v.IsKnown() || v.IsNull() {
		return v
	}
	if _, err := time.ParseDuration(def.AsString()); err != nil {
		return v
	}
	d, err := time.ParseDuration(v.AsString())
	if err != nil {
		return v // reported where it is checked
	}
	return span(d)
}

// whole is a number as an int; false where it is none.
func whole(v cty.Value) (int, bool) {
	n, acc := v.AsBigFloat().Int64()
	return int(n), acc == big.Exact && int64(int(n)) == n
}
