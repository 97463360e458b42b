package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// RestoreCut returns original if it is what EmbeddedSources made embedded of:
// the same but for the literals that were cut out. Else it is an error that
// says that the file changed, and where. White space between tokens does not
// matter.
func RestoreCut(embedded, original []byte) ([]byte, error) {
	if len(original) > maxSource {
		return nil, errTooLarge
	}
	if isJSON(embedded) {
		if !sameJSON(embedded, bytes.TrimPrefix(original, byteOrderMark)) {
			return nil, errors.New("it changed since the plan was made")
		}
		return original, nil
	}
	if line := differentLine(embedded, original); line > 0 {
		return nil, fmt.Errorf("it changed since the plan was made (line %d)", line)
	}
	return original, nil
}

// isJSON goes by the first character: no native syntax starts with a bracket.
func isJSON(src []byte) bool {
	src = bytes.TrimLeft(bytes.TrimPrefix(src, byteOrderMark), " \t\r\n")
	return len(src) > 0 && (src[0] == '{' || src[0] == '[')
}

// differentLine compares token by token and returns the line of the first
// difference, 0 where there is none. The scanner does not recurse.
func differentLine(embedded, original []byte) int {
	es, _ := hclsyntax.LexConfig(embedded, "", hcl.InitialPos)
	ts, _ := hclsyntax.LexConfig(original, "", hcl.InitialPos)
	i, j := 0, 0
	for i < len(es) && j < len(ts) {
		line := ts[j].Range.Start.Line
		e, t := es[i], ts[j]
		if e.Type != t.Type {
			return line
		}
		switch e.Type {
		case hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit:
			var want, have string
			want, i = literalRun(es, i)
			have, j = literalRun(ts, j)
			if !fits(want, have) {
				return line
			}
			continue
		case hclsyntax.TokenNumberLit:
			if string(e.Bytes) != cutNumber && !bytes.Equal(e.Bytes, t.Bytes) {
				return line
			}
		default:
			if !bytes.Equal(e.Bytes, t.Bytes) {
				return line
			}
		}
		i, j = i+1, j+1
	}
	if i < len(es) || j < len(ts) {
		return max(1, bytes.Count(original, []byte("\n")))
	}
	return 0
}

// literalRun joins the literal tokens from i on: the scanner may make one or
// several of a text.
func literalRun(ts hclsyntax.Tokens, i int) (string, int) {
	var b strings.Builder
	typ := ts[i].Type
	for ; i < len(ts) && ts[i].Type == typ; i++ {
		b.Write(ts[i].Bytes)
	}
	return b.String(), i
}

// fits reports whether a text has the parts of a cut one in their order.
func fits(cut, text string) bool {
	if strings.TrimSpace(cut) == cutNumber {
		return isNumber(strings.TrimSpace(text))
	}
	parts := strings.Split(cut, cutText)
	if len(parts) == 1 {
		return cut == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(text, first) || !strings.HasSuffix(text[len(first):], last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(text, p)
		if i < 0 {
			return false
		}
		text = text[i+len(p):]
	}
	return true
}

func sameJSON(embedded, original []byte) bool {
	e, o := json.NewDecoder(bytes.NewReader(embedded)), json.NewDecoder(bytes.NewReader(original))
	e.UseNumber()
	o.UseNumber()
	for {
		a, errA := e.Token()
		b, errB := o.Token()
		if errors.Is(errA, io.EOF) && errors.Is(errB, io.EOF) {
			return true
		}
		if errA != nil || errB != nil || !sameToken(a, b) {
			return false
		}
	}
}

func sameToken(a, b json.Token) bool {
	switch a := a.(type) {
	case string:
		t, ok := b.(string)
		return ok && fits(a, t)
	case json.Number:
		t, ok := b.(json.Number)
		return ok && (a == t || a == cutNumber)
	}
	return a == b
}
