package desired

import (
	"math/big"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/msgflo/msgflo/config/addr"
)

// maxInstances bounds count and for_each: what is beyond is a mistake, and
// would take the memory of the machine before anybody saw it.
const maxInstances = 1_000_000

type mode uint8

const (
	single mode = iota
	byCount
	byKey
)

// String is the argument that makes a block have instances.
func (m mode) String() string {
	switch m {
	case byCount:
		return "count"
	case byKey:
		return "for_each"
	}
	return ""
}

// index is how an instance of its own kind is named in an example.
func (m mode) index() string {
	if m == byCount {
		return "count.index"
	}
	return "each.key"
}

// An expansion is what count or for_each make of a block.
type expansion struct {
	mode   mode
	keys   []instanceKey
	deps   []dep
	chain  *call // for_each = module.x: the instances follow those of the call
	held   bool  // waits for data
	broken bool  // reported already
}

type instanceKey struct {
	text  string // as in an address: `["a"]`, `[0]`, ""
	key   cty.Value
	value cty.Value
	mode  mode
}

// scope is what expressions of the instance see.
func (k instanceKey) scope(m *module) *scope {
	switch k.mode {
	case byCount:
		return &scope{mod: m, key: k.text, vars: map[string]cty.Value{"count": cty.ObjectVal(map[string]cty.Value{"index": k.key})}}
	case byKey:
		return &scope{mod: m, key: k.text, vars: map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": k.key, "value": k.value})}}
	}
	return m.scope
}

// placeholder is the value of a block whose instances are not known.
func (x *expansion) placeholder() (cty.Value, bool) {
	switch {
	case x.broken:
		return brokenVal, true
	case x.held:
		return cty.DynamicVal.Mark(held), true
	}
	return cty.NilVal, false
}

// collect builds the value of a whole block: an object by key, a tuple by index.
func (x *expansion) collect(at func(i int) cty.Value) cty.Value {
	if x.mode == byCount {
		vals := make([]cty.Value, len(x.keys))
		for i := range vals {
			vals[i] = at(i)
		}
		return cty.TupleVal(vals)
	}
	vals := make(map[string]cty.Value, len(x.keys))
	for i, k := range x.keys {
		vals[k.key.AsString()] = at(i)
	}
	return cty.ObjectVal(vals)
}

// expand evaluates count or for_each. At most one of them is written.
func (e *evaluator) expand(m *module, count, forEach hcl.Expression, label string) expansion {
	switch {
	case count != nil:
		return e.expandCount(m, count, label)
	case forEach != nil:
		return e.expandForEach(m, forEach, label)
	}
	return expansion{keys: []instanceKey{{}}}
}

func (e *evaluator) expandCount(m *module, src hcl.Expression, label string) expansion {
	const summary = "Invalid count argument"
	x := e.compile(m, src, nil)
	v := e.eval(x, m.scope)
	out := expansion{mode: byCount, deps: e.deps(x, m.scope)}
	if e.unusable(&out, v, src, summary, "count") {
		return out
	}
	out.broken = true
	if traitsOf(v).sensitive {
		e.errorf(src.Range(), summary, "The count of %s is sensitive, or follows from a sensitive value. It would show in the addresses "+
			"of the instances, so it cannot be secret.", label)
		return out
	}
	was := plain(v)
	v, err := convert.Convert(was, cty.Number)
	if err != nil || v.IsNull() {
		e.errorf(src.Range(), summary, "The count of %s must be a whole number from 0; %s.", label, nullOr(v, "a "+was.Type().FriendlyName()+" that is no number is given"))
		return out
	}
	n, acc := v.AsBigFloat().Int64()
	if acc != big.Exact || n < 0 || n > maxInstances {
		e.errorf(src.Range(), summary, "The count of %s must be a whole number from 0 to %d; this is %s.", label, maxInstances, v.AsBigFloat().Text('g', 20))
		return out
	}
	out.broken = false
	out.keys = make([]instanceKey, n)
	for i := range out.keys {
		out.keys[i] = instanceKey{text: addr.IntKey(i), key: cty.NumberIntVal(int64(i)), mode: byCount}
	}
	return out
}

func nullOr(v cty.Value, other string) string {
	if v != cty.NilVal && v.IsNull() {
		return "it is null"
	}
	return other
}

// asForEach says how a value of the wrong type becomes a for_each.
func asForEach(v cty.Value) string {
	if v.CanIterateElements() && v.LengthInt() > 0 {
		it := v.ElementIterator()
		it.Next()
		if _, el := it.Element(); el.Type().IsObjectType() || el.Type().IsMapType() {
			return "To make a list of objects a map, name each by what differs, as in { for x in list : x.name => x }."
		}
	}
	return "Use toset([…]) to make a list of strings a set."
}

func (e *evaluator) expandForEach(m *module, src hcl.Expression, label string) expansion {
	const summary = "Invalid for_each argument"
	x := e.compile(m, src, nil)
	v := e.eval(x, m.scope)
	out := expansion{mode: byKey, deps: e.deps(x, m.scope)}
	if len(x.refs) == 1 && len(x.refs[0].rest) == 0 && isPath(x.src) {
		out.chain = x.refs[0].call
	}
	if e.unusable(&out, v, src, summary, "for_each") {
		return out
	}
	out.broken = true
	if v.IsMarked() || v.Type().IsSetType() && traitsOf(v).sensitive {
		e.errorf(src.Range(), summary, "The for_each of %s is sensitive, or follows from a sensitive value. Its keys would show in the "+
			"addresses of the instances, so they cannot be secret. The values of a map may be: give it keys that are not.", label)
		return out
	}
	ty := v.Type()
	switch {
	case v.IsNull():
		e.errorf(src.Range(), summary, "The for_each of %s is null. A map, or a set of strings, is needed; use {} for no instances.", label)
		return out
	case ty.IsSetType() && ty.ElementType() != cty.String && v.LengthInt() > 0, ty.IsTupleType(), ty.IsListType(), !ty.IsSetType() && !ty.IsMapType() && !ty.IsObjectType():
		e.errorf(src.Range(), summary, "The for_each of %s must be a map, an object or a set of strings, and this is a value of type %s. %s",
			label, ty.FriendlyName(), asForEach(v))
		return out
	case v.LengthInt() > maxInstances:
		e.errorf(src.Range(), summary, "The for_each of %s has %d elements; at most %d are allowed.", label, v.LengthInt(), maxInstances)
		return out
	}
	from := x.bareValue()
	if from != nil && from.keys != nil {
		out.keys, out.broken = from.keys, false
		return out
	}
	out.keys = make([]instanceKey, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, val := it.Element()
		if ty.IsSetType() {
			k = val
		}
		if k.IsNull() || !k.IsKnown() {
			e.errorf(src.Range(), summary, "The for_each of %s has an element that is null or not known; it has to name an instance.", label)
			return out
		}
		out.keys = append(out.keys, instanceKey{text: addr.StringKey(k.AsString()), key: k, value: val, mode: byKey})
	}
	out.broken = false
	if from != nil {
		from.keys = out.keys
	}
	return out
}

// bareValue is the variable or local that an expression is, and nothing else.
func (x *expression) bareValue() *value {
	if len(x.refs) == 1 && len(x.refs[0].rest) == 0 && isPath(x.src) {
		return x.refs[0].value
	}
	return nil
}

// unusable deals with a count or for_each that is not known. Elements of a map
// may be unknown, the map itself not.
func (e *evaluator) unusable(out *expansion, v cty.Value, src hcl.Expression, summary, what string) bool {
	t := traitsOf(v)
	top := v
	if v.IsMarked() {
		top, _ = v.Unmark()
	}
	known := top.IsKnown()
	if known && top.Type().IsSetType() {
		known = top.IsWhollyKnown()
	}
	switch {
	case known && !v.HasMark(broken) && !v.HasMark(held):
		return false
	case t.broken:
		out.broken = true
	case t.held:
		out.held = true
	default:
		out.broken = true
		of := "a value that is known only after apply"
		if t.computed != nil {
			of = t.computed.addr.String() + "." + t.computed.attr + ", which is known only once that object exists"
		}
		e.errorf(src.Range(), summary, "The %s depends on %s. How many instances there are must be known at plan time: "+
			"use variables, locals and names, which are.", what, of)
	}
	return true
}
