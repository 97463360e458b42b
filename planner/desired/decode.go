package desired

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
)

// A decoding is the working state of one body's evaluation.
type decoding struct {
	scope  *scope
	inst   *instance // nil for a broker block
	failed bool
	held   bool
	refs   []ref
	deps   []dep
	holes  []hole
}

// decode evaluates the early or the late attributes of an instance.
func (e *evaluator) decode(i *instance, early bool) {
	d := decoding{scope: i.scope, inst: i, refs: i.refs, deps: i.deps, holes: i.holes}
	e.decodeFields(&d, i.body, i.vals, "", func(a *attrInfo) bool { return a.early == early })
	i.refs, i.deps, i.holes = d.refs, d.deps, d.holes
	i.failed, i.held = i.failed || d.failed, i.held || d.held
}

// decodeFields evaluates fields into vals. Those that say what kind of object
// another one names come last, so that they can follow from it.
func (e *evaluator) decodeFields(d *decoding, b *body, vals []cty.Value, path string, now func(*attrInfo) bool) {
	for n := range b.fields {
		if f := &b.fields[n]; !f.saysKind && now(f.attrInfo) {
			vals[n] = e.decodeField(d, b, f, path)
		}
	}
	for n := range b.fields {
		if f := &b.fields[n]; f.saysKind && now(f.attrInfo) {
			vals[n] = e.decodeField(d, b, f, path)
		}
	}
}

// decodeField evaluates one field. Null is as if nothing were written, so that
// an optional variable can be passed on to any attribute.
func (e *evaluator) decodeField(d *decoding, b *body, f *field, path string) cty.Value {
	if f.IsBlock() {
		return e.decodeBlocks(d, f, joinPath(path, f.Name))
	}
	if f.x != nil {
		if v := e.decodeWritten(d, f, path); !v.IsNull() {
			return v
		}
	}
	return e.unwritten(d, b, f, path)
}

func (e *evaluator) decodeWritten(d *decoding, f *field, path string) cty.Value {
	if f.settled {
		d.failed = d.failed || f.failed
		if len(f.Ref) > 0 && !f.failed {
			d.refs = append(d.refs, ref{field: f, path: joinPath(path, f.Name), name: f.val})
		}
		return f.val
	}
	if len(f.Ref) > 0 {
		return e.decodeRef(d, f, joinPath(path, f.Name))
	}
	v := e.eval(f.x, d.scope)
	d.deps = e.appendDeps(d.deps, f.x, d.scope)
	return e.settle(d, f, v, path)
}

// settle brings an evaluated value to the attribute's type and checks it.
func (e *evaluator) settle(d *decoding, f *field, v cty.Value, path string) cty.Value {
	out, ok := e.accept(d, f, v, path)
	if !ok {
		d.failed = true
	}
	if f.x != nil && f.x.cached {
		f.settled, f.failed, f.val = true, !ok, out
	}
	return out
}

func (e *evaluator) accept(d *decoding, f *field, v cty.Value, path string) (cty.Value, bool) {
	t := traitsOf(v)
	if t.broken {
		return f.unknown, false
	}
	if !whollyKnown(v) {
		return e.notKnown(d, f, t, path)
	}
	c, err := converted(v, f.ty)
	if err != nil {
		e.errorf(f.at(), "Unsuitable value", "The value of %s does not fit: %s.", joinPath(path, f.Name), pathText(err))
		return f.unknown, false
	}
	if c.IsNull() {
		if f.Required {
			e.errorf(f.at(), "Missing value", "The value of %s is null, but it has to be set.", joinPath(path, f.Name))
			return f.unknown, false
		}
		return f.null, true
	}
	if infinite(c) {
		e.errorf(f.at(), infiniteNumber, "The value of %s is infinite, or holds a number that is. "+divisionByZero, joinPath(path, f.Name))
		return f.unknown, false
	}
	if f.Check != nil && whollyKnown(c) {
		if err := f.Check(plain(c)); err != nil {
			e.invalid(f, joinPath(path, f.Name), err, t.sensitive)
			return f.unknown, false
		}
	}
	return c, true
}

// invalid reports what a check of the schema says, without the text where it
// could quote a secret.
func (e *evaluator) invalid(f *field, path string, err error, secret bool) {
	text := diag.Sentence(pathText(err))
	if secret {
		text = "it follows from a sensitive value, so what is wrong with it is not shown."
	}
	e.errorf(f.at(), "Invalid value", "The value of %s is not valid: %s", path, text)
}

// notKnown deals with a value that waits for data or for another object.
func (e *evaluator) notKnown(d *decoding, f *field, t traits, path string) (cty.Value, bool) {
	full := joinPath(path, f.Name)
	if t.held {
		d.held = true
		return f.unknown, true
	}
	if t.computed == nil {
		e.errorf(f.at(), "Value not known", "The value of %s cannot be known at plan time.", full)
		return f.unknown, false
	}
	if of, ok := e.bare(f.x, d.scope); ok && d.inst != nil && !f.Identity {
		d.holes = append(d.holes, hole{path: full, of: of})
		return f.unknown, true
	}
	name := t.computed.addr.String() + "." + t.computed.attr
	e.errorf(f.at(), "Value known only after apply", "%s is known only once that object exists, and plans evaluate nothing later. It can only "+
		"be the whole value of an attribute (%s = %s) that does not name an object; it cannot be part of an expression.", name, f.Name, name)
	return f.unknown, false
}

// unwritten is the value of an attribute that is not written.
func (e *evaluator) unwritten(d *decoding, b *body, f *field, path string) cty.Value {
	for i := range d.refs {
		if r := &d.refs[i]; r.field.RefKind == f.Name && r.kind != "" && b.field(r.field.Name) == r.field {
			return cty.StringVal(r.kind)
		}
	}
	switch {
	case f.Name == "name" && path == "" && d.inst != nil && !d.inst.block.cfg.Data && f.fallback == cty.NilVal && !f.Computed && f.ty == cty.String:
		v := cty.StringVal(d.inst.block.cfg.Name)
		if f.Check != nil {
			if err := f.Check(v); err != nil {
				e.invalid(f, "name", err, false)
				d.failed = true
			}
		}
		return v
	case f.Required:
		e.errorf(b.decl, "Missing attribute", "The attribute %s has to be set. %s", joinPath(path, f.Name), f.Doc)
		d.failed = true
		return f.unknown
	case f.fallback != cty.NilVal:
		return f.fallback
	case (f.Computed || f.ReadOnly) && d.inst != nil && !d.inst.block.cfg.Data:
		return f.unknown
	}
	return f.null
}

// decodeBlocks evaluates a nested block: null where absent, an object where
// there is one. Dynamic blocks may give rise to one at most.
func (e *evaluator) decodeBlocks(d *decoding, f *field, path string) cty.Value {
	if f.Label != "" {
		return e.decodeLabelled(d, f, path)
	}
	var out cty.Value
	count := 0
	for n := range f.nested {
		nb := &f.nested[n]
		scopes, ok := e.dynamicScopes(d, nb, path)
		if !ok {
			return f.unknown
		}
		for _, s := range scopes {
			count++
			if count == 2 {
				e.errorf(nb.body.decl, "Too many blocks", "At most one %s block is allowed.", path)
				d.failed = true
				return f.unknown
			}
			out = e.decodeContent(d, nb.body, s, path)
		}
	}
	if count == 0 {
		if f.Required {
			e.errorf(f.body.decl, "Missing block", "A block %s is needed here. %s", path, f.Doc)
			d.failed = true
		}
		return f.null
	}
	return out
}

// decodeContent evaluates what is in one nested block.
func (e *evaluator) decodeContent(d *decoding, b *body, s *scope, path string) cty.Value {
	outer := d.scope
	d.scope = s
	vals := make([]cty.Value, len(b.fields))
	e.decodeFields(d, b, vals, path, func(*attrInfo) bool { return true })
	d.scope = outer
	obj := make(map[string]cty.Value, len(vals))
	for k := range vals {
		obj[b.fields[k].Name] = vals[k]
	}
	return cty.ObjectVal(obj)
}

// decodeLabelled evaluates nested blocks that have a label: a map of objects
// by label, empty where there are none.
func (e *evaluator) decodeLabelled(d *decoding, f *field, path string) cty.Value {
	out := make(map[string]cty.Value, len(f.nested))
	for n := range f.nested {
		nb := &f.nested[n]
		if _, twice := out[nb.label]; twice {
			e.errorf(nb.body.decl, "Block written twice", "There is one block %s %q at most.", f.Name, nb.label)
			d.failed = true
			continue
		}
		out[nb.label] = e.decodeContent(d, nb.body, d.scope, joinPath(path, nb.label))
	}
	if len(out) == 0 {
		return cty.MapValEmpty(f.ty.ElementType())
	}
	return cty.MapVal(out)
}

// dynamicScopes are the scopes of the content of one nested block: one for
// each element of a dynamic block's for_each.
func (e *evaluator) dynamicScopes(d *decoding, n *nested, path string) ([]*scope, bool) {
	if n.forEach == nil {
		return []*scope{d.scope}, true
	}
	v := e.eval(n.forEach, d.scope)
	d.deps = e.appendDeps(d.deps, n.forEach, d.scope)
	t := traitsOf(v)
	at := n.forEach.src.Range()
	var ms cty.ValueMarks
	v, ms = v.Unmark()
	switch {
	case t.broken:
		d.failed = true
		return nil, false
	case !v.IsKnown() && t.held:
		d.held = true
		return nil, false
	case !v.IsKnown():
		e.errorf(at, "Invalid dynamic block", "The for_each of the dynamic block %s is known only after apply; it must be known at plan time.", path)
	case v.IsNull() || !v.CanIterateElements():
		e.errorf(at, "Invalid dynamic block", "The for_each of the dynamic block %s must be a list, set, map or object that is not null.", path)
	default:
		var out []*scope
		for it := v.ElementIterator(); it.Next(); {
			k, el := it.Element()
			if v.Type().IsSetType() {
				k = el
			}
			out = append(out, d.scope.with(n.iterator, cty.ObjectVal(map[string]cty.Value{
				"key": k.WithMarks(ms), "value": el.WithMarks(ms)})))
		}
		return out, true
	}
	d.failed = true
	return nil, false
}

func joinPath(path, name string) string {
	if path == "" {
		return name
	}
	return fmt.Sprintf("%s.%s", path, name)
}
