package rabbitmq

import (
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/attr"
)

// intAttr is a whole number; ok is false where it is unset.
func intAttr(v cty.Value, name string) (n int64, ok bool) {
	a := attr.Of(v, name)
	if !attr.Given(a) || a.Type() != cty.Number {
		return 0, false
	}
	n, acc := a.AsBigFloat().Int64()
	return n, acc == big.Exact
}

func stringSet(ss []string) cty.Value {
	if len(ss) == 0 {
		return cty.NullVal(cty.Set(cty.String))
	}
	vs := make([]cty.Value, len(ss))
	for i, s := range ss {
		vs[i] = cty.StringVal(s)
	}
	return cty.SetVal(vs)
}

// each calls f with every key and value of an object or map.
func each(v cty.Value, f func(key string, val cty.Value)) {
	if !attr.Given(v) || !v.CanIterateElements() || !v.Type().IsObjectType() && !v.Type().IsMapType() {
		return
	}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		f(k.AsString(), e)
	}
}

// fromJSON turns decoded JSON (numbers as json.Number) into a value whose
// shape is the document's: objects and tuples.
func fromJSON(x any) cty.Value {
	switch x := x.(type) {
	case string:
		return cty.StringVal(x)
	case bool:
		return cty.BoolVal(x)
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return cty.NumberIntVal(n)
		}
		if v, err := cty.ParseNumberVal(x.String()); err == nil {
			return v
		}
	case float64:
		return cty.NumberFloatVal(x)
	case []any:
		vs := make([]cty.Value, len(x))
		for i, e := range x {
			vs[i] = fromJSON(e)
		}
		return cty.TupleVal(vs)
	case map[string]any:
		m := make(map[string]cty.Value, len(x))
		for k, e := range x {
			m[k] = fromJSON(e)
		}
		return cty.ObjectVal(m)
	}
	return cty.NullVal(cty.DynamicPseudoType)
}

// toWire turns a value into what both encodings of RabbitMQ take, JSON and
// AMQP tables: whole numbers are int64, which is the width that the management
// API gives them too, so that a binding is the same whichever way it was made.
func toWire(v cty.Value) any {
	v, _ = v.Unmark()
	switch {
	case !attr.Given(v):
		return nil
	case v.Type() == cty.String:
		return v.AsString()
	case v.Type() == cty.Bool:
		return v.True()
	case v.Type() == cty.Number:
		return wireNumber(v.AsBigFloat())
	case v.Type().IsObjectType(), v.Type().IsMapType():
		m := map[string]any{}
		each(v, func(k string, e cty.Value) { m[k] = toWire(e) })
		return m
	case v.CanIterateElements():
		l := make([]any, 0, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			l = append(l, toWire(e))
		}
		return l
	}
	return nil
}

func wireNumber(f *big.Float) any {
	if n, acc := f.Int64(); acc == big.Exact {
		return n
	}
	n, _ := f.Float64()
	return n
}

// wireTable is toWire of a table of arguments; never nil. Attributes that are
// null are left out, as if they had not been written.
func wireTable(v cty.Value) map[string]any {
	m := map[string]any{}
	each(v, func(k string, e cty.Value) {
		if e, _ := e.Unmark(); attr.Given(e) {
			m[k] = toWire(e)
		}
	})
	return m
}

// plain is the normal form of dynamically typed values: objects for maps,
// tuples for lists and sets, no marks, null where empty.
func plain(v cty.Value) cty.Value {
	if v == cty.NilVal {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	v, _ = v.Unmark()
	switch {
	case !v.IsKnown():
		return v
	case v.IsNull():
		return cty.NullVal(cty.DynamicPseudoType)
	case v.Type().IsPrimitiveType():
		return v
	case v.Type().IsObjectType(), v.Type().IsMapType():
		m := map[string]cty.Value{}
		each(v, func(k string, e cty.Value) {
			if p := plain(e); !p.IsKnown() || !p.IsNull() {
				m[k] = p
			}
		})
		return cty.ObjectVal(m)
	case v.CanIterateElements():
		var l []cty.Value
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			l = append(l, plain(e))
		}
		return cty.TupleVal(l)
	}
	return v
}

// plainTable is plain with the empty table as null: `arguments = {}` and none
// at all are the same.
func plainTable(v cty.Value) cty.Value {
	p := plain(v)
	if attr.Given(p) && p.Type().IsObjectType() && p.LengthInt() == 0 {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return p
}

func quote(s string) string { return fmt.Sprintf("%q", s) }
