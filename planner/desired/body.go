package desired

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/diag"
)

// A body is a block's content, compiled against the attributes of a schema:
// one field for each of them, written or not.
type body struct {
	fields  []field
	written map[string]hcl.Range
	decl    hcl.Range
}

// A field is what is written for one attribute.
type field struct {
	*attrInfo
	x      *expression    // nil: not written
	attr   *hcl.Attribute // nil: not written
	body   *body          // around it
	nested []nested
	// A constant is converted and checked once, not with every instance.
	settled bool
	failed  bool
	val     cty.Value
}

// nested is one nested or dynamic block.
type nested struct {
	body     *body
	label    string      // where the attribute's blocks have one
	forEach  *expression // nil: not dynamic
	iterator string
}

// at is where to point for something wrong with the field. A secret written
// out would be shown with its line, so its block is pointed at.
func (f *field) at() hcl.Range {
	switch {
	case f.x != nil && len(f.secret) == 0:
		return f.x.src.Range()
	case len(f.nested) > 0 && len(f.secret) == 0:
		return f.nested[0].body.decl
	}
	return f.body.decl
}

func (e *evaluator) compileBody(m *module, attrs []attrInfo, written map[string]*hcl.Attribute, blocks []*config.Block, decl hcl.Range, iterators []string) *body {
	b := &body{fields: make([]field, len(attrs)), decl: decl}
	known := 0
	for i := range attrs {
		f := &b.fields[i]
		f.attrInfo, f.body = &attrs[i], b
		if w := written[f.Name]; w != nil {
			f.x, f.attr = e.compile(m, w.Expr, iterators), w
			known++
		}
	}
	if known < len(written) {
		e.unknownAttrs(attrs, written)
	}
	for _, blk := range blocks {
		f := b.field(blk.Name)
		if f == nil || !f.IsBlock() {
			e.errorf(blk.Decl, "Not available on this broker", otherKind, diag.Escape(blk.Name), strings.Join(attrNames(attrs), ", "))
			continue
		}
		n := nested{label: blk.Label}
		inner := iterators
		if d := blk.Dynamic; d != nil {
			n.iterator = d.Iterator
			if n.iterator == "" {
				n.iterator = blk.Name
			}
			n.forEach = e.compile(m, d.ForEach, iterators)
			inner = append(slices.Clip(iterators), n.iterator)
		}
		n.body = e.compileBody(m, f.attrInfo.nested, blk.Attrs, blk.Blocks, blk.Decl, inner)
		f.nested = append(f.nested, n)
	}
	return b
}

func (b *body) field(name string) *field {
	for i := range b.fields {
		if b.fields[i].Name == name {
			return &b.fields[i]
		}
	}
	return nil
}

func attrNames(attrs []attrInfo) []string {
	out := make([]string, len(attrs))
	for i := range attrs {
		out[i] = attrs[i].Name
	}
	return out
}

const otherKind = "%q is for another kind of broker. This one takes %s."

// unknownAttrs can happen where two kinds of broker share a block type and the
// block was checked against the other's schema.
func (e *evaluator) unknownAttrs(attrs []attrInfo, written map[string]*hcl.Attribute) {
	names := attrNames(attrs)
next:
	for _, w := range sortedKeys(written) {
		for _, n := range names {
			if n == w {
				continue next
			}
		}
		e.errorf(written[w].NameRange, "Not available on this broker", otherKind, diag.Escape(w), strings.Join(names, ", "))
	}
}
