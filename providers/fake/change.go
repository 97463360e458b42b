package fake

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
)

// Apply implements providers.Provider.
func (p *provider) Apply(ctx context.Context, c providers.Change) (cty.Value, error) {
	w, fault, err := p.begin(ctx, "apply "+c.Addr.String())
	if err != nil {
		return cty.NilVal, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.schemas[c.Type]
	if s == nil {
		return cty.NilVal, fmt.Errorf("a fake broker has no %q", c.Type)
	}
	left, err := w.change(p, s, c)
	if e := p.end(w, fault); e != nil {
		return cty.NilVal, errors.Join(e, err)
	}
	return left, err
}

func (w *World) change(p *provider, s *providers.Schema, c providers.Change) (cty.Value, error) {
	null := cty.NullVal(s.ImpliedType())
	switch {
	case c.After.IsNull() && c.Before.IsNull():
		return null, nil
	case c.After.IsNull():
		return w.delete(null, c)
	case c.Before.IsNull():
		owner := ""
		if p.marks && !c.Shared && (c.Type == "queue" || c.Type == "exchange") {
			owner = p.lineage
		}
		return w.create(null, owner, c)
	}
	return w.update(null, s, c)
}

func (w *World) create(null cty.Value, owner string, c providers.Change) (cty.Value, error) {
	k := keyOf(c.Type, c.After)
	for _, e := range ends(c.Type, c.After) {
		if w.objects[e] == nil {
			return null, fmt.Errorf("creating %s %q: 404 no %s %q in vhost %q", c.Type, k.name, e.typ, e.name, e.vhost)
		}
	}
	old := w.objects[k]
	declared := c.Type == "queue" || c.Type == "exchange"
	if old != nil && declared && !same(c.Type, old.value, c.After) {
		return null, fmt.Errorf("declaring %s %q in vhost %q: 406 it exists and differs", c.Type, k.name, k.vhost)
	}
	if old != nil {
		if !declared {
			old.value = w.stored(c.Type, c.After, old.value)
		}
		return shown(c.Type, old.value), nil
	}
	o := &object{value: w.stored(c.Type, c.After, null), owner: owner}
	w.objects[k] = o
	for _, e := range ends(c.Type, c.After) {
		if w.inside[e] == nil {
			w.inside[e] = map[key]bool{}
		}
		w.inside[e][k] = true
	}
	if c.Type == "binding" {
		w.objects[source(c.After)].bound = true
	}
	return shown(c.Type, o.value), nil
}

func source(binding cty.Value) key {
	return key{"exchange", attr.Text(binding, "vhost"), attr.Text(binding, "source")}
}

func (w *World) update(null cty.Value, s *providers.Schema, c providers.Change) (cty.Value, error) {
	k := keyOf(c.Type, c.After)
	if old := keyOf(c.Type, c.Before); s.Swap && old != k {
		left, err := w.create(null, "", c)
		if err == nil {
			w.remove(old)
		}
		return left, err
	}
	o := w.objects[k]
	if o == nil || keyOf(c.Type, c.Before) != k {
		return null, fmt.Errorf("updating %s %q: 404 not found", c.Type, k.name)
	}
	old, want := Normalize(c.Type, o.value), Normalize(c.Type, c.After)
	for i := range s.Attrs {
		a := &s.Attrs[i]
		if w := want.GetAttr(a.Name); a.ForceNew && w.IsKnown() && !w.RawEquals(old.GetAttr(a.Name)) {
			return shown(c.Type, o.value), fmt.Errorf("updating %s %q: 406 %s is fixed at creation", c.Type, k.name, a.Name)
		}
	}
	o.value = w.stored(c.Type, c.After, o.value)
	return shown(c.Type, o.value), nil
}

func (w *World) delete(null cty.Value, c providers.Change) (cty.Value, error) {
	k := keyOf(c.Type, c.Before)
	o := w.objects[k]
	if o == nil {
		return null, nil
	}
	if !c.AllowLoss {
		if err := w.refuse(k, c.Collateral); err != nil {
			return shown(c.Type, o.value), err
		}
	}
	w.remove(k)
	return null, nil
}

// refuse says why an object cannot go without consent.
func (w *World) refuse(k key, allowed []providers.Object) error {
	ok := make(map[key]bool, len(allowed))
	for _, a := range allowed {
		ok[keyOf(a.Type, a.Value)] = true
	}
	if n := w.messages(k); n > 0 {
		return &providers.RefusedError{Detail: fmt.Sprintf("%s %q holds %d messages", k.typ, k.name, n)}
	}
	for in := range w.inside[k] {
		if !ok[in] {
			return &providers.RefusedError{Detail: fmt.Sprintf("%s %q would take %s %s along", k.typ, k.name, in.typ, in.name)}
		}
	}
	return nil
}

func (w *World) messages(k key) int64 {
	o := w.objects[k]
	n := o.ready + o.unacked
	if k.typ == "vhost" {
		for in := range w.inside[k] {
			n += w.messages(in)
		}
	}
	return n
}

// remove takes an object away, with all that dies with it, and with the
// auto_delete exchanges that lose their last binding.
func (w *World) remove(k key) {
	o := w.objects[k]
	if o == nil {
		return
	}
	delete(w.objects, k)
	w.lost += o.ready + o.unacked
	for in := range w.inside[k] {
		w.remove(in)
	}
	delete(w.inside, k)
	for _, e := range ends(k.typ, o.value) {
		delete(w.inside[e], k)
	}
	if k.typ == "binding" {
		w.autoDelete(source(o.value))
	}
}

func (w *World) autoDelete(k key) {
	o := w.objects[k]
	if o == nil || !o.bound || !attr.Bool(o.value, "auto_delete", false) {
		return
	}
	for in := range w.inside[k] {
		if in.typ == "binding" && source(w.objects[in].value) == k {
			return
		}
	}
	w.remove(k)
}

// stored is what the broker keeps of a wanted value: computed attributes get
// their values, those that stand keep them.
func (w *World) stored(typ string, want, old cty.Value) cty.Value {
	if typ != "widget" {
		return want
	}
	m := want.AsValueMap()
	if !old.IsNull() {
		m["id"] = old.GetAttr("id")
	} else {
		w.serial++
		m["id"] = cty.StringVal("w-" + strconv.Itoa(w.serial))
	}
	return cty.ObjectVal(m)
}

// shown is what the broker tells of a stored value: never a password.
func shown(typ string, v cty.Value) cty.Value {
	if typ != "user" || v.GetAttr("password").IsNull() {
		return v
	}
	m := v.AsValueMap()
	m["password"] = cty.UnknownVal(cty.String)
	return cty.ObjectVal(m)
}

func same(typ string, a, b cty.Value) bool {
	return Normalize(typ, a).RawEquals(Normalize(typ, b))
}
