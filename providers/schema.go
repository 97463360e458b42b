package providers

import (
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// A Schema lists an object's attributes once: decoding, docs, `providers
// schema -json` and the diff all read it.
type Schema struct {
	Version int // of the recorded attributes; Upgrade leads from older ones
	Doc     string
	Attrs   []Attr
	// Upgrade turns recorded attributes (JSON, of an older Version) into those
	// of this one. Nil where Version is 0.
	Upgrade func(from int, attrs []byte) ([]byte, error)
	// Validate checks a whole wanted value (which arguments a queue type takes);
	// a cty.PathError names the attribute to blame. Unknown parts are passed over. May be nil.
	Validate func(v cty.Value) []error
	// ID is the text by which `import` names the object: `jobs@/` . MatchID may
	// accept shorter forms. Both nil: the name alone.
	ID      func(v cty.Value) string
	MatchID func(v cty.Value, id string) bool
	// Title is what people call an object that has no name of its own, as a
	// binding. Nil: its ID.
	Title func(v cty.Value) string
	// Derived says that no block of the language makes such an object by itself:
	// participants and graphs are lowered to it (process, keeper).
	Derived bool
	// Meterable says that deleting such an object may lose messages or drag
	// unmanaged objects along: the plan asks the provider's Meter first.
	Meterable bool
	// Swap says that one update may lead from one identity to another: the
	// provider makes After and only then removes Before (a binding: bound anew
	// before it is unbound). Before may have gone with what it was in. Without it a
	// change of identity is a delete and a create.
	Swap bool
	// Opens names the attribute that says what such an object gives access to, as
	// a permission to its vhost: other objects with the same value there go before it.
	Opens string
	// DiesWithout says that an object of value v lives only while some object
	// within it holds it, and that the one of that type and value does: an auto_delete
	// exchange goes with the last binding that it is the source of. Nil: never.
	DiesWithout func(v cty.Value, typ string, within cty.Value) bool
}

// A Relation is how an object stands to one that it refers to.
type Relation int

// After is order only (a queue and its dead-letter exchange, which need not
// exist). Within is "dies with it": a binding with either end, everything with
// its vhost. Both are recorded in state.
const (
	After Relation = iota
	Within
)

// An Attr is one attribute, or one nested block where Attrs is set.
type Attr struct {
	Name, Doc string
	Type      cty.Type // for a nested block, derived: see ValueType
	Required  bool     // must be written
	Identity  bool     // part of what names the object on the broker; implies ForceNew
	ForceNew  bool     // a change means replace
	Computed  bool     // known only after the object exists; may also be written unless Required
	ReadOnly  bool     // cannot be written; data sources and computed facts
	Elastic   bool     // an autoscaler may move it: not drift
	Restarts  bool     // an update of it restarts a process: the plan says so ('↻')
	// WriteOnly: the broker never tells it; a changed value is found by the
	// provider (unknown in Read: not compared) or by a hash in state.
	WriteOnly bool
	// Sensitive are paths that are secret, relative to the attribute; an empty
	// path means all of it. Also inside the value: a shovel's URI.
	Sensitive []cty.Path
	Ref       []string              // object types it takes a reference to (or a name): queue, exchange
	RefKind   string                // attribute that receives the type of the referred object (binding's destination_type)
	Relation  Relation              // of the object to the one referred to
	Default   cty.Value             // cty.NilVal: none
	Check     func(cty.Value) error // one value by itself; never called with null or unknown
	// Attrs makes it a nested block: at most one, an object value, null where absent.
	Attrs []Attr
	// Label makes the nested block one with a label (this is what the label is
	// called in messages: "port"); it may be written once for each label, and
	// the value is a map of objects by label, empty where none is written.
	Label string
	// Message for an attribute of the language that this version does not have yet.
	NotYet string
	// ChangeMeans overrides the derived words of the docs table ("in place", "replace").
	ChangeMeans string
}

// IsBlock reports whether the attribute is written as a nested block.
func (a *Attr) IsBlock() bool { return len(a.Attrs) > 0 }

// ValueType is the cty type of the attribute's value.
func (a *Attr) ValueType() cty.Type {
	switch {
	case a.IsBlock() && a.Label != "":
		return cty.Map(objectType(a.Attrs))
	case a.IsBlock():
		return objectType(a.Attrs)
	}
	return a.Type
}

// ImpliedType is the object type that values of the schema have.
func (s *Schema) ImpliedType() cty.Type { return objectType(s.Attrs) }

func objectType(attrs []Attr) cty.Type {
	m := make(map[string]cty.Type, len(attrs))
	for i := range attrs {
		m[attrs[i].Name] = attrs[i].ValueType()
	}
	return cty.Object(m)
}

// Complete makes a value of the schema's type from some attributes: the rest
// are defaults, unknown where computed, null else.
func (s *Schema) Complete(attrs map[string]cty.Value) cty.Value {
	m := make(map[string]cty.Value, len(s.Attrs))
	for i := range s.Attrs {
		a := &s.Attrs[i]
		switch v, given := attrs[a.Name]; {
		case given:
			m[a.Name] = v
		case a.Default != cty.NilVal:
			m[a.Name] = a.Default
		case a.Computed:
			m[a.Name] = cty.UnknownVal(a.ValueType())
		default:
			m[a.Name] = cty.NullVal(a.ValueType())
		}
	}
	return cty.ObjectVal(m)
}

// Attr finds an attribute by name, or returns nil.
func (s *Schema) Attr(name string) *Attr {
	i := slices.IndexFunc(s.Attrs, func(a Attr) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Attrs[i]
}

// SensitivePaths lists every path that is secret in a value of the schema.
func (s *Schema) SensitivePaths() []cty.Path { return sensitivePaths(nil, s.Attrs) }

func sensitivePaths(at cty.Path, attrs []Attr) []cty.Path {
	var out []cty.Path
	for i := range attrs {
		a := &attrs[i]
		p := append(slices.Clone(at), cty.GetAttrStep{Name: a.Name})
		for _, rel := range a.Sensitive {
			out = append(out, append(slices.Clone(p), rel...))
		}
		out = append(out, sensitivePaths(p, a.Attrs)...)
	}
	return out
}

// Identity is a text that two values of the schema share exactly if they name
// the same live object: the JSON of their identity attributes.
func (s *Schema) Identity(v cty.Value) string {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return ""
	}
	var b []byte
	for i := range s.Attrs {
		if !s.Attrs[i].Identity {
			continue
		}
		b = appendIdentity(b, v.GetAttr(s.Attrs[i].Name))
	}
	return string(b)
}
