package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A finder collects the literals of an expression that become part of its
// value, and the references that do.
type finder struct {
	literals []span
	refs     []stainedRef
	local    []map[string]struct{} // names of the for expressions around
}

type stainedRef struct {
	t   hcl.Traversal
	how secrecy
}

func findLiterals(e hcl.Expression, how secrecy) *finder {
	f := &finder{}
	if native, ok := e.(hclsyntax.Expression); ok {
		f.walk(native, how)
	} else {
		f.walkJSON(e, how)
	}
	return f
}

// namesOnly are functions whose first argument names where a secret is and
// holds none: cutting it would make a plan need the original file for nothing.
var namesOnly = map[string]bool{
	"env": true, "file": true, "fileexists": true, "fileset": true, "filesha256": true, "templatefile": true, "abspath": true,
}

func (f *finder) walk(e hclsyntax.Expression, how secrecy) {
	switch e := e.(type) {
	case nil:
	case *hclsyntax.LiteralValueExpr:
		if t := e.Val.Type(); (t == cty.String || t == cty.Number) && !e.Val.IsNull() {
			if t == cty.String && how == credentials && !strings.Contains(e.Val.AsString(), "@") {
				return
			}
			f.literals = append(f.literals, spanOf(e.SrcRange))
		}
	case *hclsyntax.ScopeTraversalExpr:
		if !f.isLocal(e.Traversal.RootName()) {
			f.refs = append(f.refs, stainedRef{e.Traversal, how})
		}
	case *hclsyntax.TemplateExpr:
		f.template(e, how)
	case *hclsyntax.FunctionCallExpr:
		f.call(e, how)
	case *hclsyntax.ConditionalExpr: // its condition is not part of the value
		f.walk(e.TrueResult, how)
		f.walk(e.FalseResult, how)
	case *hclsyntax.IndexExpr: // nor is an index
		f.walk(e.Collection, how)
	case *hclsyntax.ObjectConsExpr: // nor are keys
		for _, item := range e.Items {
			f.walk(item.ValueExpr, how)
		}
	default:
		f.children(e, how)
	}
}

func (f *finder) isLocal(name string) bool {
	for _, names := range f.local {
		if _, ok := names[name]; ok {
			return true
		}
	}
	return false
}

// children walks what an expression is made of, one level at a time.
func (f *finder) children(e hclsyntax.Expression, how secrecy) {
	_ = hclsyntax.Walk(e, &childWalker{f: f, how: how})
}

// childWalker hands the direct children of a node to the finder. Walk cannot
// be told to stop, so what lies deeper is passed over by depth.
type childWalker struct {
	f     *finder
	how   secrecy
	depth int
}

func (w *childWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	w.depth++
	if w.depth != 2 {
		return nil
	}
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		w.f.local = append(w.f.local, n.LocalNames)
		w.f.walk(n.Expr, w.how)
		w.f.local = w.f.local[:len(w.f.local)-1]
	case hclsyntax.Expression:
		w.f.walk(n, w.how)
	}
	return nil
}

func (w *childWalker) Exit(hclsyntax.Node) hcl.Diagnostics {
	w.depth--
	return nil
}

func (f *finder) call(e *hclsyntax.FunctionCallExpr, how secrecy) {
	for i, arg := range e.Args {
		if i == 0 && namesOnly[e.Name] {
			continue
		}
		f.walk(arg, f.argument(arg, how))
	}
}

// argument: a text that a function makes a URL of may be a password, one that
// is a URL is treated as such.
func (f *finder) argument(arg hclsyntax.Expression, how secrecy) secrecy {
	if t, ok := arg.(*hclsyntax.TemplateExpr); ok && strings.Contains(flatten(t), "://") {
		return how
	}
	if _, ok := arg.(*hclsyntax.ScopeTraversalExpr); ok {
		return how
	}
	return everything
}

// hole stands for an interpolation in a flattened template; no text has it.
const hole = "\x00"

func flatten(t *hclsyntax.TemplateExpr) string {
	var b strings.Builder
	for _, p := range t.Parts {
		if l, ok := p.(*hclsyntax.LiteralValueExpr); ok && l.Val.Type() == cty.String && !l.Val.IsNull() {
			b.WriteString(l.Val.AsString())
		} else {
			b.WriteString(hole)
		}
	}
	return b.String()
}

// template: of a URL, only what is interpolated into its user and password is
// secret. Its literals are found in the text of the file (see urlSpans).
func (f *finder) template(t *hclsyntax.TemplateExpr, how secrecy) {
	flat := flatten(t)
	if how == everything || !strings.Contains(flat, "://") {
		for _, p := range t.Parts {
			f.walk(p, how)
		}
		return
	}
	login, _ := userinfo(flat)
	at := 0
	for _, p := range t.Parts {
		if l, ok := p.(*hclsyntax.LiteralValueExpr); ok && l.Val.Type() == cty.String && !l.Val.IsNull() {
			at += len(l.Val.AsString())
			continue
		}
		inner := credentials
		if login.from <= at && at < login.to {
			inner = everything
		}
		f.walk(p, inner)
		at += len(hole)
	}
}

// walkJSON: a string of JSON is cut as a whole, because escapes make places
// within it uncertain.
func (f *finder) walkJSON(e hcl.Expression, how secrecy) {
	if l, ok := e.(interface{ ExprList() []hcl.Expression }); ok {
		if items := l.ExprList(); items != nil {
			for _, item := range items {
				f.walkJSON(item, how)
			}
			return
		}
	}
	if m, ok := e.(interface{ ExprMap() []hcl.KeyValuePair }); ok {
		if pairs := m.ExprMap(); pairs != nil {
			for _, p := range pairs {
				f.walkJSON(p.Value, how)
			}
			return
		}
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type() == cty.Bool {
		return
	}
	if v.Type() != cty.String {
		f.literals = append(f.literals, spanOf(e.Range()))
		return
	}
	t, diags := hclsyntax.ParseTemplate([]byte(v.AsString()), "", hcl.InitialPos)
	if diags.HasErrors() {
		f.literals = append(f.literals, spanOf(e.Range()))
		return
	}
	inner := &finder{}
	inner.walk(t, how)
	f.refs = append(f.refs, inner.refs...)
	if len(inner.literals) > 0 {
		f.literals = append(f.literals, spanOf(e.Range()))
	}
}
