package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// A stepper carries out single steps. It is safe for concurrent use.
type stepper struct {
	p     *plan.Plan
	d     Deps
	conns map[addr.Provider]func() (providers.Provider, error)
	forms map[kind]*recorded.Form
	hash  chan struct{} // as many hashes at once as there are processors

	mu    sync.Mutex
	asked map[addr.Instance]bool      // objects that holes refer to
	made  map[addr.Instance]cty.Value // and what became of them
}

type kind struct {
	provider addr.Provider
	typ      string
}

// A verdict is how a step ended.
type verdict struct {
	ok      bool
	outcome *state.Outcome // recorded, unless fatal
	diags   hcl.Diagnostics
	lost    error // the provider's connection is gone
	fatal   error // the run cannot go on: no lock, no disk
}

func newStepper(p *plan.Plan, d Deps) *stepper {
	s := &stepper{p: p, d: d,
		conns: map[addr.Provider]func() (providers.Provider, error){}, forms: map[kind]*recorded.Form{},
		hash: hashSlots(), asked: map[addr.Instance]bool{}, made: map[addr.Instance]cty.Value{},
	}
	for i := range p.Steps {
		st := &p.Steps[i]
		if at := st.Provider; s.conns[at] == nil {
			s.conns[at] = sync.OnceValues(func() (providers.Provider, error) { return d.Open(at) })
		}
		s.addForm(st.Provider, st.Addr.Type)
		for _, h := range st.Holes {
			if h.Addr != nil {
				s.asked[*h.Addr] = true
			}
		}
		if st.Risk != nil {
			for _, c := range st.Risk.Collateral {
				s.addForm(st.Provider, c.Type)
			}
		}
	}
	return s
}

func (s *stepper) addForm(p addr.Provider, typ string) {
	k := kind{p, typ}
	if s.forms[k] == nil && s.d.Types[p] != nil && s.d.Types[p].Resources[typ] != nil {
		s.forms[k] = recorded.Of(s.d.Types[p].Resources[typ])
	}
}

func (s *stepper) run(ctx context.Context, i int, tell func(report)) verdict {
	st := &s.p.Steps[i]
	if s.d.BeforeStep != nil {
		if err := s.d.BeforeStep(); err != nil {
			return verdict{fatal: err}
		}
	}
	switch st.Action {
	case plan.Forget:
		return s.record(ctx, st, nil)
	case plan.Record, plan.Adopt:
		return s.note(ctx, st)
	}
	return s.change(ctx, st, tell)
}

// note records without touching the object.
func (s *stepper) note(ctx context.Context, st *plan.Step) verdict {
	f := s.forms[kind{st.Provider, st.Addr.Type}]
	v, err := f.Decode(st.SchemaVersion, st.After)
	if err != nil {
		return failed(st, nil, fmt.Errorf("reading the plan: %w", err))
	}
	fill := s.fillComputed
	if s.hashes(f, st) {
		fill = s.fill
	}
	full, secrets, err := fill(st, v)
	if err != nil {
		return failed(st, secrets, err)
	}
	s.remember(st.Addr, full)
	o, err := s.object(f, st, full)
	if err != nil {
		return failed(st, secrets, err)
	}
	return s.record(ctx, st, o)
}

// hashes reports whether a step that changes nothing on the broker has secrets
// to remember: of objects taken over, and where none is remembered yet.
func (s *stepper) hashes(f *recorded.Form, st *plan.Step) bool {
	for _, p := range secretHoles(f, st) {
		if st.Action == plan.Adopt || st.Record.Hashes[p] == "" {
			return true
		}
	}
	return false
}

func (s *stepper) change(ctx context.Context, st *plan.Step, tell func(report)) verdict {
	a, err := s.prepare(st)
	if err != nil {
		return failed(st, a.secrets, err)
	}
	a.change.Progress = func(done, total int64) { tell(report{done: done, total: total}) }
	a.change.Say = func(text string) { tell(report{text: text}) }
	a.change.Warn = func(summary, detail string) { tell(report{warning: diag.Warning(st.Decl, summary, detail)}) }
	a.provider, err = s.conns[st.Provider]()
	if err != nil {
		return verdict{lost: err}
	}
	left, err := a.provider.Apply(ctx, a.change)
	return s.judge(ctx, a, left, err)
}

// An attempt is a step about to be made on a provider.
type attempt struct {
	st       *plan.Step
	form     *recorded.Form
	provider providers.Provider
	change   providers.Change
	secrets  []cty.Value // for keeping them out of errors
}

func (s *stepper) prepare(st *plan.Step) (*attempt, error) {
	a := &attempt{st: st, form: s.forms[kind{st.Provider, st.Addr.Type}]}
	a.change = providers.Change{Addr: st.Addr, Type: st.Addr.Type, Shared: st.Shared}
	var err error
	if a.change.Before, err = a.form.Decode(st.SchemaVersion, st.Before); err != nil {
		return a, fmt.Errorf("reading the plan: %w", err)
	}
	if a.change.After, err = a.form.Decode(st.SchemaVersion, st.After); err != nil {
		return a, fmt.Errorf("reading the plan: %w", err)
	}
	switch st.Action {
	case plan.Create:
		a.change.Before = a.form.Null()
		a.change.After = openComputed(a.form, a.change.After)
	case plan.Delete:
		a.change.After = a.form.Null()
	}
	if a.change.Before.IsNull() && a.change.After.IsNull() {
		return a, errors.New("the plan says nothing of the object's value; it was edited, or this is a fault in msgflo")
	}
	if a.change.After, a.secrets, err = s.fill(st, a.change.After); err != nil {
		return a, err
	}
	if st.Risk == nil {
		return a, nil
	}
	a.change.AllowLoss = st.Risk.Consent
	for _, c := range st.Risk.Collateral {
		f := s.forms[kind{st.Provider, c.Type}]
		if f == nil {
			continue
		}
		v, err := f.Decode(f.Schema.Version, c.Value)
		if err != nil {
			return a, fmt.Errorf("reading the plan: %w", err)
		}
		a.change.Collateral = append(a.change.Collateral, providers.Object{Type: c.Type, Value: v})
	}
	return a, nil
}

// openComputed makes computed attributes of a new object unknown: the provider
// finds them out.
func openComputed(f *recorded.Form, v cty.Value) cty.Value {
	if v.IsNull() {
		return v
	}
	var m map[string]cty.Value
	for i := range f.Schema.Attrs {
		a := &f.Schema.Attrs[i]
		if !a.Computed || !v.GetAttr(a.Name).IsNull() {
			continue
		}
		if m == nil {
			m = v.AsValueMap()
		}
		m[a.Name] = cty.UnknownVal(a.ValueType())
	}
	if m == nil {
		return v
	}
	return cty.ObjectVal(m)
}
