package workspace

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// A reader decodes recorded objects when they are asked for.
type reader struct {
	snap  *state.Snapshot
	types map[string]*providers.Type
	at    map[addr.Instance]int
	forms map[*providers.Schema]*recorded.Form
}

func newReader(snap *state.Snapshot, types map[string]*providers.Type) *reader {
	return &reader{snap: snap, types: types, forms: map[*providers.Schema]*recorded.Form{}}
}

// value is what is recorded of an object, secrets null; cty.NilVal where
// nothing is, or nothing that this version can read.
func (r *reader) value(a addr.Instance) cty.Value {
	if r.at == nil {
		r.at = r.snap.Index()
	}
	i, ok := r.at[a]
	if !ok {
		return cty.NilVal
	}
	v, _ := r.decode(&r.snap.Objects[i])
	return v
}

func (r *reader) decode(o *state.Object) (cty.Value, *providers.Schema) {
	t := r.types[o.ProviderType]
	if t == nil || t.Resources[o.Addr.Type] == nil {
		return cty.NilVal, nil
	}
	sch := t.Resources[o.Addr.Type]
	f := r.forms[sch]
	if f == nil {
		f = recorded.Of(sch)
		r.forms[sch] = f
	}
	v, err := f.Decode(o.SchemaVersion, o.Attrs)
	if err != nil {
		return cty.NilVal, sch
	}
	return v, sch
}

// all are the recorded values of the objects that the filter wants.
func (r *reader) all(want func(addr.Instance) bool) map[addr.Instance]cty.Value {
	out := map[addr.Instance]cty.Value{}
	for i := range r.snap.Objects {
		o := &r.snap.Objects[i]
		if !want(o.Addr) {
			continue
		}
		if v, _ := r.decode(o); v != cty.NilVal {
			out[o.Addr] = v
		}
	}
	return out
}
