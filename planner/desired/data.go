package desired

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
)

// answerOf is the value of a data source: what was read, or, while it is still
// to be read, a value that holds back what depends on it.
func (e *evaluator) answerOf(i *instance) cty.Value {
	if !e.complete(i) || i.failed || i.in == nil {
		return brokenVal
	}
	if i.held {
		return cty.DynamicVal.Mark(held)
	}
	if i.answer != cty.NilVal {
		return i.answer
	}
	id := i.label()
	v, ok := e.env.Data[id]
	switch {
	case !ok:
		i.query = &DataQuery{ID: id, Provider: i.broker.addr, Type: i.block.cfg.Type, Value: i.in.plainValue(i.vals), Decl: i.block.cfg.Decl}
		i.answer = cty.DynamicVal.Mark(held)
	case v == cty.NilVal || v.IsNull():
		e.errorf(i.block.cfg.Decl, "Nothing there to read", "%s finds nothing of that name on %s. A data source reads what exists; declare a %s to make one.",
			id, i.broker.addr, i.block.cfg.Type)
		i.answer = brokenVal
	default:
		var paths []cty.Path
		for n := range i.in.attrs {
			for _, p := range i.in.attrs[n].secret {
				paths = append(paths, append(cty.GetAttrPath(i.in.attrs[n].Name), p...))
			}
		}
		i.answer = markPaths(v, paths)
	}
	return i.answer
}

// plainValue is the whole value of a block without marks.
func (in *schemaInfo) plainValue(attrs []cty.Value) cty.Value {
	vals := make(map[string]cty.Value, len(attrs))
	for n, v := range attrs {
		vals[in.attrs[n].Name] = plain(v)
	}
	return cty.ObjectVal(vals)
}

// openQueries lists the data sources still to be read.
func (e *evaluator) openQueries() []DataQuery {
	var out []DataQuery
	for _, m := range e.modules {
		for _, key := range sortedKeys(m.resources) {
			b := m.resources[key]
			if !b.cfg.Data {
				continue
			}
			for _, i := range b.instances {
				if i.query == nil {
					continue
				}
				q := *i.query
				q.After = e.addresses(append(append([]dep(nil), i.deps...), b.depends...))
				out = append(out, q)
			}
		}
	}
	return append(out, e.queries...)
}

// addresses are the objects that dependencies stand for, in order.
func (e *evaluator) addresses(ds []dep) []addr.Instance {
	seen := map[*instance]bool{}
	var out []addr.Instance
	for _, d := range ds {
		for _, i := range e.instancesOf(d) {
			if !seen[i] && i.object != nil {
				seen[i] = true
				out = append(out, i.addr)
			}
		}
	}
	addr.Sort(out)
	return out
}
