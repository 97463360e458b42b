package value

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
)

// What stands for values that are not shown.
const (
	SecretText  = "(sensitive value)"
	UnknownText = "(known after apply)"
)

// width is how long a collection's literal may be to stand on one line.
const width = 68

// Quote writes a string as HCL would, with nothing in it that a terminal obeys.
func Quote(s string) string {
	k := addr.StringKey(s)
	return k[1 : len(k)-1]
}

// Name writes a name for use in a sentence: bare where it is plain, quoted
// where it holds anything that could be mistaken.
func Name(s string) string {
	if s == "" || s != diag.Escape(s) || strings.ContainsAny(s, " \t,;\"'`") {
		return Quote(s)
	}
	return s
}

// Key writes an object's key: an identifier as it is, anything else quoted.
func Key(k string) string {
	switch k {
	case "for", "null", "true", "false": // words that mean something else there
		return Quote(k)
	}
	if isPlainIdentifier(k) || hclsyntax.ValidIdentifier(k) && k == diag.Escape(k) {
		return k
	}
	return Quote(k)
}

// isPlainIdentifier spares most keys the scanner.
func isPlainIdentifier(k string) bool {
	for i := range len(k) {
		c := k[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return k != ""
}

// Literal writes a decoded value as an HCL expression. Lines after the first
// are indented by indent spaces and more. It never holds a control character
// other than the newlines it makes.
func Literal(v any, indent int) string {
	if one := oneLine(v, width-min(indent, width/2)); one != "" {
		return one
	}
	var b strings.Builder
	writeLines(&b, v, indent)
	return b.String()
}

// Inline writes a decoded value as an HCL expression on one line.
func Inline(v any) string {
	var b strings.Builder
	writeInline(&b, v)
	return b.String()
}

// oneLine is Inline where that is short enough, else "".
func oneLine(v any, limit int) string {
	if !isCollection(v) {
		return Inline(v)
	}
	if size(v, limit) > limit {
		return ""
	}
	if s := Inline(v); utf8.RuneCountInString(s) <= limit {
		return s
	}
	return ""
}

// size is a cheap lower bound of a literal's length, counted no further than limit.
func size(v any, limit int) int {
	n := 1
	if limit < 0 {
		return n
	}
	switch v := v.(type) {
	case string:
		n = len(v) / utf8.UTFMax
	case []any:
		for _, e := range v {
			if n += size(e, limit-n); n > limit {
				break
			}
		}
	case map[string]any:
		for k, e := range v {
			if n += len(k)/utf8.UTFMax + size(e, limit-n); n > limit {
				break
			}
		}
	}
	return n
}

func isCollection(v any) bool {
	switch v := v.(type) {
	case []any:
		return true
	case map[string]any:
		return true
	case string:
		_, ok := encoded(v)
		return ok
	}
	return false
}

// encoded recognises a string that is a JSON object or array, which people
// read better as jsonencode(…).
func encoded(s string) (any, bool) {
	if len(s) < 2 || s[0] != '{' && s[0] != '[' || !json.Valid([]byte(s)) {
		return nil, false
	}
	v := parse(json.RawMessage(s))
	return v, v != nil
}

func writeInline(b *strings.Builder, v any) {
	switch v := v.(type) {
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			writeInline(b, e)
		}
		b.WriteByte(']')
	case map[string]any:
		if len(v) == 0 {
			b.WriteString("{}")
			return
		}
		b.WriteString("{ ")
		for i, k := range keysIn(nil, v) {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(Key(k))
			b.WriteString(" = ")
			writeInline(b, v[k])
		}
		b.WriteString(" }")
	default:
		b.WriteString(scalar(v))
	}
}

func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		if v {
			return "true"
		}
		return "false"
	case json.Number:
		return diag.Escape(v.String())
	case string:
		if in, ok := encoded(v); ok {
			return "jsonencode(" + Inline(in) + ")"
		}
		return Quote(v)
	case Secret:
		return SecretText
	case Unknown:
		return UnknownText
	}
	return "null"
}

func writeLines(b *strings.Builder, v any, indent int) {
	if one := oneLine(v, width-min(indent, width/2)); one != "" {
		b.WriteString(one)
		return
	}
	pad := "\n" + strings.Repeat(" ", indent)
	switch v := v.(type) {
	case []any:
		b.WriteByte('[')
		for _, e := range v {
			b.WriteString(pad + "  ")
			writeLines(b, e, indent+2)
			b.WriteByte(',')
		}
		b.WriteString(pad + "]")
	case map[string]any:
		b.WriteByte('{')
		keys := keysIn(nil, v)
		names, wide := AlignKeys(keys)
		for i, k := range keys {
			b.WriteString(pad + "  " + names[i] + strings.Repeat(" ", wide-utf8.RuneCountInString(names[i])) + " = ")
			writeLines(b, v[k], indent+2)
		}
		b.WriteString(pad + "}")
	case string:
		in, _ := encoded(v)
		b.WriteString("jsonencode(")
		writeLines(b, in, indent)
		b.WriteByte(')')
	}
}

// maxAligned is the longest key that others are lined up with.
const maxAligned = 32

// AlignKeys writes keys and says how wide the column is in which they line up.
func AlignKeys(keys []string) (names []string, wide int) {
	names = make([]string, len(keys))
	for i, k := range keys {
		names[i] = Key(k)
		if n := utf8.RuneCountInString(names[i]); n > wide && n <= maxAligned {
			wide = n
		}
	}
	for _, n := range names {
		if utf8.RuneCountInString(n) > wide {
			wide = max(wide, min(utf8.RuneCountInString(n), maxAligned))
		}
	}
	return names, wide
}
