package workspace

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// Declared is an object as the configuration has it, for drawing.
type Declared struct {
	Addr      addr.Instance
	Provider  addr.Provider
	Value     json.RawMessage // secrets null
	Sensitive []string
	Related   []addr.Instance
}

// A ForeignRole is a participant that nobody launches, so that none of the
// objects tells of it.
type ForeignRole struct {
	Broker        addr.Provider
	Module, Owner string // of its block
	Name          string // with the broker's prefix
	Inports       []Port
	Outports      []Port
}

// Declared evaluates the configuration and returns its objects. Brokers are
// asked only for what data sources need.
func (w *Workspace) Declared(ctx context.Context) ([]Declared, []ForeignRole, hcl.Diagnostics) {
	s := &Session{w: w, snap: state.New(state.NewLineage())}
	s.pool = newPool(w, s.snap.Lineage)
	defer func() { _ = s.pool.Close() }() // nothing was changed through it
	res, _, diags := s.build(ctx)
	if diags.HasErrors() {
		return nil, nil, diags
	}
	forms := map[*providers.Schema]*recorded.Form{}
	out := make([]Declared, 0, len(res.Objects))
	for i := range res.Objects {
		o := &res.Objects[i]
		sch := res.Providers[o.Provider].Type.Resources[o.Type]
		f := forms[sch]
		if f == nil {
			f = recorded.Of(sch)
			forms[sch] = f
		}
		var sensitive []string
		for _, p := range o.Sensitive {
			sensitive = append(sensitive, diag.FormatPath(p))
		}
		v, err := f.Encode(o.Value, sensitive)
		if err != nil {
			return nil, nil, append(diags, diag.At(err, o.Decl)...)
		}
		out = append(out, Declared{o.Addr, o.Provider, v, sensitive, slices.Concat(o.Within, o.After)})
	}
	return out, foreignRoles(res.Roles), diags
}

func foreignRoles(played map[addr.Provider][]*flow.Role) []ForeignRole {
	var out []ForeignRole
	for _, on := range sortedProviders(played) {
		for _, r := range played[on] {
			if r.Foreign {
				out = append(out, ForeignRole{on, r.Module, r.Owner, r.Name, lowered(r.Inports), lowered(r.Outports)})
			}
		}
	}
	return out
}
