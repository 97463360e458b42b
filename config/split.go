package config

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/msgflo/msgflo/config/nesting"
)

// chunkSize is about how much of a large file is parsed at once, in bytes:
// hclsyntax holds all tokens of what it is given, some hundred bytes each, and
// uses one core.
const chunkSize = 8 << 10

// parseNative parses a file of native syntax. A large one is parsed in pieces,
// cut between top-level blocks as `msgflo fmt` sets them. A piece that is
// wrongly cut (within a heredoc, say) does not parse; then, as with any other
// fault in the syntax, the file is parsed as a whole.
func parseNative(src []byte, path string) (*hcl.File, hcl.Diagnostics) {
	if pieces := split(src); len(pieces) > 1 {
		if body := parsePieces(pieces, path); body != nil {
			return &hcl.File{Body: body, Bytes: src, Nav: blockContext{body}}, nil
		}
	}
	if deep := nesting.Check(src, path, hcl.InitialPos, nesting.Config); deep != nil {
		return &hcl.File{Body: hcl.EmptyBody(), Bytes: src}, hcl.Diagnostics{deep.Diagnostic()}
	}
	f, diags := hclsyntax.ParseConfig(src, path, hcl.InitialPos)
	for _, d := range diags {
		if d.Summary == "Invalid string literal" { // in a configuration, only a label is one
			d.Detail = "A block's label is read before any value is known, so it cannot hold ${…}. What differs by instance is an argument: the name of an object, " +
				"the role of a participant, from and to of a connection in a graph. (A literal \"${\" is written \"$${\".)"
		}
	}
	return f, diags
}

// A piece is a part of a file and where it starts.
type piece struct {
	src   []byte
	start hcl.Pos
}

// split cuts a file where a line starts with a word and the one before is
// blank or a closing brace.
func split(src []byte) []piece {
	var out []piece
	start := hcl.InitialPos
	for from := 0; from < len(src); {
		end := len(src)
		for at := from + chunkSize; at < len(src); {
			nl := bytes.Index(src[at:], []byte("\n"))
			if nl < 0 {
				break
			}
			at += nl + 1
			if at < len(src) && isLetter(src[at]) && (src[at-2] == '\n' || src[at-2] == '}' && src[at-3] == '\n') {
				end = at
				break
			}
		}
		out = append(out, piece{src[from:end], start})
		start.Line += bytes.Count(src[from:end], []byte("\n"))
		start.Byte = end
		from = end
	}
	return out
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// parsePieces returns nil where a piece has any fault.
func parsePieces(pieces []piece, path string) *hclsyntax.Body {
	bodies := make([]*hclsyntax.Body, len(pieces))
	var next atomic.Int64
	var failed atomic.Bool
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(pieces)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(pieces) && !failed.Load(); i = next.Add(1) - 1 {
				if bodies[i] = pieces[i].parse(path); bodies[i] == nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	if failed.Load() {
		return nil
	}
	return join(bodies)
}

func (p piece) parse(path string) *hclsyntax.Body {
	if nesting.Check(p.src, path, p.start, nesting.Config) != nil {
		return nil
	}
	f, diags := hclsyntax.ParseConfig(p.src, path, p.start)
	if len(diags) > 0 {
		return nil
	}
	return f.Body.(*hclsyntax.Body)
}

// join makes one body of those of the pieces; nil where an argument stands
// twice, which is for the parser to report.
func join(bodies []*hclsyntax.Body) *hclsyntax.Body {
	out := *bodies[0]
	out.Blocks = nil
	for i, b := range bodies {
		out.Blocks = append(out.Blocks, b.Blocks...)
		for name, a := range b.Attributes {
			if i > 0 && out.Attributes[name] != nil {
				return nil
			}
			out.Attributes[name] = a
		}
	}
	last := bodies[len(bodies)-1]
	out.SrcRange.End, out.EndRange = last.SrcRange.End, last.EndRange
	return &out
}

// blockContext names the block around a byte for diagnostics, as hclsyntax
// does for what it parsed as a whole.
type blockContext struct{ body *hclsyntax.Body }

// ContextString is found by hcl's diagnostic writer.
func (c blockContext) ContextString(offset int) string {
	for _, b := range c.body.Blocks {
		if offset < b.TypeRange.Start.Byte || offset >= b.CloseBraceRange.End.Byte {
			continue
		}
		var s strings.Builder
		s.WriteString(b.Type)
		for _, l := range b.Labels {
			fmt.Fprintf(&s, " %q", l)
		}
		return s.String()
	}
	return ""
}
