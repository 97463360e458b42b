package desired

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/funcs"
)

// A module is one instance of a module: the root, or what one call with one
// key made.
type module struct {
	cfg        *config.Module
	path       string // "" or `module.eu["a"].module.b`
	call       *call  // nil: the root
	key        string // of the call's instance, as written
	vars       map[string]*value
	locals     map[string]*value
	outputs    map[string]*value
	calls      map[string]*call
	resources  map[string]*block     // by config.Resource.Key
	components map[string]*component // compiled, by name
	scoped     *block                // the data source of the check block that this view of a module is for
	ctx        *hcl.EvalContext      // functions and path
	scope      *scope
	outer      []dep // what everything in here comes after: depends_on, count and for_each of the calls above
}

// A scope is what expressions of one instance see beside their module.
type scope struct {
	mod  *module
	key  string               // the instance's key
	vars map[string]cty.Value // each, count, self, iterators of dynamic blocks
}

// with adds one name, for an iterator or self.
func (s *scope) with(name string, v cty.Value) *scope {
	vars := make(map[string]cty.Value, len(s.vars)+1)
	maps.Copy(vars, s.vars)
	vars[name] = v
	return &scope{mod: s.mod, key: s.key, vars: vars}
}

// A value is a variable, a local or an output of one module instance.
type value struct {
	kind  string // var, local, output
	name  string
	mod   *module
	rng   hcl.Range
	state state
	x     *expression // nil for a root variable
	scope *scope      // in which x is evaluated
	val   cty.Value
	deps  []dep
	keys  []instanceKey // of a for_each over it; several blocks chain on one local, and sets are slow to sort
	// compute fills val and deps.
	compute func(v *value)
}

func (v *value) label() string   { return v.mod.join(v.kind + "." + v.name) }
func (v *value) decl() hcl.Range { return v.rng }

// newModule prepares a module instance; nothing in it is evaluated yet.
func (e *evaluator) newModule(cfg *config.Module, path string) *module {
	m := &module{cfg: cfg, path: path,
		vars: map[string]*value{}, locals: map[string]*value{}, outputs: map[string]*value{},
		calls: map[string]*call{}, resources: map[string]*block{}}
	m.scope = &scope{mod: m}
	m.ctx = e.context(m)
	for name, l := range cfg.Locals {
		m.locals[name] = &value{kind: "local", name: name, mod: m, rng: l.Decl, scope: m.scope, compute: func(v *value) {
			v.x = e.compile(m, l.Expr, nil)
			v.val, v.deps = e.eval(v.x, v.scope), e.deps(v.x, v.scope)
		}}
	}
	for name, o := range cfg.Outputs {
		m.outputs[name] = &value{kind: "output", name: name, mod: m, rng: o.Decl, scope: m.scope, compute: func(v *value) { e.output(m, o, v) }}
	}
	for name, c := range cfg.Calls {
		m.calls[name] = &call{cfg: c, mod: m}
	}
	for key, r := range cfg.Resources {
		m.resources[key] = &block{cfg: r, mod: m}
	}
	for key, r := range cfg.Data {
		m.resources[key] = &block{cfg: r, mod: m}
	}
	e.modules = append(e.modules, m)
	e.byPath[path] = m
	return m
}

// context holds what every expression of the module sees. Relative paths in
// functions are relative to the module's directory.
func (e *evaluator) context(m *module) *hcl.EvalContext {
	dir := m.cfg.Dir
	fs, ok := e.functions[dir]
	if !ok {
		fs = funcs.Functions(dir, e.env.Environ)
		e.functions[dir] = fs
	}
	return &hcl.EvalContext{Functions: fs}
}

// join puts the module's path before a name.
func (m *module) join(name string) string {
	if m.path == "" {
		return name
	}
	return m.path + "." + name
}

// valueOf evaluates a variable, local or output once.
func (e *evaluator) valueOf(v *value) cty.Value {
	if !e.once(v, &v.state, func() { v.compute(v) }) {
		return brokenVal
	}
	return v.val
}

// A call is a module block of one module instance, with the module instances
// that it makes.
type call struct {
	cfg       *config.Call
	mod       *module
	state     state
	exp       expansion
	instances []*module
	byKey     map[string]*module
	whole     cty.Value // what `module.x` is as a whole, once asked for
}

func (c *call) label() string   { return c.mod.join("module." + c.cfg.Name) }
func (c *call) decl() hcl.Range { return c.cfg.Decl }

// expandCall makes the module instances of a call.
func (e *evaluator) expandCall(c *call) bool {
	return e.once(c, &c.state, func() {
		c.exp = e.expand(c.mod, c.cfg.Count, c.cfg.ForEach, c.label())
		c.byKey = make(map[string]*module, len(c.exp.keys))
		shared := append(append([]dep(nil), c.mod.outer...), e.dependsOn(c.mod, c.cfg.DependsOn)...)
		if c.cfg.Module == nil {
			return
		}
		for _, k := range c.exp.keys {
			child := e.newModule(c.cfg.Module, c.label()+k.text)
			child.call, child.key = c, k.text
			child.outer = append(slices.Clip(shared), e.narrow(&c.exp, k.text)...)
			e.bindArguments(child, c, k.scope(c.mod))
			c.instances = append(c.instances, child)
			c.byKey[k.text] = child
		}
	})
}

// bindArguments makes the variables of a called module from the call's
// arguments, which are evaluated in the caller.
func (e *evaluator) bindArguments(child *module, c *call, s *scope) {
	for name, v := range c.cfg.Module.Variables {
		n := &value{kind: "var", name: name, mod: child, rng: v.Decl, scope: s}
		arg := c.cfg.Args[name]
		n.compute = func(n *value) {
			given := cty.NilVal
			at := c.cfg.Decl
			switch {
			case arg != nil:
				at = arg.Expr.Range()
				n.x = e.compile(c.mod, arg.Expr, nil)
				given, n.deps = e.eval(n.x, s), e.deps(n.x, s)
			case v.Default == cty.NilVal: // config has said so, at the call
				n.val = brokenVal
				return
			}
			n.val = e.variable(child, v, given, at, fmt.Sprintf("Give it in the block %s.", c.label()))
		}
		child.vars[name] = n
	}
}

// callValue is what `module.x`, or one of its outputs, is in an expression.
func (e *evaluator) callValue(c *call, wants []want) cty.Value {
	if !e.expandCall(c) {
		return brokenVal
	}
	if v, ok := c.exp.placeholder(); ok {
		return v
	}
	if c.exp.mode == single {
		return e.outputsOf(c.instances[0], wants)
	}
	if c.exp.mode == byKey && allKeyed(wants) {
		out := make(map[string]cty.Value, len(wants))
		for _, w := range wants {
			if m := c.byKey[w.key]; m != nil {
				out[w.name()] = e.outputsOf(m, wantsOf(wants, w.key))
			}
		}
		return cty.ObjectVal(out)
	}
	if c.whole == cty.NilVal {
		c.whole = c.exp.collect(func(i int) cty.Value { return e.outputsOf(c.instances[i], nil) })
	}
	return c.whole
}

// outputsOf is the object of a module instance's outputs, of those wanted only
// where each want names one: what is not asked for need not be known.
func (e *evaluator) outputsOf(m *module, wants []want) cty.Value {
	names := sortedKeys(m.outputs)
	if len(wants) > 0 && !wantsWhole(wants) {
		names = names[:0]
		for _, w := range wants {
			names = append(names, w.attr)
		}
	}
	out := make(map[string]cty.Value, len(names))
	for _, n := range names {
		if o := m.outputs[n]; o != nil {
			out[n] = e.valueOf(o)
		}
	}
	return cty.ObjectVal(out)
}
