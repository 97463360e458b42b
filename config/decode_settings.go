package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
)

// settings decodes a msgflo block. There may be several, as in Terraform; each
// setting is written once.
func (d *decoder) settings(b *hcl.Block) {
	c := d.read(b.Body, settingsForm)
	s := d.m.Settings
	if s.Decl == (hcl.Range{}) {
		s.Decl = b.DefRange
	}
	if a := c.attrs["required_version"]; a != nil {
		d.requiredVersion(a)
	}
	if a := c.attrs["ownership_marks"]; a != nil && d.declare("ownership_marks", a.Range) {
		s.OwnershipMarks = d.flag(a, true)
	}
	for _, bb := range c.blocks {
		d.backend(bb)
	}
}

func (d *decoder) requiredVersion(a *hcl.Attribute) {
	v, ok := d.constant(a, cty.String, `">= 0.1.0"`)
	if !ok {
		return
	}
	want, err := version.NewConstraint(v.AsString())
	if err != nil {
		d.errorf(a.Expr.Range(), "Invalid version constraint", "%q is no constraint on versions. Write it as in \">= 0.1.0, < 2.0.0\" or \"~> 0.1\".", v.AsString())
		return
	}
	d.m.Settings.RequiredVersion = v.AsString()
	have, err := version.NewVersion(d.l.version)
	if err != nil {
		return // a build without a version: nothing to compare
	}
	if !want.Check(have.Core()) {
		d.errorf(a.Expr.Range(), "Unsupported msgflo version", "This configuration wants msgflo %s; this is msgflo %s. Use a version that fits, or change required_version.", want, have)
	}
}

func (d *decoder) backend(b *hcl.Block) {
	kind := b.Labels[0]
	f := backendForms[kind]
	if f == nil {
		known := append(sortedKeys(backendForms), laterBackends...)
		if slices.Contains(laterBackends, kind) {
			d.errorf(b.LabelRanges[0], notYet, "The backend %q is part of the language, but this version of msgflo does not have it yet. It has %s.", kind, strings.Join(sortedKeys(backendForms), " and "))
		} else {
			d.errorf(b.LabelRanges[0], "Unknown backend", "There is no backend %q.%s This version has %s.", kind, diag.DidYouMean(kind, known), strings.Join(sortedKeys(backendForms), " and "))
		}
		return
	}
	c := d.read(b.Body, f)
	if kind == "http" {
		d.need(c, b.DefRange, f.what, "address")
	}
	for _, a := range c.attrs {
		d.use(a.Expr, scope{only: refVar | refPath, what: "a backend's settings"})
	}
	if !d.declare("backend", b.DefRange) {
		return
	}
	if !d.root {
		d.warnf(b.DefRange, "Backend ignored", "State is kept where the root module says; the backend of a module that is called means nothing. Remove the block.")
		return
	}
	d.m.Settings.Backend = &Backend{Type: kind, Attrs: c.attrs, Decl: b.DefRange}
}

func (d *decoder) broker(b *hcl.Block) {
	name, ok := d.name(b, 0)
	if !d.root {
		d.errorf(b.DefRange, "Broker in a module", "A module uses the brokers of its caller, so that who calls it decides where its objects live. Move the block to the root module; within the module, write broker = broker.%s.", name)
		return
	}
	s := scope{only: refVar | refLocal | refPath, what: "a broker block"}
	c := d.read(b.Body, d.l.brokerOf)
	out := &Broker{Name: name, Attrs: c.attrs, Decl: b.DefRange}
	for _, a := range c.attrs {
		d.use(a.Expr, s)
	}
	out.Blocks = d.blocks(c.blocks, d.l.broker, s)
	d.required(c, d.l.broker, b.DefRange, d.l.brokerOf.what)
	if ok && d.declare("broker."+name, b.DefRange) {
		d.m.Brokers[name] = out
	}
}
