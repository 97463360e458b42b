package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
)

// file decodes the top-level blocks of one file.
func (d *decoder) file(body hcl.Body) {
	for _, b := range d.read(body, d.l.top).blocks {
		switch b.Type {
		case "msgflo":
			d.settings(b)
		case "variable":
			d.variable(b)
		case "locals":
			d.locals(b)
		case "output":
			d.output(b)
		case "module":
			d.call(b)
		case "broker":
			d.broker(b)
		case "data":
			if r := d.data(b); r != nil && d.declare(r.Key(), b.DefRange) {
				d.m.Data[r.Key()] = r
			}
		case "moved":
			d.moved(b)
		case "removed":
			d.removed(b)
		case "import":
			d.importBlock(b)
		case "check":
			d.check(b)
		case "component":
			d.component(b)
		case "launcher":
			d.launcher(b)
		case "graph":
			d.graph(b)
		default:
			d.resource(b)
		}
	}
}

func (d *decoder) locals(b *hcl.Block) {
	attrs, diags := b.Body.JustAttributes()
	d.diags = append(d.diags, diags...)
	for name, a := range attrs {
		if !hclsyntax.ValidIdentifier(name) {
			d.errorf(a.NameRange, "Invalid name", "%q cannot be referred to: a name starts with a letter, followed by letters, digits, '_' and '-'.", name)
			continue
		}
		if d.declare("local."+name, a.NameRange) {
			d.m.Locals[name] = &Local{Name: name, Expr: a.Expr, Decl: a.Range}
		}
		d.use(a.Expr, scope{})
	}
}

func (d *decoder) output(b *hcl.Block) {
	name, ok := d.name(b, 0)
	c := d.read(b.Body, outputForm)
	o := &Output{Name: name, Decl: b.DefRange}
	if d.need(c, b.DefRange, outputForm.what, "value") {
		o.Value = c.attrs["value"].Expr
		d.use(o.Value, scope{})
	}
	o.Description = d.text(c.attrs["description"])
	o.Sensitive = d.flag(c.attrs["sensitive"], false)
	o.Ephemeral = d.flag(c.attrs["ephemeral"], false)
	o.DependsOn = d.dependsOn(c.attrs["depends_on"])
	for _, p := range c.blocks {
		o.Preconditions = d.condition(o.Preconditions, p, preconditionForm, scope{})
	}
	if ok && d.declare("output."+name, b.DefRange) {
		d.m.Outputs[name] = o
	}
}

// condition appends a validation, precondition, postcondition or assertion.
func (d *decoder) condition(to []Condition, b *hcl.Block, f *form, s scope) []Condition {
	c := d.read(b.Body, f)
	if !d.need(c, b.DefRange, f.what, conditionAttrs...) {
		return to
	}
	out := Condition{Condition: c.attrs["condition"].Expr, ErrorMessage: c.attrs["error_message"].Expr, Decl: b.DefRange}
	d.use(out.Condition, s)
	d.use(out.ErrorMessage, s)
	return append(to, out)
}

func (d *decoder) moved(b *hcl.Block) {
	c := d.read(b.Body, movedForm)
	if !d.need(c, b.DefRange, movedForm.what, "from", "to") {
		return
	}
	from, ok1 := d.target(c.attrs["from"])
	to, ok2 := d.target(c.attrs["to"])
	if !ok1 || !ok2 {
		return
	}
	switch {
	case from == to:
		d.errorf(b.DefRange, "Moved to itself", "The block says that %s is now %s. Remove the block.", from, to)
		return
	case kindOfTarget(from) != kindOfTarget(to):
		d.errorf(c.attrs["to"].Range, "Moved to another kind", "%s and %s are of different kinds; an object keeps its kind when its address changes.", from, to)
		return
	}
	d.m.Moved = append(d.m.Moved, Moved{From: from, To: to, Decl: b.DefRange})
}

func (d *decoder) removed(b *hcl.Block) {
	c := d.read(b.Body, removedForm)
	r := Removed{Destroy: true, Decl: b.DefRange}
	if l := d.single(c, "lifecycle"); l != nil {
		lc := d.read(l.Body, destroyForm)
		d.need(lc, l.DefRange, destroyForm.what, "destroy")
		r.Destroy = d.flag(lc.attrs["destroy"], true)
	}
	if !d.need(c, b.DefRange, removedForm.what, "from") {
		return
	}
	from, ok := d.target(c.attrs["from"])
	if !ok {
		return
	}
	if i := from.Instance; i.Owner != "" && i.Type != "" {
		d.errorf(c.attrs["from"].Range, "Invalid address", "%s goes with what it comes from: a removed block names that as a whole, %s.", from, addr.Target{Instance: addr.Instance{Module: i.Module, Owner: unindexed(i.Owner)}})
		return
	}
	if from.Instance.Key != "" || unindexed(from.Instance.Owner) != from.Instance.Owner {
		d.errorf(c.attrs["from"].Range, "Invalid address", "A removed block names a whole block, without an index; %s names one instance. To remove one instance, take it out of for_each.", from)
		return
	}
	r.From = from
	d.m.Removed = append(d.m.Removed, r)
}

// target reads an address that is written as a reference.
func (d *decoder) target(a *hcl.Attribute) (addr.Target, bool) {
	t, diags := hcl.AbsTraversalForExpr(a.Expr)
	if !diags.HasErrors() {
		if target, err := addr.ParseTarget(traversalText(t)); err == nil {
			return target, true
		}
	}
	d.errorf(a.Expr.Range(), "Invalid address", "%q takes an address such as queue.jobs, queue.jobs[\"eu\"], participant.resize or module.eu.", a.Name)
	return addr.Target{}, false
}

// kindOfTarget is what an address names: a block type, "participant." for all
// that a participant gives rise to, "" for a module. An object of a type may move
// between a block of its own and a participant.
func kindOfTarget(t addr.Target) string {
	if i := t.Instance; i.Type != "" || i.Owner == "" {
		return i.Type
	}
	owner, _, _ := strings.Cut(t.Instance.Owner, ".")
	return owner + "."
}

// unindexed is an owner's address without its instance key.
func unindexed(owner string) string {
	block, _, _ := strings.Cut(owner, "[")
	return block
}

// checkMoves reports objects that are said to be gone and are still declared.
func (d *decoder) checkMoves() {
	for _, m := range d.m.Moved {
		if decl, ok := d.declared(m.From); ok {
			d.errorf(m.Decl, "Moved object still declared", "%s is said to be %s now, but it is still declared, at %s. Remove that declaration, or this block.", m.From, m.To, at(decl))
		}
	}
	for _, r := range d.m.Removed {
		if decl, ok := d.declared(r.From); ok {
			d.errorf(r.Decl, "Removed object still declared", "%s is said to be removed, but it is still declared, at %s. Remove that declaration, or this block.", r.From, at(decl))
		}
	}
}

// declared finds the declaration of a whole block of this module.
func (d *decoder) declared(t addr.Target) (hcl.Range, bool) {
	i := t.Instance
	if i.Type != "" && i.Module == "" && i.Owner == "" && i.Key == "" {
		if r := d.m.Resources[i.Type+"."+i.Name]; r != nil {
			return r.Decl, true
		}
	}
	if i.Type == "" && i.Module == "" {
		if r := d.m.Resources[i.Owner]; r != nil {
			return r.Decl, true
		}
	}
	for name, c := range d.m.Calls {
		if i.Type == "" && i.Owner == "" && i.Module == "module."+name {
			return c.Decl, true
		}
	}
	return hcl.Range{}, false
}

func (d *decoder) importBlock(b *hcl.Block) {
	c := d.read(b.Body, importForm)
	if !d.root {
		d.errorf(b.DefRange, "Import in a module", "An import block stands in the root module, because an object is taken over once, not for every call: move it there, with to = module.NAME.TYPE.NAME.")
		return
	}
	var s scope
	imp := Import{Decl: b.DefRange}
	if f := c.attrs["for_each"]; f != nil {
		imp.ForEach = f.Expr
		d.use(f.Expr, scope{})
		s.each = true
	}
	if !d.need(c, b.DefRange, importForm.what, "to", "id") {
		return
	}
	imp.To, imp.ID = d.reference(c.attrs["to"].Expr), c.attrs["id"].Expr
	to := s
	to.only, to.what = refResource|refModule|refEach, "the address in an import block"
	to.wholeObjects, to.address = true, true
	d.use(imp.To, to)
	d.use(imp.ID, s)
	d.m.Imports = append(d.m.Imports, imp)
}

func (d *decoder) check(b *hcl.Block) {
	name, ok := d.name(b, 0)
	c := d.read(b.Body, checkForm)
	out := &Check{Name: name, Decl: b.DefRange}
	if data := d.single(c, "data"); data != nil {
		out.Data = d.data(data)
	}
	asserts := 0
	for _, a := range c.blocks {
		if a.Type == "assert" {
			asserts++
			out.Asserts = d.condition(out.Asserts, a, assertForm, scope{data: out.Data})
		}
	}
	if asserts == 0 && !d.broken[b.DefRange.Filename] {
		d.errorf(b.DefRange, "Check without assertion", "A check block needs at least one assert block: assert { condition = …, error_message = … }.")
	}
	if ok && d.declare("check."+name, b.DefRange) {
		d.m.Checks = append(d.m.Checks, out)
	}
}

// constant evaluates what must be known before anything else is.
func (d *decoder) constant(a *hcl.Attribute, want cty.Type, example string) (cty.Value, bool) {
	if a == nil {
		return cty.NilVal, false
	}
	if len(a.Expr.Variables()) > 0 {
		d.errorf(a.Expr.Range(), "Constant expected", "%q is read before any value is known, so it cannot refer to anything: write it out, as in %s = %s.", a.Name, a.Name, example)
		return cty.NilVal, false
	}
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() || v.Type() != want {
		d.errorf(a.Expr.Range(), "Constant expected", "%q is a %s, written out, as in %s = %s.", a.Name, want.FriendlyName(), a.Name, example)
		return cty.NilVal, false
	}
	return v, true
}

func (d *decoder) text(a *hcl.Attribute) string {
	if v, ok := d.constant(a, cty.String, `"…"`); ok {
		return v.AsString()
	}
	return ""
}

func (d *decoder) flag(a *hcl.Attribute, otherwise bool) bool {
	if v, ok := d.constant(a, cty.Bool, "true"); ok {
		return v.True()
	}
	return otherwise
}
