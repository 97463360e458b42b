package planner

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
)

// String is the word that a plan document has for the mode.
func (m Mode) String() string {
	switch m {
	case Destroy:
		return "destroy"
	case RefreshOnly:
		return "refresh-only"
	}
	return "normal"
}

// document writes down what was decided, in address order.
func (p *planning) document() *plan.Plan {
	out := &plan.Plan{
		FormatVersion: plan.FormatVersion, Lineage: p.in.Prior.Lineage, Serial: p.in.Prior.Serial, Mode: p.in.Mode.String(),
		Targeted: len(p.in.Only)+len(p.in.Exclude) > 0, Steps: []plan.Step{}, Withheld: p.withheld, Moved: p.moves,
		Unmanaged: p.unmanaged(),
	}
	p.dSteps, p.kSteps = make([]int, len(p.items)), make([]int, len(p.items))
	for n := range p.items {
		it := &p.items[n]
		p.dSteps[n], p.kSteps[n] = -1, -1
		if d := p.drift(it); d != nil {
			out.Drift = append(out.Drift, *d)
		}
		if it.goes {
			p.dSteps[n] = len(out.Steps)
			out.Steps = append(out.Steps, p.deletion(it))
		}
		if it.do != 0 {
			p.kSteps[n] = len(out.Steps)
			out.Steps = append(out.Steps, p.step(it))
		}
		if !it.goes && (it.do == 0 || it.do == plan.Record) && it.want != nil && p.in.Mode == Normal {
			out.Unchanged++
		}
	}
	return out
}

func (p *planning) drift(i *item) *plan.Drift {
	if i.prior == nil || !i.inUse && !i.goes || i.away == "" && !i.gone && len(i.drift) == 0 {
		return nil
	}
	return &plan.Drift{
		Addr: i.at, Provider: i.prior.Provider, Gone: i.is == absent, Recorded: i.prior.Attrs,
		Live: encode(i.old, i.live.Value, i.secretPaths()), Changed: i.drift, Sensitive: i.secretTexts(), Note: i.away,
	}
}

func (p *planning) blank(i *item, a plan.Action, why string) plan.Step {
	s := plan.Step{
		ID: plan.ID(a, i.at), Addr: i.at, Action: a, Reason: why, Sensitive: i.secretTexts(), Decl: p.decl(i.at),
		Changed: i.changed, ForceNew: i.forceNew, Drift: i.repairs(),
	}
	if i.prev != i.at {
		prev := i.prev
		s.Prev = &prev
	}
	return s
}

// repairs reports whether the step undoes what was changed outside.
func (i *item) repairs() bool {
	if i.gone {
		return true
	}
	for _, c := range i.changed {
		if slices.Contains(i.drift, c) {
			return true
		}
	}
	return false
}

func (p *planning) deletion(i *item) plan.Step {
	s := p.blank(i, plan.Delete, i.whyGoes)
	s.Provider, s.SchemaVersion = i.provider(), i.old.Version
	s.Before = encode(i.old, i.value(), i.secretPaths())
	return s
}

func (p *planning) step(i *item) plan.Step {
	s := p.blank(i, i.do, i.why)
	secret := i.secretPaths()
	s.SchemaVersion, s.Provider = i.sch.Version, i.provider()
	switch i.do {
	case plan.Forget:
		s.Before, s.Changed, s.ForceNew = encode(i.old, i.value(), secret), nil, nil
		return s
	case plan.Record:
		s.Before, s.Changed = i.prior.Attrs, i.drift
		s.After = encode(i.old, i.base, secret)
		s.SchemaVersion, s.ForceNew = i.old.Version, nil
		s.Record = p.record(i)
		return s
	}
	s.Provider = i.want.Provider
	s.Shared = i.shared()
	s.Imported = i.want.ImportID != "" && i.prior == nil && i.do != plan.Create
	s.Record = p.record(i)
	s.Before = encode(i.sch, i.base, secret)
	after := i.want.Value
	switch i.do {
	case plan.Update:
		p.restart(i, &s)
		after = settled(i.sch, after, i.base, i.want.Lifecycle.IgnoreChanges, i.want.Lifecycle.IgnoreAll)
	case plan.Adopt:
		after = i.base
	}
	if i.do != plan.Adopt {
		s.Holes = p.computedHoles(i)
		for _, h := range s.Holes {
			if at, err := recorded.ParsePath(h.Path); err == nil {
				secret = append(secret, at)
			}
		}
	}
	s.Holes = append(s.Holes, i.secretHoles()...)
	s.After = encode(i.sch, after, secret)
	return s
}

// record is what state says of an object once its step is done.
func (p *planning) record(i *item) plan.Recorded {
	r := plan.Recorded{Owned: i.owned}
	if i.prior != nil {
		r.Hashes = i.prior.Hashes
	}
	if p.in.Mode == RefreshOnly || i.want == nil {
		r.Within, r.After, r.Keep = i.prior.Within, i.prior.After, i.prior.Keep
		return r
	}
	r.Within, r.After, r.Keep = sorted(i.want.Within), sorted(i.want.After), i.keep()
	return r
}

func sorted(as []addr.Instance) []addr.Instance {
	if len(as) == 0 {
		return nil
	}
	out := slices.Clone(as)
	addr.Sort(out)
	return slices.Compact(out)
}

// computedHoles are the values that another object has yet to compute.
func (p *planning) computedHoles(i *item) []plan.Hole {
	var out []plan.Hole
	for _, h := range i.want.Holes {
		at, err := recorded.ParsePath(h.Path)
		if err != nil {
			continue
		}
		v := recorded.At(i.want.Value, at)
		open := v != cty.NilVal && !v.IsKnown()
		if h.Addr != nil && !open {
			m, ok := p.index[*h.Addr]
			open = ok && p.items[m].do == plan.Create
		}
		if open {
			out = append(out, h)
		}
	}
	return out
}

// secretHoles are the secrets that the wanted value has: they stand in no
// document and are filled when the step runs.
func (i *item) secretHoles() []plan.Hole {
	var out []plan.Hole
	paths := i.sch.sensitive
	texts := i.sch.secrets
	if len(i.want.Sensitive) > 0 {
		paths = append(slices.Clip(paths), i.want.Sensitive...)
		texts = append(slices.Clip(texts), formatted(i.sch.Schema, i.want.Sensitive)...)
	}
	for n, at := range paths {
		v := recorded.At(i.want.Value, at)
		if v == cty.NilVal || v.IsNull() || !v.IsKnown() || slices.Contains(texts[:n], texts[n]) {
			continue
		}
		out = append(out, plan.Hole{Path: texts[n], Secret: true})
	}
	return out
}

// secretPaths are all paths that no document may show.
func (i *item) secretPaths() []cty.Path {
	out := slices.Clip(i.sch.sensitive) // shared: what is added goes to a copy
	if i.want != nil && len(i.want.Sensitive) > 0 {
		out = append(out, i.want.Sensitive...)
	}
	if i.prior != nil {
		for _, text := range i.prior.Sensitive {
			if at, err := recorded.ParsePath(text); err == nil {
				out = append(out, at)
			}
		}
	}
	return out
}

// secretTexts are the same as texts, sorted.
func (i *item) secretTexts() []string {
	if (i.want == nil || len(i.want.Sensitive) == 0) && (i.prior == nil || len(i.prior.Sensitive) == 0) {
		return i.sch.secrets
	}
	out := slices.Clone(i.sch.secrets)
	if i.want != nil {
		out = append(out, formatted(i.sch.Schema, i.want.Sensitive)...)
	}
	if i.prior != nil {
		out = append(out, i.prior.Sensitive...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (p *planning) unmanaged() []plan.Unmanaged {
	var out []plan.Unmanaged
	for _, o := range p.in.Unmanaged {
		s := p.schemaOf(o.Provider, o.Type)
		if s == nil || o.Value == cty.NilVal || o.Value.IsNull() {
			continue
		}
		out = append(out, plan.Unmanaged{Provider: o.Provider, Type: o.Type, Name: nameFor(s, o.Value), Value: encode(s, o.Value, s.sensitive)})
	}
	slices.SortStableFunc(out, func(a, b plan.Unmanaged) int {
		return compareTexts(a.Provider.String(), b.Provider.String(), a.Type, b.Type, a.Name, b.Name)
	})
	return out
}
