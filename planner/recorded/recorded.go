// Package recorded is the form in which values of objects are written down in
// plans and state: go-cty's JSON of the schema's type, secrets null, unknown
// parts null, write-only attributes remembered by hash. It is pure and imports
// providers, cty and the standard library; it knows neither plan nor state.
package recorded

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// A Form is how values of one schema are written down. It holds what would
// cost too much to derive for every value.
type Form struct {
	Schema    *providers.Schema
	Type      cty.Type
	WriteOnly []cty.Path // attributes that the broker never tells
	sensitive []cty.Path
	known     map[string]bool // the sensitive paths as texts
	said      []saying
	facts     map[string]cty.Type  // computed, read-only attributes: see Facts
	nothing   map[string]cty.Value // what Facts begins with
}

// Of makes the Form of a schema.
func Of(s *providers.Schema) *Form {
	f := &Form{Schema: s, Type: s.ImpliedType(), WriteOnly: writeOnly(nil, s.Attrs), sensitive: s.SensitivePaths(), known: map[string]bool{}}
	for _, p := range f.sensitive {
		f.known[diag.FormatPath(p)] = true
	}
	f.said = sayings(s, f.Type, f.sensitive)
	if f.facts = facts(s, f.Type); f.facts != nil {
		f.nothing = nothing(f.Type)
	}
	return f
}

// Decode is Form.Decode for a single value.
func Decode(s *providers.Schema, version int, raw json.RawMessage) (cty.Value, error) {
	return (&Form{Schema: s, Type: s.ImpliedType()}).Decode(version, raw)
}

// Null is the absent object.
func (f *Form) Null() cty.Value { return cty.NullVal(f.Type) }

// Decode reads a recorded value; version is that of the schema it was written
// by. Absent JSON is null. An error says what was not understood, and holds
// nothing of the value.
func (f *Form) Decode(version int, raw json.RawMessage) (cty.Value, error) {
	if len(raw) == 0 {
		return f.Null(), nil
	}
	if version > f.Schema.Version {
		return cty.NilVal, fmt.Errorf("it was written by a newer version of msgflo (schema version %d, this one knows %d)", version, f.Schema.Version)
	}
	if version < f.Schema.Version {
		if f.Schema.Upgrade == nil {
			return cty.NilVal, fmt.Errorf("it has schema version %d, and nothing leads from there to version %d", version, f.Schema.Version)
		}
		up, err := f.Schema.Upgrade(version, raw)
		if err != nil {
			return cty.NilVal, fmt.Errorf("upgrading from schema version %d: %w", version, err)
		}
		raw = up
	}
	v, err := decode(raw, f.Type)
	if err != nil {
		return cty.NilVal, fmt.Errorf("it does not have the attributes of its type: %w", err)
	}
	return v, nil
}

// Encode writes a value down: null at the schema's sensitive paths and at
// those given beside (as diag.FormatPath writes them), and where it is unknown.
func (f *Form) Encode(v cty.Value, sensitive []string) (json.RawMessage, error) {
	if v.ContainsMarked() {
		v, _ = v.UnmarkDeep()
	}
	for _, p := range f.sensitive {
		v = Blank(v, p)
	}
	for _, text := range f.Further(sensitive) {
		p, err := ParsePath(text)
		if err != nil {
			return nil, err
		}
		v = Blank(v, p)
	}
	if !v.IsWhollyKnown() {
		v = cty.UnknownAsNull(v)
	}
	return ctyjson.Marshal(v, f.Type)
}

// Further are those of the sensitive paths that the schema does not have.
func (f *Form) Further(sensitive []string) []string {
	var out []string
	for _, s := range sensitive {
		if !f.known[s] {
			out = append(out, s)
		}
	}
	return out
}

func writeOnly(at cty.Path, attrs []providers.Attr) []cty.Path {
	var out []cty.Path
	for i := range attrs {
		p := append(slices.Clip(at), cty.GetAttrStep{Name: attrs[i].Name})
		if attrs[i].WriteOnly {
			out = append(out, p)
			continue
		}
		out = append(out, writeOnly(p, attrs[i].Attrs)...)
	}
	return out
}

// Secret is what is hashed of a write-only value: a string's bytes, the JSON
// of all else. Nil where there is nothing to hash.
func Secret(v cty.Value) []byte {
	v, _ = v.UnmarkDeep()
	if v == cty.NilVal || v.IsNull() || !v.IsWhollyKnown() {
		return nil
	}
	if v.Type() == cty.String {
		return []byte(v.AsString())
	}
	b, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return nil
	}
	return b
}

// At returns the part of a value that a path leads to, or NilVal where the
// value does not reach that far. A name and a string index are the same step:
// what is an object in one value may be a map in the next, and a secret must
// be found in both.
func At(v cty.Value, p cty.Path) cty.Value {
	for _, step := range p {
		if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
			return cty.NilVal
		}
		next, err := alike(step, v.Type()).Apply(v)
		if err != nil {
			return cty.NilVal
		}
		v = next
	}
	return v
}

func alike(step cty.PathStep, t cty.Type) cty.PathStep {
	switch s := step.(type) {
	case cty.GetAttrStep:
		if t.IsMapType() {
			return cty.IndexStep{Key: cty.StringVal(s.Name)}
		}
	case cty.IndexStep:
		if t.IsObjectType() && s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return cty.GetAttrStep{Name: s.Key.AsString()}
		}
	}
	return step
}

// Part is At for a path as diag.FormatPath writes it.
func Part(v cty.Value, path string) cty.Value {
	p, err := ParsePath(path)
	if err != nil {
		return cty.NilVal
	}
	return At(v, p)
}

// Blank makes a part of a value null. What the value does not have stays so.
func Blank(v cty.Value, p cty.Path) cty.Value {
	old := At(v, p)
	if old == cty.NilVal || old.IsNull() {
		return v
	}
	out, err := Set(v, p, cty.NullVal(old.Type()))
	if err != nil {
		return cty.NullVal(v.Type()) // rather nothing than a secret
	}
	return out
}

// Set replaces a part of a value. The part must exist, though it may be null.
func Set(v cty.Value, p cty.Path, part cty.Value) (cty.Value, error) {
	if len(p) == 0 {
		return part, nil
	}
	if v.IsNull() || !v.IsKnown() {
		return cty.NilVal, fmt.Errorf("nothing is there to set %s in", diag.FormatPath(p))
	}
	inner := At(v, p[:1])
	if inner == cty.NilVal {
		return cty.NilVal, fmt.Errorf("the value has no %s", diag.FormatPath(p))
	}
	inner, err := Set(inner, p[1:], part)
	if err != nil {
		return cty.NilVal, err
	}
	return rebuild(v, p[0], inner)
}

func rebuild(v cty.Value, step cty.PathStep, part cty.Value) (cty.Value, error) {
	switch t := v.Type(); {
	case t.IsObjectType() || t.IsMapType():
		m := v.AsValueMap()
		switch s := step.(type) {
		case cty.GetAttrStep:
			m[s.Name] = part
		case cty.IndexStep:
			m[s.Key.AsString()] = part
		}
		if t.IsMapType() {
			return cty.MapVal(m), nil
		}
		return cty.ObjectVal(m), nil
	case t.IsListType() || t.IsTupleType():
		l := v.AsValueSlice()
		n, _ := step.(cty.IndexStep).Key.AsBigFloat().Int64()
		l[n] = part
		if t.IsListType() {
			return cty.ListVal(l), nil
		}
		return cty.TupleVal(l), nil
	}
	return cty.NilVal, fmt.Errorf("%s has no parts that can be set", v.Type().FriendlyName())
}

// ParsePath reads what diag.FormatPath wrote: `dead_letter.exchange`,
// `arguments["x-max-length"]`, `uris[0]`.
func ParsePath(s string) (cty.Path, error) {
	var p cty.Path
	for rest := s; rest != ""; {
		switch rest[0] {
		case '[':
			key, n, err := parseKey(rest[1:])
			if err != nil {
				return nil, fmt.Errorf("%q is no path: %w", s, err)
			}
			p, rest = append(p, cty.IndexStep{Key: key}), rest[1+n:]
		case '.':
			if len(p) == 0 || len(rest) == 1 {
				return nil, fmt.Errorf("%q is no path: a name is missing", s)
			}
			rest = rest[1:]
			fallthrough
		default:
			n := strings.IndexAny(rest, ".[")
			if n < 0 {
				n = len(rest)
			}
			if n == 0 {
				return nil, fmt.Errorf("%q is no path: a name is missing", s)
			}
			p, rest = append(p, cty.GetAttrStep{Name: rest[:n]}), rest[n:]
		}
	}
	if len(p) == 0 {
		return nil, fmt.Errorf("an empty text is no path")
	}
	return p, nil
}

func parseKey(s string) (cty.Value, int, error) {
	if strings.HasPrefix(s, `"`) {
		q, err := strconv.QuotedPrefix(s)
		if err != nil || !strings.HasPrefix(s[len(q):], "]") {
			return cty.NilVal, 0, fmt.Errorf("a quote is not closed")
		}
		text, err := strconv.Unquote(q)
		return cty.StringVal(text), len(q) + 1, err
	}
	n := strings.IndexByte(s, ']')
	if n < 0 {
		return cty.NilVal, 0, fmt.Errorf("a bracket is not closed")
	}
	i, err := strconv.ParseUint(s[:n], 10, 31)
	if err != nil {
		return cty.NilVal, 0, fmt.Errorf("an index is a whole number from 0, or a quoted key")
	}
	return cty.NumberUIntVal(i), n + 1, nil
}
