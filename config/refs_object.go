package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// This file checks references that lead into blocks: to objects, data sources
// and modules, their instances and attributes.

func (d *decoder) moduleRef(t hcl.Traversal, s scope) {
	c, ok := find(d, t, 1, "module", "module.", d.m.Calls)
	if !ok {
		return
	}
	rest, ok := d.instance(t, 2, c.Count, c.ForEach)
	if !ok || len(rest) == 0 || c.Module == nil {
		return
	}
	name := attr(rest, 0)
	switch {
	case s.wholeObjects && d.l.resources[name] != nil: // an address in an import block
		if c.Module.Resources[name+"."+attr(rest, 1)] == nil {
			d.unknown(t.SourceRange(), "Unknown "+name, "The module %s has no %s.%s.", c.Name, name, attr(rest, 1))
		}
	case name == "module" && s.wholeObjects: // deeper than is known here
	case c.Module.Outputs[name] == nil:
		d.unknown(t.SourceRange(), "Unknown output", "The module %s has no output %q.%s", c.Name, name, diag.DidYouMean(name, sortedKeys(c.Module.Outputs)))
	}
}

func (d *decoder) dataRef(t hcl.Traversal, s scope) {
	typ := attr(t, 1)
	if d.l.data[typ] == nil {
		d.errorf(t.SourceRange(), "Unknown data source", "There is no data source %q.%s", typ, diag.DidYouMean(typ, sortedKeys(d.l.data)))
		return
	}
	if s.data != nil && s.data.Type == typ && s.data.Name == attr(t, 2) {
		d.objectRef(t, 3, s.data, s)
		return
	}
	if r, ok := find(d, t, 2, typ+" data source", "data."+typ+".", d.m.Data); ok {
		d.objectRef(t, 3, r, s)
	}
}

func (d *decoder) resourceRef(t hcl.Traversal, s scope) {
	typ := t.RootName()
	if r, ok := find(d, t, 1, typ, typ+".", d.m.Resources); ok {
		d.objectRef(t, 2, r, s)
	}
}

// objectRef checks what follows TYPE.NAME.
func (d *decoder) objectRef(t hcl.Traversal, i int, r *Resource, s scope) {
	if rest, ok := d.instance(t, i, r.Count, r.ForEach); ok && len(rest) > 0 {
		d.objectPath(rest, r, s)
	}
}

// objectPath checks what follows TYPE.NAME[KEY]: an attribute, or in an address
// an object that a participant or graph gives rise to.
func (d *decoder) objectPath(t hcl.Traversal, r *Resource, s scope) {
	if s.address && d.l.isFlow(r.Schema) && d.l.lowered[attr(t, 0)] {
		return
	}
	d.attributes(t, r.Schema.Attrs, kindOf(r))
}

func kindOf(r *Resource) string {
	if r.Data {
		return fmt.Sprintf("a data %q block", r.Type)
	}
	return fmt.Sprintf("a %s block", r.Type)
}

// instance checks that an index stands after a block that has instances, and
// only there; it returns what follows.
func (d *decoder) instance(t hcl.Traversal, i int, count, forEach hcl.Expression) (hcl.Traversal, bool) {
	if i >= len(t) {
		return nil, true
	}
	_, indexed := t[i].(hcl.TraverseIndex)
	_, splat := t[i].(hcl.TraverseSplat)
	here := traversalText(t[:i])
	switch many := count != nil || forEach != nil; {
	case many && !indexed && !splat:
		index := `["…"]`
		if count != nil {
			index = "[0]"
		}
		d.errorf(t.SourceRange(), "Index missing", "%s has instances: choose one, as in %s%s, or take one attribute of all of them with a for expression.", here, here, index)
		return nil, false
	case !many && indexed:
		d.errorf(t.SourceRange(), "Index of a single object", "%s has neither count nor for_each, so it is one object without an index.", here)
		return nil, false
	case many || splat:
		return t[i+1:], true
	}
	return t[i:], true
}

// attributes checks that a path leads to an attribute of a schema, also
// within its blocks.
func (d *decoder) attributes(t hcl.Traversal, attrs []providers.Attr, what string) bool {
	for len(t) > 0 {
		var name string
		switch step := t[0].(type) {
		case hcl.TraverseAttr:
			name = step.Name
		case hcl.TraverseRoot:
			name = step.Name
		default:
			return true // computed by index: known when it is evaluated
		}
		found := findAttr(attrs, name)
		if found == nil {
			known := make([]string, len(attrs))
			for i := range attrs {
				known[i] = attrs[i].Name
			}
			d.errorf(t.SourceRange(), "Unknown attribute", "%s has no attribute %q.%s", upperFirst(what), name, diag.DidYouMean(name, known))
			return false
		}
		if !found.IsBlock() {
			return true
		}
		if attrs, what, t = found.Attrs, "the block "+found.Name, t[1:]; found.Label != "" && len(t) > 0 {
			t = t[1:] // the label, as an index or a name
		}
	}
	return true
}

func findAttr(attrs []providers.Attr, name string) *providers.Attr {
	for i := range attrs {
		if attrs[i].Name == name {
			return &attrs[i]
		}
	}
	return nil
}
