package recorded

import (
	"encoding/json"
	"maps"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
)

// SameIdentity reports whether a recorded value names the same live object as
// a wanted one. It looks at the identity attributes only: decoding whole
// values would be most of what a refresh of many objects costs.
func (f *Form) SameIdentity(version int, raw json.RawMessage, want cty.Value) (bool, error) {
	if version == f.Schema.Version {
		if same, sure := sameStrings(f.Schema, raw, want); sure {
			return same, nil
		}
	}
	v, err := f.Decode(version, raw)
	if err != nil {
		return false, err
	}
	return f.Schema.Identity(v) == f.Schema.Identity(want), nil
}

// sameStrings compares identities made of strings; anything else it leaves to
// the full comparison.
func sameStrings(s *providers.Schema, raw json.RawMessage, want cty.Value) (same, sure bool) {
	left := 0 // identity attributes still to be found
	for i := range s.Attrs {
		if s.Attrs[i].Identity {
			left++
		}
	}
	r := scan{b: raw}
	if !r.take('{') {
		return false, false
	}
	same = true
	for left > 0 {
		name, ok := r.key()
		if !ok {
			return false, false
		}
		if a := s.Attr(name); a != nil && a.Identity {
			equal, sure := r.isPart(want.GetAttr(name))
			if !sure {
				return false, false
			}
			same = same && equal
			left--
		} else if !r.skip() {
			return false, false
		}
		if !r.take(',') {
			break
		}
	}
	return same, left == 0
}

// isPart compares what identifies an object: nearly always a text, or nothing
// on either side.
func (r *scan) isPart(want cty.Value) (same, sure bool) {
	r.space()
	switch {
	case want.IsMarked() || !want.IsKnown() || r.i == len(r.b):
		return false, false
	case want.IsNull():
		return true, r.word("null")
	case want.Type() == cty.String && r.b[r.i] == '"':
		return r.isText(want.AsString()), true
	}
	return false, false
}

// Facts is a recorded value that is null but for what nobody can want:
// computed, read-only attributes. NilVal where the schema has none. It spares the decoding of
// all else.
func (f *Form) Facts(version int, raw json.RawMessage) (cty.Value, error) {
	if len(f.facts) == 0 {
		return cty.NilVal, nil
	}
	if version == f.Schema.Version {
		if v, ok := f.quickFacts(raw); ok {
			return v, nil
		}
	}
	return f.Decode(version, raw)
}

func (f *Form) quickFacts(raw json.RawMessage) (cty.Value, bool) {
	m := maps.Clone(f.nothing)
	r := scan{b: raw}
	if !r.take('{') {
		return cty.NilVal, false
	}
	for left := len(f.facts); left > 0; {
		name, ok := r.key()
		r.space()
		from := r.i
		if !ok || !r.skip() {
			return cty.NilVal, false
		}
		if t, is := f.facts[name]; is {
			v, err := decode(r.b[from:r.i], t)
			if err != nil {
				return cty.NilVal, false
			}
			m[name] = v
			left--
		}
		if !r.take(',') && left > 0 {
			return cty.NilVal, false
		}
	}
	return cty.ObjectVal(m), true
}

// nothing is a value of nulls.
func nothing(t cty.Type) map[string]cty.Value {
	m := map[string]cty.Value{}
	for name, at := range t.AttributeTypes() {
		m[name] = cty.NullVal(at)
	}
	return m
}

func facts(s *providers.Schema, t cty.Type) map[string]cty.Type {
	var out map[string]cty.Type
	for i := range s.Attrs {
		if a := &s.Attrs[i]; a.Computed && a.ReadOnly {
			if out == nil {
				out = map[string]cty.Type{}
			}
			out[a.Name] = t.AttributeType(a.Name)
		}
	}
	return out
}
