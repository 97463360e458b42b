package desired

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// A block is a resource or data block of one module instance.
type block struct {
	cfg       *config.Resource
	mod       *module
	state     state
	exp       expansion
	instances []*instance
	byKey     map[string]*instance
	bodies    map[*schemaInfo]*body // compiled, by the schema of the instance's broker
	broker    *expression
	whole     cty.Value // the value of all instances, once asked for
	depends   []dep     // depends_on and what the module comes after
	life      *lifecycle
	all       []addr.Instance // of its objects
	check     string          // the check block it belongs to
	asked     [2][]string     // of a participant: inports and outports that references name
}

func (b *block) label() string {
	if b.check != "" {
		return b.mod.join("check." + b.check + "." + b.cfg.Key())
	}
	return b.mod.join(b.cfg.Key())
}
func (b *block) decl() hcl.Range { return b.cfg.Decl }

// An instance is one object, or one data source, in the making. It is
// evaluated in two steps: first what names it, which is what most references
// want, then the rest; so two exchanges can be each other's alternate.
type instance struct {
	block    *block
	key      instanceKey
	addr     addr.Instance
	scope    *scope
	broker   *broker
	in       *schemaInfo // nil: failed
	body     *body
	vals     []cty.Value // by schema attribute, with marks
	named    state       // the identity
	full     state       // the rest
	failed   bool        // reported; leave it and what follows from it out
	held     bool
	refs     []ref
	deps     []dep
	holes    []hole
	triggers []dep
	whole    cty.Value
	answer   cty.Value // a data source's
	object   *Object
	life     Lifecycle
	imp      string
	id       int
	query    *DataQuery
	player   *player     // a participant's
	flow     *graphParts // a graph's
	lowered  *lowered    // of an object that a participant or graph gives rise to
	derived  []*instance // what this participant or graph gives rise to
}

func (i *instance) label() string {
	if i.block.cfg.Data {
		return i.block.label() + i.key.text
	}
	return i.addr.String()
}
func (i *instance) decl() hcl.Range { return i.block.cfg.Decl }

// expandBlock makes the instances of a block, nothing evaluated in them yet.
func (e *evaluator) expandBlock(b *block) bool {
	return e.once(b, &b.state, func() {
		b.exp = e.expand(b.mod, b.cfg.Count, b.cfg.ForEach, b.label())
		b.byKey = make(map[string]*instance, len(b.exp.keys))
		b.bodies = map[*schemaInfo]*body{}
		if b.cfg.Broker != nil && brokerName(b.cfg.Broker) == "" {
			b.broker = e.compile(b.mod, b.cfg.Broker, nil)
		}
		b.instances = make([]*instance, len(b.exp.keys))
		insts := make([]instance, len(b.exp.keys))
		for i, k := range b.exp.keys {
			inst := &insts[i]
			*inst = instance{block: b, key: k, scope: k.scope(b.mod),
				addr: addr.Instance{Module: b.mod.path, Type: b.cfg.Type, Name: b.cfg.Name, Key: k.text}}
			b.instances[i] = inst
			b.byKey[k.text] = inst
		}
	})
}

// open finds the broker and with it the schema, and compiles the block for it.
func (e *evaluator) open(i *instance) bool {
	b := i.block
	i.broker = e.brokerOf(b, i.scope)
	if i.broker == nil || i.broker.failed {
		return false
	}
	if i.broker.passed {
		return e.openAlone(i)
	}
	if in := e.flowSchema(b); in != nil {
		e.openAs(i, in)
		return true
	}
	schemas, _ := b.schemas(i.broker.typ)
	s := schemas[b.cfg.Type]
	if s == nil {
		e.notThere(i)
		return false
	}
	e.openAs(i, e.info(s))
	return true
}

// schemas are those of a kind of broker that the block is of one of.
func (b *block) schemas(t *providers.Type) (map[string]*providers.Schema, string) {
	if b.cfg.Data {
		return t.Data, "data source "
	}
	return t.Resources, ""
}

// notThere reports a block on a broker that has no such thing.
func (e *evaluator) notThere(i *instance) {
	schemas, what := i.block.schemas(i.broker.typ)
	names := slices.DeleteFunc(sortedKeys(schemas), func(name string) bool { return schemas[name].Derived })
	e.errorf(i.decl(), "Not available on this broker", "%s is of the kind %s, which has no %s%s. It has %s.", i.broker.addr, i.broker.typ.Name, what,
		i.block.cfg.Type, strings.Join(names, ", "))
}

// openAs compiles the block for a schema.
func (e *evaluator) openAs(i *instance, in *schemaInfo) {
	b := i.block
	i.in = in
	i.body = b.bodies[in]
	if i.body == nil {
		i.body = e.compileBody(b.mod, i.in.attrs, b.cfg.Attrs, b.cfg.Blocks, b.cfg.Decl, nil)
		b.bodies[i.in] = i.body
	}
	i.vals = make([]cty.Value, len(i.in.attrs))
}

// name evaluates what names the object: identity attributes, name and vhost.
func (e *evaluator) name(i *instance) bool {
	return e.once(i, &i.named, func() {
		if !e.open(i) {
			i.failed = true
			return
		}
		e.decode(i, true)
		e.defaults(i, true)
		e.checkIdentity(i)
	})
}

// complete evaluates the rest.
func (e *evaluator) complete(i *instance) bool {
	if !e.name(i) {
		return false
	}
	return e.once(i, &i.full, func() {
		if i.in == nil {
			return
		}
		e.decode(i, false)
		e.defaults(i, false)
	})
}

// defaults lets the provider fill what the broker block implies. It gets no
// secret: only what names the object, and nulls that it may fill.
func (e *evaluator) defaults(i *instance, early bool) {
	if i.broker.passed {
		return
	}
	f := i.broker.typ.Defaults
	if f == nil || i.failed || i.held || i.block.lowers() {
		return
	}
	attrs := e.scratch
	clear(attrs)
	for n := range i.in.attrs {
		a := &i.in.attrs[n]
		if a.early || !early && i.vals[n].IsNull() {
			attrs[a.Name] = plain(i.vals[n])
		}
	}
	f(i.broker.config, i.block.cfg.Type, attrs)
	for n := range i.in.attrs {
		a := &i.in.attrs[n]
		if v, ok := attrs[a.Name]; ok && a.early == early && i.vals[n].IsNull() && !v.IsNull() {
			i.vals[n] = v
		}
	}
}

// checkIdentity refuses secrets in what names an object: it is shown.
func (e *evaluator) checkIdentity(i *instance) {
	for n := range i.in.attrs {
		a := &i.in.attrs[n]
		if a.Identity && len(a.secret) == 0 && traitsOf(i.vals[n]).sensitive {
			e.errorf(i.body.fields[n].at(), "Sensitive value in a name", "%s is part of what names %s on the broker, so it is shown in plans and "+
				"recorded in state. It cannot be a sensitive value, nor follow from one.", a.Name, i.block.label())
			i.failed = true
		}
	}
}

// attrOf is the value that `queue.jobs.NAME` has in an expression.
func (e *evaluator) attrOf(i *instance, attr string, at hcl.Range) cty.Value {
	if !e.name(i) || i.in == nil {
		return brokenVal
	}
	n, ok := i.in.index[attr]
	if !ok {
		e.unknownAttr(i, attr, at)
		return brokenVal
	}
	a := &i.in.attrs[n]
	if v, ok := e.played(i, attr, at); ok {
		return v
	}
	if !a.early && !e.complete(i) {
		return brokenVal
	}
	if live, ok := e.live[i.addr]; ok && !live.IsNull() && live.IsKnown() && live.Type().HasAttribute(attr) {
		if v := live.GetAttr(attr); v.IsKnown() {
			if i.vals[n] != cty.NilVal && traitsOf(i.vals[n]).sensitive {
				return v.Mark(sensitive)
			}
			return markPaths(v, a.secret)
		}
	}
	v := i.vals[n]
	switch {
	case i.failed && (v == cty.NilVal || !whollyKnown(v)):
		return brokenVal
	case v == cty.NilVal || i.held && !whollyKnown(v):
		return cty.DynamicVal.Mark(held)
	}
	if a.Computed && !v.IsMarked() && !v.IsKnown() {
		if v = e.recorded(i, a); !v.IsKnown() {
			return v
		}
	}
	return markPaths(v, a.secret)
}

// recorded is the value of a computed attribute as last seen, or an unknown
// one that remembers what it stands for.
func (e *evaluator) recorded(i *instance, a *attrInfo) cty.Value {
	if o := e.remembered(i.addr); o != cty.NilVal && !o.IsNull() && o.IsKnown() && o.Type().HasAttribute(a.Name) {
		if v := o.GetAttr(a.Name); v.IsWhollyKnown() {
			return v
		}
	}
	return a.unknown.Mark(computedMark{i.addr, a.Name})
}

func (e *evaluator) unknownAttr(i *instance, attr string, at hcl.Range) {
	e.errorf(at, "Unsupported attribute", "A %s has no attribute %q.%s", i.block.cfg.Type, attr, diag.DidYouMean(attr, i.in.names()))
}

// objectOf is the value of `queue.jobs` as a whole: an object of its attributes.
func (e *evaluator) objectOf(i *instance) cty.Value {
	if i.block.cfg.Data {
		return e.answerOf(i)
	}
	if !e.complete(i) || i.in == nil {
		return brokenVal
	}
	if i.whole == cty.NilVal || i.block.lowers() { // ports may have been named since
		vals := make(map[string]cty.Value, len(i.in.attrs))
		for n := range i.in.attrs {
			vals[i.in.attrs[n].Name] = e.attrOf(i, i.in.attrs[n].Name, i.decl())
		}
		i.whole = cty.ObjectVal(vals)
	}
	return i.whole
}

// partOf is objectOf with the attributes wanted only, so that a reference to a
// name does not need all the rest to be known.
func (e *evaluator) partOf(i *instance, ws []want, at hcl.Range) cty.Value {
	if len(ws) == 0 || wantsWhole(ws) || i.block.cfg.Data {
		return e.objectOf(i)
	}
	vals := make(map[string]cty.Value, len(ws))
	for _, w := range ws {
		if _, ok := vals[w.attr]; !ok {
			vals[w.attr] = e.attrOf(i, w.attr, at)
		}
	}
	return cty.ObjectVal(vals)
}

// blockRef is the value of a block for one reference of an expression.
func (e *evaluator) blockRef(x *expression, r *reference) cty.Value {
	if !e.expandBlock(r.block) || e.misused(r, r.block.exp.mode, r.block.label()) {
		return brokenVal
	}
	same := func(o *reference) bool { return o.block == r.block }
	if r.block.lowers() {
		return e.blockValue(r.block, e.playerWants(x, same, r.block.exp.mode), r.rng)
	}
	return e.blockValue(r.block, e.wants(x, same, r.block.exp.mode), r.rng)
}

// blockValue is the value of a block in expressions. Without wants, or where
// an index is not fixed, it is that of all instances, built once.
func (e *evaluator) blockValue(b *block, ws []want, at hcl.Range) cty.Value {
	if !e.expandBlock(b) {
		return brokenVal
	}
	if v, ok := b.exp.placeholder(); ok {
		return v
	}
	if b.exp.mode == single {
		return e.partOf(b.instances[0], ws, at)
	}
	if b.exp.mode == byKey && allKeyed(ws) {
		out := make(map[string]cty.Value, len(ws))
		for _, w := range ws {
			if i := b.byKey[w.key]; i != nil {
				out[i.key.key.AsString()] = e.partOf(i, wantsOf(ws, w.key), at)
			}
		}
		return cty.ObjectVal(out)
	}
	if b.lowers() {
		return b.exp.collect(func(i int) cty.Value { return e.partOf(b.instances[i], withoutKeys(ws), at) })
	}
	if b.whole == cty.NilVal {
		b.whole = b.exp.collect(func(i int) cty.Value { return e.objectOf(b.instances[i]) })
	}
	return b.whole
}

// remembered is what is recorded of an object, cty.NilVal where nothing is.
func (e *evaluator) remembered(a addr.Instance) cty.Value {
	if e.env.Computed == nil {
		return cty.NilVal
	}
	return e.env.Computed(a)
}
