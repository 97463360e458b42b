package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/config/nesting"
)

// A refKind is one sort of thing that a reference leads to.
type refKind uint16

const (
	refVar refKind = 1 << iota
	refLocal
	refResource
	refData
	refModule
	refBroker
	refEach
	refCount
	refSelf
	refPath
	refComponent
	refLauncher
)

// A scope is what the names in an expression mean at its place.
type scope struct {
	each, count  bool
	self         *kind     // in a postcondition: of what
	iterators    *iterator // of the dynamic blocks around it
	data         *Resource // of the check block around it
	only         refKind   // if not zero, the sorts that may be referred to here …
	what         string    // … because this is the place
	wholeObjects bool      // a reference may end at a block that has instances
	address      bool      // it is the address of an object, also of one that a participant gives rise to
	component    bool      // in a component block: self is the participant that it plays
	launcher     bool      // in the argument of that name
}

type iterator struct {
	name string
	next *iterator
}

func (it *iterator) has(name string) bool {
	for ; it != nil; it = it.next {
		if it.name == name {
			return true
		}
	}
	return false
}

// A use is an expression, or a reference by itself, to be checked once all
// names are known.
type use struct {
	expr      hcl.Expression
	traversal hcl.Traversal
	scope     scope
}

// use notes an expression. Most are literals and need no second look.
func (d *decoder) use(e hcl.Expression, s scope) {
	if isLiteral(e) {
		return
	}
	d.uses = append(d.uses, use{expr: e, scope: s})
}

func isLiteral(e hcl.Expression) bool {
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return true
	case *hclsyntax.TemplateExpr:
		return e.IsStringLiteral()
	}
	return false
}

// reference gives a reference that JSON writes as a string the form that it
// has in native syntax.
func (d *decoder) reference(e hcl.Expression) hcl.Expression {
	if _, native := e.(hclsyntax.Expression); native {
		return e
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.String || strings.Contains(v.AsString(), "${") {
		return e
	}
	start := e.Range().Start
	start.Byte++
	start.Column++
	parsed, diags := nesting.ParseExpression([]byte(v.AsString()), e.Range().Filename, start)
	if diags.HasErrors() {
		return e
	}
	return parsed
}

// checkReferences checks every expression of the module, each in one walk.
func (d *decoder) checkReferences() {
	d.checkMoves()
	for _, u := range d.uses {
		if u.traversal != nil {
			d.refer(u.traversal, u.scope)
			continue
		}
		d.walk(u.expr, u.scope)
	}
}

// unknown reports a name that leads nowhere. Where a file did not parse, the
// name may be declared in what is missing of it.
func (d *decoder) unknown(rng hcl.Range, summary, format string, args ...any) {
	if len(d.broken) == 0 {
		d.errorf(rng, summary, format, args...)
	}
}

// refer checks one reference.
func (d *decoder) refer(t hcl.Traversal, s scope) {
	root := t.RootName()
	switch {
	case s.iterators.has(root):
		d.member(t, "the iterator of a dynamic block", "key", "value")
	case root == "var":
		if d.allowed(t, s, refVar) {
			d.named(t, "variable", d.m.Variables)
		}
	case root == "local":
		if d.allowed(t, s, refLocal) {
			d.named(t, "local value", d.m.Locals)
		}
	case root == "path":
		if d.allowed(t, s, refPath) {
			d.member(t, "path", "module", "root")
		}
	case root == "each":
		d.repeated(t, s, refEach, s.each, "for_each", "key", "value")
	case root == "count":
		d.repeated(t, s, refCount, s.count, "count", "index")
	case root == "self":
		d.self(t, s)
	case root == "broker":
		if d.allowed(t, s, refBroker) {
			d.brokerRef(t)
		}
	case root == "component":
		if d.allowed(t, s, refComponent) {
			d.componentRef(t)
		}
	case root == "launcher":
		if d.allowed(t, s, refLauncher) {
			d.launcherRef(t, s)
		}
	case root == "module":
		if d.allowed(t, s, refModule) {
			d.moduleRef(t, s)
		}
	case root == "data":
		if d.allowed(t, s, refData) {
			d.dataRef(t, s)
		}
	case d.l.resources[root] != nil:
		if d.allowed(t, s, refResource) {
			d.resourceRef(t, s)
		}
	default:
		d.unknownRoot(t, s)
	}
}

func (d *decoder) allowed(t hcl.Traversal, s scope, k refKind) bool {
	if s.only == 0 || s.only&k != 0 {
		return true
	}
	d.errorf(t.SourceRange(), "Reference not possible here", "%s cannot refer to %s, which is known only later or means nothing there. It may refer to %s.", upperFirst(s.what), traversalText(t), s.only)
	return false
}

// String lists the sorts as they are written.
func (k refKind) String() string {
	names := []string{"var.NAME", "local.NAME", "TYPE.NAME", "data.TYPE.NAME", "module.NAME", "broker.NAME", "each.key", "count.index", "self", "path.module", "component.NAME", "launcher.KIND.NAME"}
	var out []string
	for i, n := range names {
		if k&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return strings.Join(out, ", ")
}

// attr is the name at step i of a reference, "" where there is none.
func attr(t hcl.Traversal, i int) string {
	if i < len(t) {
		if a, ok := t[i].(hcl.TraverseAttr); ok {
			return a.Name
		}
	}
	return ""
}

// find looks up step i of a reference; a reference that stops short or leads
// nowhere is an error.
func find[V any](d *decoder, t hcl.Traversal, i int, what, prefix string, m map[string]V) (V, bool) {
	name := attr(t, i)
	if name == "" {
		d.errorf(t.SourceRange(), "Incomplete reference", "A reference to a %s is written %sNAME.", what, prefix)
		var none V
		return none, false
	}
	v, ok := m[prefix+name]
	if !ok {
		v, ok = m[name]
	}
	if !ok {
		d.unknown(t.SourceRange(), "Unknown "+what, "There is no %s %s%s in this module.%s", what, prefix, name, nearestName(name, prefix, m))
	}
	return v, ok
}

func nearestName[V any](name, prefix string, m map[string]V) string {
	known := make([]string, 0, len(m))
	for k := range m {
		if rest, ok := strings.CutPrefix(k, prefix); ok {
			known = append(known, rest)
		} else if !strings.Contains(k, ".") {
			known = append(known, k)
		}
	}
	if n := diag.Nearest(name, known); n != "" {
		return fmt.Sprintf(" Did you mean %s%s?", prefix, n)
	}
	if len(known) == 0 || len(known) > 8 {
		return " Declare it, or correct the name."
	}
	slices.Sort(known)
	return fmt.Sprintf(" Declared are %s%s.", prefix, strings.Join(known, ", "+prefix))
}

func (d *decoder) named(t hcl.Traversal, what string, m any) {
	switch m := m.(type) {
	case map[string]*Variable:
		find(d, t, 1, what, "var.", m)
	case map[string]*Local:
		find(d, t, 1, what, "local.", m)
	}
}

func (d *decoder) brokerRef(t hcl.Traversal) {
	if _, ok := find(d, t, 1, "broker", "broker.", d.l.brokers); ok && len(t) > 2 {
		d.errorf(t.SourceRange(), "Settings of a broker", "The settings of a broker cannot be referred to, because there are secrets among them. Put what you need into a variable or a local value.")
	}
}

// member checks a reference to one of a few fixed names.
func (d *decoder) member(t hcl.Traversal, what string, names ...string) {
	if slices.Contains(names, attr(t, 1)) {
		return
	}
	d.errorf(t.SourceRange(), "Unknown name", "%s has only %s.", upperFirst(what), listed(t.RootName()+".", names))
}

// listed writes names as people list them: a.x, a.y and a.z.
func listed(prefix string, names []string) string {
	last := len(names) - 1
	text := prefix + names[last]
	if last > 0 {
		text = prefix + strings.Join(names[:last], ", "+prefix) + " and " + text
	}
	return text
}

func (d *decoder) repeated(t hcl.Traversal, s scope, k refKind, here bool, argument string, names ...string) {
	switch {
	case here && d.allowed(t, s, k):
		d.member(t, t.RootName(), names...)
	case s.component:
		d.errorf(t.SourceRange(), "Nothing repeated here", "%s has no value in a component block, which all participants share that it plays: self.role is the role of the one at hand.", traversalText(t))
	case !here:
		d.errorf(t.SourceRange(), "Nothing repeated here", "%s has a value only in a block with %s, and not in that argument itself.", traversalText(t), argument)
	}
}

func (d *decoder) self(t hcl.Traversal, s scope) {
	if s.component {
		d.member(t, "the participant that a component plays", componentSelf...)
		return
	}
	if s.self == nil && slices.Contains(componentSelf, attr(t, 1)) {
		d.errorf(t.SourceRange(), "No self here", "%s has a value only in a component block, where self is the participant that the component plays.", traversalText(t))
		return
	}
	if s.self == nil {
		d.errorf(t.SourceRange(), "No self here", "self is the object as it is afterwards, so it has a value only in a postcondition.")
		return
	}
	d.attributes(t[1:], s.self.schema.Attrs, s.self.form.what)
}

// unknownRoot answers a reference whose first word means nothing.
func (d *decoder) unknownRoot(t hcl.Traversal, s scope) {
	root, rng := t.RootName(), t.SourceRange()
	if r, ok := laterBlocks()[root]; ok {
		d.errorf(rng, r.summary, "%s", r.detail)
		return
	}
	known := []string{"var", "local", "module", "data", "broker", "component", "path"}
	if s.each {
		known = append(known, "each")
	}
	if s.count {
		known = append(known, "count")
	}
	if s.launcher {
		known = append(known, "launcher")
	}
	if s.self != nil || s.component {
		known = append(known, "self")
	}
	for it := s.iterators; it != nil; it = it.next {
		known = append(known, it.name)
	}
	known = append(known, sortedKeys(d.l.resources)...)
	hint := diag.DidYouMean(root, known)
	if foreign, ok := foreignRoots()[root]; ok {
		hint = " " + foreign
	} else if hint == "" && len(t) == 1 {
		hint = fmt.Sprintf(" A text is written in quotes: %q.", root)
	}
	d.errorf(rng, "Unknown name", "Nothing is called %q here.%s", root, hint)
}

// traversalText writes a reference as people do.
func traversalText(t hcl.Traversal) string {
	var b strings.Builder
	for i, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Name)
		case hcl.TraverseIndex:
			if s.Key.Type() == cty.String {
				b.WriteString(addr.StringKey(s.Key.AsString()))
			} else if s.Key.Type() == cty.Number {
				fmt.Fprintf(&b, "[%s]", s.Key.AsBigFloat().Text('f', -1))
			}
		case hcl.TraverseSplat:
			b.WriteString("[*]")
		}
	}
	return b.String()
}

// upperFirst starts a sentence with "a queue block"; the language's words stay
// as they are written.
func upperFirst(s string) string {
	for _, article := range []string{"a ", "an ", "the "} {
		if strings.HasPrefix(s, article) {
			return strings.ToUpper(s[:1]) + s[1:]
		}
	}
	return s
}
