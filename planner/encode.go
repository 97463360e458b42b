package planner

import (
	"encoding/json"
	"strconv"
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

// appendPart writes an attribute as ctyjson.Marshal would. It does so itself
// where it can: go-cty's way costs several times as much, and a first plan
// writes every attribute of every object.
func appendPart(out []byte, s *schema, a *recordedAttr, v cty.Value) ([]byte, bool) {
	if !v.IsKnown() || v.IsNull() {
		return append(out, "null"...), true
	}
	start := len(out)
	var ok bool
	if a.dynamic {
		out, ok = appendDynamic(out, v)
	} else {
		out, ok = appendPlain(out, v)
	}
	if ok {
		return out, true
	}
	if !v.IsWhollyKnown() {
		v = cty.UnknownAsNull(v)
	}
	b, err := ctyjson.Marshal(v, s.typ.AttributeType(a.name))
	return append(out[:start], b...), err == nil
}

// appendDynamic writes a value whose type the schema leaves open: with its
// type beside it. Only maps of plain values, as arguments are, are written here.
func appendDynamic(out []byte, v cty.Value) ([]byte, bool) {
	if !v.Type().IsObjectType() || v.LengthInt() == 0 {
		return out, false
	}
	var types []byte
	out = append(out, `{"value":{`...)
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		kind, known := plainType(e.Type())
		if !known || !isPlain(k.AsString()) {
			return out, false
		}
		if len(types) > 0 {
			out, types = append(out, ','), append(types, ',')
		}
		out = append(append(append(out, '"'), k.AsString()...), '"', ':')
		types = append(append(append(types, '"'), k.AsString()...), '"', ':', '"')
		types = append(append(types, kind...), '"')
		var ok bool
		if out, ok = appendPlain(out, e); !ok {
			return out, false
		}
	}
	out = append(append(out, `},"type":["object",{`...), types...)
	return append(out, "}]}"...), true
}

func plainType(t cty.Type) (string, bool) {
	switch {
	case !t.IsPrimitiveType():
		return "", false
	case t == cty.String:
		return "string", true
	case t == cty.Number:
		return "number", true
	}
	return "bool", true
}

// appendPlain writes a known string, number or bool.
func appendPlain(out []byte, v cty.Value) ([]byte, bool) {
	t := v.Type()
	switch {
	case !t.IsPrimitiveType() || !v.IsKnown() || v.IsNull():
		return out, false
	case t == cty.Number:
		return recorded.AppendNumber(out, v.AsBigFloat()), true
	case t == cty.Bool:
		return strconv.AppendBool(out, v.True()), true
	}
	s := v.AsString()
	return append(append(append(out, '"'), s...), '"'), isPlain(s)
}

// isPlain reports whether JSON needs no escape for the text.
func isPlain(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return r < ' ' || r > '~' || r == '"' || r == '\\' || r == '<' || r == '>' || r == '&'
	}) < 0
}
