package planner_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/dag"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

var main_ = addr.Provider{Kind: "broker", Name: "main"}

func id(name string) providers.Attr {
	return providers.Attr{Name: name, Type: cty.String, Identity: true, ForceNew: true}
}

// testType has objects that behave as those of a broker do: bindings die with
// their ends, an auto_delete exchange with its last binding.
func testType(swap bool) *providers.Type {
	str := func(name string) providers.Attr { return providers.Attr{Name: name, Type: cty.String} }
	dead := str("dead_letter")
	dead.ForceNew = true
	kind := providers.Attr{Name: "type", Type: cty.String, ForceNew: true, Default: cty.StringVal("classic")}
	return &providers.Type{Name: "test", Resources: map[string]*providers.Schema{
		"queue": {Meterable: true, Attrs: []providers.Attr{
			id("name"), kind, dead,
			{Name: "ttl", Type: cty.Number},
			{Name: "arguments", Type: cty.DynamicPseudoType},
			{Name: "limits", Attrs: []providers.Attr{{Name: "length", Type: cty.Number}, {Name: "bytes", Type: cty.Number}}},
			{Name: "serial", Type: cty.String, Computed: true},
			{Name: "replicas", Type: cty.Number, Elastic: true},
		}},
		"exchange": {
			Attrs: []providers.Attr{id("name"), kind, str("alternate"), {Name: "auto_delete", Type: cty.Bool, ForceNew: true}},
			DiesWithout: func(v cty.Value, typ string, within cty.Value) bool {
				return typ == "binding" && v.GetAttr("auto_delete").RawEquals(cty.True) && within.GetAttr("source").RawEquals(v.GetAttr("name"))
			},
		},
		"binding": {Swap: swap, Attrs: []providers.Attr{id("source"), id("destination"), id("key"), str("note")}},
		"user": {Attrs: []providers.Attr{
			id("name"), {Name: "password", Type: cty.String, WriteOnly: true, Sensitive: []cty.Path{{}}},
			{Name: "token", Type: cty.String, Sensitive: []cty.Path{{}}}, str("tags"),
		}},
	}}
}

func at(s string) addr.Instance {
	a, err := addr.Parse(s)
	if err != nil {
		panic(err)
	}
	return a
}

// object makes a wanted object; attributes not given are null, computed ones
// unknown.
func object(typ *providers.Type, address string, attrs map[string]cty.Value) desired.Object {
	a := at(address)
	s := typ.Resources[a.Type]
	m := map[string]cty.Value{}
	for _, t := range s.Attrs {
		switch v, ok := attrs[t.Name]; {
		case ok:
			m[t.Name] = v
		case t.Computed:
			m[t.Name] = cty.UnknownVal(t.ValueType())
		case t.Default != cty.NilVal:
			m[t.Name] = t.Default
		default:
			m[t.Name] = cty.NullVal(t.ValueType())
		}
	}
	rng := hcl.Range{Filename: "main.flo.hcl", Start: hcl.Pos{Line: 1 + len(address), Column: 1, Byte: len(address)}}
	return desired.Object{Addr: a, Provider: main_, Type: a.Type, Value: cty.ObjectVal(m), Decl: rng}
}

func s(v string) cty.Value { return cty.StringVal(v) }

// A world is a broker in memory.
type world struct {
	typ    *providers.Type
	live   map[string]cty.Value // by type and identity
	owner  map[string]string
	serial int
	t      fataler
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

func newWorld(t fataler, typ *providers.Type) *world {
	return &world{typ: typ, live: map[string]cty.Value{}, owner: map[string]string{}, t: t}
}

func (w *world) key(typ string, v cty.Value) string {
	return typ + " " + w.typ.Resources[typ].Identity(v)
}

func typeOf(key string) string {
	var t string
	fmt.Sscan(key, &t)
	return t
}

func (w *world) read(typ string, v cty.Value) planner.Live {
	k := w.key(typ, v)
	got, ok := w.live[k]
	if !ok {
		return planner.Live{Value: cty.NullVal(w.typ.Resources[typ].ImpliedType())}
	}
	return planner.Live{Value: got, Owner: w.owner[k]}
}

// refresh reads what a plan needs, as the refresh package documents it.
func (w *world) refresh(want []desired.Object, prior *state.Snapshot) map[addr.Instance]planner.Live {
	out := map[addr.Instance]planner.Live{}
	for i := range want {
		out[want[i].Addr] = w.read(want[i].Type, want[i].Value)
	}
	for i := range prior.Objects {
		o := &prior.Objects[i]
		form := recorded.Of(w.typ.Resources[o.Addr.Type])
		v, err := form.Decode(o.SchemaVersion, o.Attrs)
		if err != nil {
			w.t.Fatalf("%v", err)
		}
		l := w.read(o.Addr.Type, v)
		if n := slices.IndexFunc(want, func(d desired.Object) bool { return d.Addr == o.Addr }); n >= 0 &&
			form.Schema.Identity(v) != form.Schema.Identity(want[n].Value) {
			next := out[o.Addr]
			l.Next = &next
		}
		out[o.Addr] = l
	}
	return out
}

// ends are the keys of what an object dies with.
func (w *world) ends(typ string, v cty.Value) []string {
	if typ != "binding" {
		return nil
	}
	return []string{
		"exchange |" + fmt.Sprintf("%q", v.GetAttr("source").AsString()),
		"queue |" + fmt.Sprintf("%q", v.GetAttr("destination").AsString()),
	}
}

func (w *world) put(typ string, v cty.Value, owner string) cty.Value {
	w.t.Helper()
	for _, e := range w.ends(typ, v) {
		if _, ok := w.live[e]; !ok {
			w.t.Fatalf("%s %s made before %s is there", typ, w.key(typ, v), e)
		}
	}
	m := v.AsValueMap()
	if typ == "queue" {
		if x := m["serial"]; !x.IsKnown() || x.IsNull() {
			w.serial++
			m["serial"] = s(fmt.Sprint("serial-", w.serial))
		}
	}
	v = cty.ObjectVal(m)
	w.live[w.key(typ, v)], w.owner[w.key(typ, v)] = v, owner
	return v
}

func (w *world) remove(key string) {
	v, ok := w.live[key]
	if !ok {
		return
	}
	delete(w.live, key)
	delete(w.owner, key)
	for k, o := range maps.Clone(w.live) {
		if slices.Contains(w.ends(typeOf(k), o), key) {
			w.remove(k)
		}
	}
	if typeOf(key) != "binding" {
		return
	}
	src := w.ends("binding", v)[0]
	if e, ok := w.live[src]; ok && e.GetAttr("auto_delete").RawEquals(cty.True) {
		for k, o := range w.live {
			if typeOf(k) == "binding" && w.ends("binding", o)[0] == src {
				return
			}
		}
		w.remove(src)
	}
}

// apply carries a plan out and returns the state it leaves. It fails the test
// where a step could not be done on a broker.
func (w *world) apply(p *plan.Plan, prior *state.Snapshot) *state.Snapshot {
	w.t.Helper()
	to := map[addr.Instance]addr.Instance{}
	for _, m := range p.Moved {
		to[m.From] = m.To
	}
	next := map[addr.Instance]state.Object{}
	for _, o := range prior.Objects {
		if a, moves := to[o.Addr]; moves {
			o.Addr = a
		}
		o.Within, o.After = readdressed(o.Within, to), readdressed(o.After, to)
		if _, twice := next[o.Addr]; twice {
			w.t.Fatalf("two objects move to %s: %v", o.Addr, p.Moved)
		}
		next[o.Addr] = o
	}
	for _, st := range inOrder(w.t, p) {
		w.step(st, next)
	}
	out := state.New(prior.Lineage)
	out.Serial = prior.Serial + 1
	for _, o := range next {
		out.Objects = append(out.Objects, o)
	}
	out.Sort()
	return out
}

func readdressed(as []addr.Instance, to map[addr.Instance]addr.Instance) []addr.Instance {
	out := slices.Clone(as)
	for i, a := range out {
		if b, moves := to[a]; moves {
			out[i] = b
		}
	}
	return out
}

func (w *world) step(st *plan.Step, next map[addr.Instance]state.Object) {
	w.t.Helper()
	typ := st.Addr.Type
	before, after := w.value(typ, st.Before), w.value(typ, st.After)
	switch st.Action {
	case plan.Delete:
		w.remove(w.key(typ, before))
		delete(next, st.Addr)
		return
	case plan.Forget:
		delete(next, st.Addr)
		return
	case plan.Create:
		if old, ok := w.live[w.key(typ, after)]; ok && !w.equal(typ, after, old) {
			w.t.Fatalf("%s: created over something else: %#v", st.ID, old)
		}
		after = w.put(typ, after, owned(st))
	case plan.Update, plan.Restart:
		old, ok := w.live[w.key(typ, before)]
		sch := w.typ.Resources[typ]
		same := w.key(typ, before) == w.key(typ, after)
		if !ok && same {
			w.t.Fatalf("%s: updated while absent", st.ID)
		}
		if same || !sch.Swap {
			for _, a := range sch.Attrs {
				if a.ForceNew && !old.GetAttr(a.Name).RawEquals(after.GetAttr(a.Name)) {
					w.t.Fatalf("%s: updates what is fixed at creation", st.ID)
				}
			}
			after = w.put(typ, after, w.owner[w.key(typ, before)])
			break
		}
		after = w.put(typ, after, "mine")
		w.remove(w.key(typ, before))
	}
	raw, err := recorded.Of(w.typ.Resources[typ]).Encode(after, st.Sensitive)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	next[st.Addr] = state.Object{Addr: st.Addr, Provider: st.Provider, ProviderType: "test", SchemaVersion: st.SchemaVersion, Attrs: raw,
		Sensitive: recorded.Of(w.typ.Resources[typ]).Further(st.Sensitive),
		Within:    st.Record.Within, After: st.Record.After, Owned: st.Record.Owned, Keep: st.Record.Keep, Hashes: st.Record.Hashes}
}

// owned is the mark that a step leaves: none on what is shared.
func owned(st *plan.Step) string {
	if st.Shared {
		return ""
	}
	return "mine"
}

func (w *world) equal(typ string, a, b cty.Value) bool {
	for _, t := range w.typ.Resources[typ].Attrs {
		if !t.Computed && !a.GetAttr(t.Name).RawEquals(b.GetAttr(t.Name)) {
			return false
		}
	}
	return true
}

func (w *world) value(typ string, raw json.RawMessage) cty.Value {
	t := w.typ.Resources[typ].ImpliedType()
	if len(raw) == 0 {
		return cty.NullVal(t)
	}
	v, err := ctyjson.Unmarshal(raw, t)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return v
}

// inOrder is the steps in an order that their needs allow; the test fails if
// there is none, or if a need names no step.
func inOrder(t fataler, p *plan.Plan) []*plan.Step {
	t.Helper()
	byID := map[plan.StepID]*plan.Step{}
	ids := make([]plan.StepID, 0, len(p.Steps))
	for i := range p.Steps {
		st := &p.Steps[i]
		if byID[st.ID] != nil {
			t.Fatalf("two steps %s", st.ID)
		}
		byID[st.ID] = st
		ids = append(ids, st.ID)
	}
	for _, st := range byID {
		for _, n := range st.Needs {
			if byID[n] == nil {
				t.Fatalf("%s needs %s, which is no step", st.ID, n)
			}
		}
	}
	order, circle := dag.Order(ids, func(id plan.StepID) []plan.StepID { return byID[id].Needs })
	if circle != nil {
		t.Fatalf("circle of needs: %v", circle)
	}
	out := make([]*plan.Step, len(order))
	for i, id := range order {
		out[i] = byID[id]
	}
	return out
}

// input is a normal run.
func (w *world) input(want []desired.Object, prior *state.Snapshot) planner.Input {
	return planner.Input{Want: want, Prior: prior, Live: w.refresh(want, prior), Types: map[addr.Provider]*providers.Type{main_: w.typ}}
}

// planned plans, answering what is missing with empty depths.
func planned(in planner.Input) (*plan.Plan, hcl.Diagnostics) {
	p, missing, diags := planner.Plan(in)
	if missing.Empty() {
		return p, diags
	}
	in.Depth = map[addr.Instance]providers.Depth{}
	for _, a := range missing.Depth {
		in.Depth[a] = providers.Depth{}
	}
	p, missing, diags = planner.Plan(in)
	if !missing.Empty() {
		panic("still missing after the answer")
	}
	return p, diags
}

func actions(p *plan.Plan) []string {
	var out []string
	for i := range p.Steps {
		out = append(out, string(p.Steps[i].ID))
	}
	sort.Strings(out)
	return out
}

func mustPlan(t *testing.T, in planner.Input) *plan.Plan {
	t.Helper()
	p, diags := planned(in)
	if diags.HasErrors() {
		t.Fatalf("%v", diags)
	}
	inOrder(t, p)
	return p
}

func encoded(t fataler, typ *providers.Type, name string, v cty.Value) json.RawMessage {
	raw, err := recorded.Of(typ.Resources[name]).Encode(v, nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return raw
}
