package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
)

// walk checks the references and function names of an expression.
func (d *decoder) walk(e hcl.Expression, s scope) {
	switch e := e.(type) {
	case *hclsyntax.ScopeTraversalExpr: // most of those that are not literals
		d.refer(e.Traversal, s)
	case hclsyntax.Expression:
		// Enter and Exit report themselves; Walk has nothing to add.
		_ = hclsyntax.Walk(e, &referenceWalker{d: d, scope: s})
	default:
		d.walkJSON(e, s)
	}
}

// referenceWalker visits a native expression once.
type referenceWalker struct {
	d     *decoder
	scope scope
	local []map[string]struct{} // names of the for expressions around
}

func (w *referenceWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		w.local = append(w.local, n.LocalNames)
	case *hclsyntax.ScopeTraversalExpr:
		if !w.isLocal(n.Traversal.RootName()) {
			w.d.refer(n.Traversal, w.scope)
		}
	case *hclsyntax.RelativeTraversalExpr:
		w.relative(n)
	case *hclsyntax.FunctionCallExpr:
		w.call(n)
	}
	return nil
}

func (w *referenceWalker) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if _, ok := n.(hclsyntax.ChildScope); ok {
		w.local = w.local[:len(w.local)-1]
	}
	return nil
}

func (w *referenceWalker) isLocal(name string) bool {
	for _, names := range w.local {
		if _, ok := names[name]; ok {
			return true
		}
	}
	return false
}

func (w *referenceWalker) call(n *hclsyntax.FunctionCallExpr) {
	if n.Name == "sensitive" && len(n.Args) > 0 {
		w.d.m.marked = append(w.d.m.marked, n.Args[0])
	}
	if w.d.l.functions[n.Name] {
		return
	}
	w.d.errorf(n.NameRange, "Unknown function", "There is no function %q.%s", n.Name, functionHint(n.Name, w.d.l))
}

// functionHint answers the calls of Terraform's that have no place here.
func functionHint(name string, l *loader) string {
	switch name {
	case "timestamp", "plantimestamp", "uuid", "bcrypt":
		return " A plan must be the same whenever it is made; give the value in a variable."
	}
	return diag.DidYouMean(name, sortedKeys(l.functions))
}

// relative checks the attribute in queue.jobs[each.key].name: with an index
// that is computed, the reference is in two parts.
func (w *referenceWalker) relative(n *hclsyntax.RelativeTraversalExpr) {
	ix, ok := n.Source.(*hclsyntax.IndexExpr)
	if !ok {
		return
	}
	block, ok := ix.Collection.(*hclsyntax.ScopeTraversalExpr)
	if !ok || len(block.Traversal) != 2 || w.isLocal(block.Traversal.RootName()) || w.scope.iterators.has(block.Traversal.RootName()) {
		return
	}
	r := w.d.m.Resources[block.Traversal.RootName()+"."+attr(block.Traversal, 1)]
	if r != nil && (r.Count != nil || r.ForEach != nil) {
		w.d.objectPath(n.Traversal, r, w.scope)
	}
}

// walkJSON takes a JSON value apart: what is in its strings are templates.
func (d *decoder) walkJSON(e hcl.Expression, s scope) {
	if l, ok := e.(interface{ ExprList() []hcl.Expression }); ok {
		if items := l.ExprList(); items != nil {
			for _, item := range items {
				d.walkJSON(item, s)
			}
			return
		}
	}
	if m, ok := e.(interface{ ExprMap() []hcl.KeyValuePair }); ok {
		if pairs := m.ExprMap(); pairs != nil {
			for _, p := range pairs {
				d.walkJSON(p.Key, s)
				d.walkJSON(p.Value, s)
			}
			return
		}
	}
	v, diags := e.Value(nil) // without a context: the string as it stands
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.String {
		return
	}
	start := e.Range().Start
	start.Byte++
	start.Column++
	t, diags := hclsyntax.ParseTemplate([]byte(v.AsString()), e.Range().Filename, start)
	if diags.HasErrors() {
		d.diags = append(d.diags, diags...)
		return
	}
	if isLiteral(t) {
		return
	}
	before := len(d.m.marked)
	d.walk(t, s)
	if len(d.m.marked) > before {
		// Places within a JSON string are uncertain: the string as a whole.
		d.m.marked = append(d.m.marked[:before], e)
	}
}
