package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/providers"
)

// graphForm is what a graph block takes.
func graphForm(s *providers.Schema) *form {
	f := resourceForm("graph", s, false)
	f.addBlock("participant", "role")
	for _, b := range GraphBlocks() {
		f.addBlock(b.Name, strings.Fields(b.Label)...)
	}
	f.refused["dynamic"] = refusal{"Unknown block", "A graph has no dynamic blocks. Put count or for_each on the graph block, and write edges whose ends differ as connection { from = …, to = … }."}
	return f
}

// graph decodes a graph block and the participants in it.
func (d *decoder) graph(b *hcl.Block) {
	name, ok := d.name(b, 0)
	k := d.l.resources[b.Type]
	c := d.read(b.Body, k.form)
	r, s := d.header(b, c, k, name, false)
	g := &graphDecoder{decoder: d, r: r, g: &Graph{}, s: s, first: map[string]hcl.Range{}}
	for _, nb := range c.blocks {
		g.block(nb)
	}
	r.Graph = g.g
	if ok && d.declare(r.Key(), b.DefRange) {
		d.m.Resources[r.Key()] = r
	}
}

// A graphDecoder decodes the nested blocks of one graph block.
type graphDecoder struct {
	*decoder
	r     *Resource
	g     *Graph
	s     scope
	first map[string]hcl.Range // where each edge, packet and export was written
}

func (g *graphDecoder) block(b *hcl.Block) {
	switch b.Type {
	case "participant":
		g.participant(b)
	case "edge":
		g.edge(b)
	case "connection":
		g.connection(b)
	case "initial":
		g.initial(b)
	case "inport", "outport":
		g.export(b)
	}
}

// participant decodes one that is declared in the graph: it is the module's, as
// those at the top.
func (g *graphDecoder) participant(b *hcl.Block) {
	if g.r.Count != nil || g.r.ForEach != nil {
		g.errorf(b.DefRange, "Participant in a repeated graph",
			"A participant is declared once in its module, but %s has count or for_each. Declare it at the top, with a count or for_each of its own, and write the edges as connection { from = participant.%s[each.key].out.PORT, to = … }.", g.r.Addr(), b.Labels[0])
		return
	}
	r := g.declareObject(b, g.l.resources[b.Type])
	r.In = g.r.Name
	if r.Broker == nil {
		r.Broker = g.r.Broker
	}
}

// once reports whether it is the first block that says so.
func (g *graphDecoder) once(what, text string, rng hcl.Range) bool {
	if first, ok := g.first[text]; ok {
		g.errorf(rng, what+" written twice", "The graph has %s already, at %s. Remove one of the two.", text, at(first))
		return false
	}
	g.first[text] = rng
	return true
}

// content reads a nested block by its description.
func (g *graphDecoder) content(b *hcl.Block) (content, bool) {
	a := g.l.graphBlock(b.Type)
	f := g.l.nestedForm(a)
	c := g.read(b.Body, f)
	ok := true
	for i := range a.Attrs {
		if at := &a.Attrs[i]; at.Required && c.attrs[at.Name] == nil {
			g.missing(b.DefRange, at.Name, f.what)
			ok = false
		}
	}
	for _, attr := range c.attrs {
		g.use(attr.Expr, g.s)
	}
	return c, ok
}

// label checks that a label names a port.
func (g *graphDecoder) label(b *hcl.Block, i int, form string) (string, bool) {
	s := b.Labels[i]
	if !isEnd(s) {
		g.errorf(b.LabelRanges[i], "Port expected", "%q is no port: it is written role.port, as in %s.", s, form)
		return s, false
	}
	return s, true
}

func (g *graphDecoder) edge(b *hcl.Block) {
	const form = `edge "web.resizeimage" "resize.in" { }`
	from, ok1 := g.label(b, 0, form)
	to, ok2 := g.label(b, 1, form)
	c, _ := g.content(b)
	e := &Edge{From: from, To: to, Decl: b.DefRange, FromRange: b.LabelRanges[0], ToRange: b.LabelRanges[1]}
	g.how(e, c)
	if ok1 && ok2 && g.once("Edge", fmt.Sprintf("edge %q %q", from, to), b.DefRange) {
		g.g.Edges = append(g.g.Edges, e)
	}
}

func (g *graphDecoder) connection(b *hcl.Block) {
	c, ok := g.content(b)
	if !ok {
		return
	}
	from, to := c.attrs["from"].Expr, c.attrs["to"].Expr
	e := &Edge{FromExpr: from, ToExpr: to, Decl: b.DefRange, FromRange: from.Range(), ToRange: to.Range()}
	g.end(from, "the end of a connection")
	g.end(to, "the end of a connection")
	g.how(e, c)
	g.g.Edges = append(g.g.Edges, e)
}

var deliveries = []string{"pubsub", "roundrobin"}

// how reads what an edge says beside its ends.
func (g *graphDecoder) how(e *Edge, c content) {
	if a := c.attrs["delivery"]; a != nil {
		e.Delivery = a.Expr
		if text, ok := literalText(a.Expr); ok && !slices.Contains(deliveries, text) {
			g.errorf(a.Expr.Range(), "Invalid value", "delivery is \"pubsub\" (each role gets a copy; the default) or \"roundrobin\" (what a role refuses goes to the dead letter).")
		}
	}
	if a := c.attrs["dead_letter"]; a != nil {
		e.DeadLetter = a.Expr
		g.end(a.Expr, "a dead letter's inport")
	}
}

func (g *graphDecoder) initial(b *hcl.Block) {
	to, ok := g.label(b, 0, `initial "resize.width" { data = 300 }`)
	c, has := g.content(b)
	if ok && has && g.once("Initial packet", fmt.Sprintf("initial %q", to), b.DefRange) {
		g.g.Initials = append(g.g.Initials, &Initial{To: to, ToRange: b.LabelRanges[0], Data: c.attrs["data"].Expr, Decl: b.DefRange})
	}
}

func (g *graphDecoder) export(b *hcl.Block) {
	e := &Export{Out: b.Type == "outport", Name: b.Labels[0], Decl: b.DefRange}
	if e.Name == "" {
		g.errorf(b.LabelRanges[0], "Invalid name", "An exported port needs a name: write %s \"NAME\" { … }.", b.Type)
	}
	c, ok := g.content(b)
	if !ok {
		return
	}
	end := c.attrs["to"]
	if e.Out {
		end = c.attrs["from"]
	}
	e.End = end.Expr
	g.end(e.End, "the port that is exported")
	if g.once("Exported port", fmt.Sprintf("%s %q", b.Type, e.Name), b.DefRange) {
		g.g.Exports = append(g.g.Exports, e)
	}
}
