package refresh

import (
	"fmt"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// gatherer sorts what there is to read by provider.
type gatherer struct {
	r       *Request
	batches map[addr.Provider]*batch
	unknown map[addr.Provider]int // recorded objects of providers that are not declared
	forms   map[*providers.Schema]*recorded.Form
	diags   hcl.Diagnostics
}

func gather(r *Request) ([]*batch, hcl.Diagnostics) {
	g := &gatherer{r: r, batches: map[addr.Provider]*batch{}, unknown: map[addr.Provider]int{}, forms: map[*providers.Schema]*recorded.Form{}}
	prior := r.Prior.Index()
	want := make(map[addr.Instance]bool, len(r.Want))
	for i := range r.Want {
		o := &r.Want[i]
		want[o.Addr] = true
		at, has := prior[o.Addr]
		if !has {
			g.wanted(o, false, nil)
			continue
		}
		g.both(o, &r.Prior.Objects[at])
	}
	for i := range r.Prior.Objects {
		if o := &r.Prior.Objects[i]; !want[o.Addr] {
			g.recorded(o)
		}
	}
	for i := range r.Prior.Pending {
		g.pending(&r.Prior.Pending[i], prior)
	}
	g.undeclared()
	return sortBatches(g.batches), g.diags
}

// both asks for a wanted object that is recorded, too: once where both name the
// same live object, as nearly always.
func (g *gatherer) both(o *desired.Object, rec *state.Object) {
	same := o.Provider == rec.Provider
	if s := g.schema(o.Provider, o.Type); same && s != nil {
		var err error
		if same, err = g.form(s).SameIdentity(rec.SchemaVersion, rec.Attrs, o.Value); err != nil {
			g.unreadable(rec, err)
			return
		}
	}
	if !same {
		g.recorded(rec)
	}
	g.wanted(o, !same, rec)
}

// wanted asks for a wanted object; rec is what state has under its address, or nil.
func (g *gatherer) wanted(o *desired.Object, next bool, rec *state.Object) {
	s := g.schema(o.Provider, o.Type)
	if s == nil {
		g.diags = append(g.diags, diag.Error(o.Decl, "Unsupported object",
			fmt.Sprintf("%s has no objects of type %q, so %s cannot be there.", o.Provider, o.Type, o.Addr)))
		return
	}
	if !identified(s, o.Value) {
		return // its name depends on data still to be read
	}
	q := providers.Query{Type: o.Type, Value: o.Value}
	if rec != nil && !next {
		var err error
		if q.Recorded, err = g.form(s).Facts(rec.SchemaVersion, rec.Attrs); err != nil {
			g.unreadable(rec, err)
			return
		}
	}
	g.ask(o.Provider, q, slot{addr: o.Addr, wanted: true, next: next, decl: o.Decl})
}

func (g *gatherer) recorded(rec *state.Object) {
	if v, ok := g.decode(rec); ok {
		g.ask(rec.Provider, providers.Query{Type: rec.Addr.Type, Value: v, Recorded: v}, slot{addr: rec.Addr})
	}
}

// pending asks for what may have been made. Where the very object is recorded
// as well, its delete is not recorded, so its creation never began.
func (g *gatherer) pending(o *state.Object, prior map[addr.Instance]int) {
	v, ok := g.decode(o)
	if !ok {
		return
	}
	if at, has := prior[o.Addr]; has && g.r.Prior.Objects[at].Provider == o.Provider {
		rec := &g.r.Prior.Objects[at]
		if same, err := g.form(g.schema(o.Provider, o.Addr.Type)).SameIdentity(rec.SchemaVersion, rec.Attrs, v); err != nil || same {
			return
		}
	}
	g.ask(o.Provider, providers.Query{Type: o.Addr.Type, Value: v}, slot{addr: o.Addr, pending: o})
}

func (g *gatherer) decode(rec *state.Object) (cty.Value, bool) {
	if g.r.Types[rec.Provider] == nil {
		g.unknown[rec.Provider]++
		return cty.NilVal, false
	}
	s := g.schema(rec.Provider, rec.Addr.Type)
	if s == nil {
		g.unreadable(rec, fmt.Errorf("%s has no objects of type %q", rec.Provider, rec.Addr.Type))
		return cty.NilVal, false
	}
	v, err := g.form(s).Decode(rec.SchemaVersion, rec.Attrs)
	if err != nil {
		g.unreadable(rec, err)
		return cty.NilVal, false
	}
	return v, true
}

func (g *gatherer) ask(p addr.Provider, q providers.Query, s slot) {
	b := g.batches[p]
	if b == nil {
		b = &batch{provider: p}
		g.batches[p] = b
	}
	b.queries, b.slots = append(b.queries, q), append(b.slots, s)
}

func (g *gatherer) schema(p addr.Provider, typ string) *providers.Schema {
	t := g.r.Types[p]
	if t == nil {
		return nil
	}
	return t.Resources[typ]
}

func (g *gatherer) form(s *providers.Schema) *recorded.Form {
	f := g.forms[s]
	if f == nil {
		f = recorded.Of(s)
		g.forms[s] = f
	}
	return f
}

func (g *gatherer) unreadable(rec *state.Object, err error) {
	g.diags = append(g.diags, diag.Error(hcl.Range{}, "Recorded object not understood",
		fmt.Sprintf("What state remembers of %s cannot be read: %s. If the state was edited by hand, restore its backup; "+
			"`msgflo state rm` makes msgflo forget the object and changes nothing on the broker.", rec.Addr, diag.Escape(err.Error()))))
}

// undeclared reports providers whose block is gone while objects of theirs are
// still recorded.
func (g *gatherer) undeclared() {
	names := make([]string, 0, len(g.unknown))
	count := map[string]int{}
	for p, n := range g.unknown {
		names = append(names, p.String())
		count[p.String()] = n
	}
	sort.Strings(names)
	for _, p := range names {
		g.diags = append(g.diags, diag.Error(hcl.Range{}, "Broker not declared",
			fmt.Sprintf("State remembers %d objects on %s, but no block declares it, so they can neither be read nor removed. "+
				"Put the block back until they are destroyed, or make msgflo forget them with a removed block that says destroy = false.", count[p], p)))
	}
}

func identified(s *providers.Schema, v cty.Value) bool {
	if v == cty.NilVal || v.IsNull() || !v.IsKnown() {
		return false
	}
	for i := range s.Attrs {
		if s.Attrs[i].Identity && !v.GetAttr(s.Attrs[i].Name).IsKnown() {
			return false
		}
	}
	return true
}
