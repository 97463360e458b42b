package recorded

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// decode reads what Encode wrote, as go-cty/json would, in a quarter of the
// time: carrying out a plan decodes a value or two a step. What is in any way
// unusual is left to go-cty, which also has the words for what is wrong.
func decode(raw []byte, t cty.Type) (cty.Value, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if v, ok := quick(d, t); ok && d.InputOffset() == int64(len(raw)) {
		return v, nil
	}
	return ctyjson.Unmarshal(raw, t)
}

func quick(d *jsontext.Decoder, t cty.Type) (cty.Value, bool) {
	kind := d.PeekKind()
	switch {
	case t == cty.DynamicPseudoType:
		return rest(d, t)
	case kind == 'n':
		_, err := d.ReadToken()
		return cty.NullVal(t), err == nil
	case t == cty.String && kind == '"':
		k, err := d.ReadToken()
		return cty.StringVal(k.String()), err == nil
	case t == cty.Bool && (kind == 't' || kind == 'f'):
		_, err := d.ReadToken()
		return cty.BoolVal(kind == 't'), err == nil
	case t == cty.Number && kind == '0':
		k, err := d.ReadToken()
		if err != nil {
			return cty.NilVal, false
		}
		v, err := cty.ParseNumberVal(k.String())
		return v, err == nil
	case t.IsObjectType() && kind == '{':
		return quickObject(d, t)
	}
	return rest(d, t)
}

// rest leaves one value to go-cty.
func rest(d *jsontext.Decoder, t cty.Type) (cty.Value, bool) {
	raw, err := d.ReadValue()
	if err != nil {
		return cty.NilVal, false
	}
	v, err := ctyjson.Unmarshal(raw, t)
	return v, err == nil
}

func quickObject(d *jsontext.Decoder, t cty.Type) (cty.Value, bool) {
	types := t.AttributeTypes()
	m := make(map[string]cty.Value, len(types))
	if _, err := d.ReadToken(); err != nil {
		return cty.NilVal, false
	}
	for d.PeekKind() == '"' {
		k, err := d.ReadToken()
		if err != nil {
			return cty.NilVal, false
		}
		name := k.String()
		at, ok := types[name]
		if !ok {
			return cty.NilVal, false
		}
		if m[name], ok = quick(d, at); !ok {
			return cty.NilVal, false
		}
	}
	k, err := d.ReadToken()
	if err != nil || k.Kind() != '}' || len(m) != len(types) {
		return cty.NilVal, false
	}
	return cty.ObjectVal(m), true
}
