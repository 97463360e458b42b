package tfjson

import (
	"bytes"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/config/diag"
)

// Diagnostic is a diagnostic as Terraform writes it (validate -json and the
// machine-readable UI).
type Diagnostic struct {
	Severity string   `json:"severity"`
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail"`
	Address  string   `json:"address,omitempty"`
	Range    *Range   `json:"range,omitempty"`
	Snippet  *Snippet `json:"snippet,omitempty"`
}

// Range is a place in a source file.
type Range struct {
	Filename string `json:"filename"`
	Start    Pos    `json:"start"`
	End      Pos    `json:"end"`
}

// Pos is a position: line and column from 1, byte from 0.
type Pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// Snippet is the source a diagnostic points at; offsets are bytes of Code.
type Snippet struct {
	Context              *string           `json:"context"`
	Code                 string            `json:"code"`
	StartLine            int               `json:"start_line"`
	HighlightStartOffset int               `json:"highlight_start_offset"`
	HighlightEndOffset   int               `json:"highlight_end_offset"`
	Values               []ExpressionValue `json:"values"`
}

// ExpressionValue is what a part of the expression was.
type ExpressionValue struct {
	Traversal string `json:"traversal"`
	Statement string `json:"statement"`
}

// Diagnostics converts a list, never to null.
func Diagnostics(ds hcl.Diagnostics, files map[string]*hcl.File) []Diagnostic {
	out := make([]Diagnostic, 0, len(ds))
	for _, d := range ds {
		out = append(out, NewDiagnostic(d, files))
	}
	return out
}

// NewDiagnostic converts one.
func NewDiagnostic(d *hcl.Diagnostic, files map[string]*hcl.File) Diagnostic {
	out := Diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = "warning"
	}
	if d.Subject == nil {
		return out
	}
	highlight := notEmpty(*d.Subject)
	out.Range = &Range{Filename: highlight.Filename, Start: pos(highlight.Start), End: pos(highlight.End)}
	if f := files[d.Subject.Filename]; f != nil && f.Bytes != nil {
		out.Snippet = snippet(d, f, highlight)
	}
	return out
}

func pos(p hcl.Pos) Pos { return Pos{Line: p.Line, Column: p.Column, Byte: p.Byte} }

// notEmpty widens an empty range to one character, so that it can be shown.
func notEmpty(r hcl.Range) hcl.Range {
	if r.Empty() {
		r.End.Byte++
		r.End.Column++
	}
	return r
}

func snippet(d *hcl.Diagnostic, f *hcl.File, highlight hcl.Range) *Snippet {
	shown := highlight
	if d.Context != nil && d.Context.Filename == highlight.Filename {
		shown = hcl.RangeOver(shown, *d.Context)
	}
	size := len(f.Bytes)
	start := clamp(shown.Start.Byte, size)
	end := max(start, clamp(shown.End.Byte, size))
	start = bytes.LastIndexByte(f.Bytes[:start], '\n') + 1
	if i := bytes.IndexByte(f.Bytes[end:], '\n'); i >= 0 {
		end += i
	} else {
		end = size
	}
	code := strings.TrimRight(string(f.Bytes[start:end]), "\r\n")
	s := &Snippet{Code: code, StartLine: shown.Start.Line, Values: expressionValues(d)}
	s.HighlightStartOffset = clamp(highlight.Start.Byte-start, len(code))
	s.HighlightEndOffset = max(s.HighlightStartOffset, clamp(highlight.End.Byte-start, len(code)))
	if c, ok := f.Nav.(interface{ ContextString(int) string }); ok {
		if in := c.ContextString(highlight.Start.Byte); in != "" {
			s.Context = &in
		}
	}
	return s
}

func clamp(n, size int) int { return max(0, min(n, size)) }

// expressionValues says what the variables of the expression were; marked
// (sensitive) ones are left out.
func expressionValues(d *hcl.Diagnostic) []ExpressionValue {
	out := []ExpressionValue{}
	if d.Expression == nil || d.EvalContext == nil {
		return out
	}
	seen := map[string]bool{}
	for _, t := range d.Expression.Variables() {
		v, diags := t.TraverseAbs(d.EvalContext)
		if diags.HasErrors() || v.ContainsMarked() {
			continue
		}
		name := traversal(t)
		if seen[name] {
			continue
		}
		seen[name] = true
		out = append(out, ExpressionValue{Traversal: name, Statement: statement(v)})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Traversal < out[j].Traversal })
	return out
}

func statement(v cty.Value) string {
	switch {
	case !v.IsKnown():
		return "will be known only after apply"
	case v.IsNull():
		return "is null"
	case v.Type().IsPrimitiveType():
		raw, err := ctyjson.Marshal(v, v.Type())
		if err != nil {
			return "is a " + v.Type().FriendlyName()
		}
		return "is " + value.Inline(value.DecodeAny(raw))
	case v.IsWhollyKnown() && v.CanIterateElements() && v.LengthInt() == 0:
		return "is empty " + v.Type().FriendlyName()
	}
	return "is " + v.Type().FriendlyName()
}

func traversal(t hcl.Traversal) string {
	var b strings.Builder
	var path cty.Path
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			path = append(path, cty.GetAttrStep{Name: s.Name})
		case hcl.TraverseIndex:
			path = append(path, cty.IndexStep{Key: s.Key})
		}
	}
	if p := diag.FormatPath(path); p != "" {
		if p[0] != '[' {
			b.WriteByte('.')
		}
		b.WriteString(p)
	}
	return b.String()
}
