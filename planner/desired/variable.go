package desired

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/config/nesting"
)

// rootVariables binds the root's variables to what was given.
func (e *evaluator) rootVariables() {
	m := e.root
	for name, v := range m.cfg.Variables {
		n := &value{kind: "var", name: name, mod: m, rng: v.Decl, scope: m.scope}
		n.compute = func(n *value) {
			given, at, ok := e.given(v)
			if !ok {
				n.val = brokenVal
				return
			}
			if given == cty.NilVal && v.Default == cty.NilVal && e.env.AllowMissing {
				n.val = notGiven(v)
				return
			}
			n.val = e.variable(m, v, given, at, fmt.Sprintf("Give it with -var %s=…, in msgflo.flovars.hcl or a file named with -var-file, "+
				"or in the environment as MSGFLO_VAR_%s.", name, name))
		}
		m.vars[name] = n
	}
	e.undeclared()
}

// undeclared reports values for variables that there are not. In the
// environment they may be meant for another configuration.
func (e *evaluator) undeclared() {
	known := sortedKeys(e.root.cfg.Variables)
	for _, name := range sortedKeys(e.env.Vars) {
		v := e.env.Vars[name]
		if e.root.cfg.Variables[name] != nil || strings.HasPrefix(v.Source, "MSGFLO_VAR_") {
			continue
		}
		text := fmt.Sprintf("A value is given for the variable %q by %s, but there is no variable of that name.%s", name, diag.Escape(v.Source), diag.DidYouMean(name, known))
		if strings.HasPrefix(v.Source, "-var") && !strings.HasPrefix(v.Source, "-var-file") {
			e.report(diag.Error(v.Decl, "Value for an undeclared variable", text))
		} else {
			e.report(diag.Warning(v.Decl, "Value for an undeclared variable", text))
		}
	}
}

// given is the value handed in for a root variable, NilVal if none. Strings
// from the command line and the environment are read as HCL where the variable
// is not a string, number or bool.
func (e *evaluator) given(v *config.Variable) (cty.Value, hcl.Range, bool) {
	in, ok := e.env.Vars[v.Name]
	if !ok {
		return cty.NilVal, v.Decl, true
	}
	at := in.Decl
	if at == (hcl.Range{}) {
		at = v.Decl
	}
	raw := plain(in.Value)
	if !in.Raw || v.Type.IsPrimitiveType() || raw.IsNull() || raw.Type() != cty.String {
		return in.Value, at, true
	}
	expr, diags := nesting.ParseExpression([]byte(raw.AsString()), in.Source, hcl.InitialPos)
	if !diags.HasErrors() {
		var val cty.Value
		if val, diags = expr.Value(nil); !diags.HasErrors() {
			return val, at, true
		}
	}
	if v.Type == cty.DynamicPseudoType {
		return in.Value, at, true // any: what is no expression is a string
	}
	why := ""
	if !v.Sensitive && !v.Ephemeral {
		why = " " + diags[0].Summary + ": " + diags[0].Detail
	}
	e.errorf(at, "Invalid value for variable", "The value given for var.%s by %s must be an HCL expression of type %s, as in '[\"a\", \"b\"]'.%s",
		v.Name, diag.Escape(in.Source), v.Type.FriendlyName(), why)
	return cty.NilVal, at, false
}

// variable gives a variable its value: converted, defaulted, validated, marked.
func (e *evaluator) variable(m *module, v *config.Variable, given cty.Value, at hcl.Range, hint string) cty.Value {
	label := m.join("var." + v.Name)
	val := given
	if val == cty.NilVal || !v.Nullable && isNull(val) {
		switch {
		case v.Default != cty.NilVal:
			val = v.Default
		case val == cty.NilVal:
			e.errorf(v.Decl, "No value for a required variable", "The variable %q has no default, so a value has to be given. %s", v.Name, hint)
			return brokenVal
		default:
			e.errorf(at, "Invalid value for variable", "%s is null, but the variable says nullable = false and has no default. %s", label, hint)
			return brokenVal
		}
	}
	t := traitsOf(val)
	if t.broken && !whollyKnown(val) {
		return brokenVal
	}
	out, err := v.Convert(val)
	if err != nil {
		e.errorf(at, "Invalid value for variable", "The value of %s does not fit its type: %s. %s", label, pathText(err), hint)
		return brokenVal
	}
	if v.Sensitive || v.Ephemeral {
		out = out.Mark(sensitive)
	}
	if !e.validate(m, v, out, at) {
		return brokenVal
	}
	return out
}

func isNull(v cty.Value) bool { return plainTop(v).IsNull() }

func plainTop(v cty.Value) cty.Value {
	v, _ = v.Unmark()
	return v
}

// validate checks the validation blocks, which see the variable's value and
// whatever else they refer to.
func (e *evaluator) validate(m *module, v *config.Variable, val cty.Value, at hcl.Range) bool {
	ok := true
	self := &value{kind: "var", name: v.Name, mod: m, rng: v.Decl, state: done, val: val}
	for _, c := range v.Validations {
		// The variable is not done yet: its own conditions see this value.
		was := m.vars[v.Name]
		m.vars[v.Name] = self
		r := e.condition(m.scope, c, "Invalid value for variable", at)
		m.vars[v.Name] = was
		ok = ok && r
	}
	return ok
}
