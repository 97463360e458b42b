// Package diag helps to write diagnostics that people can act on: a source
// line, what is wrong, why, what to do, the nearest known name. It is a ground
// floor package and imports hcl and cty only.
package diag

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Error makes an error diagnostic. The summary is fixed text; the detail says
// what is wrong, why, and what to do. A zero range means "nowhere in
// particular".
func Error(rng hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: ptr(rng)}
}

// Warning makes a warning diagnostic.
func Warning(rng hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: summary, Detail: detail, Subject: ptr(rng)}
}

func ptr(rng hcl.Range) *hcl.Range {
	if rng == (hcl.Range{}) {
		return nil
	}
	return &rng
}

// A Summarizer is an error that knows the fixed headline to show above it, as
// "Login refused".
type Summarizer interface{ Summary() string }

// At is the one crossing from plain errors to diagnostics. A cty.PathError is
// named with the attribute to blame; an error that is hcl.Diagnostics already
// keeps its own places, those without one get rng.
func At(err error, rng hcl.Range) hcl.Diagnostics {
	if err == nil {
		return nil
	}
	if ds, ok := errors.AsType[hcl.Diagnostics](err); ok {
		out := make(hcl.Diagnostics, 0, len(ds))
		for _, d := range ds {
			c := *d
			if c.Subject == nil {
				c.Subject = ptr(rng)
			}
			out = append(out, &c)
		}
		return out
	}
	summary := "Operation failed"
	var s Summarizer
	if errors.As(err, &s) {
		summary = s.Summary()
	}
	detail := Sentence(capital(err.Error()))
	var pe cty.PathError
	if errors.As(err, &pe) && len(pe.Path) > 0 {
		if summary == "Operation failed" {
			summary = "Invalid value"
		}
		detail = Sentence(FormatPath(pe.Path) + ": " + err.Error())
	}
	return hcl.Diagnostics{Error(rng, summary, detail)}
}

// firstWord is a plain word at the beginning; a name like queue.jobs or
// x-max-length is none.
var firstWord = regexp.MustCompile(`^[a-z]+[ ,]`)

// capital gives a lower-case Go error text its capital letter.
func capital(s string) string {
	if firstWord.MatchString(s) {
		return strings.ToUpper(s[:1]) + s[1:]
	}
	return s
}

// Sentence gives a lower-case Go error text its full stop.
func Sentence(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.LastIndexByte(s, '\n'); i >= 0 && strings.HasPrefix(s[i+1:], "  ") {
		return s // a quotation, such as the last lines of a log, ends as it does
	}
	// A sentence may end within a quotation or parentheses.
	if end := strings.TrimRight(s, `)"'`); s == "" || end != "" && strings.ContainsAny(end[len(end)-1:], ".!?\n") {
		return s
	}
	return s + "."
}

// FormatPath writes a path as users write it: `dead_letter.exchange`,
// `arguments["x-max-length"]`.
func FormatPath(p cty.Path) string {
	var b strings.Builder
	for _, step := range p {
		switch s := step.(type) {
		case cty.GetAttrStep:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Name)
		case cty.IndexStep:
			if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
				fmt.Fprintf(&b, "[%s]", strconv.Quote(s.Key.AsString()))
			} else if s.Key.Type() == cty.Number && s.Key.IsKnown() && !s.Key.IsNull() {
				fmt.Fprintf(&b, "[%s]", s.Key.AsBigFloat().Text('f', -1))
			} else {
				b.WriteString("[…]")
			}
		}
	}
	return b.String()
}

// Nearest returns the known name that the wrong one was most likely meant to
// be, or "".
func Nearest(wrong string, known []string) string {
	best, bestD := "", 1+len(wrong)/3
	if bestD < 3 && len(wrong) > 3 {
		bestD = 3
	}
	sorted := append([]string(nil), known...)
	sort.Strings(sorted)
	for _, k := range sorted {
		if strings.EqualFold(k, wrong) || swapped(k, wrong) {
			return k
		}
		if d := levenshtein.Distance(wrong, k, nil); d < bestD {
			best, bestD = k, d
		}
	}
	if best == "" {
		return onlyWith(wrong, sorted)
	}
	return best
}

// onlyWith returns the one known name that begins with the wrong one or ends
// with it as a word: que, ttl of message_ttl. Of several, none is likely.
func onlyWith(part string, known []string) string {
	found := ""
	if len(part) < 3 {
		return ""
	}
	for _, k := range known {
		if !strings.HasPrefix(k, part) && !strings.HasSuffix(k, "_"+part) && !strings.HasSuffix(k, "-"+part) {
			continue
		}
		if found != "" {
			return ""
		}
		found = k
	}
	return found
}

// swapped reports whether two neighbouring letters are all that differs, which
// the edit distance counts as two faults and people make as one.
func swapped(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// DidYouMean is Nearest as a sentence with a leading space, or "".
func DidYouMean(wrong string, known []string) string {
	if n := Nearest(wrong, known); n != "" {
		return fmt.Sprintf(" Did you mean %q?", n)
	}
	return ""
}

// OneOf words a choice: "one of a, b, c. Did you mean "b"?".
func OneOf(wrong string, known []string) string {
	return "one of " + strings.Join(known, ", ") + "." + DidYouMean(wrong, known)
}

// Count is "1 label", "2 labels".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// ShellWord is a text as one word of a shell's command line, escaped for a
// terminal.
func ShellWord(s string) string {
	special := func(r rune) bool {
		return !strings.ContainsRune("_-./@%=:,+", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}
	if s != "" && !strings.ContainsFunc(s, special) {
		return s
	}
	return "'" + strings.ReplaceAll(Escape(s), "'", `'\''`) + "'"
}

// Escape makes text from outside (names, a broker's words, a child's output)
// safe for a terminal: control characters, bidirectional overrides and other
// unprintable runes become their Go escapes. Newline and tab are escaped too.
// %q does the same by itself: what it quotes is given as it is.
func Escape(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

// EscapeText is Escape that keeps newlines and tabs, for texts of several lines.
func EscapeText(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		cells := strings.Split(l, "\t")
		for j, c := range cells {
			cells[j] = Escape(c)
		}
		lines[i] = strings.Join(cells, "\t")
	}
	return strings.Join(lines, "\n")
}
