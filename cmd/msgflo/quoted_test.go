package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestQuotedOnce: what %q quotes it escapes by itself, so that diag.Escape
// before it would show \x1b as \\x1b.
func TestQuotedOnce(t *testing.T) {
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				for _, e := range escapedTwice(call) {
					t.Errorf("%s: %%q escapes by itself; give it the text as it is", set.Position(e.Pos()))
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var verb = regexp.MustCompile(`%[-+# 0-9.]*(?:\[(\d+)\])?([a-zA-Z%])`)

// escapedTwice are the arguments of a call with a format that are both quoted
// by the format and escaped.
func escapedTwice(call *ast.CallExpr) []ast.Expr {
	var out []ast.Expr
	for k, a := range call.Args {
		format := text(a)
		if format == "" {
			continue
		}
		rest, at := call.Args[k+1:], 0
		for _, m := range verb.FindAllStringSubmatch(format, -1) {
			if m[2] == "%" {
				continue
			}
			if n, err := strconv.Atoi(m[1]); err == nil {
				at = n - 1
			}
			if m[2] == "q" && at < len(rest) && escapes(rest[at]) {
				out = append(out, rest[at])
			}
			at++
		}
		break
	}
	return out
}

// text is that of a literal, or of several put together.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return s
		}
	case *ast.BinaryExpr:
		return text(e.X) + text(e.Y)
	}
	return ""
}

func escapes(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	return ok && strings.HasPrefix(f.Sel.Name, "Escape")
}
