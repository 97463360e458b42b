package desired

import (
	"errors"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
)

// objects makes the objects of all instances that are complete, in address order.
func (e *evaluator) objects() []*instance {
	var all []*instance
	for _, m := range e.modules {
		for _, b := range m.resources {
			if b.cfg.Data || b.lowers() {
				continue
			}
			for _, i := range b.instances {
				if !i.failed && !i.held {
					all = append(all, i)
				}
			}
		}
	}
	slices.SortFunc(all, byAddress)
	kept := all[:0]
	for _, i := range all {
		if e.lower(i) {
			kept = append(kept, i)
		}
	}
	return kept
}

func byAddress(a, b *instance) int { return a.addr.Compare(b.addr) }

// lower makes the object of one instance: marks off, secrets listed, the whole
// value checked.
func (e *evaluator) lower(i *instance) bool {
	o := &Object{Addr: i.addr, Provider: i.broker.addr, Type: i.block.cfg.Type, Lifecycle: i.life, Holes: planHoles(i.holes),
		Decl: i.block.cfg.Decl, AttrDecl: i.body.ranges(), ImportID: i.imp}
	vals := e.scratch
	clear(vals)
	for n, v := range i.vals {
		a := &i.in.attrs[n]
		vals[a.Name] = o.unmark(a, v)
	}
	o.Value = cty.ObjectVal(vals)
	if !e.validateValue(i.in, o.Value, i.body, o.Decl, i.vals) {
		i.failed = true
		return false
	}
	i.object = o
	return true
}

// unmark takes the marks off an attribute's value and lists what is secret in
// it, but for what the schema says by itself.
func (o *Object) unmark(a *attrInfo, v cty.Value) cty.Value {
	v, secret := secretPaths(v)
	for _, p := range secret {
		if !coveredBy(a.secret, p) {
			o.Sensitive = append(o.Sensitive, append(cty.GetAttrPath(a.Name), p...))
		}
	}
	return v
}

// coveredBy reports whether the schema itself says that a path is secret.
func coveredBy(paths []cty.Path, p cty.Path) bool {
	return slices.ContainsFunc(paths, p.HasPrefix)
}

// ranges is where each attribute is written. It is the same for all instances
// of a block, so it is one map.
func (b *body) ranges() map[string]hcl.Range {
	if b.written == nil {
		b.written = map[string]hcl.Range{}
		for n := range b.fields {
			if f := &b.fields[n]; f.attr != nil {
				b.written[f.Name] = f.attr.Range
			} else if len(f.nested) > 0 {
				b.written[f.Name] = f.nested[len(f.nested)-1].body.decl
			}
		}
	}
	return b.written
}

// validateValue asks the schema about a value as a whole.
func (e *evaluator) validateValue(in *schemaInfo, v cty.Value, b *body, decl hcl.Range, marks []cty.Value) bool {
	if in.schema.Validate == nil {
		return true
	}
	errs := in.schema.Validate(v)
	for _, err := range errs {
		at, secret, first := decl, false, ""
		var pe cty.PathError
		if errors.As(err, &pe) && len(pe.Path) > 0 {
			if s, ok := pe.Path[0].(cty.GetAttrStep); ok {
				first = s.Name
			}
		}
		for n := range marks {
			if a := &in.attrs[n]; first == "" || a.Name == first {
				secret = secret || traitsOf(marks[n]).sensitive
				if a.Name == first {
					at = b.fields[n].at()
				}
			}
		}
		text := diag.Sentence(pathText(err))
		if secret {
			text = "What is wrong has to do with a sensitive value, so it is not shown."
			if first != "" {
				text = first + ": what is wrong with this sensitive value is not shown."
			}
		}
		e.errorf(at, "Invalid value", "%s", text)
	}
	return len(errs) == 0
}
