package recorded

import (
	"bytes"
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"
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
	d := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if k, err := d.ReadToken(); err != nil || k.Kind() != '{' {
		return false, false
	}
	same = true
	for left > 0 && d.PeekKind() == '"' {
		k, err := d.ReadToken()
		if err != nil {
			return false, false
		}
		a := s.Attr(k.String())
		if a == nil || !a.Identity {
			if d.SkipValue() != nil {
				return false, false
			}
			continue
		}
		w := want.GetAttr(a.Name)
		v, err := d.ReadToken()
		if err != nil || v.Kind() != '"' || a.Type != cty.String || a.IsBlock() || w.IsMarked() || !w.IsKnown() || w.IsNull() {
			return false, false
		}
		same = same && v.String() == w.AsString()
		left--
	}
	return same, left == 0
}
