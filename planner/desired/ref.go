package desired

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
)

// A ref is what an attribute with a Ref says: another object, by reference or
// by name. Which declared object that is, if any, is known once all are there.
type ref struct {
	field  *field
	path   string
	name   cty.Value // the name, as the attribute's value
	kind   string    // the type of object, "" where only a name was given
	target *instance // where the expression leads straight to an object
	vhost  cty.Value // of an object given as a value; NilVal: not known
	deps   []dep     // of the expression; they count only where no declared object is meant
}

// A hole is a value that apply fills in from another object.
type hole struct {
	path string
	of   source
}

type source struct {
	addr addr.Instance
	attr string
}

func planHoles(hs []hole) []plan.Hole {
	var out []plan.Hole
	for _, h := range hs {
		a := h.of.addr
		out = append(out, plan.Hole{Path: h.path, Addr: &a, Attr: h.of.attr})
	}
	return out
}

// decodeRef evaluates an attribute that takes an object or its name. An object
// given as a whole becomes its name.
func (e *evaluator) decodeRef(d *decoding, f *field, path string) cty.Value {
	r := ref{field: f, path: path}
	parent := strings.TrimSuffix(strings.TrimSuffix(path, f.Name), ".")
	v, ok := e.refValue(d, f, &r)
	if !ok {
		d.failed = true
		return f.unknown
	}
	v = e.settle(d, f, v, parent)
	r.name = v
	r.deps = e.appendDeps(nil, f.x, d.scope)
	d.refs = append(d.refs, r)
	return v
}

// refValue evaluates the expression and finds out what object it means.
func (e *evaluator) refValue(d *decoding, f *field, r *ref) (cty.Value, bool) {
	if dr := f.x.direct; dr != nil && !dr.block.cfg.Data && dr.port == nil {
		inst, ok := e.target(dr, d.scope)
		if !ok {
			return cty.NilVal, false
		}
		if inst != nil && (dr.attr == "" || dr.attr == "name") && e.takes(f, inst.block.cfg.Type) {
			r.target, r.kind = inst, inst.block.cfg.Type
			return e.attrOf(inst, "name", dr.rng), true
		}
		if inst == nil && dr.key != nil {
			return cty.UnknownVal(cty.String).Mark(held), true
		}
		if dr.attr == "" {
			e.wrongObject(f, dr, inst)
			return cty.NilVal, false
		}
	}
	v := e.eval(f.x, d.scope)
	bare, _ := v.Unmark()
	if !bare.Type().IsObjectType() || bare.IsNull() || !bare.IsKnown() {
		return v, true
	}
	if isPort(bare.Type()) {
		return v.GetAttr("queue"), true
	}
	kind := e.kindOf(d, f, bare.Type())
	if kind == "" {
		e.errorf(f.at(), "Unsuitable value", "The value of %s must be a reference to %s, or a name; this is an object of another kind.", r.path, orList(f.Ref))
		return cty.NilVal, false
	}
	r.kind = kind
	if bare.Type().HasAttribute("vhost") {
		r.vhost = plain(bare.GetAttr("vhost"))
	}
	return v.GetAttr("name"), true
}

func (e *evaluator) takes(f *field, typ string) bool {
	return slices.Contains(f.Ref, typ)
}

func (e *evaluator) wrongObject(f *field, d *direct, inst *instance) {
	if inst == nil {
		if d.block.exp.held {
			return
		}
		e.noKey(d.block.label(), d.block.exp.mode, d.rng)
		return
	}
	e.errorf(d.rng, "Unsuitable value", "%s takes %s, or a name; %s is a %s.", f.Name, orList(f.Ref), inst.label(), inst.block.cfg.Type)
}

// kindOf finds the type of object that a value is, by its attributes: objects
// passed on through each.value, locals and module variables carry no type.
func (e *evaluator) kindOf(d *decoding, f *field, ty cty.Type) string {
	if !ty.HasAttribute("name") || d.inst == nil {
		return ""
	}
	for _, t := range f.Ref {
		s := e.resource(d.inst.broker, t)
		if s == nil || len(ty.AttributeTypes()) != len(s.Attrs) {
			continue
		}
		same := true
		for i := range s.Attrs {
			same = same && ty.HasAttribute(s.Attrs[i].Name)
		}
		if same {
			return t
		}
	}
	return ""
}

func orList(types []string) string {
	out := make([]string, len(types))
	for i, t := range types {
		article := "a "
		if strings.ContainsRune("aeiou", rune(t[0])) && t != "user" {
			article = "an "
		}
		out[i] = article + t
	}
	return strings.Join(out, " or ")
}

// bare finds the computed attribute that an expression is, and nothing else:
// named directly, or through locals, variables and outputs that are.
func (e *evaluator) bare(x *expression, s *scope) (source, bool) {
	for depth := 0; x != nil && depth < 1000; depth++ {
		if x.direct != nil && x.direct.block.lowers() {
			return source{}, false // what a participant says is known at plan time
		}
		if x.direct != nil {
			i, ok := e.target(x.direct, s)
			attr := x.direct.attr
			if attr == "" {
				attr = "name"
			}
			return source{i.addrOrZero(), attr}, ok && i != nil
		}
		if len(x.refs) != 1 || !isPath(x.src) {
			return source{}, false
		}
		next := x.refs[0].value
		if c := x.refs[0].call; c != nil && c.exp.mode == single && len(x.refs[0].rest) == 1 && len(c.instances) == 1 {
			next = c.instances[0].outputs[stepName(x.refs[0].rest[0])]
		} else if next == nil || len(x.refs[0].rest) > 0 {
			return source{}, false
		}
		if next == nil {
			return source{}, false
		}
		x, s = next.x, next.scope
	}
	return source{}, false
}

func (i *instance) addrOrZero() addr.Instance {
	if i == nil {
		return addr.Instance{}
	}
	return i.addr
}
