package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

func (d *decoder) resource(b *hcl.Block) {
	d.declareObject(b, d.l.resources[b.Type])
}

// declareObject decodes a block that makes objects and declares it in the module.
func (d *decoder) declareObject(b *hcl.Block, k *kind) *Resource {
	name, ok := d.name(b, 0)
	r := d.object(b, k, name, false)
	if ok && d.declare(r.Key(), b.DefRange) {
		d.m.Resources[r.Key()] = r
	}
	return r
}

// data decodes a data block; nil where its type or name is no good.
func (d *decoder) data(b *hcl.Block) *Resource {
	k := d.l.data[b.Labels[0]]
	if k == nil {
		known := sortedKeys(d.l.data)
		d.errorf(b.LabelRanges[0], "Unknown data source", "There is no data source %q.%s This version has %s.", b.Labels[0], diag.DidYouMean(b.Labels[0], known), listed("", known))
		return nil
	}
	name, ok := d.name(b, 1)
	r := d.object(b, k, name, true)
	if !ok {
		return nil
	}
	return r
}

func (d *decoder) object(b *hcl.Block, k *kind, name string, data bool) *Resource {
	c := d.read(b.Body, k.form)
	r, s := d.header(b, c, k, name, data)
	r.Blocks = d.blocks(c.blocks, k.schema.Attrs, s)
	return r
}

// header decodes what all such blocks have, all but the nested blocks of their
// own, and returns the scope of what is within.
func (d *decoder) header(b *hcl.Block, c content, k *kind, name string, data bool) (*Resource, scope) {
	r := &Resource{Type: k.name, Name: name, Data: data, ProviderType: k.of, Schema: k.schema, Decl: b.DefRange}
	s := d.repetition(c, &r.Count, &r.ForEach, scope{})
	d.required(c, k.schema.Attrs, b.DefRange, k.form.what)
	r.DependsOn = d.dependsOn(c.attrs["depends_on"])
	if a := c.attrs["broker"]; a != nil {
		r.Broker = d.reference(a.Expr)
		d.use(r.Broker, s)
	}
	if l := d.single(c, "lifecycle"); l != nil {
		r.Lifecycle = d.lifecycle(l, k, s, data)
	}
	if k.launched {
		r.Launcher = d.launchedBy(c.attrs["launcher"], s)
		delete(c.attrs, "launcher")
	}
	for _, m := range metaArguments {
		delete(c.attrs, m)
	}
	r.Attrs = c.attrs
	for _, a := range r.Attrs {
		d.use(a.Expr, s)
	}
	return r, s
}

// required reports arguments and blocks that must be written and are not.
func (d *decoder) required(c content, attrs []providers.Attr, decl hcl.Range, what string) {
	for i := range attrs {
		a := &attrs[i]
		if !a.Required || a.NotYet != "" || a.ReadOnly || c.attrs[a.Name] != nil || d.broken[decl.Filename] {
			continue
		}
		if !a.IsBlock() {
			d.missing(decl, a.Name, what)
			continue
		}
		has := slices.ContainsFunc(c.blocks, func(b *hcl.Block) bool {
			return b.Type == a.Name || b.Type == "dynamic" && b.Labels[0] == a.Name
		})
		if !has {
			d.errorf(decl, "Missing block", "%s needs a nested block %q: write %s { … } in it.", upperFirst(what), a.Name, a.Name)
		}
	}
}

// blocks decodes nested blocks by the attributes that describe them.
func (d *decoder) blocks(bs []*hcl.Block, attrs []providers.Attr, s scope) []*Block {
	var out []*Block
	first := map[string]*hcl.Block{}
	for _, b := range bs {
		switch b.Type {
		case "lifecycle":
			if blockAttr(attrs, b.Type) == nil {
				continue
			}
		case "dynamic":
			if n := d.dynamic(b, attrs, s); n != nil {
				out = append(out, n)
			}
			continue
		}
		a, key := blockAttr(attrs, b.Type), b.Type
		if a.Label != "" {
			key += "." + b.Labels[0]
		}
		if f := first[key]; f != nil {
			d.twice(b, a, f)
			continue
		}
		first[key] = b
		if n := d.nested(b.Body, b.DefRange, a, s); d.label(n, b, a) {
			out = append(out, n)
		}
	}
	return out
}

// twice reports a nested block that is there already.
func (d *decoder) twice(b *hcl.Block, a *providers.Attr, first *hcl.Block) {
	if a.Label != "" {
		d.errorf(b.DefRange, "Block written twice", "There is one block %s %q at most; the first is at %s.", b.Type, b.Labels[0], at(first.DefRange))
		return
	}
	d.errorf(b.DefRange, "Block written twice", "There is one block %q at most; the first is at %s.", b.Type, at(first.DefRange))
}

// label sets the label of a nested block that has one.
func (d *decoder) label(n *Block, b *hcl.Block, a *providers.Attr) bool {
	if a.Label == "" {
		return true
	}
	n.Label = b.Labels[0]
	if n.Label == "" {
		d.errorf(b.LabelRanges[0], "Invalid name", "The label of the block %s is the name of its %s, which cannot be empty.", a.Name, a.Label)
	}
	return n.Label != ""
}

func blockAttr(attrs []providers.Attr, name string) *providers.Attr {
	if a := findAttr(attrs, name); a != nil && a.IsBlock() {
		return a
	}
	return nil
}

// nested decodes one nested block's body.
func (d *decoder) nested(body hcl.Body, decl hcl.Range, a *providers.Attr, s scope) *Block {
	f := d.l.nestedForm(a)
	c := d.read(body, f)
	d.required(c, a.Attrs, decl, f.what)
	for _, attr := range c.attrs {
		d.use(attr.Expr, s)
	}
	return &Block{Name: a.Name, Attr: a, Attrs: c.attrs, Blocks: d.blocks(c.blocks, a.Attrs, s), Decl: decl}
}

func (v *vocabulary) nestedForm(a *providers.Attr) *form {
	f := v.nested[a]
	if f == nil {
		f = schemaForm("the block "+a.Name, a.Attrs, nil)
		v.nested[a] = f
	}
	return f
}

// dynamic decodes dynamic "NAME" { for_each, iterator, content {} }.
func (d *decoder) dynamic(b *hcl.Block, attrs []providers.Attr, s scope) *Block {
	a := blockAttr(attrs, b.Labels[0])
	if a != nil && a.Label != "" {
		d.errorf(b.LabelRanges[0], notYet, "A dynamic block that makes blocks with labels is part of the language, but this version of msgflo does not have it yet: write each %s \"%s\" { … } by itself.", a.Name, strings.ToUpper(a.Label))
		return nil
	}
	c := d.read(b.Body, dynamicForm)
	body := d.single(c, "content")
	switch {
	case a == nil && b.Labels[0] == "lifecycle":
		d.errorf(b.LabelRanges[0], "Unknown block", "A lifecycle block is read before any value is known, so it cannot be dynamic. Write lifecycle { … }.")
		return nil
	case a == nil:
		var known []string
		for i := range attrs {
			if attrs[i].IsBlock() {
				known = append(known, attrs[i].Name)
			}
		}
		d.errorf(b.LabelRanges[0], "Unknown block", "There is no nested block %q here.%s", b.Labels[0], diag.DidYouMean(b.Labels[0], known))
		return nil
	case !d.need(c, b.DefRange, dynamicForm.what, "for_each"):
		return nil
	case body == nil:
		d.errorf(b.DefRange, "Missing block", "A dynamic block needs a nested block \"content\", which says what each block holds.")
		return nil
	}
	dyn := &Dynamic{ForEach: c.attrs["for_each"].Expr, Iterator: a.Name}
	d.use(dyn.ForEach, s)
	if it := c.attrs["iterator"]; it != nil {
		dyn.Iterator = hcl.ExprAsKeyword(it.Expr)
		if dyn.Iterator == "" {
			d.errorf(it.Expr.Range(), "Invalid iterator", "The iterator is a bare name, as in iterator = item.")
			return nil
		}
	}
	s.iterators = &iterator{name: dyn.Iterator, next: s.iterators}
	out := d.nested(body.Body, b.DefRange, a, s)
	out.Dynamic = dyn
	return out
}

// lifecycle decodes the block of that name.
func (d *decoder) lifecycle(b *hcl.Block, k *kind, s scope, data bool) Lifecycle {
	f := lifecycleForm
	switch {
	case data:
		f = dataLifecycleForm
	case k.launched:
		f = participantLifecycleForm
	}
	c := d.read(b.Body, f)
	l := Lifecycle{Decl: b.DefRange}
	for name, to := range map[string]*hcl.Expression{"prevent_destroy": &l.PreventDestroy, "adopt": &l.Adopt} {
		if a := c.attrs[name]; a != nil {
			*to = a.Expr
			d.use(a.Expr, s)
		}
	}
	d.checkAdopt(l.Adopt)
	d.ignoreChanges(&l, c.attrs["ignore_changes"], k)
	l.ReplaceTriggeredBy = d.triggers(c.attrs["replace_triggered_by"], s)
	after := s
	after.self = k
	for _, cb := range c.blocks {
		if cb.Type == "precondition" {
			l.Preconditions = d.condition(l.Preconditions, cb, preconditionForm, s)
		} else {
			l.Postconditions = d.condition(l.Postconditions, cb, postconditionForm, after)
		}
	}
	return l
}

var adoptions = []string{"keep", "own", "refuse"}

// checkAdopt checks a literal; anything else is known later.
func (d *decoder) checkAdopt(e hcl.Expression) {
	if e == nil || len(e.Variables()) > 0 {
		return
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsNull() {
		return
	}
	if v.Type() != cty.String || !slices.Contains(adoptions, v.AsString()) {
		d.errorf(e.Range(), "Invalid value", "adopt is \"keep\" (leave the object in place when we go; the default), \"own\" or \"refuse\".")
	}
}

func (d *decoder) ignoreChanges(l *Lifecycle, a *hcl.Attribute, k *kind) {
	if a == nil {
		return
	}
	if hcl.ExprAsKeyword(a.Expr) == "all" {
		l.IgnoreAll = true
		return
	}
	list, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		d.errorf(a.Expr.Range(), "List of attributes expected", "ignore_changes takes a list of attributes, as in [arguments, dead_letter.exchange], or the word all.")
		return
	}
	for _, e := range list {
		t, diags := hcl.RelTraversalForExpr(e)
		if diags.HasErrors() || len(t) == 0 {
			d.errorf(e.Range(), "Attribute expected", "ignore_changes takes attributes of this block, as in [arguments, dead_letter.exchange].")
			continue
		}
		if d.attributes(t, k.schema.Attrs, k.form.what) {
			l.IgnoreChanges = append(l.IgnoreChanges, traversalText(t))
		}
	}
}

// triggers reads replace_triggered_by.
func (d *decoder) triggers(a *hcl.Attribute, s scope) []hcl.Expression {
	if a == nil {
		return nil
	}
	list, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		d.errorf(a.Expr.Range(), "List of references expected", "replace_triggered_by takes a list of references to blocks or their attributes, as in [exchange.events, queue.jobs.type].")
		return nil
	}
	s.only, s.what, s.wholeObjects = refResource|refEach|refCount, "replace_triggered_by", true
	var out []hcl.Expression
	for _, e := range list {
		e = d.reference(e)
		if len(e.Variables()) == 0 {
			d.errorf(e.Range(), "Reference expected", "replace_triggered_by takes references to blocks or their attributes, as in [exchange.events, queue.jobs.type].")
			continue
		}
		out = append(out, e)
		d.use(e, s)
	}
	return out
}
