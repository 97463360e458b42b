package desired

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/funcs"
)

// A mark says why a value is not an ordinary one. Marks travel with values
// through expressions, so that the place where a value ends up knows what it
// came from.
type mark string

const (
	held   mark = "held"   // waits for a data source
	broken mark = "broken" // comes from something that was reported already
)

// sensitive marks a secret, never shown. The functions of the language use the
// same mark.
const sensitive = funcs.Sensitive

// computedMark says that a value is known only once the object exists.
type computedMark struct {
	addr addr.Instance
	attr string
}

var brokenVal = cty.DynamicVal.Mark(broken)

// traits are the marks found anywhere in a value.
type traits struct {
	sensitive, held, broken bool
	computed                *computedMark
}

func traitsOf(v cty.Value) traits {
	var t traits
	if v == cty.NilVal || !marked(v) {
		return t
	}
	_, paths := v.UnmarkDeepWithPaths()
	for _, p := range paths {
		t.add(p.Marks)
	}
	return t
}

func (t *traits) add(ms cty.ValueMarks) {
	for m := range ms {
		t.sensitive = t.sensitive || m == sensitive
		switch m := m.(type) {
		case mark:
			t.held = t.held || m == held
			t.broken = t.broken || m == broken
		case computedMark:
			t.computed = &m
		}
	}
}

func (t traits) or(o traits) traits {
	t.sensitive = t.sensitive || o.sensitive
	t.held = t.held || o.held
	t.broken = t.broken || o.broken
	if t.computed == nil {
		t.computed = o.computed
	}
	return t
}

// marked is cty's ContainsMarked with a short way for primitives and small
// objects, which are most of what a topology holds: a walk would sort the
// attributes of every one of them.
func marked(v cty.Value) bool {
	if v.IsMarked() {
		return true
	}
	ty := v.Type()
	switch {
	case ty.IsPrimitiveType() || v.IsNull() || !v.IsKnown():
		return false
	case ty.IsObjectType():
		for name := range ty.AttributeTypes() {
			if marked(v.GetAttr(name)) {
				return true
			}
		}
		return false
	case ty.IsSetType():
		return false // a set takes the marks of its elements upon itself
	case ty.IsMapType(), ty.IsListType(), ty.IsTupleType():
		for it := v.ElementIterator(); it.Next(); {
			if _, el := it.Element(); marked(el) {
				return true
			}
		}
		return false
	}
	return v.ContainsMarked()
}

// whollyKnown is cty's IsWhollyKnown with the same short way.
func whollyKnown(v cty.Value) bool {
	if !v.IsMarked() && v.Type().IsPrimitiveType() {
		return v.IsKnown()
	}
	return v.IsWhollyKnown()
}

// plain strips all marks.
func plain(v cty.Value) cty.Value {
	if !marked(v) {
		return v
	}
	v, _ = v.UnmarkDeep()
	return v
}

// secretPaths strips all marks and lists where the sensitive ones were.
func secretPaths(v cty.Value) (cty.Value, []cty.Path) {
	if !marked(v) {
		return v, nil
	}
	v, marks := v.UnmarkDeepWithPaths()
	var out []cty.Path
	for _, m := range marks {
		if _, ok := m.Marks[sensitive]; ok {
			out = append(out, m.Path)
		}
	}
	return v, out
}

// markPaths makes the given paths of a value sensitive. A path that leads
// nowhere in this value (an absent block) is passed over.
func markPaths(v cty.Value, paths []cty.Path) cty.Value {
	for _, p := range paths {
		if len(p) == 0 {
			return v.Mark(sensitive)
		}
	}
	if len(paths) == 0 || v.IsNull() || !v.IsKnown() {
		return v
	}
	pvm := make([]cty.PathValueMarks, len(paths))
	for i, p := range paths {
		pvm[i] = cty.PathValueMarks{Path: p, Marks: cty.NewValueMarks(sensitive)}
	}
	return v.MarkWithPaths(pvm)
}
