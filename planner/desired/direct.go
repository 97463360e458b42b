package desired

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// direct is an expression that is nothing but a path to an object or one of
// its attributes. It is evaluated without building the value of the whole
// block: with 5 000 instances that would be 5 000 objects an expression.
type direct struct {
	block *block
	key   *expression // nil: fixed
	fixed string      // instance key as written, "" for none
	attr  string      // "" for the object
	port  []string    // what follows in or out of a participant: the port, and one of its attributes
	rng   hcl.Range
}

// compileDirect recognises `queue.jobs`, `queue.jobs.name`, `queue.jobs["a"]`,
// `queue.jobs[each.key].name`.
func (e *evaluator) compileDirect(x *expression, src hcl.Expression) *direct {
	var tail hcl.Traversal
	if rel, ok := src.(*hclsyntax.RelativeTraversalExpr); ok {
		tail, src = rel.Traversal, unwrap(rel.Source)
	}
	d := &direct{rng: x.src.Range()}
	switch s := src.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		r := &x.refs[0]
		if r.block == nil || len(x.refs) != 1 {
			return nil
		}
		rest := append(slices.Clip(r.rest), tail...)
		if len(rest) > 0 {
			if ix, ok := rest[0].(hcl.TraverseIndex); ok {
				if d.fixed = keyOfValue(ix.Key); d.fixed == "" {
					return nil
				}
				rest = rest[1:]
			}
		}
		d.block, tail = r.block, rest
	case *hclsyntax.IndexExpr:
		if len(x.indexed) != 1 || x.indexed[0].block == nil {
			return nil
		}
		if _, ok := unwrap(s.Collection).(*hclsyntax.ScopeTraversalExpr); !ok {
			return nil
		}
		d.block, d.key = x.indexed[0].block, x.indexed[0].key
	default:
		return nil
	}
	switch {
	case d.block.cfg.Data:
		return nil
	case len(tail) > 1:
		if d.port = portPath(d.block, tail); d.port == nil {
			return nil
		}
		d.attr = stepName(tail[0])
	case len(tail) == 1:
		if _, ok := tail[0].(hcl.TraverseAttr); !ok {
			return nil
		}
		d.attr = stepName(tail[0])
	}
	return d
}

// evalDirect finds one attribute of one instance, or the whole instance.
func (e *evaluator) evalDirect(d *direct, s *scope) cty.Value {
	inst, ok := e.target(d, s)
	if !ok {
		return brokenVal
	}
	if inst == nil && d.key != nil {
		return cty.DynamicVal.Mark(held)
	}
	if inst == nil { // all instances, or held
		return e.blockValue(d.block, nil, d.rng)
	}
	if d.port != nil {
		return e.portOf(inst, d.attr == "out", d.port, d.rng)
	}
	if d.attr == "" {
		return e.objectOf(inst)
	}
	return e.attrOf(inst, d.attr, d.rng)
}

// target is the instance that a direct path leads to. It is nil with true
// where the path means the whole block, or the instances are not known yet.
func (e *evaluator) target(d *direct, s *scope) (*instance, bool) {
	b := d.block
	if !e.expandBlock(b) || b.exp.broken {
		return nil, false
	}
	if b.exp.held {
		return nil, true
	}
	key := d.fixed
	if d.key != nil {
		v := e.eval(d.key, s)
		t := traitsOf(v)
		if t.broken {
			return nil, false
		}
		if key = keyOfValue(v); key == "" && t.held {
			return nil, true
		}
		if key == "" {
			e.errorf(d.key.src.Range(), "Invalid index", "The index of an instance of %s must be a string or a whole number that is known.", b.label())
			return nil, false
		}
		if b.exp.mode == byKey && len(key) > 1 && key[1] != '"' {
			key = `["` + key[1:len(key)-1] + `"]`
		}
	}
	switch {
	case b.exp.mode == single && key == "":
		return b.instances[0], true
	case b.exp.mode == single:
		e.errorf(d.rng, "Unexpected instance key", "%s has neither count nor for_each, so there is one of it and no index is needed.", b.label())
		return nil, false
	case key == "" && d.attr != "":
		e.noKey(b.label(), b.exp.mode, d.rng)
		return nil, false
	case key == "":
		return nil, true
	}
	inst := b.byKey[key]
	if inst == nil {
		e.noInstance(b.label(), key, b.exp.keys, d.rng)
		return nil, false
	}
	return inst, true
}
