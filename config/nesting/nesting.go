// Package nesting bounds how deeply a text nests before a recursive parser or
// evaluator sees it. Parsers of HCL, JSON and YAML recurse for every bracket,
// unary operator and conditional, and a Go program whose stack runs full
// cannot recover (hashicorp/hcl#809): what a hostile or broken file may do is
// be refused, not end the process.
//
// It is a ground floor package and imports hcl's scanner only, which does not
// recurse.
package nesting

import (
	"bytes"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Limit is how many levels are let through: brackets, templates, nested
// conditionals and chained operators together. It is far above what people
// write and, at some 10 KB of stack a level, far below what a stack holds.
const Limit = 1000

// A Kind says as what a text is about to be parsed.
type Kind int

// Config is a file of HCL, Expression a single one (where line breaks do not
// end anything), Template a string template.
const (
	Config Kind = iota
	Expression
	Template
)

// Error says where a text nests too deeply.
type Error struct{ Range hcl.Range }

func (e *Error) Error() string {
	return fmt.Sprintf("brackets, templates, conditionals and chained operators are nested more than %d levels deep", Limit)
}

// Check returns an *Error where a native HCL text nests more than Limit levels.
// It says nothing about other faults in the syntax.
func Check(src []byte, filename string, start hcl.Pos, kind Kind) *Error {
	if !suspicious(src) {
		return nil
	}
	var tokens hclsyntax.Tokens
	switch kind {
	case Config:
		tokens, _ = hclsyntax.LexConfig(src, filename, start)
	case Expression:
		tokens, _ = hclsyntax.LexExpression(src, filename, start)
	case Template:
		tokens, _ = hclsyntax.LexTemplate(src, filename, start)
	}
	return CheckTokens(tokens, kind)
}

// suspicious reports whether src has enough of the bytes that make a parser
// recurse: most files have not, and need no second scan.
func suspicious(src []byte) bool {
	if len(src) <= Limit {
		return false
	}
	n := 0
	for _, c := range src {
		if weight[c] {
			n++
		}
	}
	return n > Limit
}

// weight marks the bytes that start every token which frames.add counts.
var weight = func() (w [256]bool) {
	for _, c := range []byte(`([{"<!-?+*/%=>&|.$~`) {
		w[c] = true
	}
	return w
}()

// CheckTokens is Check for a text that was scanned already.
func CheckTokens(tokens hclsyntax.Tokens, kind Kind) *Error {
	f := frames{stack: make([]frame, 1, 32), depth: 1}
	f.stack[0].lines = kind == Config
	for i := range tokens {
		f.add(tokens, i)
		if f.depth > Limit {
			return &Error{tokens[i].Range}
		}
	}
	return nil
}

// A frame is an open bracket, quote or template. Chain counts what recurses
// without a bracket: operators of one expression nest in the syntax tree.
type frame struct {
	closer hclsyntax.TokenType
	chain  int
	lines  bool // a line break ends an expression
}

type frames struct {
	stack []frame
	depth int // of all frames and their chains
}

func (f *frames) top() *frame { return &f.stack[len(f.stack)-1] }

func (f *frames) open(closer hclsyntax.TokenType, lines bool) {
	f.stack = append(f.stack, frame{closer: closer, lines: lines})
	f.depth++
}

func (f *frames) chain() {
	f.top().chain++
	f.depth++
}

func (f *frames) reset() {
	f.depth -= f.top().chain
	f.top().chain = 0
}

// add counts one token. A closer that does not fit stays open: the parser
// will refuse the text, and counting too much is safe.
func (f *frames) add(tokens hclsyntax.Tokens, i int) {
	switch t := tokens[i].Type; t {
	case hclsyntax.TokenOParen:
		f.chain() // a call or a parenthesis may be followed by another: f()()
		f.open(hclsyntax.TokenCParen, false)
	case hclsyntax.TokenOBrack:
		f.chain() // a[0][0][0] nests to the left
		f.open(hclsyntax.TokenCBrack, false)
	case hclsyntax.TokenOBrace:
		f.open(hclsyntax.TokenCBrace, !isFor(tokens, i+1))
	case hclsyntax.TokenOQuote:
		f.open(hclsyntax.TokenCQuote, false)
	case hclsyntax.TokenOHeredoc:
		f.open(hclsyntax.TokenCHeredoc, false)
	case hclsyntax.TokenTemplateInterp:
		f.open(hclsyntax.TokenTemplateSeqEnd, false)
	case hclsyntax.TokenTemplateControl:
		f.control(tokens, i)
		f.open(hclsyntax.TokenTemplateSeqEnd, false)
	case hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCBrace, hclsyntax.TokenCQuote,
		hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
		if len(f.stack) > 1 && f.top().closer == t {
			f.depth -= 1 + f.top().chain
			f.stack = f.stack[:len(f.stack)-1]
		}
	case hclsyntax.TokenComma:
		f.reset()
	case hclsyntax.TokenNewline:
		if f.top().lines {
			f.reset()
		}
	case hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPlus, hclsyntax.TokenMinus,
		hclsyntax.TokenPercent, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan,
		hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq,
		hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenBang, hclsyntax.TokenDot, hclsyntax.TokenQuestion:
		f.chain()
	}
}

// control counts a template's %{ if } and %{ for }, which nest until their end.
func (f *frames) control(tokens hclsyntax.Tokens, i int) {
	word := ""
	if i+1 < len(tokens) {
		word = string(tokens[i+1].Bytes)
	}
	switch word {
	case "endif", "endfor":
		if f.top().chain > 0 {
			f.top().chain--
			f.depth--
		}
	case "else":
	default:
		f.chain()
	}
}

// isFor reports whether what follows a brace makes it a for expression, within
// which line breaks mean nothing.
func isFor(tokens hclsyntax.Tokens, i int) bool {
	for ; i < len(tokens); i++ {
		switch tokens[i].Type {
		case hclsyntax.TokenNewline, hclsyntax.TokenComment:
			continue
		}
		return tokens[i].Type == hclsyntax.TokenIdent && bytes.Equal(tokens[i].Bytes, []byte("for"))
	}
	return false
}
