package recorded

import (
	"cmp"
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
)

// A saying is what Says has to know of an attribute.
type saying struct {
	name    string
	closed  bool // some part of it is never compared with what was recorded
	dynamic bool // recorded with its type beside it
}

// sayings are the attributes in the order of recorded values.
func sayings(s *providers.Schema, t cty.Type, sensitive []cty.Path) []saying {
	out := make([]saying, 0, len(s.Attrs))
	for i := range s.Attrs {
		a := &s.Attrs[i]
		closed := a.WriteOnly || a.Elastic || a.ReadOnly && !a.Computed
		closed = closed || slices.ContainsFunc(sensitive, func(p cty.Path) bool { return p[0] == cty.GetAttrStep{Name: a.Name} })
		out = append(out, saying{a.Name, closed, t.AttributeType(a.Name) == cty.DynamicPseudoType})
	}
	slices.SortFunc(out, func(a, b saying) int { return cmp.Compare(a.name, b.name) })
	return out
}

// Says reports whether a recorded value of the schema's present version says
// of an object what its live value says, without decoding it: in a plan of
// many objects nearly all are as recorded, and decoding them would be most of
// the plan's cost. False means "perhaps not". Attributes that are never
// compared with what was recorded are passed over.
func (f *Form) Says(raw json.RawMessage, live cty.Value) bool {
	r := scan{b: raw}
	if !r.take('{') {
		return false
	}
	for n := range f.said {
		a := &f.said[n]
		if n > 0 && !r.take(',') || !r.named(a.name) {
			return false
		}
		v := live.GetAttr(a.name)
		switch {
		case a.closed || !v.IsKnown():
			if !r.skip() {
				return false
			}
		case a.dynamic && !v.IsNull():
			if !r.isDynamic(v) {
				return false
			}
		case !r.is(v):
			return false
		}
	}
	return r.take('}') && r.end()
}

// A scan walks over JSON, comparing as it goes. It may give up on what is
// unusual: then the value is decoded after all.
type scan struct {
	b []byte
	i int
}

func (r *scan) space() {
	for r.i < len(r.b) && (r.b[r.i] == ' ' || r.b[r.i] == '\n' || r.b[r.i] == '\t' || r.b[r.i] == '\r') {
		r.i++
	}
}

func (r *scan) take(c byte) bool {
	r.space()
	if r.i < len(r.b) && r.b[r.i] == c {
		r.i++
		return true
	}
	return false
}

func (r *scan) end() bool { r.space(); return r.i == len(r.b) }

func (r *scan) word(w string) bool {
	r.space()
	if len(r.b)-r.i >= len(w) && string(r.b[r.i:r.i+len(w)]) == w {
		r.i += len(w)
		return true
	}
	return false
}

// text reads a string; plain says that it holds no escape.
func (r *scan) text() (s []byte, plain, ok bool) {
	if !r.take('"') {
		return nil, false, false
	}
	start, plain := r.i, true
	for ; r.i < len(r.b); r.i++ {
		switch r.b[r.i] {
		case '\\':
			plain = false
			r.i++
		case '"':
			r.i++
			return r.b[start : r.i-1], plain, true
		}
	}
	return nil, false, false
}

// named reads a key and compares it.
func (r *scan) named(name string) bool {
	s, plain, ok := r.text()
	return ok && plain && string(s) == name && r.take(':')
}

func (r *scan) key() (string, bool) {
	s, plain, ok := r.text()
	return string(s), ok && plain && r.take(':')
}

// is compares the next JSON value.
func (r *scan) is(v cty.Value) bool {
	if v.IsNull() {
		return r.word("null")
	}
	switch t := v.Type(); {
	case !v.IsKnown():
		return false
	case t == cty.String:
		return r.isText(v.AsString())
	case t == cty.Bool:
		return r.word(strconv.FormatBool(v.True()))
	case t == cty.Number:
		return r.isNumber(v.AsBigFloat())
	case t.IsListType() || t.IsTupleType() || t.IsSetType():
		return r.isList(v)
	case t.IsMapType() || t.IsObjectType():
		return r.isMap(v)
	}
	return false
}

// isDynamic compares a value that go-cty wrote with its type beside it. That
// the types agree follows from the values, as far as JSON tells them apart.
func (r *scan) isDynamic(v cty.Value) bool {
	if !r.take('{') {
		return false
	}
	return r.named("value") && r.is(v) && r.take(',') && r.named("type") && r.skip() && r.take('}')
}

func (r *scan) isText(want string) bool {
	s, plain, ok := r.text()
	if !ok {
		return false
	}
	if plain {
		return string(s) == want
	}
	var got string
	return utf8.Valid(s) && json.Unmarshal(r.b[r.i-len(s)-2:r.i], &got) == nil && got == want
}

func (r *scan) isNumber(f *big.Float) bool {
	r.space()
	start := r.i
	for r.i < len(r.b) && strings.IndexByte("+-.eE0123456789", r.b[r.i]) >= 0 {
		r.i++
	}
	var buf [32]byte
	return string(AppendNumber(buf[:0], f)) == string(r.b[start:r.i])
}

// AppendNumber writes a number as go-cty's JSON has it.
func AppendNumber(b []byte, f *big.Float) []byte {
	// The general way costs microseconds, and nearly all numbers are small.
	if n, exact := f.Int64(); exact == big.Exact && (n != 0 || !f.Signbit()) {
		return strconv.AppendInt(b, n, 10)
	}
	return f.Append(b, 'f', -1)
}

func (r *scan) isList(v cty.Value) bool {
	if !r.take('[') {
		return false
	}
	n := 0
	for it := v.ElementIterator(); it.Next(); n++ {
		if n > 0 && !r.take(',') {
			return false
		}
		if _, e := it.Element(); !r.is(e) {
			return false
		}
	}
	return r.take(']')
}

func (r *scan) isMap(v cty.Value) bool {
	if !r.take('{') {
		return false
	}
	m := v.AsValueMap()
	for n := 0; ; n++ {
		if r.take('}') {
			return n == len(m)
		}
		if n > 0 && !r.take(',') {
			return false
		}
		k, ok := r.key()
		e, has := m[k]
		if !ok || !has || !r.is(e) {
			return false
		}
	}
}

// skip passes over one value.
func (r *scan) skip() bool {
	r.space()
	if r.i >= len(r.b) {
		return false
	}
	switch r.b[r.i] {
	case '"':
		_, _, ok := r.text()
		return ok
	case '{', '[':
		return r.skipNested()
	}
	start := r.i
	for r.i < len(r.b) && strings.IndexByte(",}] \n\t\r", r.b[r.i]) < 0 {
		r.i++
	}
	return r.i > start
}

func (r *scan) skipNested() bool {
	for depth := 0; r.i < len(r.b); {
		switch r.b[r.i] {
		case '"':
			if _, _, ok := r.text(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		r.i++
		if depth == 0 {
			return true
		}
	}
	return false
}
