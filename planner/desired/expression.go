package desired

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// An expression is compiled once for its block and evaluated once an instance.
// What does not differ by instance (everything but each, count, self and
// iterators) is prepared once.
type expression struct {
	src     hcl.Expression
	mod     *module
	refs    []reference
	indexed []indexed
	direct  *direct
	bad     bool // refers to something that is not there; reported
	state   state
	base    *hcl.EvalContext
	static  []dep
	traits  traits // of all that the expression refers to and that is shared
	scoped  bool
	// constant: no reference and no function, so evaluated once.
	constant bool
	cached   bool
	val      cty.Value
}

// indexed is `queue.jobs[KEY]` with a key that can be evaluated by itself.
type indexed struct {
	block *block
	call  *call
	attr  string // of a call's output, "" for all
	key   *expression
}

func (e *evaluator) compile(m *module, src hcl.Expression, iterators []string) *expression {
	if src == nil {
		// Config reported that it is missing; what depends on it is not judged.
		return &expression{src: hcl.StaticExpr(cty.DynamicVal, hcl.Range{}), mod: m, bad: true}
	}
	src = native(src)
	x := &expression{src: src, mod: m}
	src = unwrap(src)
	if lit, ok := literal(src); ok {
		x.constant, x.cached, x.val, x.state = true, true, lit, done
		return x
	}
	vars := src.Variables()
	for _, t := range vars {
		r, ok := e.resolve(m, t, iterators)
		if !ok {
			x.bad = true
			continue
		}
		x.scoped = x.scoped || r.scope != ""
		x.refs = append(x.refs, r)
	}
	if len(vars) > 0 && !x.bad {
		e.compileIndexes(x, src, iterators)
		x.direct = e.compileDirect(x, src)
	}
	return x
}

// native turns a JSON string with a template into the expression that it is, so
// that references in it are as exact as in native syntax.
func native(src hcl.Expression) hcl.Expression {
	at := src.Range()
	if _, ok := src.(hclsyntax.Expression); ok || !strings.HasSuffix(at.Filename, ".json") {
		return src
	}
	v, diags := src.Value(nil) // without a context, templates are left as written
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.String {
		return src
	}
	start := at.Start
	start.Byte++
	start.Column++
	x, diags := hclsyntax.ParseTemplate([]byte(v.AsString()), at.Filename, start)
	if diags.HasErrors() {
		return src // evaluation reports it
	}
	return x
}

// unwrap takes off what does not change a value: parentheses and "${…}".
func unwrap(src hcl.Expression) hcl.Expression {
	for {
		switch s := src.(type) {
		case *hclsyntax.ParenthesesExpr:
			src = s.Expression
		case *hclsyntax.TemplateWrapExpr:
			src = s.Wrapped
		default:
			return src
		}
	}
}

// literal is the value of a bare string, number or keyword.
func literal(src hcl.Expression) (cty.Value, bool) {
	switch s := src.(type) {
	case *hclsyntax.LiteralValueExpr:
		return s.Val, true
	case *hclsyntax.TemplateExpr:
		if len(s.Parts) == 1 && s.IsStringLiteral() {
			v, diags := s.Value(nil)
			return v, !diags.HasErrors()
		}
		if len(s.Parts) == 0 {
			return cty.StringVal(""), true
		}
	}
	return cty.NilVal, false
}

// compileIndexes finds `queue.jobs[KEY]` anywhere in the expression, so that
// it depends on that instance and not on all.
func (e *evaluator) compileIndexes(x *expression, src hcl.Expression, iterators []string) {
	node, ok := src.(hclsyntax.Node)
	if !ok {
		return // JSON: the whole block it is
	}
	attrs := map[hclsyntax.Node]string{}
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		switch n := n.(type) {
		case *hclsyntax.RelativeTraversalExpr:
			if len(n.Traversal) > 0 {
				attrs[unwrapNode(n.Source)] = stepName(n.Traversal[0])
				e.namePorts(x, n)
			}
		case *hclsyntax.IndexExpr:
			e.compileIndex(x, n, attrs[n], iterators)
		}
		return nil
	})
}

func unwrapNode(x hclsyntax.Expression) hclsyntax.Node {
	for {
		p, ok := x.(*hclsyntax.ParenthesesExpr)
		if !ok {
			return x
		}
		x = p.Expression
	}
}

func (e *evaluator) compileIndex(x *expression, n *hclsyntax.IndexExpr, attr string, iterators []string) {
	coll, ok := unwrap(n.Collection).(*hclsyntax.ScopeTraversalExpr)
	if !ok || !selfContained(n.Key, iterators) {
		return
	}
	at := coll.Traversal.SourceRange()
	for i := range x.refs {
		r := &x.refs[i]
		if r.rng == at && len(r.rest) == 0 && (r.block != nil || r.call != nil) {
			r.indexed = true
			x.indexed = append(x.indexed, indexed{block: r.block, call: r.call, attr: attr, key: e.compile(x.mod, n.Key, iterators)})
		}
	}
}

// selfContained reports whether an index can be evaluated outside its
// expression: it must not use the variables of a for expression around it.
func selfContained(key hcl.Expression, iterators []string) bool {
	for _, t := range key.Variables() {
		switch r := t.RootName(); r {
		case "each", "count", "var", "local":
		default:
			ok := false
			for _, it := range iterators {
				ok = ok || it == r
			}
			if !ok {
				return false
			}
		}
	}
	return true
}

// prepare evaluates what the expression refers to and all instances share.
func (e *evaluator) prepare(x *expression) {
	if x.state == done {
		return
	}
	x.state = done
	vars := map[string]map[string]cty.Value{}
	put := func(root, name string, v cty.Value) {
		if vars[root] == nil {
			vars[root] = map[string]cty.Value{}
		}
		vars[root][name] = v
	}
	top := map[string]cty.Value{}
	data := map[string]map[string]cty.Value{}
	for i := range x.refs {
		r := &x.refs[i]
		var v cty.Value
		switch {
		case r.value != nil:
			v = e.valueOf(r.value)
			put(r.value.kind, r.value.name, v)
		case r.call != nil:
			if !e.expandCall(r.call) {
				x.bad = true
				continue
			}
			if e.misused(r, r.call.exp.mode, r.call.label()) || e.noOutput(r) {
				x.bad = true
				continue
			}
			v = e.callValue(r.call, e.wants(x, func(o *reference) bool { return o.call == r.call }, r.call.exp.mode))
			put("module", r.call.cfg.Name, v)
		case r.block != nil:
			v = e.blockRef(x, r)
			if r.block.cfg.Data {
				if data[r.block.cfg.Type] == nil {
					data[r.block.cfg.Type] = map[string]cty.Value{}
				}
				data[r.block.cfg.Type][r.block.cfg.Name] = v
			} else {
				put(r.block.cfg.Type, r.block.cfg.Name, v)
			}
		case r.brk != nil:
			// A broker stands for its name, so that `broker = var.x ? broker.a : broker.b` works.
			v = cty.StringVal(r.brk.cfg.Name)
			put("broker", r.brk.cfg.Name, v)
		case r.named != nil:
			top[r.named[0]] = nameTree(top[r.named[0]], r.named[1:], strings.Join(r.named, "."))
			continue
		case r.path:
			top["path"] = cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal(x.mod.cfg.Dir), "root": cty.StringVal(e.root.cfg.Dir)})
			continue
		default:
			continue
		}
		x.traits = x.traits.or(traitsOf(v))
		x.static = append(x.static, e.refDeps(r)...)
	}
	for root, m := range vars {
		top[root] = cty.ObjectVal(m)
	}
	if len(data) > 0 {
		d := make(map[string]cty.Value, len(data))
		for typ, m := range data {
			d[typ] = cty.ObjectVal(m)
		}
		top["data"] = cty.ObjectVal(d)
	}
	x.static = unique(x.static)
	x.base = x.mod.ctx
	if len(top) > 0 {
		x.base = x.mod.ctx.NewChild()
		x.base.Variables = top
	}
}

// wants gathers what all references of an expression need of one declaration.
func (e *evaluator) wants(x *expression, same func(*reference) bool, m mode) []want {
	var out []want
	for i := range x.refs {
		if r := &x.refs[i]; same(r) {
			out = append(out, r.want(m))
		}
	}
	return out
}

// eval evaluates the expression for one instance. What is wrong is reported;
// the result is then broken.
func (e *evaluator) eval(x *expression, s *scope) cty.Value {
	if x.cached {
		return x.val
	}
	if x.bad {
		return brokenVal
	}
	if x.direct != nil {
		return e.evalDirect(x.direct, s)
	}
	v, ctx, diags := e.evalRaw(x, s)
	if diags.HasErrors() {
		if !e.traitsIn(x, s).broken {
			e.report(e.discreet(x, s, ctx, diags)...)
		}
		return brokenVal
	}
	if len(x.refs) == 0 && !x.scoped {
		x.cached, x.val = true, v
		return v
	}
	return e.hold(x, s, v)
}

func (e *evaluator) evalRaw(x *expression, s *scope) (cty.Value, *hcl.EvalContext, hcl.Diagnostics) {
	e.prepare(x)
	if x.bad {
		return brokenVal, nil, nil
	}
	ctx := x.base
	if x.scoped {
		for i := range x.refs {
			if r := &x.refs[i]; r.scope != "" {
				if _, ok := s.vars[r.scope]; !ok {
					return brokenVal, nil, hcl.Diagnostics{outOfScope(r)}
				}
			}
		}
		ctx = x.base.NewChild()
		ctx.Variables = s.vars
	}
	v, diags := x.src.Value(ctx)
	return v, ctx, diags
}

func outOfScope(r *reference) *hcl.Diagnostic {
	why := map[string]string{
		"each":  "each is there only in a block that has for_each.",
		"count": "count.index is there only in a block that has count.",
		"self":  "self is there only in postconditions, where it is the object itself, and in components, where it is the participant.",
	}[r.scope]
	if why == "" {
		why = fmt.Sprintf("%s is there only inside its dynamic block.", r.scope)
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Reference out of place", Detail: why, Subject: r.rng.Ptr()}
}

// traitsIn are the traits of everything the expression can see in a scope.
func (e *evaluator) traitsIn(x *expression, s *scope) traits {
	t := x.traits
	if x.scoped {
		for i := range x.refs {
			if r := &x.refs[i]; r.scope != "" {
				if v, ok := s.vars[r.scope]; ok {
					t = t.or(traitsOf(v))
				}
			}
		}
	}
	return t
}
