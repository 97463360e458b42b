package desired

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
)

// schemaInfo is what is worked out once a schema and asked for with every
// object.
type schemaInfo struct {
	schema *providers.Schema
	attrs  []attrInfo
	index  map[string]int
	name   int // of the attribute "name", or -1
	vhost  int
	ty     cty.Type
}

type attrInfo struct {
	*providers.Attr
	ty       cty.Type
	null     cty.Value
	unknown  cty.Value
	fallback cty.Value // the default, converted; NilVal: none
	early    bool      // evaluated with the identity: what others refer to by name
	secret   []cty.Path
	nested   []attrInfo
	saysKind bool // it is the RefKind of another attribute
}

// info describes a schema, once.
func (e *evaluator) info(s *providers.Schema) *schemaInfo {
	if in, ok := e.schemas[s]; ok {
		return in
	}
	in := &schemaInfo{schema: s, attrs: attrInfos(s.Attrs), index: make(map[string]int, len(s.Attrs)), name: -1, vhost: -1, ty: s.ImpliedType()}
	for i := range in.attrs {
		a := &in.attrs[i]
		in.index[a.Name] = i
		switch a.Name {
		case "name":
			in.name, a.early = i, true
		case "vhost":
			in.vhost, a.early = i, true
		}
	}
	e.schemas[s] = in
	return in
}

func attrInfos(attrs []providers.Attr) []attrInfo {
	out := make([]attrInfo, len(attrs))
	for i := range attrs {
		a := &attrs[i]
		ty := a.ValueType()
		in := attrInfo{Attr: a, ty: ty, null: cty.NullVal(ty), unknown: cty.UnknownVal(ty), early: a.Identity, secret: a.Sensitive,
			nested: attrInfos(a.Attrs), saysKind: slices.ContainsFunc(attrs, func(o providers.Attr) bool { return o.RefKind == a.Name })}
		if a.Default != cty.NilVal {
			in.fallback = a.Default
			if v, ok := converted(a.Default, ty); ok == nil {
				in.fallback = v
			}
		}
		for _, n := range in.nested {
			for _, p := range n.secret {
				in.secret = append(slices.Clip(in.secret), append(cty.GetAttrPath(n.Name), p...))
			}
		}
		out[i] = in
	}
	return out
}

// names lists the attributes that can be written, for "did you mean".
func (in *schemaInfo) names() []string {
	out := make([]string, len(in.attrs))
	for i := range in.attrs {
		out[i] = in.attrs[i].Name
	}
	return out
}

// resource is the schema of a type of objects on a broker, nil where it has
// none. Where the broker's kind is not known, it is that of any kind.
func (e *evaluator) resource(b *broker, typ string) *providers.Schema {
	if b.typ != nil {
		return b.typ.Resources[typ]
	}
	for _, t := range e.env.Types {
		if s := t.Resources[typ]; s != nil {
			return s
		}
	}
	return nil
}
