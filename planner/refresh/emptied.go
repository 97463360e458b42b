package refresh

import (
	"fmt"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// fewest is how many objects must be gone at once to be taken for a wrong or
// an emptied broker: with fewer, somebody may well have removed them by hand.
const fewest = 5

type place struct {
	provider addr.Provider
	within   string // the vhost
}

// emptied reports every vhost of which state remembers five objects or more
// that are ours and still wanted, and in which the broker knows none of them. It is
// rarely true that all were removed one by one: the URL leads somewhere else,
// or a node came back without its data. Making everything again there is a
// decision, not a repair.
func emptied(r *Request, live map[addr.Instance]planner.Live) hcl.Diagnostics {
	gone := map[place]int{}
	each(r, live, func(p func() place, o *state.Object, l planner.Live) {
		if l.Value.IsNull() && o.Owned && l.Note == "" {
			gone[p()]++
		}
	})
	pending := map[addr.Instance]bool{}
	for i := range r.Prior.Pending {
		pending[r.Prior.Pending[i].Addr] = true
	}
	found := map[place]bool{}
	if len(gone) > 0 {
		each(r, live, func(p func() place, o *state.Object, l planner.Live) {
			if !l.Value.IsNull() || pending[o.Addr] { // an interrupted run was making it anew
				found[p()] = true
			}
		})
	}
	var places []place
	for p, n := range gone {
		if n >= fewest && !found[p] {
			places = append(places, p)
		}
	}
	sort.Slice(places, func(i, j int) bool {
		a, b := places[i], places[j]
		return a.provider.String() < b.provider.String() || a.provider == b.provider && a.within < b.within
	})
	var diags hcl.Diagnostics
	for _, p := range places {
		where := p.provider.String()
		if p.within != "" {
			where = fmt.Sprintf("%q on %s", p.within, where)
		}
		diags = append(diags, diag.Error(r.Decl[p.provider], "Nothing of what is recorded exists", fmt.Sprintf(
			"State remembers %d objects in %s that msgflo made, and the broker says that none of them exists. "+
				"Either this is another broker than the one they were made on (compare its URL), or it was restored without its data. "+
				"If they are really gone and shall be made again, take note of that first with `msgflo apply -refresh-only`.",
			gone[p], diag.Escape(where))))
	}
	return diags
}

// each visits what is wanted, recorded and was read.
func each(r *Request, live map[addr.Instance]planner.Live, visit func(func() place, *state.Object, planner.Live)) {
	prior := r.Prior.Index()
	for i := range r.Want {
		o := &r.Want[i]
		at, has := prior[o.Addr]
		l, read := live[o.Addr]
		t := r.Types[o.Provider]
		if !has || !read || l.Value == cty.NilVal || t == nil || t.Launcher { // `msgflo down` empties a launcher
			continue
		}
		visit(func() place { return place{o.Provider, within(t.Resources[o.Type], o.Value)} }, &r.Prior.Objects[at], l)
	}
}

// within is the name of what an object lives in: the first identity attribute
// that says so, in RabbitMQ the vhost.
func within(s *providers.Schema, v cty.Value) string {
	if s == nil {
		return ""
	}
	for i := range s.Attrs {
		a := &s.Attrs[i]
		if !a.Identity || a.Relation != providers.Within || a.Type != cty.String {
			continue
		}
		if w := v.GetAttr(a.Name); w.IsKnown() && !w.IsNull() {
			return w.AsString()
		}
		return ""
	}
	return ""
}
