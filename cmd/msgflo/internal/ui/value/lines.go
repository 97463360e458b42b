package value

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// A Line is one line of a rendered object or difference.
type Line struct {
	Depth int    // of nesting, from 0
	Sign  rune   // '+', '~', '-', '±', or 0 where nothing changes
	Key   string // written and padded, with what separates it from the text; "" for lines that only continue
	Text  string // the literal, or the new one of a difference
	Old   string // of a difference: what it was
	Path  string // of an attribute at Depth 0: its name
}

// Separators between a name and its value: as HCL has it, and as a plan.
const (
	Assign = " = "
	Colon  = ": "
)

// Object renders a whole value, attributes in the schema's order, nulls and
// empty collections left out. Sep is Assign or
// Colon.
func Object(v map[string]any, s *providers.Schema, sep string) []Line {
	var attrs []providers.Attr
	if s != nil {
		attrs = s.Attrs
	}
	return objectLines(v, attrs, 0, sep)
}

func objectLines(v map[string]any, attrs []providers.Attr, depth int, sep string) []Line {
	var keys []string
	for _, k := range keysIn(attrs, v) {
		if !isEmpty(v[k]) {
			keys = append(keys, k)
		}
	}
	nested := func(k string) bool {
		m, ok := v[k].(map[string]any)
		return ok && (blockAttrs(attrs, k) != nil || depth == 0 && oneLine(m, width-20) == "")
	}
	// Names of blocks are not lined up: nothing follows them.
	_, wide := AlignKeys(slices.DeleteFunc(slices.Clone(keys), nested))
	var out []Line
	for _, k := range keys {
		if nested(k) {
			out = append(out, nestedLines(Key(k), v[k].(map[string]any), blockAttrs(attrs, k), depth, sep, k)...)
			continue
		}
		out = append(out, LiteralLines(Line{Depth: depth, Key: pad(Key(k), sep, wide), Path: k}, v[k])...)
	}
	return out
}

// nestedLines writes a nested block or a long map below its name; in braces
// where the whole is written as HCL.
func nestedLines(name string, m map[string]any, attrs []providers.Attr, depth int, sep, path string) []Line {
	open, end := name+strings.TrimRight(sep, " "), ""
	if sep == Assign {
		open, end = name+" = {", "}"
		if attrs != nil {
			open = name + " {"
		}
	}
	out := append([]Line{{Depth: depth, Key: open, Path: path}}, objectLines(m, attrs, depth+1, sep)...)
	if end != "" {
		out = append(out, Line{Depth: depth, Text: end})
	}
	return out
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// blockAttrs are the attributes of a nested block, or nil where k is none.
func blockAttrs(attrs []providers.Attr, k string) []providers.Attr {
	i := slices.IndexFunc(attrs, func(a providers.Attr) bool { return a.Name == k })
	if i < 0 {
		return nil
	}
	return attrs[i].Attrs
}

// pad puts the separator behind a name: ": " directly and then spaces, " = "
// after them, as each is written by hand.
func pad(name, sep string, wide int) string {
	gap := strings.Repeat(" ", max(0, wide-utf8.RuneCountInString(name)))
	if strings.HasPrefix(sep, ":") {
		return name + sep + gap
	}
	return name + gap + sep
}

// LiteralLines writes a literal that may take several lines; a text of several
// lines is shown as the heredoc one would write.
func LiteralLines(first Line, v any) []Line {
	if s, ok := v.(string); ok && isText(s) {
		first.Text = "<<-EOT"
		out := []Line{first}
		for l := range strings.SplitSeq(strings.TrimSuffix(s, "\n"), "\n") {
			out = append(out, Line{Depth: first.Depth + 1, Sign: 0, Text: diag.EscapeText(l)})
		}
		return append(out, Line{Depth: first.Depth, Text: "EOT"})
	}
	parts := strings.Split(Literal(v, 0), "\n")
	first.Text = parts[0]
	out := []Line{first}
	for _, l := range parts[1:] {
		out = append(out, Line{Depth: first.Depth, Text: l})
	}
	return out
}

func isText(s string) bool { return strings.Contains(strings.TrimSuffix(s, "\n"), "\n") }

// Text renders a value by itself, as `output` shows it: an HCL literal, several
// lines of text as a heredoc.
func Text(v any) string {
	var b strings.Builder
	for i, l := range LiteralLines(Line{}, v) {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strings.Repeat("  ", l.Depth) + l.Text)
	}
	return b.String()
}

// Equal compares decoded values; numbers by value where they are written alike
// or as plain integers, secrets as equal.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		bm, ok := b.(map[string]any)
		if !ok || len(a) != len(bm) {
			return false
		}
		for k, v := range a {
			if w, ok := bm[k]; !ok || !Equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		bl, ok := b.([]any)
		return ok && slices.EqualFunc(a, bl, Equal)
	case json.Number:
		bn, ok := b.(json.Number)
		return ok && a == bn
	}
	switch b.(type) {
	case map[string]any, []any, json.Number:
		return false
	}
	return a == b
}

// String is for failures in tests.
func (l Line) String() string {
	return fmt.Sprintf("%s%c %s%s %s", strings.Repeat("  ", l.Depth), l.Sign, l.Key, l.Text, l.Old)
}
