package desired

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
)

// A reference is one traversal of an expression, resolved in its module.
type reference struct {
	value *value // variable or local
	block *block // resource or data block
	call  *call
	brk   *broker
	scope string        // each, count, self, an iterator: differs by instance
	path  bool          // path.module, path.root
	named []string      // component.NAME, launcher.KIND.NAME: stands for its own text
	rest  hcl.Traversal // what follows the declaration's name
	rng   hcl.Range
	// indexed: the reference is the collection of an index expression, whose
	// key says which instance is meant; for dependencies, not for values.
	indexed bool
}

// A want is what an expression needs of a block or call: one attribute or all
// ("") of one instance or all ("").
type want struct{ key, attr string }

// name is the object key that the instance key stands for.
func (w want) name() string {
	text, _ := addr.Instance{Key: w.key}.KeyText()
	return text
}

func allKeyed(ws []want) bool {
	return len(ws) > 0 && !slices.ContainsFunc(ws, func(w want) bool { return w.key == "" })
}

func wantsWhole(ws []want) bool {
	return slices.ContainsFunc(ws, func(w want) bool { return w.attr == "" })
}

func wantsOf(ws []want, key string) []want {
	var out []want
	for _, w := range ws {
		if w.key == key {
			out = append(out, w)
		}
	}
	return out
}

// resolve finds the declaration that a traversal names. The second result is
// false where there is none; that is reported.
func (e *evaluator) resolve(m *module, t hcl.Traversal, iterators []string) (reference, bool) {
	root := t.RootName()
	r := reference{rng: t.SourceRange()}
	if slices.Contains(iterators, root) {
		r.scope, r.rest = root, t[1:]
		return r, true
	}
	switch root {
	case "each", "count", "self":
		r.scope, r.rest = root, t[1:]
		return r, true
	case "path":
		r.path, r.rest = true, t[1:]
		return r, true
	case "data":
		if len(t) < 3 {
			return r, e.malformed(t, "data.TYPE.NAME")
		}
		name := stepName(t[1]) + "." + stepName(t[2])
		r.block, r.rest = m.resources["data."+name], t[3:]
		if m.scoped != nil && m.scoped.cfg.Key() == "data."+name {
			r.block = m.scoped
		}
		return r, r.block != nil || e.unknownName(m, t, "data."+name, sortedKeys(m.cfg.Data))
	}
	if len(t) < 2 || stepName(t[1]) == "" {
		return r, e.malformed(t, root+".NAME")
	}
	name := stepName(t[1])
	r.rest = t[2:]
	switch root {
	case "var":
		r.value = m.vars[name]
		return r, r.value != nil || e.unknownName(m, t, "var."+name, prefixed("var.", m.vars))
	case "local":
		r.value = m.locals[name]
		return r, r.value != nil || e.unknownName(m, t, "local."+name, prefixed("local.", m.locals))
	case "module":
		r.call = m.calls[name]
		return r, r.call != nil || e.unknownName(m, t, "module."+name, prefixed("module.", m.calls))
	case "broker":
		r.brk = e.brokers[name]
		return r, r.brk != nil || e.unknownName(m, t, "broker."+name, prefixed("broker.", e.brokers))
	case "component":
		r.named = []string{root, name}
		_, ok := m.cfg.Components[name]
		return r, ok || e.unknownName(m, t, "component."+name, prefixed("component.", m.cfg.Components))
	case "launcher":
		if len(t) < 3 {
			return r, e.malformed(t, "launcher.KIND.NAME")
		}
		r.named, r.rest = []string{root, name, stepName(t[2])}, t[3:]
		name += "." + stepName(t[2])
		_, ok := e.launchers[name]
		return r, ok || e.unknownName(m, t, "launcher."+name, prefixed("launcher.", e.launchers))
	}
	r.block = m.resources[root+"."+name]
	if r.block != nil {
		r.block.name(r.rest)
	}
	return r, r.block != nil || e.unknownName(m, t, root+"."+name, sortedKeys(m.cfg.Resources))
}

func prefixed[V any](p string, m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, p+k)
	}
	return out
}

// stepName is the name that a traversal step stands for; `.x` and `["x"]` are
// the same.
func stepName(s hcl.Traverser) string {
	switch s := s.(type) {
	case hcl.TraverseAttr:
		return s.Name
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString()
		}
	}
	return ""
}

func (e *evaluator) malformed(t hcl.Traversal, form string) bool {
	e.errorf(t.SourceRange(), "Invalid reference", "A reference of this kind is written %s.", form)
	return false
}

func (e *evaluator) unknownName(m *module, t hcl.Traversal, name string, known []string) bool {
	where := "the root module"
	if m.path != "" {
		where = m.path
	}
	e.errorf(t.SourceRange(), "Reference to something not declared", "There is no %s in %s.%s", diag.Escape(name), where, diag.DidYouMean(name, known))
	return false
}

// want says what the reference needs of its block or call, from the steps that
// follow the name.
func (r *reference) want(m mode) want {
	var w want
	rest := r.rest
	if m != single {
		if len(rest) == 0 {
			return w
		}
		ix, ok := rest[0].(hcl.TraverseIndex)
		if !ok {
			return w
		}
		if w.key = keyOfValue(ix.Key); w.key == "" {
			return w
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		w.attr = stepName(rest[0])
	}
	return w
}

// misused reports an index on what has no instances, and an attribute of a
// block that has several.
func (e *evaluator) misused(r *reference, m mode, label string) bool {
	if len(r.rest) == 0 {
		return false
	}
	_, index := r.rest[0].(hcl.TraverseIndex)
	_, attr := r.rest[0].(hcl.TraverseAttr)
	switch {
	case m == single && index && stepName(r.rest[0]) == "":
		e.errorf(r.rng, "Unexpected instance key", "%s has neither count nor for_each, so there is one of it and no index is needed.", label)
		return true
	case m != single && attr && !r.indexed:
		e.noKey(label, m, r.rng)
		return true
	}
	return false
}

// keyOfValue writes an index as addresses do, or returns "" for what cannot be one.
func keyOfValue(v cty.Value) string {
	v = plain(v)
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() {
		return ""
	}
	switch v.Type() {
	case cty.String:
		return addr.StringKey(v.AsString())
	case cty.Number:
		if n, acc := v.AsBigFloat().Int64(); acc == 0 && n >= 0 && n <= maxInstances {
			return addr.IntKey(int(n))
		}
	}
	return ""
}

// noKey words the error about several where one is meant.
func (e *evaluator) noKey(label string, m mode, at hcl.Range) {
	e.errorf(at, "Missing instance key", "%s has %s, so there are several: say which one is meant, for example %s[%s].", label, m, label, m.index())
}

// noInstance words the error about an index that leads nowhere.
func (e *evaluator) noInstance(label, key string, keys []instanceKey, at hcl.Range) {
	known := make([]string, 0, min(len(keys), 1000))
	for _, k := range keys[:min(len(keys), 1000)] {
		known = append(known, k.text)
	}
	hint := ""
	if n := diag.Nearest(key, known); n != "" {
		hint = fmt.Sprintf(" Did you mean %s?", n)
	} else if len(known) > 0 && len(known) <= 10 {
		hint = " It has " + strings.Join(known, ", ") + "."
	} else if len(known) == 0 {
		hint = " It has no instances at all."
	}
	e.errorf(at, "No such instance", "%s has no instance %s.%s", label, key, hint)
}

// noOutput reports a reference to an output that the called module has not.
func (e *evaluator) noOutput(r *reference) bool {
	name := r.want(r.call.exp.mode).attr
	if name == "" || r.call.cfg.Module == nil || r.call.cfg.Module.Outputs[name] != nil {
		return false
	}
	e.errorf(r.rng, "Reference to something not declared", "The module called by %s has no output %q.%s", r.call.label(), name,
		diag.DidYouMean(name, sortedKeys(r.call.cfg.Module.Outputs)))
	return true
}
