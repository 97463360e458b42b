package nesting

import (
	"encoding/json"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// CheckJSON returns an *Error where a JSON text nests more than Limit levels,
// or, with templates set, where a string in it would do so as an HCL template
// or expression (JSON configuration has such strings).
func CheckJSON(src []byte, filename string, templates bool) *Error {
	depth, line := 0, 1
	at := func(i int) *Error {
		p := hcl.Pos{Line: line, Column: 1, Byte: i}
		return &Error{hcl.Range{Filename: filename, Start: p, End: hcl.Pos{Line: line, Column: 2, Byte: i + 1}}}
	}
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '\n':
			line++
		case '[', '{':
			if depth++; depth > Limit {
				return at(i)
			}
		case ']', '}':
			depth--
		case '"':
			end := stringEnd(src, i)
			if templates && end-i > Limit && deepString(src[i:end]) {
				return at(i)
			}
			i = end - 1
		}
	}
	return nil
}

// stringEnd is the index after a JSON string that starts at i.
func stringEnd(src []byte, i int) int {
	for i++; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"', '\n':
			return i + 1
		}
	}
	return len(src)
}

func deepString(quoted []byte) bool {
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return false // not a string: the parser says so
	}
	pos := hcl.InitialPos
	return Check([]byte(s), "", pos, Template) != nil || Check([]byte(s), "", pos, Expression) != nil
}

// CheckYAML returns an *Error where a YAML text nests flow collections or
// compact block collections (`- - - a`) more than Limit levels. Indented
// nesting needs a square of its depth in bytes and is bounded by size.
func CheckYAML(src []byte) *Error {
	depth, run, line := 0, 0, 1
	prev := byte('\n')
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case c == '\n':
			line++
			run = 0
		case c == '[' || c == '{':
			depth++
		case (c == ']' || c == '}') && depth > 0:
			depth--
		case (c == '-' || c == '?' || c == ':') && i+1 < len(src) && (src[i+1] == ' ' || src[i+1] == '\t'):
			run++
		case (c == '"' || c == '\'') && depth > 0 && startsToken(prev):
			i = quoteEnd(src, i)
		}
		if depth > Limit || run > Limit {
			p := hcl.Pos{Line: line, Column: 1, Byte: i}
			return &Error{hcl.Range{Start: p, End: p}}
		}
		prev = c
	}
	return nil
}

func startsToken(prev byte) bool {
	switch prev {
	case '[', '{', ',', ':', ' ', '\t', '\n':
		return true
	}
	return false
}

// quoteEnd is the index of the quote that ends the one at i.
func quoteEnd(src []byte, i int) int {
	q := src[i]
	for i++; i < len(src); i++ {
		if src[i] == '\\' && q == '"' {
			i++
		} else if src[i] == q {
			return i
		}
	}
	return len(src)
}

// ParseExpression is hclsyntax.ParseExpression behind Check: for values from
// the command line and the environment.
func ParseExpression(src []byte, filename string, start hcl.Pos) (hclsyntax.Expression, hcl.Diagnostics) {
	if err := Check(src, filename, start, Expression); err != nil {
		return nil, hcl.Diagnostics{err.Diagnostic()}
	}
	return hclsyntax.ParseExpression(src, filename, start)
}

// Diagnostic is the error with its place.
func (e *Error) Diagnostic() *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Nested too deeply", Subject: e.Range.Ptr(),
		Detail: "From here on " + e.Error() + ". Give parts of it names in a locals block, or shorten it.",
	}
}
