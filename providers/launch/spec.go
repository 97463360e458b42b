package launch

import (
	"time"

	"github.com/zclconf/go-cty/cty"
)

// SpecOf reads the value of a process object: what to run, and its secret
// environment. ValueOf leads back to the value's normal form (see Normalize), and
// ValueOf(s) back to s. An error is a cty.PathError about a part that is not
// known yet or no value of its kind; it does not quote the value. The machine is no
// part of a Spec and may be unknown.
func SpecOf(v cty.Value) (Spec, map[string]string, error) {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return Spec{}, nil, cty.Path(nil).NewErrorf("there is no value")
	}
	if v.ContainsMarked() {
		v, _ = v.UnmarkDeep()
	}
	r := reader{v: Normalize(v)}
	var s Spec
	s.Broker, s.Role = r.text("broker"), r.text("role")
	s.Component, s.Client = r.text("component"), r.text("client")
	s.Command, s.Directory = r.list("command"), r.text("directory")
	s.Env, s.Replicas = r.table("env"), r.whole("replicas")
	s.Version, s.Watched = r.text("version"), r.text("watched")
	s.Inports, s.Outports, s.Initial = r.ports("inports"), r.ports("outports"), r.table("initial")
	s.Restart = Restart{Policy: r.text("restart", "policy"), Max: r.whole("restart", "max"), Within: r.span("restart", "within"),
		Backoff: r.span("restart", "backoff"), BackoffMax: r.span("restart", "backoff_max")}
	s.Stop = Stop{Signal: r.text("stop", "signal"), Timeout: r.span("stop", "timeout")}
	s.Ready = Ready{When: r.text("ready", "when"), Timeout: r.span("ready", "timeout"), Command: r.list("ready", "command"),
		URL: r.text("ready", "url"), Address: r.text("ready", "address")}
	s.Update = Update{Strategy: r.text("update", "strategy"), MaxParallel: r.whole("update", "max_parallel")}
	return s, r.table("secret_env"), r.err
}

// SecretsOf is the secret environment in the value of a process object, as
// SpecOf has it, for who wants nothing else.
func SecretsOf(v cty.Value) (map[string]string, error) {
	r := reader{v: v}
	return r.table("secret_env"), r.err
}

// A reader takes attributes out of a value; the first that cannot be had is
// its error.
type reader struct {
	v   cty.Value
	err error
}

// at is a known attribute; false where it is null, or an error was found.
func (r *reader) at(path []string) (cty.Value, cty.Path, bool) {
	v, p := r.v, cty.Path(nil)
	for _, name := range path {
		p = p.GetAttr(name)
		if !v.IsKnown() || v.IsNull() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
			break
		}
		v = v.GetAttr(name)
	}
	if !v.IsWhollyKnown() {
		r.fail(p, "it is not known yet")
		return v, p, false
	}
	return v, p, !v.IsNull()
}

func (r *reader) fail(p cty.Path, why string) {
	if r.err == nil {
		r.err = p.NewErrorf("%s", why)
	}
}

func (r *reader) text(path ...string) string {
	v, _, ok := r.at(path)
	if !ok || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

func (r *reader) whole(path ...string) int {
	v, p, ok := r.at(path)
	if !ok || v.Type() != cty.Number {
		return 0
	}
	n, ok := whole(v)
	if !ok {
		r.fail(p, "it is no whole number")
	}
	return n
}

func (r *reader) span(path ...string) time.Duration {
	v, p, ok := r.at(path)
	if !ok || v.Type() != cty.String {
		return 0
	}
	d, err := time.ParseDuration(v.AsString())
	if err != nil {
		r.fail(p, "it is no duration such as 500ms, 30s or 1h30m")
	}
	return d
}

func (r *reader) list(path ...string) []string {
	v, p, ok := r.at(path)
	if !ok || !v.CanIterateElements() {
		return nil
	}
	out := make([]string, 0, v.LengthInt())
	for i, e := range v.AsValueSlice() {
		if e.IsNull() {
			r.fail(p.IndexInt(i), "it is null, and a word is wanted")
			return nil
		}
		out = append(out, e.AsString())
	}
	return out
}

func (r *reader) table(path ...string) map[string]string {
	v, p, ok := r.at(path)
	if !ok || !v.CanIterateElements() {
		return nil
	}
	out := map[string]string{}
	for k, e := range v.AsValueMap() {
		if e.IsNull() {
			r.fail(p.IndexString(k), "it is null, and a text is wanted")
			return nil
		}
		out[k] = e.AsString()
	}
	return out
}

func (r *reader) ports(path ...string) []Port {
	v, _, ok := r.at(path)
	if !ok || !v.CanIterateElements() {
		return nil
	}
	var out []Port
	for _, e := range v.AsValueSlice() {
		in := reader{v: e}
		out = append(out, Port{ID: in.text("id"), Queue: in.text("queue")})
	}
	return out
}
