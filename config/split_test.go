package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A file that is parsed in pieces is the same as one parsed whole: blocks,
// positions, and the context that a diagnostic names.
func TestPiecesAreTheWhole(t *testing.T) {
	src := literalBlocks(200)
	if n := len(split(src)); n < 5 {
		t.Fatalf("only %d pieces", n)
	}
	if !bytes.Equal(src, bytes.Join(sourcesOf(split(src)), nil)) {
		t.Fatal("pieces do not add up")
	}
	got, diags := parseNative(src, "x")
	want, _ := hclsyntax.ParseConfig(src, "x", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	g, w := got.Body.(*hclsyntax.Body), want.Body.(*hclsyntax.Body)
	if len(g.Blocks) != len(w.Blocks) || g.SrcRange != w.SrcRange || g.EndRange != w.EndRange {
		t.Fatalf("%d blocks in %s, want %d in %s", len(g.Blocks), g.SrcRange, len(w.Blocks), w.SrcRange)
	}
	for i := range w.Blocks {
		if !reflect.DeepEqual(g.Blocks[i], w.Blocks[i]) {
			t.Fatalf("block %d differs: %s, want %s", i, g.Blocks[i].Range(), w.Blocks[i].Range())
		}
	}
	type context interface{ ContextString(int) string }
	for i := 0; i < len(src); i += 97 {
		if a, b := got.Nav.(context).ContextString(i), want.Nav.(context).ContextString(i); a != b {
			t.Fatalf("at %d: in %q, want %q", i, a, b)
		}
	}
}

func sourcesOf(ps []piece) (out [][]byte) {
	for _, p := range ps {
		out = append(out, p.src)
	}
	return out
}

// Where a cut would fall into something, the whole is parsed.
func TestCutsWithinSomething(t *testing.T) {
	filler := strings.Repeat("  x\n}\nqueue \"a\" {\n}\n\nqueue \"b\" {\n", 300)
	for name, c := range map[string]struct {
		src    string
		blocks int
		bad    bool
	}{
		"heredoc":          {"locals {\n  x = <<EOT\n" + filler + "EOT\n}\n", 1, false},
		"comment":          {"locals {\n}\n/*\n" + filler + "*/\nlocals {\n}\n", 2, false},
		"comment open":     {"locals {\n}\n/*\n" + filler, 1, true},
		"template":         {"locals {\n  x = <<EOT\n${[\n" + strings.Repeat("\n\nx,\n", 2500) + "]}\nEOT\n}\n", 1, false},
		"argument twice":   {"a = 1\n" + strings.Repeat("queue \"a\" {\n}\n", 900) + "a = 2\n", 900, true},
		"crlf":             {strings.Repeat("queue \"a\" {\r\n}\r\n\r\n", 900), 900, false},
		"byte order mark":  {"\xef\xbb\xbf" + strings.Repeat("queue \"a\" {\n}\n", 900), 900, false},
		"everything wrong": {strings.Repeat("queue \"a\" {\n}}\n", 900), -1, true},
	} {
		f, diags := parseNative([]byte(c.src), "x")
		whole, wholeDiags := hclsyntax.ParseConfig([]byte(c.src), "x", hcl.InitialPos)
		if diags.HasErrors() != c.bad || diags.HasErrors() != wholeDiags.HasErrors() {
			t.Errorf("%s: errors %v, as a whole %v", name, diags, wholeDiags)
		}
		got, want := f.Body.(*hclsyntax.Body), whole.Body.(*hclsyntax.Body)
		if len(got.Blocks) != len(want.Blocks) || c.blocks >= 0 && len(got.Blocks) != c.blocks {
			t.Errorf("%s: %d blocks, as a whole %d, want %d", name, len(got.Blocks), len(want.Blocks), c.blocks)
		}
		if fmt.Sprint(got.EndRange) != fmt.Sprint(want.EndRange) {
			t.Errorf("%s: ends at %s, want %s", name, got.EndRange, want.EndRange)
		}
	}
}
