package planner

import (
	"encoding/json"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/planner/recorded"
)

// encode writes a value as plan and state hold it: secrets and unknown parts
// are null.
func encode(s *schema, v cty.Value, secret []cty.Path) json.RawMessage {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return nil
	}
	for _, p := range secret {
		v = recorded.Blank(v, p)
	}
	out := append(make([]byte, 0, 256), '{')
	for n := range s.sorted {
		a := &s.sorted[n]
		if n > 0 {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = append(out, a.name...) // names of attributes are identifiers
		out = append(out, '"', ':')
		var ok bool
		if out, ok = appendPart(out, s, a, v.GetAttr(a.name)); !ok {
			return nil
		}
	}
	return append(out, '}')
}

// appendPart writes plain values itself: go-cty's way costs several times as
// much, and a first plan writes every attribute of every object.
func appendPart(out []byte, s *schema, a *recordedAttr, v cty.Value) ([]byte, bool) {
	switch t := v.Type(); {
	case !v.IsKnown() || v.IsNull():
		return append(out, "null"...), true
	case a.dynamic:
	case t == cty.Bool && v.True():
		return append(out, "true"...), true
	case t == cty.Bool:
		return append(out, "false"...), true
	case t == cty.Number:
		return appendNumber(out, v.AsBigFloat()), true
	case t == cty.String && isPlain(v.AsString()):
		return append(append(append(out, '"'), v.AsString()...), '"'), true
	}
	if !v.IsWhollyKnown() {
		v = cty.UnknownAsNull(v)
	}
	b, err := ctyjson.Marshal(v, s.typ.AttributeType(a.name))
	return append(out, b...), err == nil
}

// isPlain reports whether JSON needs no escape for the text.
func isPlain(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return r < ' ' || r > '~' || r == '"' || r == '\\' || r == '<' || r == '>' || r == '&'
	}) < 0
}
