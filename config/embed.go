package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// What stands where a literal was cut out. A number becomes a zero written as
// nobody writes it, so that what must be a number still is one.
const (
	cutText   = "(msgflo: cut)"
	cutNumber = "0e0"
)

// EmbeddedSources returns the configuration's files, child modules included,
// by slash-separated path relative to rootDir, as a plan file keeps them: the
// literals that secrets are made of are cut out, each line stays where it is,
// and the text is still a valid configuration. Cut lists, in order, the files
// that lost something; RestoreCut undoes it.
//
// Secret are the literals at sensitive attributes, those that reach one
// through local values, variables, arguments, outputs and for_each, those
// within sensitive(…), the defaults of sensitive variables, and user and
// password of any URL.
func (m *Module) EmbeddedSources(rootDir string) (sources map[string]string, cut []string) {
	s := &stainer{places: map[*Module]*place{}, seen: map[stain]bool{}, literals: map[string][]span{}}
	s.enter(m, nil, nil)
	for _, p := range s.places {
		s.module(p)
	}
	sources = map[string]string{}
	for path, f := range m.AllFiles() {
		name := path
		if rel, err := filepath.Rel(rootDir, path); err == nil {
			name = rel
		}
		name = filepath.ToSlash(name)
		text := cutFile(path, f.Bytes, s.literals[path])
		sources[name] = text
		if text != string(f.Bytes) {
			cut = append(cut, name)
		}
	}
	slices.Sort(cut)
	return sources, cut
}

func cutFile(path string, src []byte, literals []span) string {
	spans := slices.Clone(literals)
	if strings.HasSuffix(path, ".json") {
		spans = append(spans, urlSpansJSON(src)...)
	} else {
		spans = append(spans, urlSpans(src)...)
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	var out strings.Builder
	done := 0
	for _, sp := range spans {
		if sp.from < done || sp.to > len(src) || sp.from >= sp.to {
			continue // within one that is cut already
		}
		out.Write(src[done:sp.from])
		out.WriteString(placeholder(string(src[sp.from:sp.to])))
		done = sp.to
	}
	out.Write(src[done:])
	return out.String()
}

// placeholder replaces one literal as it stands in the source: a number, a
// quoted JSON string, or the inside of a string or heredoc.
func placeholder(text string) string {
	bare := strings.Trim(text, `"`)
	quote := text[:(len(text)-len(bare))/2]
	trimmed := strings.TrimSpace(bare)
	switch {
	case trimmed == "" || trimmed == "true" || trimmed == "false":
		return text // white space, or as good as a boolean: no secret
	case isNumber(trimmed):
		return quote + strings.Replace(bare, trimmed, cutNumber, 1) + quote
	}
	lines := strings.Split(bare, "\n")
	for i, l := range lines {
		if strings.TrimSpace(l) != "" {
			lines[i] = cutText
		}
	}
	return quote + strings.Join(lines, "\n") + quote
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && strings.Trim(s, "0123456789.eE+-") == ""
}

// urlSpans finds the credentials of URLs in all strings and heredocs. The
// scanner does not recurse.
func urlSpans(src []byte) []span {
	if !bytes.Contains(src, []byte("://")) {
		return nil
	}
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	var out []span
	var open []*flatText
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
			open = append(open, &flatText{})
		case hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit:
			if len(open) > 0 {
				open[len(open)-1].add(string(t.Bytes), t.Range.Start.Byte)
			}
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			if len(open) > 0 {
				open[len(open)-1].add(hole, -1)
			}
		case hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
			if len(open) > 0 {
				out = append(out, open[len(open)-1].logins()...)
				open = open[:len(open)-1]
			}
		}
	}
	return out
}

// A flatText is a template's text with holes for interpolations, and where
// each part of it stands in the file.
type flatText struct {
	text  strings.Builder
	parts []flatPart
}

type flatPart struct {
	at, len int // in the text
	src     int // in the file; -1 for a hole
}

func (f *flatText) add(s string, src int) {
	f.parts = append(f.parts, flatPart{f.text.Len(), len(s), src})
	f.text.WriteString(s)
}

// logins are the spans, in the file, of all credentials in the text.
func (f *flatText) logins() []span {
	var out []span
	text := f.text.String()
	for base := 0; ; {
		login, end := userinfo(text[base:])
		if end == 0 {
			break
		}
		if strings.Trim(text[base+login.from:base+login.to], ":"+hole) != "" {
			out = append(out, f.inFile(base+login.from, base+login.to)...)
		}
		base += end
	}
	for _, m := range queryPassword.FindAllStringSubmatchIndex(text, -1) {
		out = append(out, f.inFile(m[2], m[3])...)
	}
	return out
}

func (f *flatText) inFile(from, to int) []span {
	var out []span
	for _, p := range f.parts {
		lo, hi := max(from, p.at), min(to, p.at+p.len)
		if p.src >= 0 && lo < hi {
			out = append(out, span{p.src + lo - p.at, p.src + hi - p.at})
		}
	}
	return out
}

// queryPassword finds passwords in a URL's query.
var queryPassword = regexp.MustCompile(`(?i)://[^\s"]*[?&](?:password|passwd|pwd|secret|token)=([^&\s"]+)`)

// userinfo finds the credentials of the first URL in a text: what stands
// between "://" and "@" (RFC 3986, 3.2.1). A password that was not
// percent-encoded may hold '/', '?' and '#': what looks like a port and is
// none gives it away. The span is empty where there are no credentials; end is
// where to look on, 0 where there is no URL.
func userinfo(text string) (login span, end int) {
	i := strings.Index(text, "://")
	if i < 0 {
		return span{}, 0
	}
	start := i + len("://")
	rest := text[start:]
	if n := strings.IndexAny(rest, " \t\r\n\"<>,;|"); n >= 0 {
		rest = rest[:n]
	}
	end = start + len(rest)
	if next := strings.Index(rest, "://"); next >= 0 && !strings.Contains(rest[:next], "@") {
		return span{}, start // two URLs in one word
	}
	authority := rest
	if n := strings.IndexAny(rest, "/?#"); n >= 0 {
		authority = rest[:n]
	}
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		if colon := strings.LastIndexByte(authority, ':'); colon < 0 || isPort(authority[colon+1:]) || strings.HasSuffix(authority, "]") {
			return span{}, end
		}
		if at = strings.LastIndexByte(rest, '@'); at < 0 {
			return span{}, end
		}
	} else if last := strings.LastIndexByte(rest, '@'); last > at && strings.Contains(authority[:at], ":") {
		at = last // user:p@ss/word@host
	}
	return span{start, start + at}, end
}

func isPort(s string) bool { return strings.Trim(s, "0123456789"+hole) == "" }

// urlSpansJSON finds the strings of a JSON text that hold credentials; escapes
// make places within a string uncertain, so the whole string goes.
func urlSpansJSON(src []byte) []span {
	var out []span
	for i := 0; i < len(src); i++ {
		if src[i] != '"' {
			continue
		}
		end := i + 1
		for end < len(src) && src[end] != '"' {
			if src[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end+1, len(src))
		var s string
		if json.Unmarshal(src[i:end], &s) == nil {
			var f flatText
			f.add(s, 0)
			if len(f.logins()) > 0 {
				out = append(out, span{i, end})
			}
		}
		i = end - 1
	}
	return out
}
