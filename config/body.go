package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/msgflo/msgflo/config/diag"
)

// A form is what one kind of body may hold.
type form struct {
	what   string              // "a queue block", for messages
	attrs  map[string]bool     // arguments
	blocks map[string][]string // nested blocks with the names of their labels
	// refused are names that people have reason to write and that get an
	// answer of their own.
	refused map[string]refusal
	open    bool // other arguments are taken as they come (a module's)

	schema *hcl.BodySchema // the same for hcl/json, which cannot tell the two apart
	names  []string        // all that may be written, for suggestions
}

// A refusal is the answer to a name that cannot be used.
type refusal struct{ summary, detail string }

func newForm(what string, attrs []string, blocks map[string][]string, refused map[string]refusal) *form {
	f := &form{what: what, attrs: map[string]bool{}, blocks: map[string][]string{}, refused: refused, schema: &hcl.BodySchema{}}
	for _, a := range attrs {
		f.addAttr(a)
	}
	for _, b := range sortedKeys(blocks) {
		f.addBlock(b, blocks[b]...)
	}
	return f
}

// addAttr lets the form take one more argument.
func (f *form) addAttr(name string) {
	f.attrs[name] = true
	f.schema.Attributes = append(f.schema.Attributes, hcl.AttributeSchema{Name: name})
	f.names = append(f.names, name)
}

// addBlock lets the form take one more nested block.
func (f *form) addBlock(name string, labels ...string) {
	f.blocks[name] = labels
	f.schema.Blocks = append(f.schema.Blocks, schemaOf(name, labels...))
	f.names = append(f.names, name)
}

// content is a body sorted by a form.
type content struct {
	attrs  map[string]*hcl.Attribute // those of the form
	rest   map[string]*hcl.Attribute // others, of an open form
	blocks []*hcl.Block
}

// read sorts a body by a form and reports all that does not belong there.
func (d *decoder) read(b hcl.Body, f *form) content {
	c := content{attrs: map[string]*hcl.Attribute{}}
	if f.open {
		c.rest = map[string]*hcl.Attribute{}
	}
	if nb, ok := b.(*hclsyntax.Body); ok {
		d.readNative(nb, f, &c)
	} else {
		d.readJSON(b, f, &c)
	}
	return c
}

func (d *decoder) readNative(b *hclsyntax.Body, f *form, c *content) {
	for name, a := range b.Attributes {
		if d.argument(name, a.NameRange, f) {
			c.attrs[name] = a.AsHCLAttribute()
		} else if f.open && f.refused[name] == (refusal{}) && f.blocks[name] == nil {
			c.rest[name] = a.AsHCLAttribute()
		}
	}
	for _, nb := range b.Blocks {
		if labels, ok := d.block(nb, f); ok && d.labels(nb, labels) {
			c.blocks = append(c.blocks, nb.AsHCLBlock())
		}
	}
}

func (d *decoder) readJSON(b hcl.Body, f *form, c *content) {
	got, remain, diags := b.PartialContent(f.schema)
	d.diags = append(d.diags, diags...)
	maps.Copy(c.attrs, got.Attributes)
	c.blocks = got.Blocks
	rest, diags := remain.JustAttributes()
	d.diags = append(d.diags, diags...)
	for name, a := range rest {
		if !d.argument(name, a.NameRange, f) && f.open && f.refused[name] == (refusal{}) {
			c.rest[name] = a
		}
	}
}

// argument reports whether the form has an argument of the name.
func (d *decoder) argument(name string, rng hcl.Range, f *form) bool {
	_, isBlock := f.blocks[name]
	switch {
	case f.attrs[name]:
		return true
	case isBlock:
		d.errorf(rng, "Block expected", "%q in %s is a nested block, not an argument: write %s { … }, without an equals sign.", name, f.what, name)
	case f.refuse(d, name, rng):
	case f.open:
	default:
		d.errorf(rng, "Unknown argument", "There is no %q in %s.%s", name, f.what, f.suggest(name))
	}
	return false
}

// block reports whether the form has a nested block of the name, and the
// names of its labels.
func (d *decoder) block(b *hclsyntax.Block, f *form) ([]string, bool) {
	labels, ok := f.blocks[b.Type]
	switch {
	case ok:
		return labels, true
	case f.attrs[b.Type]:
		d.errorf(b.TypeRange, "Argument expected", "%q in %s is an argument, not a nested block: write %s = …", b.Type, f.what, b.Type)
	case f.refuse(d, b.Type, b.DefRange()):
	case f.open:
		d.errorf(b.TypeRange, "Unknown block", "There is no block %q in %s. To give the module a value, write %s = …", b.Type, f.what, b.Type)
	default:
		d.errorf(b.TypeRange, "Unknown block", "There is no block %q in %s.%s", b.Type, f.what, f.suggest(b.Type))
	}
	return nil, false
}

func (f *form) refuse(d *decoder, name string, rng hcl.Range) bool {
	r, ok := f.refused[name]
	if ok {
		d.errorf(rng, r.summary, "%s", r.detail)
	}
	return ok
}

// suggest names the nearest known name, or all of them where they are few.
func (f *form) suggest(wrong string) string {
	if s := diag.DidYouMean(wrong, f.names); s != "" {
		return s
	}
	if len(f.names) == 0 {
		return " It takes none."
	}
	if len(f.names) > 24 {
		return ""
	}
	return " It takes " + strings.Join(slices.Sorted(slices.Values(f.names)), ", ") + "."
}

// labels checks the number of a block's labels.
func (d *decoder) labels(b *hclsyntax.Block, want []string) bool {
	if len(b.Labels) == len(want) {
		return true
	}
	example := []string{b.Type}
	for _, l := range want {
		example = append(example, strconv.Quote(strings.ToUpper(l)))
	}
	rng := b.DefRange()
	if len(b.Labels) > len(want) {
		rng = b.LabelRanges[len(want)]
	}
	d.errorf(rng, "Wrong number of labels", "The block %s has %s and takes %d: write %s { … }.", b.Type, diag.Count(len(b.Labels), "label"), len(want), strings.Join(example, " "))
	return false
}

// name checks that a label can be used in a reference.
func (d *decoder) name(b *hcl.Block, i int) (string, bool) {
	s := b.Labels[i]
	if !hclsyntax.ValidIdentifier(s) {
		d.errorf(b.LabelRanges[i], "Invalid name", "%q cannot be referred to: a name starts with a letter, followed by letters, digits, '_' and '-'.%s", s, nameHint(b.Type))
		return s, false
	}
	return s, true
}

func nameHint(blockType string) string {
	switch blockType {
	case "variable", "output", "module", "check", "broker", "component", "launcher", "graph":
		return ""
	case "participant":
		return " What its role is called on the broker is its argument role."
	}
	return " What the object is called on the broker is its argument name."
}

// need reports a missing argument at the block.
func (d *decoder) need(c content, decl hcl.Range, what string, names ...string) bool {
	ok := true
	for _, n := range names {
		if c.attrs[n] == nil {
			d.missing(decl, n, what)
			ok = false
		}
	}
	return ok
}

func (d *decoder) missing(decl hcl.Range, name, what string) {
	if !d.broken[decl.Filename] {
		d.errorf(decl, "Missing argument", "%s needs the argument %q.", upperFirst(what), name)
	}
}

// single returns the one block of the name, and reports further ones.
func (d *decoder) single(c content, name string) *hcl.Block {
	var first *hcl.Block
	for _, b := range c.blocks {
		switch {
		case b.Type != name:
		case first == nil:
			first = b
		default:
			d.errorf(b.DefRange, "Block written twice", "There is one block %q at most; the first is at %s.", name, at(first.DefRange))
		}
	}
	return first
}

func schemaOf(blockType string, labels ...string) hcl.BlockHeaderSchema {
	return hcl.BlockHeaderSchema{Type: blockType, LabelNames: labels}
}

func trimStop(s string) string { return strings.TrimSuffix(strings.TrimSpace(s), ".") }
