package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
)

// hold indexes objects by what they are called on their broker, where
// addresses and names have parted: held is what is recorded and does not keep
// its name, claimed what is declared under a name it does not have yet.
func (p *planning) hold() {
	p.held, p.claimed, p.kept = map[name]int{}, map[name]bool{}, nil
	if p.in.Mode != Normal {
		return
	}
	for n := range p.items {
		i := &p.items[n]
		if i.prior != nil && i.want != nil && !i.renamed {
			continue
		}
		if i.prior != nil && i.is != absent {
			if v := i.value(); v != cty.NilVal {
				p.held[p.heldName(i, v)] = n
			}
		}
		if i.want != nil {
			p.claimed[p.nameOf(i, i.want.Value)] = true
		}
	}
}

// isTwin reports whether what is recorded at an address that nobody wants is
// recorded and wanted under another one, too (it was imported there): deleting it
// would delete that.
func (p *planning) isTwin(i *item) bool {
	if p.kept == nil {
		p.kept = map[name]bool{}
		for n := range p.items {
			if o := &p.items[n]; o.prior != nil && o.want != nil && !o.renamed {
				p.kept[p.nameOf(o, o.want.Value)] = true
			}
		}
	}
	v := i.value()
	return v != cty.NilVal && p.kept[p.heldName(i, v)]
}

// nameOf is what the wanted object (or one with that value) is called.
func (p *planning) nameOf(i *item, v cty.Value) name {
	return name{i.want.Provider, i.at.Type, i.sch.Identity(v)}
}

func (p *planning) heldName(i *item, v cty.Value) name {
	return name{i.prior.Provider, i.at.Type, i.old.Identity(v)}
}

// leaver returns the item that holds the name now and gives it up in this
// plan, or -1.
func (p *planning) leaver(i *item) int {
	if len(p.held) == 0 {
		return -1
	}
	n, ok := p.held[p.nameOf(i, i.want.Value)]
	if !ok || &p.items[n] == i {
		return -1
	}
	return n
}

// unrecorded decides about a declared name of which state knows nothing. What
// is found there is ours, adopted, or in the way (fact 5).
func (p *planning) unrecorded(i *item, found Live, is presence) {
	lc := &i.want.Lifecycle
	if n := p.leaver(i); n >= 0 && p.items[n].inUse && p.items[n].prior.Owned {
		i.create("")
		return
	}
	if is != present {
		if i.want.ImportID != "" {
			p.report(diag.Error(i.want.Decl, "Nothing to import",
				fmt.Sprintf("%s is to be imported from %q, and there is no such %s on %s. Check the ID, or leave the import out to have it created.",
					i.at, i.want.ImportID, i.at.Type, i.want.Provider)))
			return
		}
		i.create("")
		return
	}
	if id := i.want.ImportID; id != "" && !i.sch.named(found.Value, id) {
		p.report(diag.Error(i.want.Decl, "Import of another object",
			fmt.Sprintf("%s is to be imported from %q, and its block names the %s %q on %s: an import takes over what the block names. Write that ID, or name the other object in the block.",
				i.at, id, i.at.Type, i.sch.idOf(found.Value), i.want.Provider)))
		return
	}
	ds := p.differences(i, i.want.Value, found.Value)
	lineage := p.in.Prior.Lineage
	mine := found.Owner != "" && found.Owner == lineage
	imported := i.want.ImportID != ""
	ours := mine || imported || p.in.Intent[i.at] || lc.Adopt == adoptOwn
	if lc.Shared {
		p.share(i, found.Value, ds)
		return
	}
	if !ours && found.Owner != "" && lc.Adopt == "" && p.in.Prior.Serial == 0 && len(p.in.Prior.Objects) == 0 {
		p.strange.add(found.Owner, i)
		return
	}
	i.differsIn(ds)
	switch {
	case !ours && lc.Adopt == adoptRefuse:
		p.report(diag.Error(i.want.Decl, "Object exists already",
			fmt.Sprintf("%s is on %s already and is not in this state, and adopt = \"refuse\" says not to take it over. Give it another name, remove it by hand, or allow it with lifecycle { adopt = \"keep\" }.", i.at, i.want.Provider)))
		return
	case !ours && len(ds) > 0:
		p.report(p.inTheWay(i, found.Value, ds))
		return
	}
	i.owned, i.base, i.from = ours, found.Value, present
	switch {
	case len(i.forceNew) > 0 && i.prior != nil:
		p.report(p.inTheWay(i, found.Value, ds))
	case len(i.forceNew) > 0:
		p.replace(i, fixedAtCreation(i.forceNew))
	case len(ds) > 0:
		i.do, i.why = plan.Update, whyOurs(mine, imported)+", and differs"
	default:
		i.do = plan.Adopt
		if i.why = whyOurs(mine, imported); !ours {
			i.why = "it exists as declared; it is kept when it is no longer declared"
		} else if p.in.Intent[i.at] && !mine && !imported {
			i.why = "an interrupted run made it"
		}
	}
}

func whyOurs(mine, imported bool) string {
	switch {
	case imported:
		return "it is imported"
	case mine:
		return "it is marked as ours, and state did not have it"
	}
	return "it exists and is taken over"
}

// inTheWay is the error about a found object that is not as declared.
func (p *planning) inTheWay(i *item, found cty.Value, ds []difference) *hcl.Diagnostic {
	return diag.Error(i.want.Decl, "Object exists and differs",
		fmt.Sprintf("%s names a %s that is on %s already, is not in this state, and is not as declared:%s\n"+
			"Write lifecycle { adopt = \"own\" } to take it over and change it, declare it as it is, take it over with `msgflo import %s %s`, or give this one another name.",
			i.at, i.at.Type, i.want.Provider, p.listed(i, found, ds), diag.ShellWord(i.at.String()), diag.ShellWord(i.sch.idOf(found))))
}

// listed are differences, one a line.
func (p *planning) listed(i *item, found cty.Value, ds []difference) string {
	const most = 8
	var b strings.Builder
	for k, d := range ds {
		if k == most {
			fmt.Fprintf(&b, "\n  … and %d more", len(ds)-k)
			break
		}
		fmt.Fprintf(&b, "\n  %s: %s there, %s declared", d.path, p.shown(i, found, d.path), p.shown(i, i.want.Value, d.path))
	}
	return b.String()
}

// notOurs is the error about a replace of what was only adopted.
func (p *planning) notOurs(i *item, why string) *hcl.Diagnostic {
	rng, detail := p.decl(i.at), fmt.Sprintf("%s would have to be replaced: %s. It was on its broker before msgflo and was only adopted, so it is never deleted. "+
		"Write lifecycle { adopt = \"own\" } to make it ours, or undo the change.", i.at, why)
	return diag.Error(rng, "Adopted object cannot be replaced", detail)
}

// foreign collects objects marked by another lineage, found by a run whose
// state knows nothing.
type foreign struct {
	lineages []string
	first    *item
	count    int
}

func (f *foreign) add(lineage string, i *item) {
	if !slices.Contains(f.lineages, lineage) {
		f.lineages = append(f.lineages, lineage)
	}
	if f.count++; f.first == nil {
		f.first = i
	}
}

// report is one error for all of them: a state that was lost must not look
// like "nothing exists yet".
func (f *foreign) report(p *planning) {
	if f.count == 0 {
		return
	}
	slices.Sort(f.lineages)
	names := make([]string, len(f.lineages))
	for k, l := range f.lineages {
		names[k] = diag.Escape(l)
	}
	p.report(diag.Error(f.first.want.Decl, "State lost?",
		fmt.Sprintf("The state is empty, and %d of the declared objects exist and carry the ownership mark of lineage %s; the first is %s. "+
			"If they were made from this configuration, the state was lost or looked for in the wrong place: put the state file of that lineage (or its .backup) back, "+
			"for instance with `msgflo state push FILE`, or check the backend's settings. If they belong to somebody else and shall be shared, write "+
			"lifecycle { adopt = \"keep\" } at their declarations; adopt = \"own\" takes them over.%s",
			f.count, strings.Join(names, ", "), f.first.at, f.elsewhere())))
}

// elsewhere is what most likely happened where not even what holds the objects
// is recorded: a configuration was copied, and the original runs.
func (f *foreign) elsewhere() string {
	if len(f.first.want.Within) == 0 || f.first.want.Within[0].Type != "server" {
		return ""
	}
	return fmt.Sprintf(" Or is this a copy of a configuration that runs from another directory? Then %s has to listen elsewhere: "+
		"write embedded { listen = \"127.0.0.1:PORT\" } in its broker block, or `msgflo destroy` there first.", f.first.want.Within[0])
}
