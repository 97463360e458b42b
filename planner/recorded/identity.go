package recorded

import (
	"encoding/json"

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
	var attrs map[string]json.RawMessage
	if json.Unmarshal(raw, &attrs) != nil {
		return false, false
	}
	for i := range s.Attrs {
		a := &s.Attrs[i]
		if !a.Identity {
			continue
		}
		w := want.GetAttr(a.Name)
		if a.Type != cty.String || a.IsBlock() || w.IsMarked() || !w.IsKnown() || w.IsNull() {
			return false, false
		}
		var text *string
		if json.Unmarshal(attrs[a.Name], &text) != nil || text == nil {
			return false, false
		}
		if *text != w.AsString() {
			return false, true
		}
	}
	return true, true
}
