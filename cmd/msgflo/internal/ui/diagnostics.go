package ui

import (
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/diag"
)

// writeDiagnostics writes diagnostics as hcl does, made safe for a terminal.
// The width is that in which details are wrapped; 0 does not wrap.
func writeDiagnostics(w io.Writer, ds hcl.Diagnostics, files map[string]*hcl.File, width int, color, compact bool) error {
	if compact {
		var err error
		if ds, err = compactWarnings(w, ds, newPalette(color)); err != nil {
			return err
		}
	}
	safe := safeFiles{from: files, done: map[string]*hcl.File{}}
	for _, d := range ds {
		s := safeDiagnostic(d)
		tw := hcl.NewDiagnosticTextWriter(w, safe.of(s, d), uint(max(0, width)), color)
		if err := tw.WriteDiagnostic(s); err != nil {
			return err
		}
	}
	return nil
}

// compactWarnings writes warnings by their summaries and returns the rest.
func compactWarnings(w io.Writer, ds hcl.Diagnostics, pal *palette) (rest hcl.Diagnostics, err error) {
	var lines []string
	for _, d := range ds {
		if d.Severity != hcl.DiagWarning {
			rest = append(rest, d)
			continue
		}
		s := "- " + diag.Escape(d.Summary)
		if d.Subject != nil {
			s += fmt.Sprintf(" (%s line %d)", diag.Escape(d.Subject.Filename), d.Subject.Start.Line)
		}
		lines = append(lines, s)
	}
	if len(lines) == 0 {
		return rest, nil
	}
	_, err = fmt.Fprintf(w, "%s:\n\n%s\n\n", pal.with(pal.yellow, "Warnings"), strings.Join(lines, "\n"))
	return rest, err
}

// safeDiagnostic copies a diagnostic with its texts escaped. Expressions stay:
// hcl prints of their values only quoted ones and leaves marked ones out.
func safeDiagnostic(d *hcl.Diagnostic) *hcl.Diagnostic {
	c := *d
	c.Summary = diag.EscapeText(d.Summary)
	c.Detail = diag.EscapeText(d.Detail)
	c.Subject = safeRange(d.Subject)
	c.Context = safeRange(d.Context)
	return &c
}

func safeRange(r *hcl.Range) *hcl.Range {
	if r == nil {
		return nil
	}
	c := *r
	c.Filename = diag.Escape(r.Filename)
	return &c
}

// safeFiles gives the sources in which a snippet is shown. A source with
// control characters in the lines shown is replaced by a copy without them, of
// the same length, so that ranges keep their meaning.
type safeFiles struct {
	from map[string]*hcl.File
	done map[string]*hcl.File
}

func (s *safeFiles) of(shown, d *hcl.Diagnostic) map[string]*hcl.File {
	if d.Subject == nil {
		return nil
	}
	f := s.from[d.Subject.Filename]
	if f == nil || f.Bytes == nil {
		return nil
	}
	out := s.done[d.Subject.Filename]
	if out == nil {
		out = &hcl.File{Bytes: blank(f.Bytes), Nav: safeNav{f.Nav}}
		s.done[d.Subject.Filename] = out
	}
	return map[string]*hcl.File{shown.Subject.Filename: out}
}

// blank puts a full stop for each byte of a character that a terminal might
// obey; a snippet must keep its columns, so nothing longer fits.
func blank(src []byte) []byte {
	out := append([]byte(nil), src...)
	text := string(src)
	for i, r := range text {
		if r == '\n' || r == '\t' || diag.Escape(string(r)) == string(r) && r != '\uFFFD' {
			continue
		}
		for j := i; j < len(out) && (j == i || out[j]&0xC0 == 0x80); j++ {
			out[j] = '.'
		}
	}
	return out
}

// safeNav escapes what stands behind "in" above a snippet: a block's header.
type safeNav struct{ nav any }

func (n safeNav) ContextString(offset int) string {
	if c, ok := n.nav.(interface{ ContextString(offset int) string }); ok {
		return diag.Escape(c.ContextString(offset))
	}
	return ""
}
