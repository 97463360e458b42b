package flow_test

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired/flow"
)

// TestPolicyNotKnown: a policy that ours has to repeat must be known.
func TestPolicyNotKnown(t *testing.T) {
	for _, definition := range []cty.Value{
		cty.DynamicVal, cty.NullVal(cty.DynamicPseudoType), cty.EmptyTupleVal, cty.StringVal("x"),
		cty.ObjectVal(map[string]cty.Value{"message-ttl": cty.UnknownVal(cty.Number)}),
	} {
		s := system(t, "role a nodejs\nrole w cpp\nedge graph.g a.out -> w.in dead=a.failed\n")
		s.Declared = append(s.Declared, flow.Declared{Addr: addr.Instance{Type: "policy", Name: "p"}, Value: cty.ObjectVal(map[string]cty.Value{
			"vhost": cty.StringVal("/"), "name": cty.StringVal("p"), "pattern": cty.StringVal("."), "definition": definition})})
		_, diags := flow.Lower(s)
		if !diags.HasErrors() || diags[0].Summary != "Policy not known yet" || diags[0].Subject.Start.Line != 3 {
			t.Errorf("%#v: %v", definition, diags)
		}
	}
}

// TestHalfASystem: what evaluation could not finish is no reason to panic.
func TestHalfASystem(t *testing.T) {
	for _, kind := range []string{"rabbitmq", "mqtt", "other", ""} {
		known := &flow.Role{Name: "a", Owner: "participant.a", Client: "nodejs"}
		end := flow.End{Role: known, Port: "x"}
		_, diags := flow.Lower(&flow.System{
			Broker:   flow.Broker{Kind: kind},
			Roles:    []*flow.Role{known, nil, known, {}},
			Edges:    []flow.Edge{{}, {From: end}, {From: end, To: end, DeadLetter: &flow.End{}}, {From: end, To: end}},
			Initials: []flow.Initial{{}, {To: end}},
			Exports:  []flow.Export{{}},
			Declared: []flow.Declared{{}, {Addr: addr.Instance{Type: "queue", Name: "q"}}, {Addr: addr.Instance{Type: "policy", Name: "p"}, Value: cty.DynamicVal},
				{Addr: addr.Instance{Type: "route", Name: "r"}, Value: cty.NullVal(cty.String)}},
		})
		if !diags.HasErrors() {
			t.Errorf("%q: nothing is wrong with it", kind)
		}
	}
}
