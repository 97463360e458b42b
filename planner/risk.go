package planner

import (
	"cmp"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
)

// fewCollaterals is how many of our own objects are listed with what they go
// with. In a vhost with thousands they would hide the ones that matter.
const fewCollaterals = 32

// measure fills in what deletes endanger, and lists what has to be asked for
// that.
func (p *planning) measure(out *plan.Plan) Missing {
	var missing Missing
	going := p.going()
	dragged := p.draggedIn()
	for n := range p.items {
		it := &p.items[n]
		d := p.dSteps[n]
		if d < 0 {
			continue
		}
		var risk *plan.Risk
		if it.old.Meterable && it.is == present {
			depth, ok := p.in.Depth[it.prev]
			if !ok {
				missing.Depth = append(missing.Depth, it.prev)
			}
			risk = p.risk(it, depth, going)
		}
		if more := dragged[n]; len(more) > 0 {
			if risk == nil {
				risk = &plan.Risk{}
			}
			p.addDragged(risk, more)
		}
		if risk != nil {
			risk.Consent = matches(p.in.AllowLoss, it)
			out.Steps[d].Risk = risk
		}
	}
	return missing
}

// name is what an object is called on its broker.
type name struct {
	provider addr.Provider
	typ, id  string
}

// going are the live objects that this plan itself deletes.
func (p *planning) going() map[name]bool {
	out := map[name]bool{}
	for n := range p.items {
		it := &p.items[n]
		if v := it.value(); (it.goes || it.swap) && v != cty.NilVal {
			out[name{it.provider(), it.at.Type, it.old.Identity(v)}] = true
		}
	}
	return out
}

func (p *planning) risk(i *item, d providers.Depth, going map[name]bool) *plan.Risk {
	r := &plan.Risk{Ready: d.Ready, Unacked: d.Unacked, Consumers: d.Consumers, Unknown: d.Unknown}
	var ours []plan.Collateral
	for _, o := range d.Collateral {
		at := o.Provider
		if at == (addr.Provider{}) {
			at = i.provider()
		}
		s := p.schemaOf(at, o.Type)
		if s == nil {
			r.Collateral = append(r.Collateral, plan.Collateral{Type: o.Type, Name: o.Type})
			continue
		}
		c := plan.Collateral{Type: o.Type, Name: nameFor(s, o.Value), Value: encode(s, o.Value, s.sensitive)}
		if c.Managed = going[name{at, o.Type, s.Identity(o.Value)}]; c.Managed {
			ours = append(ours, c)
		} else {
			r.Collateral = append(r.Collateral, c)
		}
	}
	if len(ours) <= fewCollaterals {
		r.Collateral = append(r.Collateral, ours...)
	}
	sortCollateral(r.Collateral)
	return r
}

func sortCollateral(cs []plan.Collateral) {
	slices.SortStableFunc(cs, func(a, b plan.Collateral) int {
		if a.Managed != b.Managed {
			if b.Managed {
				return -1
			}
			return 1
		}
		return compareTexts(a.Type, b.Type, a.Name, b.Name)
	})
}

// draggedIn lists, for every item that goes, what is not ours and dies with it.
func (p *planning) draggedIn() map[int][]*item {
	out := map[int][]*item{}
	for n := range p.items {
		it := &p.items[n]
		if !it.dragged || it.is != present {
			continue
		}
		add := func(m int) {
			if p.items[m].goes && !slices.Contains(out[m], it) {
				out[m] = append(out[m], it)
			}
		}
		if it.prior != nil {
			p.indexed(it.prior.Within, add)
		}
		if it.want != nil {
			p.indexed(it.want.Within, add)
		}
	}
	return out
}

func (p *planning) addDragged(r *plan.Risk, more []*item) {
	for _, it := range more {
		c := plan.Collateral{Type: it.at.Type, Name: nameFor(it.old, it.live.Value), Value: encode(it.old, it.live.Value, it.secretPaths())}
		if !slices.ContainsFunc(r.Collateral, func(o plan.Collateral) bool { return o.Type == c.Type && o.Name == c.Name }) {
			r.Collateral = append(r.Collateral, c)
		}
	}
	sortCollateral(r.Collateral)
}

// nameFor is what people call a live object.
func nameFor(s *schema, v cty.Value) string {
	if v == cty.NilVal || v.IsNull() {
		return ""
	}
	if s.Title != nil {
		return s.Title(v)
	}
	if s.ID != nil {
		return s.ID(v)
	}
	if s.typ.HasAttribute("name") {
		if n := v.GetAttr("name"); n.Type() == cty.String && n.IsKnown() && !n.IsNull() {
			return n.AsString()
		}
	}
	return s.Identity(v)
}

// compareTexts compares pairs, the first that differ decide.
func compareTexts(pairs ...string) int {
	for i := 0; i+1 < len(pairs); i += 2 {
		if c := cmp.Compare(pairs[i], pairs[i+1]); c != 0 {
			return c
		}
	}
	return 0
}
