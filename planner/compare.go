package planner

import (
	"maps"
	"sort"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
)

// A difference is one leaf in which two values of an object differ.
type difference struct {
	path     string // as diag.FormatPath writes it
	attr     *providers.Attr
	forceNew bool
	identity bool
}

// A comparison walks two values of one schema. Left out are: what is unknown
// on either side, computed attributes that the left side leaves open, elastic
// and read-only ones. A write-only attribute that the right side does not tell
// differs if its hash does.
type comparison struct {
	hashEqual map[string]bool
	facts     bool // read-only computed attributes count, too
	out       []difference
}

// compare lists in what an object differs from the one that is wanted.
func compare(attrs []providers.Attr, left, right cty.Value, hashEqual map[string]bool) []difference {
	c := comparison{hashEqual: hashEqual}
	c.attrs(attrs, left, right, "", false, false)
	return c.out
}

// compareRecorded lists in what an object differs from what state has of it.
func compareRecorded(attrs []providers.Attr, left, right cty.Value) []difference {
	c := comparison{facts: true}
	c.attrs(attrs, left, right, "", false, false)
	return c.out
}

func (c *comparison) attrs(attrs []providers.Attr, l, r cty.Value, prefix string, forceNew, identity bool) {
	for i := range attrs {
		a := &attrs[i]
		if a.Elastic || a.ReadOnly && (!c.facts || !a.Computed) || a.WriteOnly && c.facts {
			continue
		}
		x, y := l.GetAttr(a.Name), r.GetAttr(a.Name)
		if !x.IsKnown() || x.IsNull() && a.Computed && !c.facts && a.Default == cty.NilVal {
			continue
		}
		if a.WriteOnly && !x.IsNull() {
			if same, ok := c.hashEqual[prefix+a.Name]; ok && !same {
				c.add(prefix+a.Name, a, forceNew || a.ForceNew || a.Identity, identity || a.Identity)
				continue
			}
		}
		if !y.IsKnown() || same(x, y) {
			continue
		}
		path, fn, id := prefix+a.Name, forceNew || a.ForceNew || a.Identity, identity || a.Identity
		if a.IsBlock() && a.Label == "" && !x.IsNull() && !y.IsNull() {
			c.attrs(a.Attrs, x, y, path+".", fn, id)
			continue
		}
		leaves(path, x, y, a.Type == cty.DynamicPseudoType, func(p string) { c.add(p, a, fn, id) })
	}
}

func (c *comparison) add(path string, a *providers.Attr, forceNew, identity bool) {
	c.out = append(c.out, difference{path, a, forceNew, identity})
}

// same is equality for the common cases without the cost of the general one.
func same(x, y cty.Value) bool {
	if x.IsNull() || y.IsNull() {
		return x.IsNull() && y.IsNull()
	}
	if t := x.Type(); t.IsPrimitiveType() && y.Type().IsPrimitiveType() && t == y.Type() {
		switch t {
		case cty.String:
			return x.AsString() == y.AsString()
		case cty.Bool:
			return x.True() == y.True()
		case cty.Number:
			return x.AsBigFloat().Cmp(y.AsBigFloat()) == 0
		}
	}
	return x.RawEquals(y)
}

// leaves names every leaf that differs. A null collection has no leaves, so
// that one that appears is named down to its parts.
func leaves(path string, x, y cty.Value, dynamic bool, add func(string)) {
	if !x.IsKnown() || !y.IsKnown() || same(x, y) {
		return
	}
	xs, xk := parts(x)
	ys, yk := parts(y)
	keyed := (xk || x.IsNull()) && (yk || y.IsNull()) && len(xs)+len(ys) > 0
	if !keyed {
		if n := sequence(x, y); n >= 0 {
			for i := range n {
				k := cty.NumberIntVal(int64(i))
				leaves(path+"["+strconv.Itoa(i)+"]", x.Index(k), y.Index(k), dynamic, add)
			}
			return
		}
		add(path)
		return
	}
	for _, k := range union(xs, ys) {
		p := path + "." + k
		if dynamic || !objects(x, y) {
			p = path + "[" + strconv.Quote(k) + "]"
		}
		leaves(p, part(xs, k), part(ys, k), dynamic, add)
	}
}

func objects(x, y cty.Value) bool { return x.Type().IsObjectType() || y.Type().IsObjectType() }

func part(m map[string]cty.Value, k string) cty.Value {
	if v, ok := m[k]; ok {
		return v
	}
	return cty.NullVal(cty.DynamicPseudoType)
}

func parts(v cty.Value) (map[string]cty.Value, bool) {
	if t := v.Type(); v.IsNull() || !t.IsMapType() && !t.IsObjectType() {
		return nil, false
	}
	return v.AsValueMap(), true
}

// sequence is the common length of two lists, or -1.
func sequence(x, y cty.Value) int {
	list := func(v cty.Value) bool { return !v.IsNull() && (v.Type().IsListType() || v.Type().IsTupleType()) }
	if !list(x) || !list(y) || x.LengthInt() != y.LengthInt() {
		return -1
	}
	return x.LengthInt()
}

func union(a, b map[string]cty.Value) []string {
	out := make([]string, 0, len(a)+len(b))
	for k := range a {
		out = append(out, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			out = append(out, k)
		}
	}
	sort.Strings(out)
	return out
}

// plainPath writes `a["b"]` and `a.b` alike, so that either can be ignored.
var plainPath = strings.NewReplacer(`["`, ".", `"]`, "")

// covers reports whether path is one of the given ones or lies within it.
func covers(paths []string, path string) bool {
	if len(paths) == 0 {
		return false
	}
	path = plainPath.Replace(path)
	for _, p := range paths {
		p = plainPath.Replace(p)
		if rest, ok := strings.CutPrefix(path, p); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// settled is the value that an update asks for: the wanted one, with what it
// leaves open, what an autoscaler moves and what is ignored taken from the
// object as it is.
func settled(s *schema, want, is cty.Value, ignore []string, all bool) cty.Value {
	if is == cty.NilVal || is.IsNull() || !is.IsKnown() {
		return want
	}
	out := cty.ObjectVal(settle(s.Attrs, want, is))
	if all {
		return is
	}
	for _, text := range ignore {
		p, err := recorded.ParsePath(text)
		if err != nil {
			continue
		}
		out = restore(out, is, p)
	}
	return out
}

func settle(attrs []providers.Attr, want, is cty.Value) map[string]cty.Value {
	m := want.AsValueMap()
	for i := range attrs {
		a := &attrs[i]
		w, l := m[a.Name], is.GetAttr(a.Name)
		open := a.Elastic || a.ReadOnly || a.Computed && (!w.IsKnown() || w.IsNull())
		switch {
		case open && l.IsKnown():
			m[a.Name] = l
		case a.IsBlock() && a.Label == "" && w.IsKnown() && !w.IsNull() && l.IsKnown() && !l.IsNull():
			m[a.Name] = cty.ObjectVal(settle(a.Attrs, w, l))
		}
	}
	return m
}

// restore sets the part of v that the path leads to, to what it is in from.
func restore(v, from cty.Value, p cty.Path) cty.Value {
	if len(p) == 0 || from == cty.NilVal {
		return from
	}
	key := keyOf(p[0])
	m, ok := parts(v)
	f, fok := parts(from)
	if !ok && !fok {
		return from // a list is ignored as a whole
	}
	out := make(map[string]cty.Value, len(m)+1)
	maps.Copy(out, m)
	old, had := f[key]
	switch {
	case !had && v.Type().IsObjectType() && len(p) > 1:
		return v
	case !had:
		delete(out, key)
	case len(p) == 1:
		out[key] = old
	default:
		now, ok := out[key]
		if !ok {
			now = cty.NullVal(old.Type())
		}
		out[key] = restore(now, old, p[1:])
	}
	return likeness(v, from, out)
}

func keyOf(s cty.PathStep) string {
	switch s := s.(type) {
	case cty.GetAttrStep:
		return s.Name
	case cty.IndexStep:
		if s.Key.Type() == cty.String {
			return s.Key.AsString()
		}
	}
	return ""
}

// likeness makes a map or an object of the kind that v (else from) is.
func likeness(v, from cty.Value, m map[string]cty.Value) cty.Value {
	t := v.Type()
	if v.IsNull() {
		t = from.Type()
	}
	if !t.IsMapType() {
		return cty.ObjectVal(m)
	}
	if len(m) == 0 {
		if from.IsNull() {
			return from
		}
		return cty.MapValEmpty(t.ElementType())
	}
	return cty.MapVal(m)
}

// formatted writes paths as texts, in order. Steps into a value whose type the
// schema leaves open are written as indexes, as leaves writes them.
func formatted(s *providers.Schema, paths []cty.Path) []string {
	var out []string
	for _, p := range paths {
		if first, ok := p[0].(cty.GetAttrStep); ok && len(p) > 1 {
			if a := s.Attr(first.Name); a != nil && a.Type == cty.DynamicPseudoType && !a.IsBlock() {
				p = indexes(p)
			}
		}
		out = append(out, diag.FormatPath(p))
	}
	return out
}

func indexes(p cty.Path) cty.Path {
	out := append(cty.Path{}, p...)
	for i, step := range out[1:] {
		if s, ok := step.(cty.GetAttrStep); ok {
			out[i+1] = cty.IndexStep{Key: cty.StringVal(s.Name)}
		}
	}
	return out
}
