package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// A kind is a type of object that an agent holds, with the two forms of its
// values: the schema's, and the spec and secret that the agent is given.
type kind struct {
	name   string
	schema *providers.Schema
	secret string // the attribute with its secret, "" for none
	// encode gives what the agent is told of a wanted value, secrets only the
	// secret part of that; decode the value of
	// what it holds, without secret and machine.
	encode    func(v cty.Value) (spec any, secret map[string]string, err error)
	secrets   func(v cty.Value) (map[string]string, error)
	decode    func(h control.Held) (cty.Value, error)
	normalize func(v cty.Value) cty.Value
}

// key is what the agent knows an object by: `BROKER/ROLE`.
func (k *kind) key(v cty.Value) (control.Key, error) {
	parts := names(k.schema, v)
	slices.Reverse(parts)
	if slices.Contains(parts, "") {
		return control.Key{}, fmt.Errorf("a %s without a name", k.name)
	}
	return control.Key{Kind: k.name, Name: strings.Join(parts, "/")}, nil
}

// object is what the agent is to hold.
func (k *kind) object(v cty.Value, dir string) (control.Object, error) {
	key, err := k.key(v)
	if err != nil {
		return control.Object{}, err
	}
	spec, secret, err := k.encode(v)
	if err != nil {
		return control.Object{}, err
	}
	o := control.Object{Key: key, Dir: dir}
	if o.Spec, err = json.Marshal(spec); err != nil {
		return o, err
	}
	if o.Secret, err = marshalSecret(secret); err != nil {
		return o, errors.New("its secrets cannot be written down") // the error could quote them
	}
	return o, nil
}

// marshalSecret writes a secret as JSON; none is no JSON at all.
func marshalSecret(secret map[string]string) (json.RawMessage, error) {
	if len(secret) == 0 {
		return nil, nil
	}
	return json.Marshal(secret)
}

func processKind(s *providers.Schema) *kind {
	return &kind{
		name: control.Process, schema: s, secret: "secret_env", normalize: launch.Normalize,
		encode:  func(v cty.Value) (any, map[string]string, error) { return launch.SpecOf(v) },
		secrets: launch.SecretsOf,
		decode: func(h control.Held) (cty.Value, error) {
			var spec launch.Spec
			if err := json.Unmarshal(h.Spec, &spec); err != nil {
				return cty.NilVal, err
			}
			return launch.ValueOf(spec), nil
		},
	}
}

// serviceKind is a kind whose spec is its attributes as JSON, and whose secret
// is {"url": …}.
func serviceKind(name string, s *providers.Schema) *kind {
	k := &kind{name: name, schema: s, normalize: func(v cty.Value) cty.Value { return plain(s, v) }}
	if s.Attr("url") != nil {
		k.secret = "url"
	}
	typ := specType(s)
	k.secrets = func(v cty.Value) (map[string]string, error) {
		if u := attr.Text(v, "url"); u != "" {
			return map[string]string{"url": u}, nil
		}
		return nil, nil
	}
	k.encode = func(v cty.Value) (any, map[string]string, error) {
		m := map[string]cty.Value{}
		for attr := range typ.AttributeTypes() {
			m[attr] = v.GetAttr(attr)
		}
		raw, err := ctyjson.Marshal(cty.ObjectVal(m), typ)
		if err != nil {
			return nil, nil, err
		}
		secret, err := k.secrets(v)
		return json.RawMessage(raw), secret, err
	}
	k.decode = func(h control.Held) (cty.Value, error) {
		v, err := ctyjson.Unmarshal(h.Spec, typ)
		if err != nil {
			return cty.NilVal, err
		}
		return s.Complete(v.AsValueMap()), nil
	}
	return k
}

// specType is what of a schema is in the spec: neither its secret nor what is
// only found out.
func specType(s *providers.Schema) cty.Type {
	m := map[string]cty.Type{}
	for i := range s.Attrs {
		if a := &s.Attrs[i]; !a.Computed && len(a.Sensitive) == 0 {
			m[a.Name] = a.ValueType()
		}
	}
	return cty.Object(m)
}

// plain writes nothing and empty alike, and what has a default as that.
func plain(s *providers.Schema, v cty.Value) cty.Value {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return v
	}
	m := v.AsValueMap()
	for i := range s.Attrs {
		a := &s.Attrs[i]
		switch e := m[a.Name]; {
		case !e.IsKnown():
		case e.IsNull() && a.Default != cty.NilVal:
			m[a.Name] = a.Default
		case !e.IsNull() && e.Type().IsCollectionType() && e.LengthInt() == 0:
			m[a.Name] = cty.NullVal(e.Type())
		}
	}
	return cty.ObjectVal(m)
}

// live is what the agent holds, as a value. Like is the wanted or recorded one:
// what means the same is written as it is there, and a secret that is the wanted one is
// that.
func (p *provider) live(k *kind, h control.Held, like cty.Value) (cty.Value, error) {
	v, err := k.decode(h)
	if err != nil {
		return cty.NilVal, fmt.Errorf("what the agent holds as %s cannot be read: %w", diag.Escape(h.Name), err)
	}
	m := v.AsValueMap()
	m["machine"] = cty.StringVal(p.machine)
	if d, ok := m["directory"]; ok && h.Dir != p.agent.Dir {
		m["directory"] = cty.StringVal(elsewhere(h.Dir, d))
	}
	if h.Status != nil {
		m["replicas"] = replicas(*h.Status, like)
	}
	same(k, m, like)
	if k.secret != "" {
		m[k.secret] = k.secretLike(h, like)
	}
	return cty.ObjectVal(m), nil
}

// elsewhere is the directory of a process that was started from another
// configuration directory (it was moved, or checked out twice).
func elsewhere(dir string, within cty.Value) string {
	in := "."
	if !within.IsNull() {
		in = within.AsString()
	}
	if filepath.IsAbs(in) {
		return in
	}
	return filepath.Join(dir, in)
}

// replicas are those that are as they shall be. Where as few are wanted as happen to be
// left, it is what the agent holds to that differs: it would start the others again.
func replicas(s launch.Status, like cty.Value) cty.Value {
	n := cty.NumberIntVal(int64(running(s)))
	if like != cty.NilVal && !like.IsNull() && like.IsKnown() && like.GetAttr("replicas").RawEquals(n) {
		return cty.NumberIntVal(int64(s.Wanted))
	}
	return n
}

// running counts the replicas that are as they shall be: those that run or are
// about to run again, and those that ended or were stopped on purpose. A replica that
// failed, or that nobody has started since the machine was, is not there: the
// difference makes apply start it again.
func running(s launch.Status) int {
	if s.Held {
		return s.Wanted
	}
	n := s.Wanted
	for _, r := range s.Replicas {
		if lacking(r) {
			n--
		}
	}
	return max(n, 0)
}

func lacking(r launch.Replica) bool {
	return r.State == launch.Failed || r.State == launch.Stopped && (r.Reason == control.NoAgent || r.Reason == control.ByDown)
}

// why says of a role of which fewer run than shall, how that came, "" of one of which
// all do. A failure says more than an end.
func why(s launch.Status) string {
	var lack []launch.Replica
	if !s.Held {
		lack = slices.DeleteFunc(slices.Clone(s.Replicas), func(r launch.Replica) bool { return !lacking(r) })
	}
	if len(lack) == 0 {
		return ""
	}
	failed := slices.DeleteFunc(slices.Clone(lack), func(r launch.Replica) bool { return r.State != launch.Failed })
	switch {
	case len(failed) > 0:
		who := "it failed"
		if s.Wanted > 1 {
			who = fmt.Sprintf("%d of %d failed, as %s.%d", len(failed), s.Wanted, s.Role, failed[0].Index)
		}
		return fmt.Sprintf("%s: %s. `msgflo logs %s` has its last words", who, failed[0].Reason, s.Role)
	case lack[0].Reason == control.ByDown:
		return "brought down by `msgflo down`, and started again by apply"
	}
	return "it ended while no agent ran here (after a restart of the machine, or a kill), and is started again by apply"
}

// same writes attributes as they are in like where they mean the same.
func same(k *kind, m map[string]cty.Value, like cty.Value) {
	if like == cty.NilVal || like.IsNull() || !like.IsKnown() {
		return
	}
	var other []string
	for name, v := range m {
		if w := like.GetAttr(name); name != "machine" && name != k.secret && w.IsWhollyKnown() && !v.RawEquals(w) {
			other = append(other, name)
		}
	}
	if len(other) == 0 { // as nearly always
		return
	}
	a, b := k.normalize(cty.ObjectVal(m)), k.normalize(like)
	for _, name := range other {
		if a.GetAttr(name).RawEquals(b.GetAttr(name)) {
			m[name] = like.GetAttr(name)
		}
	}
}

// secretLike is the wanted secret where that is the one held, and otherwise a
// value that differs from it; unknown where nobody knows what is wanted.
func (k *kind) secretLike(h control.Held, like cty.Value) cty.Value {
	typ := k.schema.Attr(k.secret).Type
	if like == cty.NilVal || like.IsNull() || !like.IsKnown() {
		return cty.UnknownVal(typ)
	}
	want := like.GetAttr(k.secret)
	if !want.IsWhollyKnown() {
		return cty.UnknownVal(typ)
	}
	secret, err := k.secrets(like)
	if err != nil {
		return cty.UnknownVal(typ)
	}
	raw, err := marshalSecret(secret)
	switch {
	case err != nil:
		return cty.UnknownVal(typ)
	case h.SameSecret(raw):
		return want
	case len(raw) == 0 && typ == cty.String:
		return cty.StringVal("")
	case len(raw) == 0:
		return cty.MapVal(map[string]cty.Value{"": cty.StringVal("")})
	}
	return cty.NullVal(typ)
}
