package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// component decodes a component block.
func (d *decoder) component(b *hcl.Block) {
	name, ok := d.name(b, 0)
	k := d.l.component
	c := d.read(b.Body, k.form)
	s := scope{component: true}
	d.required(c, k.schema.Attrs, b.DefRange, k.form.what)
	out := &Component{Name: name, Attrs: c.attrs, Blocks: d.blocks(c.blocks, k.schema.Attrs, s), Decl: b.DefRange}
	for _, a := range c.attrs {
		d.use(a.Expr, s)
	}
	if ok && d.declare("component."+name, b.DefRange) {
		d.m.Components[name] = out
	}
}

// launchedBy reads a participant's argument launcher.
func (d *decoder) launchedBy(a *hcl.Attribute, s scope) hcl.Expression {
	if a == nil {
		return nil
	}
	e := d.reference(a.Expr)
	s.launcher = true
	d.use(e, s)
	return e
}

// launcher decodes a launcher block.
func (d *decoder) launcher(b *hcl.Block) {
	k := d.l.launcherTypes[b.Labels[0]]
	if k == nil {
		d.unknownLauncher(b.Labels[0], b.LabelRanges[0])
		return
	}
	name, ok := d.name(b, 1)
	if !d.root {
		d.errorf(b.DefRange, "Launcher in a module", "A module uses the launchers of its caller, so that who calls it decides where its participants run. Move the block to the root module; within the module, write launcher = launcher.%s.%s.", k.name, name)
		return
	}
	s := scope{only: refVar | refLocal | refPath, what: "a launcher block"}
	c := d.read(b.Body, k.form)
	d.required(c, k.of.Config.Attrs, b.DefRange, k.form.what)
	out := &Launcher{Kind: k.name, Name: name, Type: k.of, Attrs: c.attrs, Blocks: d.blocks(c.blocks, k.of.Config.Attrs, s), Decl: b.DefRange}
	for _, a := range c.attrs {
		d.use(a.Expr, s)
	}
	key := k.name + "." + name
	if ok && d.declare("launcher."+key, b.DefRange) {
		d.m.Launchers[key] = out
	}
}

// laterLaunchers are kinds that the design has beside those of the types.
var laterLaunchers = []string{"kubernetes", "nomad", "systemd"}

func (d *decoder) unknownLauncher(kind string, rng hcl.Range) {
	known := sortedKeys(d.l.launcherTypes)
	if slices.Contains(laterLaunchers, kind) {
		d.errorf(rng, notYet, "The launcher %q is to come, but this version of msgflo does not have it yet. It has %s.", kind, strings.Join(known, ", "))
		return
	}
	hint := diag.DidYouMean(kind, append(known, laterLaunchers...))
	if hint == "" && len(known) > 0 {
		hint = fmt.Sprintf(" This version has %s.", strings.Join(known, ", "))
	}
	d.errorf(rng, "Unknown launcher", "There is no kind of launcher %q: it is the first of the block's two labels, as in launcher \"local\" \"here\".%s", kind, hint)
}

// launcherRef checks a reference to a launcher: launcher.KIND.NAME.
func (d *decoder) launcherRef(t hcl.Traversal, s scope) {
	if !s.launcher {
		d.errorf(t.SourceRange(), "Launcher not possible here", "A launcher is no value: only a participant's argument launcher takes one, as in launcher = launcher.local.here.")
		return
	}
	kind, name := attr(t, 1), attr(t, 2)
	if kind == "" || name == "" {
		d.errorf(t.SourceRange(), "Incomplete reference", "A reference to a launcher is written launcher.KIND.NAME, as in launcher.local.here.")
		return
	}
	key := kind + "." + name
	switch known := sortedKeys(d.l.launchers); {
	case d.l.launchers[key] == nil:
		hint := " Declare it in the root module, or correct the name."
		if n := diag.Nearest(key, known); n != "" {
			hint = fmt.Sprintf(" Did you mean launcher.%s?", n)
		}
		d.unknown(t.SourceRange(), "Unknown launcher", "There is no launcher.%s.%s", key, hint)
	case len(t) > 3:
		d.errorf(t.SourceRange(), "Settings of a launcher", "The settings of a launcher cannot be referred to. Put what you need into a variable or a local value.")
	}
}

// componentRef checks component.NAME; it stands for the component as a whole.
func (d *decoder) componentRef(t hcl.Traversal) {
	if _, ok := find(d, t, 1, "component", "component.", d.m.Components); ok && len(t) > 2 {
		d.errorf(t.SourceRange(), "Part of a component", "A component has no values by itself, only in the participants that it plays: refer to component.%s as a whole, or to participant.NAME.%s.", attr(t, 1), partText(t[2:]))
	}
}

// partText is what a reference has after its block, as far as it is a name.
func partText(t hcl.Traversal) string {
	if name := attr(t, 0); name != "" {
		return name
	}
	return "ATTRIBUTE"
}

// componentSelf are the names that an expression of a component knows: those of
// the participant that it is evaluated for.
var componentSelf = []string{"role", "component", "file", "iips"}

// isEnd says whether a text names a port in full, "role.port": the role may have dots itself.
func isEnd(s string) bool {
	i := strings.LastIndexByte(s, '.')
	return i > 0 && i < len(s)-1
}

const portForm = `written role.port, as in "resize.in"`

// end checks a literal that names a port; anything else is known later.
func (d *decoder) end(e hcl.Expression, what string) {
	if text, ok := literalText(e); ok && !isEnd(text) {
		d.errorf(e.Range(), "Port expected", "%q is no port: %s is %s.", text, what, portForm)
	}
}

// literalText is the text that an expression consists of; false for any other.
func literalText(e hcl.Expression) (string, bool) {
	if native, ok := e.(hclsyntax.Expression); ok && !isLiteral(native) {
		return "", false
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.String || strings.Contains(v.AsString(), "${") || strings.Contains(v.AsString(), "%{") {
		return "", false
	}
	return v.AsString(), true
}

// componentForm is what a component block takes.
func componentForm(s *providers.Schema) *form {
	f := schemaForm("a component block", s.Attrs, nil)
	for _, w := range []string{"count", "for_each", "depends_on", "broker", "lifecycle", "replicas", "launcher", "restart", "stop", "ready", "update", "version", "watch", "role"} {
		f.refused[w] = refusal{"Argument of a participant", fmt.Sprintf("A component block makes nothing by itself: %q stands in the participant blocks that the component plays.", w)}
	}
	return f
}

// participantForm is what a participant block takes.
func participantForm(s *providers.Schema) *form {
	f := resourceForm("participant", s, false)
	f.addAttr("launcher")
	for _, w := range []string{"command", "shell", "directory", "env_file"} {
		f.refused[w] = refusal{"Argument of a component", fmt.Sprintf("How to run a participant is said by its component: write %q in a block component \"NAME\" { … }, and component = component.NAME here.", w)}
	}
	for _, w := range []string{"in", "out"} {
		f.refused[w] = refusal{"Read-only attribute", fmt.Sprintf("The ports of a participant are nested blocks: write %sport \"NAME\" { … }. %q is what others refer to, as in participant.resize.%s.PORT.queue.", w, w, w)}
	}
	return f
}
