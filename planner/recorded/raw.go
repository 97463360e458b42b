package recorded

import (
	"encoding/json"

	"github.com/zclconf/go-cty/cty"
)

// RawAt returns a part of a recorded value without knowing its schema: the
// path as diag.FormatPath writes it.
func RawAt(raw json.RawMessage, path string) (json.RawMessage, bool) {
	p, err := ParsePath(path)
	if err != nil {
		return nil, false
	}
	for _, step := range p {
		if g, ok := key(step); ok {
			var m map[string]json.RawMessage
			if json.Unmarshal(raw, &m) != nil || m[g] == nil {
				return nil, false
			}
			raw = m[g]
			continue
		}
		var l []json.RawMessage
		i := index(step)
		if json.Unmarshal(raw, &l) != nil || i < 0 || i >= len(l) {
			return nil, false
		}
		raw = l[i]
	}
	return raw, true
}

// RawSet replaces a part of a recorded value without knowing its schema.
func RawSet(raw json.RawMessage, path string, part json.RawMessage) (json.RawMessage, bool) {
	p, err := ParsePath(path)
	if err != nil {
		return nil, false
	}
	return rawSet(raw, p, part)
}

func rawSet(raw json.RawMessage, p cty.Path, part json.RawMessage) (json.RawMessage, bool) {
	if len(p) == 0 {
		return part, true
	}
	if g, ok := key(p[0]); ok {
		var m map[string]json.RawMessage
		if json.Unmarshal(raw, &m) != nil || m[g] == nil {
			return nil, false
		}
		if m[g], ok = rawSet(m[g], p[1:], part); !ok {
			return nil, false
		}
		out, err := json.Marshal(m)
		return out, err == nil
	}
	var l []json.RawMessage
	i := index(p[0])
	if json.Unmarshal(raw, &l) != nil || i < 0 || i >= len(l) {
		return nil, false
	}
	var ok bool
	if l[i], ok = rawSet(l[i], p[1:], part); !ok {
		return nil, false
	}
	out, err := json.Marshal(l)
	return out, err == nil
}

func key(step cty.PathStep) (string, bool) {
	switch s := step.(type) {
	case cty.GetAttrStep:
		return s.Name, true
	case cty.IndexStep:
		if s.Key.Type() == cty.String {
			return s.Key.AsString(), true
		}
	}
	return "", false
}

func index(step cty.PathStep) int {
	s, ok := step.(cty.IndexStep)
	if !ok || s.Key.Type() != cty.Number {
		return -1
	}
	n, acc := s.Key.AsBigFloat().Int64()
	if acc != 0 || n > 1<<31 {
		return -1
	}
	return int(n)
}
