package desired

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
)

// output evaluates an output of a module.
func (e *evaluator) output(m *module, o *config.Output, v *value) {
	v.x = e.compile(m, o.Value, nil)
	val := e.eval(v.x, m.scope)
	v.deps = append(e.deps(v.x, m.scope), e.dependsOn(m, o.DependsOn)...)
	for _, c := range o.Preconditions {
		if !e.condition(m.scope, c, "Precondition failed", hcl.Range{}) {
			val = brokenVal
		}
	}
	t := traitsOf(val)
	secret := o.Sensitive || o.Ephemeral
	if t.sensitive && !secret && m.path == "" {
		e.errorf(o.Value.Range(), "Output shows a sensitive value", "output.%s follows from a sensitive value. If that is meant, say sensitive = true in its block: "+
			"it is then not shown, nor kept in state.", o.Name)
		val = brokenVal
	}
	if m.path == "" && infinite(val) {
		e.errorf(o.Value.Range(), infiniteNumber, "output.%s is infinite, or holds a number that is. "+divisionByZero, o.Name)
		val = brokenVal
	}
	if secret {
		val = val.Mark(sensitive)
	}
	v.val = val
}

const (
	infiniteNumber = "Infinite number"
	divisionByZero = "A division by zero gives one, and neither a broker nor the state can hold it."
)

// infinite reports a number that JSON has no form for: HCL divides by zero
// without a word.
func infinite(v cty.Value) bool {
	switch v.Type() {
	case cty.String, cty.Bool:
		return false
	}
	found := false
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		v, _ = v.Unmark()
		if v.Type() == cty.Number && v.IsKnown() && !v.IsNull() && v.AsBigFloat().IsInf() {
			found = true
		}
		return !found, nil
	})
	return found
}

// rootOutputs are the outputs of the root module. What is known only after
// apply, or waits for data, is unknown.
func (e *evaluator) rootOutputs() map[string]Output {
	out := make(map[string]Output, len(e.root.outputs))
	for name, v := range e.root.outputs {
		val := e.valueOf(v)
		t := traitsOf(val)
		if t.broken {
			continue
		}
		o := e.root.cfg.Outputs[name]
		res := Output{Value: plain(val), Sensitive: o.Sensitive || o.Ephemeral, Decl: o.Decl}
		if res.Value == cty.NilVal {
			continue
		}
		out[name] = res
	}
	return out
}
