package desired

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
)

// moves resolves moved and removed blocks to addresses of the whole
// configuration: in a module, for each of its instances.
func (e *evaluator) moves(r *Result) {
	from := map[string]hcl.Range{}
	declared := make(map[addr.Instance]bool, len(r.Objects))
	for i := range r.Objects {
		declared[r.Objects[i].Addr] = true
	}
	for _, m := range e.modules {
		for _, mv := range m.cfg.Moved {
			out := Move{From: within(m, mv.From), To: within(m, mv.To)}
			if prev, ok := from[out.From.String()]; ok {
				e.errorf(mv.Decl, "Moved twice", "%s is moved by another block too, at %s. It can be in one place only.", out.From, prev)
				continue
			}
			from[out.From.String()] = mv.Decl
			if declared[out.From.Instance] || e.find(out.From.Instance) != nil && covers(out.From, r.Objects) {
				e.errorf(mv.Decl, "Moved object still declared", "%s is still declared, so it cannot have moved to %s. Rename its block, or take this one out.", out.From, out.To)
				continue
			}
			r.Moves = append(r.Moves, out)
		}
		for _, rm := range m.cfg.Removed {
			at := within(m, rm.From)
			if covers(at, r.Objects) {
				e.errorf(rm.Decl, "Removed object still declared", "%s is still declared. Take its block out as well, or this one.", at)
				continue
			}
			if !rm.Destroy {
				r.Forget = append(r.Forget, at)
			}
		}
	}
}

func covers(t addr.Target, objects []Object) bool {
	for i := range objects {
		if t.Matches(objects[i].Addr) {
			return true
		}
	}
	return false
}

// within puts a module's path before an address that is relative to it.
func within(m *module, t addr.Target) addr.Target {
	if m.path != "" {
		t.Instance.Module = strings.TrimSuffix(m.path+"."+t.Instance.Module, ".")
	}
	return t
}

// imports sets the ImportID of the objects that import blocks name.
func (e *evaluator) imports() {
	for n := range e.root.cfg.Imports {
		im := &e.root.cfg.Imports[n]
		exp := e.expand(e.root, nil, im.ForEach, "the import block")
		if exp.broken || exp.held {
			continue
		}
		id := e.compile(e.root, im.ID, nil)
		for _, k := range exp.keys {
			s := k.scope(e.root)
			at, ok := e.importTarget(im.To, s)
			if !ok {
				continue
			}
			v := e.eval(id, s)
			t := traitsOf(v)
			if t.broken || t.held {
				continue
			}
			v, err := converted(plain(v), cty.String)
			if err != nil || !v.IsKnown() || v.IsNull() || v.AsString() == "" || t.sensitive {
				e.errorf(im.ID.Range(), "Invalid import ID", "The id of an import must be a string that is not empty, known at plan time and not sensitive.")
				continue
			}
			if at.Owner != "" {
				e.importLater(at, v.AsString(), im)
				continue
			}
			i := e.find(at)
			if i == nil && e.mayBe(at) {
				continue
			}
			if i == nil && e.wrongKey(at, im.To.Range()) {
				continue
			}
			if i == nil {
				e.errorf(im.To.Range(), "Import of something not declared", "%s is not declared. Write its block first; `msgflo import` then takes the live object over as it.", at)
				continue
			}
			if i.imp != "" && i.imp != v.AsString() {
				e.errorf(im.Decl, "Imported twice", "%s is imported by another block too, with another id.", at)
				continue
			}
			i.imp = v.AsString()
		}
	}
}

// A lateImport is an import block for an object that a participant or graph
// gives rise to: whether it does is known later.
type lateImport struct {
	id   string
	decl *config.Import
	used bool
}

func (e *evaluator) importLater(at addr.Instance, id string, im *config.Import) {
	if o := e.imported[at]; o != nil && o.id != id {
		e.errorf(im.Decl, "Imported twice", "%s is imported by another block too, with another id.", at)
		return
	}
	if e.imported == nil {
		e.imported = map[addr.Instance]*lateImport{}
	}
	e.imported[at] = &lateImport{id: id, decl: im}
}

// importOf is the ID of an import block for a derived object, "" for none.
func (e *evaluator) importOf(at addr.Instance) string {
	if im := e.imported[at]; im != nil {
		im.used = true
		return im.id
	}
	return ""
}

// importDerived reports import blocks for what nothing gives rise to. While
// something is wrong, or waits for data, that is not known.
func (e *evaluator) importDerived() {
	waits, failed := e.unexpanded()
	for at, im := range e.imported {
		if !im.used && !waits && !failed && !e.mayBe(at) && !e.diags.HasErrors() {
			e.errorf(im.decl.To.Range(), "Import of something not declared", "Nothing in the configuration gives rise to %s.", at)
		}
	}
}

// find looks an object up by its address.
func (e *evaluator) find(at addr.Instance) *instance {
	if m := e.byPath[at.Module]; m != nil {
		if b := m.resources[at.Type+"."+at.Name]; b != nil {
			return b.byKey[at.Key]
		}
	}
	return nil
}

// wrongKey reports a block that is declared, and its instance is not.
func (e *evaluator) wrongKey(at addr.Instance, rng hcl.Range) bool {
	m := e.byPath[at.Module]
	if m == nil || m.resources[at.Type+"."+at.Name] == nil {
		return false
	}
	b := m.resources[at.Type+"."+at.Name]
	switch {
	case b.exp.broken || b.exp.held:
	case at.Key == "":
		e.noKey(b.label(), b.exp.mode, rng)
	default:
		e.noInstance(b.label(), at.Key, b.exp.keys, rng)
	}
	return true
}

// importTarget reads the address in `to`, whose indexes may use each.key.
func (e *evaluator) importTarget(src hcl.Expression, s *scope) (addr.Instance, bool) {
	text, ok := e.pathOf(src, s)
	if ok {
		if at, err := addr.Parse(text); err == nil {
			return at, true
		}
	}
	e.errorf(src.Range(), "Invalid import target", "An import goes to the address of one object, as in queue.jobs or module.eu.queue.jobs[each.key].")
	return addr.Instance{}, false
}

func (e *evaluator) pathOf(src hcl.Expression, s *scope) (string, bool) {
	switch x := unwrap(src).(type) {
	case *hclsyntax.ScopeTraversalExpr:
		return traversalText(x.Traversal)
	case *hclsyntax.RelativeTraversalExpr:
		head, ok := e.pathOf(x.Source, s)
		tail, ok2 := traversalText(x.Traversal)
		return head + tail, ok && ok2
	case *hclsyntax.IndexExpr:
		head, ok := e.pathOf(x.Collection, s)
		key := keyOfValue(e.eval(e.compile(s.mod, x.Key, nil), s))
		return head + key, ok && key != ""
	}
	if t, diags := hcl.AbsTraversalForExpr(src); !diags.HasErrors() {
		return traversalText(t)
	}
	return "", false
}

func traversalText(t hcl.Traversal) (string, bool) {
	var b strings.Builder
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(step.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + step.Name)
		case hcl.TraverseIndex:
			key := keyOfValue(step.Key)
			if key == "" {
				return "", false
			}
			b.WriteString(key)
		default:
			return "", false
		}
	}
	return b.String(), true
}
