package config

import (
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
)

func (d *decoder) call(b *hcl.Block) {
	name, ok := d.name(b, 0)
	c := d.read(b.Body, callForm)
	out := &Call{Name: name, Decl: b.DefRange, Args: c.rest, SourceRange: b.DefRange}
	if d.need(c, b.DefRange, callForm.what, "source") {
		a := c.attrs["source"]
		out.SourceRange = a.Expr.Range()
		if v, ok := d.constant(a, cty.String, `"./eu"`); ok {
			out.Source = v.AsString()
		}
	}
	s := d.repetition(c, &out.Count, &out.ForEach, scope{})
	out.DependsOn = d.dependsOn(c.attrs["depends_on"])
	for _, a := range c.rest {
		d.use(a.Expr, s)
	}
	if ok && d.declare("module."+name, b.DefRange) {
		d.m.Calls[name] = out
	}
}

// sourceDir is the directory that a call leads to.
func (d *decoder) sourceDir(c *Call) (string, bool) {
	s := filepath.ToSlash(c.Source)
	switch {
	case s == "":
		return "", false // reported already, unless it is written so
	case s == "." || s == ".." || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../"):
		return filepath.Join(d.m.Dir, filepath.FromSlash(s)), true
	}
	d.errorf(c.SourceRange, "Not a local module", "%q is no local directory: those start with ./ or ../. Modules from a registry, a repository or an archive are not in this version; fetch it into a directory beside this one and name that.", c.Source)
	return "", false
}

// checkArguments compares a call with the variables of what it calls.
func (d *decoder) checkArguments(c *Call) {
	for _, name := range sortedKeys(c.Args) {
		if c.Module.Variables[name] == nil {
			known := append(sortedKeys(c.Module.Variables), callForm.names...)
			d.unknown(c.Args[name].NameRange, "Unknown argument", "The module at %q has no variable %q.%s", c.Source, name, diag.DidYouMean(name, known))
		}
	}
	for _, name := range sortedKeys(c.Module.Variables) {
		if c.Module.Variables[name].Default == cty.NilVal && c.Args[name] == nil {
			d.missing(c.Decl, name, "the module at \""+diag.Escape(c.Source)+"\"")
		}
	}
}

// repetition reads count and for_each, and returns the scope in which each
// and count have a meaning.
func (d *decoder) repetition(c content, count, forEach *hcl.Expression, s scope) scope {
	n, f := c.attrs["count"], c.attrs["for_each"]
	if n != nil && f != nil {
		second := n
		if f.Range.Start.Byte > n.Range.Start.Byte {
			second = f
		}
		d.errorf(second.Range, "Both count and for_each", "A block is repeated by count or by for_each, not by both. Remove one of them.")
	}
	out := s
	if f != nil {
		*forEach = f.Expr
		d.use(f.Expr, s)
		out.each = true
	}
	if n != nil {
		if f == nil {
			*count = n.Expr
		}
		d.use(n.Expr, s)
		out.count = true
	}
	return out
}

// dependsOn reads a list of references to whole blocks.
func (d *decoder) dependsOn(a *hcl.Attribute) []hcl.Traversal {
	if a == nil {
		return nil
	}
	list, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		d.errorf(a.Expr.Range(), "List of references expected", "depends_on takes a list of references, as in [queue.jobs, module.eu].")
		return nil
	}
	var out []hcl.Traversal
	for _, e := range list {
		t, diags := hcl.AbsTraversalForExpr(e)
		if diags.HasErrors() {
			d.errorf(e.Range(), "Reference expected", "depends_on takes references to whole blocks, as in [queue.jobs, module.eu].")
			continue
		}
		if t, ok := d.wholeBlock(t, e.Range()); ok {
			out = append(out, t)
			d.uses = append(d.uses, use{traversal: t, scope: scope{
				only: refResource | refData | refModule, what: "depends_on", wholeObjects: true,
			}})
		}
	}
	return out
}

// wholeBlock refuses attributes: order is between blocks. An index means the
// block with all its instances, as in Terraform.
func (d *decoder) wholeBlock(t hcl.Traversal, rng hcl.Range) (hcl.Traversal, bool) {
	want := 2
	if t.RootName() == "data" {
		want = 3
	}
	if len(t) == want+1 {
		if _, index := t[want].(hcl.TraverseIndex); index {
			t = t[:want]
		}
	}
	if len(t) > want {
		d.errorf(rng, "Reference to a part", "depends_on names whole blocks: write %s.", traversalText(t[:want]))
		return nil, false
	}
	return t, true
}
