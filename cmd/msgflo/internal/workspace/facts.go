package workspace

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/state"
)

// A fact is what status needs of one object, declared or recorded alike.
type fact struct {
	addr     addr.Instance
	provider addr.Provider
	value    cty.Value
	declared bool
}

// factsOf are the objects that participants and graphs were lowered to.
func factsOf(res *desired.Result) []fact {
	var out []fact
	for i := range res.Objects {
		o := &res.Objects[i]
		if o.Addr.Owner != "" {
			out = append(out, fact{o.Addr, o.Provider, o.Value, true})
		}
	}
	return out
}

// recordedFacts are the same of a state.
func recordedFacts(snap *state.Snapshot, read *reader) []fact {
	var out []fact
	for i := range snap.Objects {
		o := &snap.Objects[i]
		if o.Addr.Owner == "" {
			continue
		}
		if v, _ := read.decode(o); v != cty.NilVal {
			out = append(out, fact{o.Addr, o.Provider, v, false})
		}
	}
	return out
}

// owner is the address of the object's participant or graph.
func (f *fact) owner() string {
	if f.addr.Module == "" {
		return f.addr.Owner
	}
	return f.addr.Module + "." + f.addr.Owner
}

func (f *fact) of(kind string) bool { return strings.HasPrefix(f.addr.Owner, kind+".") }

func (f *fact) text(name string) string { return attr.Text(f.value, name) }

func (f *fact) number(name string) int {
	v := attr.Of(f.value, name)
	if !attr.Given(v) || v.Type() != cty.Number {
		return 0
	}
	n, _ := v.AsBigFloat().Int64()
	return int(n)
}

// ports reads a list of launch.Port.
func (f *fact) ports(name string) []Port {
	v := attr.Of(f.value, name)
	out := []Port{}
	if !attr.Given(v) || !v.CanIterateElements() {
		return out
	}
	for _, e := range v.AsValueSlice() {
		out = append(out, Port{ID: attr.Text(e, "id"), Queue: attr.Text(e, "queue")})
	}
	return out
}

func portsOf(ps []launch.Port) []Port {
	out := []Port{}
	for _, p := range ps {
		out = append(out, Port{ID: p.ID, Queue: p.Queue})
	}
	return out
}

// key is the object's key as text: in of ["in"].
func (f *fact) key() string {
	text, _ := f.addr.KeyText()
	return text
}

// ends are what the key of an edge's object says: role.port on both sides.
func (f *fact) ends() (from, to string, ok bool) {
	from, to, ok = strings.Cut(f.key(), " -> ")
	return from, to, ok
}
