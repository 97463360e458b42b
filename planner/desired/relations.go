package desired

import (
	"slices"
	"sort"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/providers"
)

// place is what an object is found by when a name stands for it.
type place struct {
	provider    addr.Provider
	typ         string
	vhost, name string
}

// related is one object's relations while they are worked out. The nodes of
// the graph are instances and, so that "all of a block" costs one edge and not
// one an instance, blocks, modules and calls.
type related struct {
	within []*instance
	soft   []*instance // order only, from attributes that name objects: may give way to a circle
	hard   []dep       // from everything else
}

// relate finds the relations of all objects. A circle among them is an error,
// but for one that only exists because objects name each other in attributes
// for which order is all that matters (two exchanges each other's alternate):
// those references are then no relations at all, all of that circle alike, so
// that it does not depend on the order of declaration.
func (e *evaluator) relate(all []*instance) {
	places := e.places(all)
	e.duplicates(all)
	byAddr := make(map[addr.Instance]*instance, len(all))
	for _, i := range all {
		byAddr[i.addr] = i
	}
	rel := make([]related, len(all))
	for n, i := range all {
		i.id = n
	}
	for n, i := range all {
		e.relateRefs(i, &rel[n], places)
		for _, d := range i.deps {
			if d.ports {
				rel[n].soft = append(rel[n].soft, made(e.instancesOf(d))...)
				continue
			}
			if d.inst == nil || d.inst != i {
				rel[n].hard = append(rel[n].hard, d)
			} else {
				e.report(circleError([]string{i.label(), i.label()}, i.decl()))
			}
		}
		rel[n].hard = append(rel[n].hard, i.block.depends...)
		i.lowered.relate(&rel[n], byAddr)
	}
	if !e.acyclic(all, rel) {
		return
	}
	for n, i := range all {
		e.record(i, &rel[n])
	}
}

func stringOf(v cty.Value) (string, bool) {
	if v == cty.NilVal {
		return "", false
	}
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

// vhostOf is the vhost an object is in, "" where its type has none.
func (i *instance) vhostOf() string {
	if i.in == nil || i.in.vhost < 0 {
		return ""
	}
	s, _ := stringOf(i.vals[i.in.vhost])
	return s
}

func (e *evaluator) places(all []*instance) map[place]*instance {
	out := make(map[place]*instance, len(all))
	for _, i := range all {
		if i.in.name < 0 {
			continue
		}
		if name, ok := stringOf(i.vals[i.in.name]); ok {
			out[place{i.broker.addr, i.block.cfg.Type, i.vhostOf(), name}] = i
		}
	}
	return out
}

// relateRefs turns references and names into relations.
func (e *evaluator) relateRefs(i *instance, rel *related, places map[place]*instance) {
	seen := -1
	for n := range i.refs {
		r := &i.refs[n]
		if i.in.vhost >= 0 && r.field.attrInfo == &i.in.attrs[i.in.vhost] {
			seen = n
		}
		to := r.target
		if !e.sameKind(i, r) {
			continue
		}
		if to != nil && !e.sameVhost(i, r) {
			continue
		}
		if to == nil {
			to = e.named(i, r, places)
		}
		if to == nil || to.object == nil && to != i {
			rel.hard = append(rel.hard, r.deps...)
			continue
		}
		if to != i {
			rel.add(to, r.field.Relation)
		}
	}
	// A vhost that is not written is the broker's own, and may be declared too.
	if seen < 0 && i.in.vhost >= 0 {
		a := &i.in.attrs[i.in.vhost]
		for _, t := range a.Ref {
			if to := places[place{i.broker.addr, t, "", i.vhostOf()}]; to != nil && to != i {
				rel.add(to, a.Relation)
			}
		}
	}
}

func (r *related) add(to *instance, kind providers.Relation) {
	if kind == providers.Within {
		r.within = append(r.within, to)
	} else {
		r.soft = append(r.soft, to)
	}
}

// sameKind refuses a written kind that is not that of the object given.
func (e *evaluator) sameKind(i *instance, r *ref) bool {
	k := i.kindFor(r.field)
	if r.kind == "" || k == "" || k == r.kind {
		return true
	}
	e.errorf(r.field.at(), "Contradiction", "%s is a reference to a %s, but %s says %q. Leave %s out: it follows from the reference.",
		r.path, r.kind, r.field.RefKind, k, r.field.RefKind)
	i.failed = true
	return false
}

// sameVhost refuses a reference to an object where this one cannot reach it.
func (e *evaluator) sameVhost(i *instance, r *ref) bool {
	t := r.target
	if t.in == nil || t.broker == nil {
		return true
	}
	if t.broker != i.broker {
		e.errorf(r.field.at(), "Reference across brokers", "%s is on %s and %s on %s. Objects can refer only to others on their own broker: say broker = %s.",
			i.label(), i.broker.addr, t.label(), t.broker.addr, t.broker.addr)
		i.failed = true
		return false
	}
	return t.in.vhost < 0 || e.checkVhost(i, r, t.label(), t.vhostOf())
}

func (e *evaluator) checkVhost(i *instance, r *ref, label, vhost string) bool {
	if i.in.vhost < 0 || vhost == i.vhostOf() {
		return true
	}
	e.errorf(r.field.at(), "Reference across vhosts", "%s is in the vhost %q and %s in %q. Objects can refer only to others in their own vhost: "+
		"write vhost = %q here, or choose another object.", label, vhost, i.label(), i.vhostOf(), vhost)
	i.failed = true
	return false
}

// named finds the declared object that a name means, if any.
func (e *evaluator) named(i *instance, r *ref, places map[place]*instance) *instance {
	name, ok := stringOf(r.name)
	if !ok {
		return nil
	}
	types := r.field.Ref
	if r.kind != "" {
		types = []string{r.kind}
		if v, ok := stringOf(r.vhost); ok && !e.checkVhost(i, r, r.kind+" "+name, v) {
			return nil
		}
	} else if k := i.kindFor(r.field); k != "" {
		types = []string{k}
	}
	for _, t := range types {
		vhost := i.vhostOf()
		if s := i.broker.typ.Resources[t]; s == nil || s.Attr("vhost") == nil {
			vhost = ""
		}
		if to := places[place{i.broker.addr, t, vhost, name}]; to != nil {
			return to
		}
	}
	return nil
}

// kindFor is what the attribute beside a name says about the type of object.
func (i *instance) kindFor(f *field) string {
	if f.RefKind == "" {
		return ""
	}
	if n, ok := i.in.index[f.RefKind]; ok {
		s, _ := stringOf(i.vals[n])
		return s
	}
	return ""
}

// duplicates reports two declarations of one live object.
func (e *evaluator) duplicates(all []*instance) {
	type live struct {
		provider addr.Provider
		typ, id  string
	}
	seen := make(map[live]*instance, len(all))
	for _, i := range all {
		id := i.in.schema.Identity(i.object.Value)
		if id == "" {
			continue
		}
		k := live{i.broker.addr, i.block.cfg.Type, id}
		o := seen[k]
		if o == nil {
			seen[k] = i
			continue
		}
		hint := ""
		if o.block == i.block && i.in.name >= 0 && i.vals[i.in.name].RawEquals(cty.StringVal(i.block.cfg.Name)) {
			hint = " All instances have the name of the block: give each its own, as in name = " + i.block.example() + "."
		}
		e.errorf(i.block.cfg.Decl, "Declared twice", "%s and %s are one and the same %s on %s: all that names it is equal. The other one is declared at %s.%s",
			o.label(), i.label(), i.block.cfg.Type, i.broker.addr, o.block.cfg.Decl, hint)
		i.failed = true
	}
}

// example is a name that differs by instance.
func (b *block) example() string {
	if b.exp.mode == byCount {
		return `"` + b.cfg.Name + `-${count.index}"`
	}
	return "each.key"
}

// instancesOf are the instances that a dependency stands for; of participants
// and graphs, what they give rise to.
func (e *evaluator) instancesOf(d dep) []*instance {
	switch {
	case d.inst != nil:
		return d.inst.objects(d.ports, nil)
	case d.block != nil:
		return d.block.objects(d.ports, nil)
	case d.mod != nil:
		var out []*instance
		for _, key := range sortedKeys(d.mod.resources) {
			if b := d.mod.resources[key]; !b.cfg.Data {
				out = b.objects(d.ports, out)
			}
		}
		for _, name := range sortedKeys(d.mod.calls) {
			out = append(out, e.instancesOf(dep{call: d.mod.calls[name]})...)
		}
		return out
	case d.call != nil:
		var out []*instance
		for _, m := range d.call.instances {
			out = append(out, e.instancesOf(dep{mod: m})...)
		}
		return out
	}
	return nil
}

// record writes an object's relations: distinct, in address order, what it is
// within not again among what it is after.
func (e *evaluator) record(i *instance, rel *related) {
	o := i.object
	o.Within = addressesOf(rel.within, nil, i)
	if len(rel.hard) == 1 && len(rel.soft) == 0 && rel.hard[0].block != nil && len(rel.within) == 0 {
		o.After = e.allOf(rel.hard[0].block)
		e.recordTriggers(i)
		return
	}
	after := rel.soft
	for _, d := range rel.hard {
		after = append(after, e.instancesOf(d)...)
	}
	o.After = addressesOf(after, rel.within, i)
	e.recordTriggers(i)
}

// allOf are the addresses of a block's objects, in one slice for all that
// depend on the whole block.
func (e *evaluator) allOf(b *block) []addr.Instance {
	if b.all == nil {
		b.all = addressesOf(b.objects(false, nil), nil, nil)
	}
	return b.all
}

func (e *evaluator) recordTriggers(i *instance) {
	if len(i.triggers) == 0 {
		return
	}
	var triggers []*instance
	for _, d := range i.triggers {
		triggers = append(triggers, e.instancesOf(d)...)
	}
	i.object.Lifecycle.ReplaceTriggeredBy = addressesOf(triggers, nil, nil)
}

func addressesOf(is, without []*instance, self *instance) []addr.Instance {
	if len(is) == 0 {
		return nil
	}
	kept := make([]*instance, 0, len(is))
	if len(is)+len(without) <= 8 { // the usual case, without a map
		for _, i := range is {
			if i != self && i.object != nil && !slices.Contains(kept, i) && !slices.Contains(without, i) {
				kept = append(kept, i)
			}
		}
	} else {
		seen := make(map[*instance]bool, len(is))
		for _, i := range without {
			seen[i] = true
		}
		for _, i := range is {
			if i != self && i.object != nil && !seen[i] {
				seen[i] = true
				kept = append(kept, i)
			}
		}
	}
	if len(kept) == 0 {
		return nil
	}
	sort.Slice(kept, func(a, b int) bool { return kept[a].id < kept[b].id }) // ids are in address order
	out := make([]addr.Instance, len(kept))
	for n, i := range kept {
		out[n] = i.addr
	}
	return out
}
