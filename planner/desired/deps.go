package desired

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/msgflo/msgflo/config/diag"
)

// A dep says that what has it comes after an instance, all instances of a
// block, or all objects of a call's modules. It is comparable.
type dep struct {
	inst  *instance
	block *block
	mod   *module
	call  *call
	// ports: only what carries the ports of a participant is meant, and its order
	// gives way where it would close a circle: names are known without it.
	ports bool
}

func unique(ds []dep) []dep {
	if len(ds) < 2 {
		return ds
	}
	if len(ds) <= 8 {
		out := make([]dep, 0, len(ds))
		for _, d := range ds {
			if !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
		return out
	}
	seen := make(map[dep]bool, len(ds))
	out := ds[:0:0]
	for _, d := range ds {
		if !seen[d] {
			seen[d] = true
			out = append(out, d)
		}
	}
	return out
}

// refDeps are the dependencies that a reference brings to all instances.
func (e *evaluator) refDeps(r *reference) []dep {
	switch {
	case r.value != nil:
		return r.value.deps
	case r.indexed:
		return nil // by instance, in appendDeps
	case r.block != nil && r.block.lowers():
		w := r.want(r.block.exp.mode)
		return e.playerDeps(r.block, w.key, w.attr)
	case r.block != nil:
		return e.blockDeps(r.block, r.want(r.block.exp.mode).key)
	case r.call != nil:
		w := r.want(r.call.exp.mode)
		return e.callDeps(r.call, w.key, w.attr)
	}
	return nil
}

// blockDeps is the dependency on a block or one instance of it. Through a data
// source it is the dependency on what the data source comes after.
func (e *evaluator) blockDeps(b *block, key string) []dep {
	if b.cfg.Data {
		var out []dep
		for _, i := range b.instances {
			if key == "" || i.key.text == key {
				out = append(out, i.deps...)
			}
		}
		return unique(append(out, b.depends...))
	}
	if b.exp.mode == single && len(b.instances) == 1 {
		return []dep{{inst: b.instances[0]}}
	}
	if i := b.byKey[key]; i != nil {
		return []dep{{inst: i}}
	}
	return []dep{{block: b}}
}

// callDeps is the dependency on outputs of a called module.
func (e *evaluator) callDeps(c *call, key, output string) []dep {
	out := slices.Clip(e.narrow(&c.exp, key))
	for _, m := range c.instances {
		if key != "" && m.key != key {
			continue
		}
		for name, o := range m.outputs {
			if output == "" || name == output {
				out = append(out, o.deps...)
			}
		}
	}
	return unique(out)
}

// deps are all dependencies of an expression in a scope.
func (e *evaluator) deps(x *expression, s *scope) []dep { return unique(e.appendDeps(nil, x, s)) }

func (e *evaluator) appendDeps(to []dep, x *expression, s *scope) []dep {
	if x.constant || x.bad {
		return to
	}
	if x.direct != nil && x.direct.block.lowers() {
		return append(to, e.directDeps(x.direct, s)...)
	}
	if x.direct != nil && x.direct.block.state == done && len(x.indexed) == 0 {
		return append(to, e.blockDeps(x.direct.block, x.direct.fixed)...)
	}
	if x.direct == nil {
		e.prepare(x)
		to = append(to, x.static...)
	}
	for i := range x.indexed {
		ix := &x.indexed[i]
		key := keyOfValue(e.eval(ix.key, s))
		to = e.appendDeps(to, ix.key, s)
		switch {
		case ix.block != nil && ix.block.lowers():
			to = append(to, e.playerDeps(ix.block, key, ix.attr)...)
		case ix.block != nil:
			to = append(to, e.blockDeps(ix.block, key)...)
		default:
			to = append(to, e.callDeps(ix.call, key, ix.attr)...)
		}
	}
	return to
}

// narrow makes the dependencies of a for_each or count those of one instance:
// where the block chained on has an instance of the same key, it is that one.
// Nothing of for_each is evaluated at apply, so this loses no order that matters.
func (e *evaluator) narrow(x *expansion, key string) []dep {
	ds := x.deps
	if key == "" || len(ds) == 0 {
		return ds
	}
	if x.chain != nil && x.chain.byKey[key] != nil {
		return e.callDeps(x.chain, key, "")
	}
	out := make([]dep, len(ds))
	for n, d := range ds {
		if d.block != nil {
			if i := d.block.byKey[key]; i != nil {
				d = dep{inst: i, ports: d.ports}
			}
		}
		out[n] = d
	}
	return out
}

// dependsOn resolves depends_on.
func (e *evaluator) dependsOn(m *module, ts []hcl.Traversal) []dep {
	var out []dep
	for _, t := range ts {
		r, ok := e.resolve(m, t, nil)
		if !ok {
			continue
		}
		switch {
		case r.block != nil && e.expandBlock(r.block):
			if r.block.cfg.Data {
				for _, i := range r.block.instances {
					e.complete(i)
				}
			}
			out = append(out, e.blockDeps(r.block, r.want(r.block.exp.mode).key)...)
		case r.call != nil && e.expandCall(r.call):
			key := r.want(r.call.exp.mode).key
			if cm := r.call.byKey[key]; cm != nil {
				out = append(out, dep{mod: cm})
			} else {
				out = append(out, dep{call: r.call})
			}
		case r.block == nil && r.call == nil:
			e.report(diag.Error(t.SourceRange(), "Invalid depends_on", "Only objects, data sources and modules can be depended on, as in queue.jobs or module.eu."))
		}
	}
	return unique(out)
}

// isPath reports whether an expression is a reference and nothing else.
func isPath(src hcl.Expression) bool {
	_, ok := unwrap(src).(*hclsyntax.ScopeTraversalExpr)
	return ok
}
