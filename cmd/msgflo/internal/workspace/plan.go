package workspace

import (
	"context"
	"fmt"
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/refresh"
	"github.com/msgflo/msgflo/providers"
)

// PlanOptions is what a plan was asked to be.
type PlanOptions struct {
	Mode                              planner.Mode
	Only, Exclude, Replace, AllowLoss []addr.Target
	NoDestroy                         bool
	Unmanaged                         bool
	Import                            map[addr.Instance]string // `import ADDR ID`
}

// Planned is a plan with what was learned on the way to it.
type Planned struct {
	Plan    *plan.Plan
	Desired *desired.Result
	Live    map[addr.Instance]planner.Live
	Types   map[addr.Provider]*providers.Type
	secrets map[addr.Instance]cty.Value
	data    map[string]cty.Value // answers of data sources, by query
}

// maxRounds bounds how often a plan is made again because data sources or
// depths were still open: each round answers all that the one before asked.
const maxRounds = 100

// Plan evaluates the configuration, reads the live brokers and compares. The
// plan is returned with errors too where it can be shown.
func (s *Session) Plan(ctx context.Context, o PlanOptions) (*Planned, hcl.Diagnostics) {
	res, data, diags := s.build(ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	diags = append(append(diags, s.w.Orphans(ctx, s.snap.Lineage)...), markImports(res, o.Import)...)
	guarded := res.Objects
	if o.Mode == planner.Destroy {
		guarded = s.recorded(res.Objects)
		res.Objects = nil
	}
	types := s.types()
	s.w.debug("configuration evaluated", "objects", len(res.Objects))
	live, ds := s.read(ctx, refresh.Request{
		Want: res.Objects, Prior: s.snap, Moves: res.Moves, Open: s.pool.Open, Types: types, Decl: s.pool.decls(),
		AcceptEmpty: s.w.o.AcceptEmpty || s.emptying || o.Mode != planner.Normal, NoteOnly: o.Mode == planner.RefreshOnly,
	})
	diags = append(diags, ds...)
	if diags.HasErrors() {
		return nil, diags
	}
	s.w.debug("brokers read", "objects", len(live))
	diags = append(diags, lint(res, liveObjects(res, live))...)
	p := &Planned{Desired: res, Live: live, Types: types, secrets: values(res.Objects), data: data}
	ds = s.compare(ctx, p, guarded, o)
	diags = append(diags, ds...)
	if p.Plan != nil && !diags.HasErrors() {
		diags = append(diags, s.able(ctx, p.Plan)...)
	}
	if p.Plan != nil && len(p.Plan.Steps) == 0 && o.Mode == planner.Normal && !p.Plan.Targeted {
		// All is as declared already, so what holds after apply must hold now.
		diags = append(diags, s.judge(ctx, p, newReader(s.snap, s.w.Types()))...)
	}
	return p, diags
}

// build evaluates the module, answering its data sources until none is open.
// The answers are returned too, for evaluating once more after apply.
func (s *Session) build(ctx context.Context) (*desired.Result, map[string]cty.Value, hcl.Diagnostics) {
	env := s.w.env()
	env.Data = map[string]cty.Value{}
	env.Computed = newReader(s.snap, s.w.Types()).value
	var warned hcl.Diagnostics
	for range maxRounds {
		res, diags := desired.Build(s.w.module, env)
		if diags.HasErrors() {
			return nil, nil, diags
		}
		s.pool.declare(res.Providers)
		warned = diags
		if len(res.Queries) == 0 {
			return res, env.Data, warned
		}
		answers, ds := s.readData(ctx, res.Queries)
		if ds.HasErrors() {
			return nil, nil, append(warned, ds...)
		}
		maps.Copy(env.Data, answers)
	}
	return nil, nil, hcl.Diagnostics{diag.Error(hcl.Range{}, "Data sources never settle",
		"Every round of reading opened further data sources; this is most likely a data source whose arguments depend on its own answer.")}
}

func (s *Session) readData(ctx context.Context, queries []desired.DataQuery) (map[string]cty.Value, hcl.Diagnostics) {
	answers, diags := s.readChecks(ctx, queries)
	for _, q := range queries {
		if v, ok := answers[q.ID]; ok && v.IsNull() {
			diags = append(diags, diag.Error(q.Decl, "Data source found nothing",
				fmt.Sprintf("There is no such %[1]s on %[2]s now. Declare it in a block %[1]s if it should be made here, or make it first.", q.Type, q.Provider)))
		}
	}
	return answers, diags
}

// readChecks reads data sources; one that finds nothing is null.
func (s *Session) readChecks(ctx context.Context, queries []desired.DataQuery) (map[string]cty.Value, hcl.Diagnostics) {
	byProvider := map[addr.Provider][]desired.DataQuery{}
	for _, q := range queries {
		byProvider[q.Provider] = append(byProvider[q.Provider], q)
	}
	answers := map[string]cty.Value{}
	var diags hcl.Diagnostics
	for _, a := range sortedProviders(byProvider) {
		qs := byProvider[a]
		pr, err := s.pool.Open(a)
		if err != nil {
			diags = append(diags, diag.At(err, qs[0].Decl)...)
			continue
		}
		ask := make([]providers.Query, len(qs))
		for i, q := range qs {
			ask[i] = providers.Query{Type: "data." + q.Type, Value: q.Value}
		}
		got, err := pr.Read(ctx, ask)
		if err != nil {
			diags = append(diags, diag.At(err, s.pool.decl(a))...)
			continue
		}
		for i, r := range got {
			if r.Err != nil {
				diags = append(diags, diag.At(r.Err, qs[i].Decl)...)
				continue
			}
			answers[qs[i].ID] = r.Value
		}
	}
	return answers, diags
}

// recorded are those of the declared objects that state has: of what is
// destroyed, their declarations say whether it may be.
func (s *Session) recorded(want []desired.Object) []desired.Object {
	known := s.snap.Index()
	var out []desired.Object
	for i := range want {
		if _, ok := known[want[i].Addr]; ok {
			out = append(out, want[i])
		}
	}
	return out
}

// compare calls the planner until it lacks nothing and fills the plan's header.
func (s *Session) compare(ctx context.Context, p *Planned, want []desired.Object, o PlanOptions) hcl.Diagnostics {
	in := planner.Input{
		Want: want, Prior: s.snap, Live: p.Live, Types: p.Types, Normalize: s.normalizer(),
		Mode: o.Mode, Only: o.Only, Exclude: o.Exclude, Replace: o.Replace, AllowLoss: o.AllowLoss, NoDestroy: o.NoDestroy,
		Intent: s.intent, Moves: p.Desired.Moves, Forget: p.Desired.Forget,
		Depth: map[addr.Instance]providers.Depth{},
	}
	var diags hcl.Diagnostics
	if o.Unmanaged {
		if in.Unmanaged, diags = s.unmanaged(ctx, p); diags.HasErrors() {
			return diags
		}
	}
	for range maxRounds {
		pl, missing, ds := planner.Plan(in)
		if missing.Empty() {
			if pl != nil {
				p.Plan = pl
				ds = append(ds, s.header(p, o)...)
			}
			return append(diags, ds...)
		}
		if ds := s.measure(ctx, p, missing.Depth, in.Depth); ds.HasErrors() {
			return append(diags, ds...)
		}
	}
	return append(diags, diag.Error(hcl.Range{}, "Plan never settles", "The planner asked for queue depths without end. This is a fault of msgflo; please report it."))
}

// measure asks the brokers what is at risk in the objects named.
func (s *Session) measure(ctx context.Context, p *Planned, at []addr.Instance, into map[addr.Instance]providers.Depth) hcl.Diagnostics {
	where := s.placeOf(p)
	byProvider := map[addr.Provider][]addr.Instance{}
	for _, a := range at {
		byProvider[where[a].provider] = append(byProvider[where[a].provider], a)
	}
	var diags hcl.Diagnostics
	for _, prov := range sortedProviders(byProvider) {
		objs := byProvider[prov]
		pr, err := s.pool.Open(prov)
		if err != nil {
			diags = append(diags, diag.At(err, hcl.Range{})...)
			continue
		}
		meter, ok := pr.(providers.Meter)
		if !ok {
			for _, a := range objs {
				into[a] = providers.Depth{}
			}
			continue
		}
		qs := make([]providers.Query, len(objs))
		for i, a := range objs {
			qs[i] = providers.Query{Type: a.Type, Value: p.Live[a].Value}
		}
		ds, err := meter.Depth(ctx, qs)
		if err != nil {
			diags = append(diags, diag.At(err, s.pool.decl(prov))...)
			continue
		}
		for i, a := range objs {
			into[a] = ds[i]
		}
	}
	return diags
}

type place struct {
	provider addr.Provider
	decl     hcl.Range
}

// placeOf says on which provider each object is: as recorded, else as wanted.
func (s *Session) placeOf(p *Planned) map[addr.Instance]place {
	m := make(map[addr.Instance]place, len(p.Desired.Objects))
	for i := range p.Desired.Objects {
		o := &p.Desired.Objects[i]
		m[o.Addr] = place{o.Provider, o.Decl}
	}
	for i := range s.snap.Objects {
		o := &s.snap.Objects[i]
		m[o.Addr] = place{o.Provider, m[o.Addr].decl}
	}
	return m
}

// normalizer joins the opened providers' own normal forms.
func (s *Session) normalizer() func(addr.Provider, string, cty.Value) cty.Value {
	byProvider := map[addr.Provider]providers.Normalizer{}
	for a, pr := range s.pool.open {
		if n, ok := pr.(providers.Normalizer); ok {
			byProvider[a] = n
		}
	}
	return func(a addr.Provider, typ string, v cty.Value) cty.Value {
		if n := byProvider[a]; n != nil {
			return n.Normalize(typ, v)
		}
		return v
	}
}

func values(objs []desired.Object) map[addr.Instance]cty.Value {
	m := make(map[addr.Instance]cty.Value, len(objs))
	for i := range objs {
		m[objs[i].Addr] = objs[i].Value
	}
	return m
}

func liveObjects(res *desired.Result, live map[addr.Instance]planner.Live) map[addr.Provider][]providers.Object {
	out := map[addr.Provider][]providers.Object{}
	for i := range res.Objects {
		o := &res.Objects[i]
		if l, ok := live[o.Addr]; ok && l.Value != cty.NilVal && !l.Value.IsNull() {
			out[o.Provider] = append(out[o.Provider], providers.Object{Addr: o.Addr, Type: o.Type, Value: l.Value, Owner: l.Owner})
		}
	}
	return out
}

func markImports(res *desired.Result, ids map[addr.Instance]string) hcl.Diagnostics {
	found := map[addr.Instance]bool{}
	for i := range res.Objects {
		if id, ok := ids[res.Objects[i].Addr]; ok {
			res.Objects[i].ImportID = id
			found[res.Objects[i].Addr] = true
		}
	}
	var diags hcl.Diagnostics
	for a := range ids {
		if !found[a] {
			diags = append(diags, diag.Error(hcl.Range{}, "Nothing declared at this address",
				fmt.Sprintf("%s is not in the configuration. Write its block first, then import into it.%s", diag.Escape(a.String()), diag.DidYouMean(a.String(), addresses(res)))))
		}
	}
	return diags
}

func addresses(res *desired.Result) []string {
	out := make([]string, len(res.Objects))
	for i := range res.Objects {
		out[i] = res.Objects[i].Addr.String()
	}
	return out
}
