package workspace

import (
	"sort"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

func sortStrings(s []string) { sort.Strings(s) }

func (s *Session) computed() map[addr.Instance]cty.Value { return computed(s.snap, s.w.Types()) }

// computed decodes the recorded values of those objects whose schema has
// computed attributes; most have none and cost nothing.
func computed(snap *state.Snapshot, types map[string]*providers.Type) map[addr.Instance]cty.Value {
	out := map[addr.Instance]cty.Value{}
	for i := range snap.Objects {
		o := &snap.Objects[i]
		if sch := schemaOf(o, types); sch != nil && hasComputed(sch) {
			if v, ok := decode(o, sch); ok {
				out[o.Addr] = v
			}
		}
	}
	return out
}

func schemaOf(o *state.Object, types map[string]*providers.Type) *providers.Schema {
	t := types[o.ProviderType]
	if t == nil {
		return nil
	}
	return t.Resources[o.Addr.Type]
}

func hasComputed(s *providers.Schema) bool {
	for i := range s.Attrs {
		if s.Attrs[i].Computed {
			return true
		}
	}
	return false
}

func decode(o *state.Object, sch *providers.Schema) (cty.Value, bool) {
	b := []byte(o.Attrs)
	if o.SchemaVersion != sch.Version {
		if sch.Upgrade == nil {
			return cty.NilVal, false
		}
		up, err := sch.Upgrade(o.SchemaVersion, b)
		if err != nil {
			return cty.NilVal, false
		}
		b = up
	}
	v, err := ctyjson.Unmarshal(b, sch.ImpliedType())
	return v, err == nil
}

// recordedValues are the values that postconditions see as self: as recorded
// after the run, secrets null.
func recordedValues(snap *state.Snapshot, types map[string]*providers.Type, p *Planned) map[addr.Instance]cty.Value {
	out := map[addr.Instance]cty.Value{}
	wanted := p.secrets
	for i := range snap.Objects {
		o := &snap.Objects[i]
		if _, ok := wanted[o.Addr]; !ok {
			continue
		}
		if sch := schemaOf(o, types); sch != nil {
			if v, ok := decode(o, sch); ok {
				out[o.Addr] = v
			}
		}
	}
	return out
}
