package flow_test

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/dag"
	"github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq"
)

// fataler is what a test and a property have in common.
type fataler interface {
	Errorf(format string, args ...any)
	Helper()
}

// check holds what is lowered against what is always so: it is in order, each
// object once, by address and by what it is; relations lead to what is there and
// run in no circle; attributes are those of the real schemas.
func check(t fataler, s *flow.System, low *flow.Lowered, diags hcl.Diagnostics) {
	t.Helper()
	for i, d := range diags {
		if d.Subject == nil {
			t.Errorf("no place: %s", d.Detail)
		} else if i > 0 && diags[i-1].Subject.Start.Byte > d.Subject.Start.Byte {
			t.Errorf("diagnostics are out of order at %q", d.Summary)
		}
	}
	if diags.HasErrors() {
		return
	}
	there := map[addr.Instance]bool{}
	for _, d := range s.Declared {
		there[d.Addr] = true
	}
	ids := map[string]addr.Instance{}
	for _, d := range s.Declared {
		if sch := rabbitmq.Type().Resources[d.Addr.Type]; sch != nil {
			ids[d.Addr.Type+sch.Identity(d.Value)] = d.Addr
		}
	}
	for i, o := range low.Objects {
		if i > 0 && !low.Objects[i-1].Addr.Less(o.Addr) {
			t.Errorf("%s comes after %s", o.Addr, low.Objects[i-1].Addr)
		}
		if p, err := addr.Parse(o.Addr.String()); err != nil || p != o.Addr {
			t.Errorf("%s is no address: %v", o.Addr, err)
		}
		there[o.Addr] = true
		if v, sch := valueOf(t, o); sch != nil {
			id := o.Addr.Type + sch.Identity(v)
			if other, twice := ids[id]; twice {
				t.Errorf("%s and %s are one object", o.Addr, other)
			}
			ids[id] = o.Addr
		}
		if o.Decl == (hcl.Range{}) {
			t.Errorf("%s is declared nowhere", o.Addr)
		}
	}
	checkRelations(t, low, there)
	checkKeepers(t, s, low)
	checkEdges(t, s, low)
}

func checkRelations(t fataler, low *flow.Lowered, there map[addr.Instance]bool) {
	t.Helper()
	processes := map[addr.Instance]bool{}
	hard := map[addr.Instance][]addr.Instance{}
	var nodes []addr.Instance
	for r, rel := range low.Processes {
		at := addr.Instance{Module: r.Module, Owner: r.Owner, Type: "process"}
		processes[at] = !r.Foreign
		hard[at] = append(append([]addr.Instance{}, rel.Within...), rel.After...)
		nodes = append(nodes, at)
	}
	for _, o := range low.Objects {
		hard[o.Addr] = append(append([]addr.Instance{}, o.Within...), o.After...)
		nodes = append(nodes, o.Addr)
		for _, a := range o.Soft {
			if !there[a] && !processes[a] {
				t.Errorf("%s is softly after %s, which is not there", o.Addr, a)
			}
		}
	}
	for at, needs := range hard {
		for _, a := range needs {
			if !there[a] {
				t.Errorf("%s relates to %s, which is not there", at, a)
			}
		}
	}
	for r, rel := range low.Processes {
		for _, a := range rel.Soft {
			if !there[a] && !processes[a] {
				t.Errorf("%s is softly after %s, which is not there", r.Owner, a)
			}
		}
	}
	if c := dag.Circle(nodes, func(a addr.Instance) []addr.Instance { return hard[a] }); c != nil {
		t.Errorf("a circle: %v", c)
	}
}

// checkKeepers: every binding with an end that does not last is kept, but for
// those that msgflo-nodejs makes itself.
func checkKeepers(t fataler, s *flow.System, low *flow.Lowered) {
	t.Helper()
	kept := map[addr.Instance]bool{}
	for _, k := range low.Keepers {
		for _, a := range k.Bindings {
			kept[a] = true
			if a.Owner != k.Owner || a.Module != k.Module {
				t.Errorf("the keeper of %s has %s", k.Owner, a)
			}
		}
	}
	lasting := map[target]bool{}
	objects := append([]flow.Object{}, low.Objects...)
	for _, d := range s.Declared {
		objects = append(objects, flow.Object{Addr: d.Addr, Attrs: d.Value.AsValueMap()})
	}
	for _, o := range objects {
		is := func(name string) bool { v, ok := o.Attrs[name]; return ok && v.True() }
		if _, said := o.Attrs["durable"]; o.Addr.Type == "queue" || o.Addr.Type == "exchange" {
			lasting[target{o.Addr.Type, o.Attrs["name"].AsString()}] = (!said || is("durable")) && !is("auto_delete")
		}
	}
	selfBound := map[string]bool{}
	for _, r := range s.Roles {
		for _, p := range r.Inports {
			if strings.Contains("nodejs noflo go", r.Client) && r.Client != "" {
				selfBound[p.Queue] = true
			}
		}
	}
	for _, o := range low.Objects {
		if o.Addr.Type != "binding" {
			continue
		}
		to := target{"queue", o.Attrs["destination"].AsString()}
		if v, ok := o.Attrs["destination_type"]; ok {
			to.typ = v.AsString()
		}
		from := o.Attrs["source"].AsString()
		sourceLasts := lasting[target{"exchange", from}] || strings.HasPrefix(from, "amq.")
		want := !sourceLasts || !lasting[to]
		if to.name == from && to.typ == "queue" && selfBound[from] {
			want = false
		}
		if kept[o.Addr] != want {
			t.Errorf("%s is kept: %v", o.Addr, kept[o.Addr])
		}
	}
}

// valueOf is an object's value by the real schema, nil where no provider has the
// type yet.
func valueOf(t fataler, o flow.Object) (cty.Value, *providers.Schema) {
	t.Helper()
	sch := rabbitmq.Type().Resources[o.Addr.Type]
	if sch == nil {
		return cty.NilVal, nil
	}
	for name, v := range o.Attrs {
		a := sch.Attr(name)
		if a == nil {
			t.Errorf("%s has %s, which a %s has not", o.Addr, name, o.Addr.Type)
			continue
		}
		if !v.Type().Equals(a.ValueType()) && a.ValueType() != cty.DynamicPseudoType {
			t.Errorf("%s: %s is %#v, not %#v", o.Addr, name, v.Type(), a.ValueType())
		}
		if a.Check != nil && !v.IsNull() {
			if err := a.Check(v); err != nil {
				t.Errorf("%s: %s: %v", o.Addr, name, err)
			}
		}
		if a.Default != cty.NilVal && v.RawEquals(a.Default) && !strings.Contains("routing_key type", name) {
			t.Errorf("%s: %s is left to its default by writing it", o.Addr, name)
		}
	}
	v := sch.Complete(o.Attrs)
	if sch.Validate != nil {
		for _, err := range sch.Validate(v) {
			t.Errorf("%s: %v", o.Addr, err)
		}
	}
	return v, sch
}
