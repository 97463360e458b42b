package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
)

// secrecy is how much of the literals in an expression is secret.
type secrecy int

const (
	credentials secrecy = iota // what a URL needs to log in; the rest says where a broker is
	everything
)

// A span is a range of bytes in a file.
type span struct{ from, to int }

func spanOf(r hcl.Range) span { return span{r.Start.Byte, r.End.Byte} }

// A stainer finds the literals that secrets are made of: those written at
// sensitive attributes and, following references, in the local values,
// variables, arguments, outputs and for_each behind them.
type stainer struct {
	places   map[*Module]*place
	seen     map[stain]bool
	literals map[string][]span // by file
}

// A place is a module and how it was called; both nil for the root.
type place struct {
	m      *Module
	parent *place
	call   *Call
}

// A stain is an expression in its module.
type stain struct {
	m    *Module
	file string
	span
	how secrecy
}

// A setting is an expression with what its each.value stands for.
type setting struct {
	*place
	each hcl.Expression
}

func (s *stainer) enter(m *Module, parent *place, call *Call) {
	p := &place{m, parent, call}
	s.places[m] = p
	for _, c := range m.Calls {
		if c.Module != nil {
			s.enter(c.Module, p, c)
		}
	}
}

// module stains the sensitive places of one module.
func (s *stainer) module(p *place) {
	m, in := p.m, setting{place: p}
	for _, v := range m.Variables {
		if v.Sensitive {
			s.variable(p, v.Name, everything)
		}
	}
	for _, o := range m.Outputs {
		if o.Sensitive {
			s.stain(in, o.Value, everything)
		}
	}
	for _, b := range m.Brokers {
		s.arguments(in, b.Attrs, m.brokerAttrs)
		s.blocks(in, b.Blocks)
	}
	for _, l := range m.Launchers {
		s.arguments(in, l.Attrs, l.Type.Config.Attrs)
		s.blocks(in, l.Blocks)
	}
	// What a component or participant puts into env is shown unless it is marked
	// with sensitive(…) or comes from a sensitive variable, which is found there.
	if b := m.Settings.Backend; b != nil {
		for name, a := range b.Attrs {
			if slices.Contains(backendSecrets, name) {
				s.stain(in, a.Expr, everything)
			}
		}
	}
	for _, r := range m.Resources {
		s.resource(p, r)
	}
	for _, r := range m.Data {
		s.resource(p, r)
	}
	for _, c := range m.Checks {
		if c.Data != nil {
			s.resource(p, c.Data)
		}
	}
	for _, e := range m.marked {
		s.stain(in, e, everything)
	}
}

var backendSecrets = []string{"username", "password", "client_private_key_pem"}

func (s *stainer) resource(p *place, r *Resource) {
	in := setting{p, r.ForEach}
	s.arguments(in, r.Attrs, r.Schema.Attrs)
	s.blocks(in, r.Blocks)
}

func (s *stainer) blocks(in setting, bs []*Block) {
	for _, b := range bs {
		s.arguments(in, b.Attrs, b.Attr.Attrs)
		if b.Dynamic != nil && anySensitive(b.Attr.Attrs) {
			s.stain(in, b.Dynamic.ForEach, everything) // its values may become the secret
		}
		s.blocks(in, b.Blocks)
	}
}

func anySensitive(attrs []providers.Attr) bool {
	return slices.ContainsFunc(attrs, func(a providers.Attr) bool { return len(a.Sensitive) > 0 || anySensitive(a.Attrs) })
}

func (s *stainer) arguments(in setting, written map[string]*hcl.Attribute, attrs []providers.Attr) {
	for i := range attrs {
		a := written[attrs[i].Name]
		if a == nil {
			continue
		}
		for _, path := range attrs[i].Sensitive {
			s.stain(in, within(a.Expr, path), secrecyOf(attrs[i].Name, path))
		}
	}
}

// secrecyOf goes by the name: of an attribute that holds a URL, only the
// credentials in it are secret.
func secrecyOf(name string, path cty.Path) secrecy {
	for _, step := range path {
		if n := stepName(step); n != "" {
			name = n
		}
	}
	name = strings.ToLower(name)
	if strings.HasSuffix(name, "url") || strings.HasSuffix(name, "uri") || name == "management" {
		return credentials
	}
	return everything
}

func stepName(step cty.PathStep) string {
	switch st := step.(type) {
	case cty.GetAttrStep:
		return st.Name
	case cty.IndexStep:
		if st.Key.Type() == cty.String && st.Key.IsKnown() && !st.Key.IsNull() {
			return st.Key.AsString()
		}
	}
	return ""
}

// within follows a path into an object that is written out; where that is not
// possible, the secret may be anywhere in the expression. Nil: it is not there.
func within(e hcl.Expression, path cty.Path) hcl.Expression {
	for _, step := range path {
		pairs, diags := hcl.ExprMap(e)
		name := stepName(step)
		if diags.HasErrors() || name == "" {
			return e
		}
		var next hcl.Expression
		for _, kv := range pairs {
			k, diags := kv.Key.Value(nil)
			if diags.HasErrors() || k.IsNull() || k.Type() != cty.String || strings.Contains(k.AsString(), "${") {
				return e
			}
			if k.AsString() == name {
				next = kv.Value
			}
		}
		if next == nil {
			return nil
		}
		e = next
	}
	return e
}

// stain notes the literals of an expression and follows what it refers to.
func (s *stainer) stain(in setting, e hcl.Expression, how secrecy) {
	if e == nil {
		return
	}
	key := stain{in.m, e.Range().Filename, spanOf(e.Range()), how}
	if s.seen[key] {
		return
	}
	s.seen[key] = true
	f := findLiterals(e, how)
	s.literals[key.file] = append(s.literals[key.file], f.literals...)
	for _, r := range f.refs {
		s.follow(in, r.t, r.how)
	}
}

func (s *stainer) follow(in setting, t hcl.Traversal, how secrecy) {
	m := in.m
	switch root := t.RootName(); root {
	case "var":
		s.variable(in.place, attr(t, 1), how)
	case "local":
		if l := m.Locals[attr(t, 1)]; l != nil {
			s.stain(setting{place: in.place}, l.Expr, how)
		}
	case "each":
		if attr(t, 1) == "value" {
			s.stain(setting{place: in.place}, in.each, how)
		}
	case "module":
		s.output(in.place, t, how)
	case "data":
	default:
		r := m.Resources[root+"."+attr(t, 1)]
		if r == nil {
			return
		}
		for i := 2; i < len(t); i++ {
			if a := r.Attrs[attr(t, i)]; a != nil {
				s.stain(setting{in.place, r.ForEach}, a.Expr, how)
				return
			}
		}
	}
}

func (s *stainer) variable(p *place, name string, how secrecy) {
	v := p.m.Variables[name]
	if v == nil {
		return
	}
	s.stain(setting{place: p}, v.defaultExpr, how)
	if p.call != nil {
		if a := p.call.Args[name]; a != nil {
			s.stain(setting{p.parent, p.call.ForEach}, a.Expr, how)
		}
	}
}

func (s *stainer) output(p *place, t hcl.Traversal, how secrecy) {
	c := p.m.Calls[attr(t, 1)]
	if c == nil || c.Module == nil {
		return
	}
	for i := 2; i < len(t); i++ {
		if o := c.Module.Outputs[attr(t, i)]; o != nil {
			s.stain(setting{place: s.places[c.Module]}, o.Value, how)
			return
		}
	}
}
