package planner

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/planner/plan"
)

// remember finds what state has to take note of where nothing else is done:
// drift that is as wanted, relations, ownership, a new address (fact 3).
func (p *planning) remember(i *item) {
	if i.prior == nil || p.in.Mode == Destroy {
		return
	}
	p.drifted(i)
	if i.do != 0 || i.goes {
		return
	}
	moved := i.prev != i.at || i.readdressed
	older := i.prior.SchemaVersion != i.old.Version
	seen := len(i.drift) > 0 || i.stale
	switch {
	case p.in.Mode == RefreshOnly:
		if !seen && !moved && !older {
			return
		}
		i.owned = i.prior.Owned
	case i.want == nil:
		return // withheld
	case !seen && !moved && !older && i.owned == i.prior.Owned && i.keep() == i.prior.Keep && !i.otherRelations() && !i.otherSecrets():
		return
	}
	i.do, i.base, i.from, i.why = plan.Record, i.value(), i.is, p.whyRecord(i, moved)
}

func (p *planning) whyRecord(i *item, moved bool) string {
	switch {
	case i.prev != i.at:
		return "its address changes"
	case len(i.drift) > 0:
		return "it was changed outside msgflo"
	case i.stale:
		return "the broker computed new values"
	case p.in.Mode == Normal && i.owned && !i.prior.Owned:
		return "adopt = \"own\" makes it ours"
	case moved || i.want != nil && i.otherRelations():
		return "what it depends on changes"
	}
	return "what state says of it changes"
}

// keep says whether the object is left in place because it was only adopted.
func (i *item) keep() bool {
	return !i.owned && i.want != nil && (i.want.Lifecycle.Adopt == "" || i.want.Lifecycle.Adopt == adoptKeep)
}

func (i *item) otherRelations() bool {
	return !sameSet(i.prior.Within, i.want.Within) || !sameSet(i.prior.After, i.want.After)
}

// otherSecrets reports whether the configuration makes other paths sensitive
// than it did.
func (i *item) otherSecrets() bool {
	if len(i.prior.Sensitive) == 0 && len(i.want.Sensitive) == 0 {
		return false
	}
	beside := func(paths []string) []string {
		out := []string{}
		for _, s := range paths {
			if !covers(i.sch.secrets, s) {
				out = append(out, plainPath.Replace(s))
			}
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return !slices.Equal(beside(i.prior.Sensitive), beside(formatted(i.sch.Schema, i.want.Sensitive)))
}

// drifted compares the live object with what state recorded of it. Where its
// provider has an explanation, nobody outside changed it.
func (p *planning) drifted(i *item) {
	if i.is != present || i.live.Note != "" || i.prior.SchemaVersion == i.old.Version && i.old.form.Says(i.prior.Attrs, i.live.Value) {
		return
	}
	if i.was == cty.NilVal {
		was, ok := p.decode(i.prior, i.old)
		if !ok {
			return
		}
		i.was = was
	}
	ds := compareRecorded(i.old.Attrs, i.was, i.live.Value)
	if len(ds) > 0 && p.in.Normalize != nil {
		at := i.prior.Provider
		ds = compareRecorded(i.old.Attrs, p.in.Normalize(at, i.at.Type, i.was), p.in.Normalize(at, i.at.Type, i.live.Value))
	}
	secret := i.secretTexts()
	for _, d := range ds {
		switch {
		case covers(secret, d.path):
			// State has no secrets, so it cannot tell that one changed.
		case d.attr.Computed && i.open(d.attr.Name), i.ignores(d.path):
			i.stale = true
		default:
			i.drift = append(i.drift, d.path)
		}
	}
}

// open reports whether the declaration leaves a computed attribute to the
// broker.
func (i *item) open(name string) bool {
	if i.want == nil || !i.want.Value.Type().HasAttribute(name) {
		return true
	}
	v := i.want.Value.GetAttr(name)
	return !v.IsKnown() || v.IsNull()
}

func (i *item) ignores(path string) bool {
	return i.want != nil && (i.want.Lifecycle.IgnoreAll || covers(i.want.Lifecycle.IgnoreChanges, path))
}
