package workspace

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/hashicorp/hcl/v2"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/state"
)

var modeNames = map[planner.Mode]string{planner.Normal: "normal", planner.Destroy: "destroy", planner.RefreshOnly: "refresh-only"}

// header fills what the planner cannot know: where the plan comes from, and
// what it does to the outputs.
func (s *Session) header(p *Planned, o PlanOptions) hcl.Diagnostics {
	pl := p.Plan
	pl.FormatVersion = plan.FormatVersion
	pl.MsgfloVersion = s.w.o.Version
	pl.Lineage, pl.Serial = s.snap.Lineage, s.snap.Serial
	pl.Carries = s.carried
	pl.Mode = modeNames[o.Mode]
	pl.Targeted = len(o.Only)+len(o.Exclude) > 0
	pl.Dir = s.w.o.Dir
	if pl.Targeted {
		return nil
	}
	want := p.Desired.Outputs
	if o.Mode == planner.Destroy {
		want = nil
	}
	outs, err := outputChanges(s.snap.Outputs, want)
	pl.Outputs = outs
	return diag.At(err, hcl.Range{})
}

// outputChanges compares recorded outputs with those wanted. A sensitive
// output's value is neither recorded nor shown, so it counts as changed only
// when it appears or goes.
func outputChanges(prior map[string]state.Output, want map[string]desired.Output) (map[string]plan.Output, error) {
	out := map[string]plan.Output{}
	for name, o := range want {
		before, had := prior[name]
		c := plan.Output{Sensitive: o.Sensitive, Unknown: !o.Value.IsWhollyKnown(), New: !had}
		if o.Sensitive {
			c.Changed = !had || !before.Sensitive
			out[name] = c
			continue
		}
		if had && !before.Sensitive {
			c.Before = outputJSON(before)
		}
		if !c.Unknown {
			rec, err := recordOutput(o)
			if err != nil {
				return nil, err
			}
			c.After = outputJSON(rec)
		}
		c.Changed = c.Unknown || !sameJSON(c.Before, c.After)
		out[name] = c
	}
	for name, b := range prior {
		if _, ok := want[name]; ok {
			continue
		}
		c := plan.Output{Sensitive: b.Sensitive, Changed: true, Gone: true}
		if !b.Sensitive {
			c.Before = outputJSON(b)
		}
		out[name] = c
	}
	return out, nil
}

// sameJSON compares what two documents say: go-cty writes & < > as escapes,
// the state as they are.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, okA := decodeJSON(a)
	y, okB := decodeJSON(b)
	return okA && okB && reflect.DeepEqual(x, y)
}

// decodeJSON keeps numbers as they are written: a float64 would take two large
// ones for the same.
func decodeJSON(b json.RawMessage) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return v, d.Decode(&v) == nil
}

func outputJSON(o state.Output) json.RawMessage {
	var b bytes.Buffer
	b.WriteString(`{"value":`)
	_ = json.Compact(&b, o.Value)
	b.WriteString(`,"type":`)
	_ = json.Compact(&b, o.Type)
	b.WriteByte('}')
	return b.Bytes()
}

// recordOutput is an output as state keeps it; a sensitive one without its value.
func recordOutput(o desired.Output) (state.Output, error) {
	if o.Sensitive {
		return state.Output{Sensitive: true}, nil
	}
	v, err := ctyjson.Marshal(o.Value, o.Value.Type())
	if err != nil {
		return state.Output{}, err
	}
	t, err := ctyjson.MarshalType(o.Value.Type())
	return state.Output{Value: v, Type: t}, err
}

// recordOutputs is all outputs as state keeps them. Those not known yet keep
// what was recorded.
func recordOutputs(prior map[string]state.Output, want map[string]desired.Output) (map[string]state.Output, error) {
	out := map[string]state.Output{}
	for name, o := range want {
		if !o.Value.IsWhollyKnown() && !o.Sensitive {
			if p, ok := prior[name]; ok {
				out[name] = p
			}
			continue
		}
		rec, err := recordOutput(o)
		if err != nil {
			return nil, err
		}
		out[name] = rec
	}
	return out, nil
}
