package desired

import (
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/msgflo/msgflo/config"
	builtin "github.com/msgflo/msgflo/config/component"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
)

// A component is a component block, or one of those that come with msgflo. It
// is evaluated once for each participant that it plays, in its own module.
type component struct {
	name string
	cfg  *config.Component  // nil: built in
	own  *builtin.Component // nil: a block
	mod  *module
	in   *schemaInfo
	body *body
}

// findComponent finds a component by what a participant says: component.NAME
// as text, a built-in name. A block is looked for in the participant's module
// and then in those that call it, so that a module can be handed a component.
func (e *evaluator) findComponent(i *instance, name string) (*component, bool) {
	at := i.at("component")
	short := strings.TrimPrefix(name, "component.")
	var names []string
	for m := i.block.mod; m != nil; m = m.caller() {
		if cfg := m.cfg.Components[short]; cfg != nil {
			return e.component(m, cfg), true
		}
		names = append(names, prefixed("component.", m.cfg.Components)...)
	}
	if c, ok := builtin.Builtin(name); ok {
		return &component{name: name, own: &c}, true
	}
	if strings.Contains(name, "/") && !strings.HasPrefix(name, "msgflo/") {
		e.errorf(at, "Not in this version", "%q is a component of a library, which this version of msgflo does not have yet. Write a component block, and component = component.NAME.", name)
		return nil, false
	}
	known := append(names, builtin.Names()...)
	hint := diag.DidYouMean(name, known)
	if hint == "" {
		hint = diag.DidYouMean("component."+short, known)
	}
	e.errorf(at, "Unknown component", "There is no component %q.%s Components are declared in blocks, or come with msgflo: %s.", name, hint, strings.Join(builtin.Names(), ", "))
	return nil, false
}

// caller is the module that a module is called from, nil for the root.
func (m *module) caller() *module {
	if m.call == nil {
		return nil
	}
	return m.call.mod
}

// component compiles a component block, once a module.
func (e *evaluator) component(m *module, cfg *config.Component) *component {
	if c := m.components[cfg.Name]; c != nil {
		return c
	}
	if e.runs == nil {
		e.runs = e.info(config.ComponentSchema())
	}
	c := &component{name: cfg.Name, cfg: cfg, mod: m, in: e.runs}
	c.body = e.compileBody(m, c.in.attrs, cfg.Attrs, cfg.Blocks, cfg.Decl, nil)
	if m.components == nil {
		m.components = map[string]*component{}
	}
	m.components[cfg.Name] = c
	return c
}

func (c *component) decl() hcl.Range {
	if c.cfg == nil {
		return hcl.Range{}
	}
	return c.cfg.Decl
}

// at is where an attribute of the component is written. Where a secret takes
// part its block is pointed at, since the line would be shown.
func (c *component) at(name string, secret bool) hcl.Range {
	f := &c.body.fields[c.in.index[name]]
	if secret || f.x == nil {
		return c.decl()
	}
	return f.at()
}

// decodeComponent evaluates attributes of the component for a participant.
func (e *evaluator) decodeComponent(p *player, iips string, names ...string) {
	c := p.comp
	if c.cfg == nil {
		return
	}
	if p.vals == nil {
		p.vals = make([]cty.Value, len(c.in.attrs))
	}
	packets := cty.StringVal(iips)
	if iips == "" {
		packets = cty.UnknownVal(cty.String).Mark(held)
	}
	d := decoding{scope: c.mod.scope.with("self", cty.ObjectVal(map[string]cty.Value{
		"role": cty.StringVal(p.role.Name), "component": cty.StringVal(c.name), "file": cty.NullVal(cty.String), "iips": packets}))}
	e.decodeFields(&d, c.body, p.vals, "", func(a *attrInfo) bool { return slices.Contains(names, a.Name) })
	p.held, p.failed = p.held || d.held, p.failed || d.failed
	p.deps = append(p.deps, d.deps...)
}

// val is an attribute of the component; null of no type where it has none.
func (p *player) val(name string) cty.Value {
	if p.comp == nil || p.comp.cfg == nil || p.vals == nil {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	if v := p.vals[p.comp.in.index[name]]; v != cty.NilVal {
		return v
	}
	return cty.NullVal(cty.DynamicPseudoType)
}

// uses reports whether the component's attribute refers to self.NAME.
func (c *component) uses(attr, name string) bool {
	if c.cfg == nil {
		return false
	}
	x := c.body.fields[c.in.index[attr]].x
	return x != nil && slices.ContainsFunc(x.refs, func(r reference) bool {
		return r.scope == "self" && (len(r.rest) == 0 || stepName(r.rest[0]) == name)
	})
}

// clientOf is the client library that the participant is written with: as it
// says, as its component says, or as the command shows (msgflo-wire.md §5).
// "" for a foreign one that nobody knows.
func (e *evaluator) clientOf(p *player) string {
	own := p.inst.val("client")
	if s := text(own); s != "" {
		return s
	}
	if !known(own) {
		p.vague = true
		return ""
	}
	if p.comp == nil {
		return ""
	}
	if p.comp.own != nil {
		return "go"
	}
	theirs := p.val("client")
	if s := text(theirs); s != "" {
		return s
	}
	command := p.val("command")
	if !known(theirs) || !whollyKnown(command) {
		p.vague = true
		return "" // held or reported
	}
	if s := clientOfCommand(words(command)); s != "" || p.foreign {
		return s
	}
	if !p.failed && !isNull(command) {
		e.errorf(p.comp.decl(), "Client library not known", "The command of component.%s does not show which client library it is written with, and that decides what its ports' "+
			"queues are called and how they are declared. Write client = one of %s.", p.comp.name, strings.Join(config.Clients(), ", "))
		p.failed = true
	}
	return ""
}

// words are the strings of a command, split at spaces where it is one string.
func words(command cty.Value) []string {
	command = plain(command)
	if isNull(command) || !command.IsWhollyKnown() {
		return nil
	}
	if v, err := convert.Convert(command, cty.String); err == nil {
		return strings.Fields(v.AsString())
	}
	v, err := convert.Convert(command, cty.List(cty.String))
	if err != nil {
		return nil
	}
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		if _, w := it.Element(); !w.IsNull() {
			out = append(out, w.AsString())
		}
	}
	return out
}

func clientOfCommand(words []string) string {
	programs := map[string]string{"msgflo-nodejs": "nodejs", "msgflo-python": "python", "noflo-runtime-msgflo": "noflo"}
	for _, w := range words {
		if c := programs[path.Base(strings.ReplaceAll(w, `\`, "/"))]; c != "" {
			return c
		}
	}
	extensions := map[string]string{".js": "nodejs", ".coffee": "nodejs", ".py": "python"}
	for _, w := range words {
		if c := extensions[path.Ext(w)]; c != "" {
			return c
		}
	}
	return ""
}

// commandOf is the argument vector; false: held or reported.
func (e *evaluator) commandOf(p *player) ([]cty.Value, bool) {
	c := p.comp
	if c.own != nil {
		return []cty.Value{cty.StringVal(launch.Builtin), cty.StringVal(c.own.Name)}, true
	}
	v := p.val("command")
	secret := traitsOf(v).sensitive
	at := c.at("command", secret)
	const summary = "Invalid command"
	switch {
	case !whollyKnown(v):
		return nil, false
	case isNull(v):
		e.errorf(c.decl(), "Component without command", "component.%s has no command, so %s cannot be launched. Write one, as in command = [\"node\", \"resize.js\", self.role], "+
			"or foreign = true in a participant that runs elsewhere.", c.name, p.label())
		return nil, false
	case secret:
		e.errorf(at, "Secret in a command", "The command of component.%s holds a sensitive value. Everybody on the machine can read the arguments of a process. "+
			"Hand it over in env, where it goes to the process only.", c.name)
		return nil, false
	}
	v = plain(v)
	if isTrue(p.val("shell")) {
		s, err := convert.Convert(v, cty.String)
		if err != nil || s.AsString() == "" {
			e.errorf(at, summary, "With shell = true the command of component.%s is one string that is not empty, as in command = \"cat jobs | worker\".", c.name)
			return nil, false
		}
		return e.checkWords(c, at, []cty.Value{cty.StringVal("sh"), cty.StringVal("-c"), s})
	}
	l, err := convert.Convert(v, cty.List(cty.String))
	if err != nil || v.Type() == cty.String || l.LengthInt() == 0 {
		e.errorf(at, summary, "The command of component.%s is a list of strings, the program first, as in command = [\"node\", \"resize.js\", self.role]. "+
			"For one string that a shell reads, write shell = true.", c.name)
		return nil, false
	}
	return e.checkWords(c, at, l.AsValueSlice())
}

// checkWords refuses what no program can be started with.
func (e *evaluator) checkWords(c *component, at hcl.Range, ws []cty.Value) ([]cty.Value, bool) {
	for n, w := range ws {
		switch {
		case w.IsNull():
			e.errorf(at, "Invalid command", "Word %d of the command of component.%s is null.", n+1, c.name)
		case n == 0 && w.AsString() == "":
			e.errorf(at, "Invalid command", "The command of component.%s begins with an empty word, where the program to run is named.", c.name)
		case strings.ContainsRune(w.AsString(), 0):
			e.errorf(at, "Invalid command", "Word %d of the command of component.%s has a NUL character in it, and arguments end there.", n+1, c.name)
		default:
			continue
		}
		return nil, false
	}
	return ws, true
}
