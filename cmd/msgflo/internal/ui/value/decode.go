package value

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
)

// Decode reads a recorded value: nil, bool, json.Number, string, []any and
// map[string]any, with the {"value":…,"type":…} wrapping of dynamically typed
// parts taken off. Without a schema the wrapping is recognised by its form. A
// value that is absent, null or no JSON object is nil.
func Decode(raw json.RawMessage, s *providers.Schema) map[string]any {
	v, ok := parse(raw).(map[string]any)
	if !ok {
		return nil
	}
	if s == nil {
		return unwrapByForm(v)
	}
	unwrapAttrs(v, s.Attrs)
	return v
}

// DecodeAny reads a JSON text without a schema; what is no JSON is nil.
func DecodeAny(raw json.RawMessage) any { return parse(raw) }

// DecodeWrapped reads a {"value":…,"type":…} document, the form of outputs in
// a plan; other JSON is returned as it is.
func DecodeWrapped(raw json.RawMessage) any {
	v := parse(raw)
	if in, ok := unwrap(v); ok {
		return in
	}
	return v
}

func parse(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	return v
}

func unwrapAttrs(m map[string]any, attrs []providers.Attr) {
	for i := range attrs {
		a := &attrs[i]
		v, ok := m[a.Name]
		if !ok || v == nil {
			continue
		}
		if a.IsBlock() {
			if in, ok := v.(map[string]any); ok {
				unwrapAttrs(in, a.Attrs)
			}
			continue
		}
		if a.Type != cty.NilType && a.Type.HasDynamicTypes() {
			m[a.Name] = unwrapType(v, a.Type)
		}
	}
}

// unwrapType follows the type to where go-cty/json wraps: at each dynamic part.
func unwrapType(v any, t cty.Type) any {
	switch {
	case v == nil || !t.HasDynamicTypes():
		return v
	case t == cty.DynamicPseudoType:
		in, _ := unwrap(v)
		return in
	case t.IsObjectType():
		if m, ok := v.(map[string]any); ok {
			for k, et := range t.AttributeTypes() {
				m[k] = unwrapType(m[k], et)
			}
		}
	case t.IsMapType():
		if m, ok := v.(map[string]any); ok {
			for k := range m {
				m[k] = unwrapType(m[k], t.ElementType())
			}
		}
	case t.IsListType() || t.IsSetType():
		if l, ok := v.([]any); ok {
			for i := range l {
				l[i] = unwrapType(l[i], t.ElementType())
			}
		}
	case t.IsTupleType():
		if l, ok := v.([]any); ok {
			for i, et := range t.TupleElementTypes() {
				if i < len(l) {
					l[i] = unwrapType(l[i], et)
				}
			}
		}
	}
	return v
}

// unwrapByForm takes the wrapping off attributes and those of nested blocks
// where no schema says which they are (a plan made by another build).
func unwrapByForm(m map[string]any) map[string]any {
	for k, v := range m {
		if in, ok := unwrap(v); ok {
			m[k] = in
		} else if nested, ok := v.(map[string]any); ok {
			m[k] = unwrapByForm(nested)
		}
	}
	return m
}

func unwrap(v any) (any, bool) {
	m, ok := v.(map[string]any)
	if !ok || len(m) != 2 {
		return v, false
	}
	in, hasValue := m["value"]
	t, hasType := m["type"]
	if !hasValue || !hasType || !isTypeForm(t) {
		return v, false
	}
	return in, true
}

// isTypeForm recognises the JSON form of a cty type.
func isTypeForm(t any) bool {
	if s, ok := t.(string); ok {
		return slices.Contains([]string{"string", "number", "bool", "dynamic"}, s)
	}
	l, ok := t.([]any)
	if !ok || len(l) < 2 {
		return false
	}
	kind, ok := l[0].(string)
	return ok && slices.Contains([]string{"list", "set", "map", "object", "tuple"}, kind)
}

// keysIn lists values' attributes in the order people read them: the schema's,
// then the rest by name.
func keysIn(attrs []providers.Attr, ms ...map[string]any) []string {
	has := func(k string) bool {
		return slices.ContainsFunc(ms, func(m map[string]any) bool { _, ok := m[k]; return ok })
	}
	var out []string
	for i := range attrs {
		if has(attrs[i].Name) {
			out = append(out, attrs[i].Name)
		}
	}
	known := len(out)
	for i, m := range ms {
		for k := range m {
			if slices.ContainsFunc(attrs, func(a providers.Attr) bool { return a.Name == k }) {
				continue
			}
			if i > 0 && slices.ContainsFunc(ms[:i], func(o map[string]any) bool { _, ok := o[k]; return ok }) {
				continue
			}
			out = append(out, k)
		}
	}
	slices.Sort(out[known:])
	return out
}
