package desired

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/providers"
)

// This file is what Env.AllowMissing changes. What is not given is held, as
// what waits for data is: nothing that follows from it is judged.

// notGiven is the value of a root variable that validate does without.
func notGiven(v *config.Variable) cty.Value {
	out := cty.UnknownVal(v.Type.WithoutOptionalAttributesDeep()).Mark(held)
	if v.Sensitive || v.Ephemeral {
		out = out.Mark(sensitive)
	}
	return out
}

// hold gives a value that is not known the mark that functions like try lose.
func (e *evaluator) hold(x *expression, s *scope, v cty.Value) cty.Value {
	if !x.traits.held && !x.scoped || whollyKnown(v) || traitsOf(v).held || !e.traitsIn(x, s).held {
		return v
	}
	return v.Mark(held)
}

// passOver leaves a broker out of the evaluation, but for the schemas of what
// is on it. Its type may be known from the beginning of its URL; else it is nil.
func (b *broker) passOver() {
	b.failed, b.passed = false, true
	b.config = cty.EmptyObjectVal
}

// schemeOf is the scheme of a URL of which only the beginning is known, "" where
// not even that is.
func schemeOf(v cty.Value) string {
	v = plain(v)
	if v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	scheme, _, ok := strings.Cut(v.Range().StringPrefix(), "://")
	if !ok {
		return ""
	}
	return strings.ToLower(scheme)
}

// incomplete deals with the settings of a broker that are not known: it is used
// without them, unless names depend on them.
func (e *evaluator) incomplete(b *broker) bool {
	for n := range b.vals {
		a := &b.in.attrs[n]
		if whollyKnown(b.vals[n]) {
			continue
		}
		if a.Name == "url" || a.Name == "prefix" || a.Name == embeddedBlock {
			b.passOver()
			return false
		}
		b.vals[n], b.partial = a.null, true
	}
	return true
}

// openAlone compiles a block on a broker that is passed over for the schema of
// its type, and holds it.
func (e *evaluator) openAlone(i *instance) bool {
	b := i.block
	in := e.flowSchema(b)
	if in == nil {
		s := e.schemaAlone(b, i.broker)
		if s == nil && i.broker.typ != nil {
			e.notThere(i)
		}
		if s == nil {
			return false
		}
		in = e.info(s)
	}
	e.openAs(i, in)
	i.held = true
	return true
}

// schemaAlone is the schema of a block: where the kind of its broker is not
// known, that of the first kind that has such blocks.
func (e *evaluator) schemaAlone(b *block, on *broker) *providers.Schema {
	for _, t := range e.env.Types {
		schemas, _ := b.schemas(t)
		if s := schemas[b.cfg.Type]; s != nil && !t.Launcher && (on.typ == nil || on.typ == t) {
			return s
		}
	}
	return nil
}

// judgeAlone asks the schema about an object on a broker that is passed over.
func (e *evaluator) judgeAlone(i *instance) {
	if !i.broker.passed || i.failed || i.block.lowers() {
		return
	}
	for n := range i.vals {
		if traitsOf(i.vals[n]).held || i.vals[n].RawEquals(i.in.attrs[n].unknown) && !i.in.attrs[n].Computed && !i.in.attrs[n].ReadOnly {
			return
		}
	}
	e.validateValue(i.in, i.in.plainValue(i.vals), i.body, i.decl(), i.vals)
}

// mayBe reports whether an object that is not found could still turn up once
// all is given.
func (e *evaluator) mayBe(at addr.Instance) bool {
	if !e.env.AllowMissing {
		return false
	}
	if waits, _ := e.unexpanded(); waits {
		return true
	}
	for _, b := range e.brokers {
		if b.passed {
			return true
		}
	}
	for _, l := range e.lowering {
		if slices.ContainsFunc(l.players, func(p *player) bool { return p.held || p.inst.held }) ||
			slices.ContainsFunc(l.graphs, func(i *instance) bool { return i.held }) {
			return true
		}
	}
	m := e.byPath[at.Module]
	if m == nil {
		return false
	}
	b := m.resources[at.Type+"."+at.Name]
	return b != nil && b.exp.held
}

// unknownHere reports whether a value that must be known is one that validate
// does without.
func (e *evaluator) unknownHere(v cty.Value) bool {
	return e.env.AllowMissing && traitsOf(v).held && !plain(v).IsWhollyKnown()
}

// urlNotGiven passes a broker over whose URL is not known.
func (e *evaluator) urlNotGiven(b *broker, v cty.Value, at hcl.Range) {
	if scheme := schemeOf(v); scheme != "" {
		if !e.pickType(b, scheme+"://localhost", at) || !e.canEmbed(b) {
			return
		}
		e.compileBody(b.mod, b.in.attrs, b.cfg.Attrs, b.cfg.Blocks, b.cfg.Decl, nil)
	}
	b.passOver()
}
