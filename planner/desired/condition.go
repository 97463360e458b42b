package desired

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/diag"
)

// condition reports whether a condition holds, and its error message where it
// does not. One that cannot be known yet holds for now; it is asked again once
// data are there or after apply. The subject is where the message points, or
// the condition itself.
func (e *evaluator) condition(s *scope, c config.Condition, summary string, subject hcl.Range) bool {
	if c.Condition == nil {
		return true
	}
	return e.conditionOf(s, e.compile(s.mod, c.Condition, nil), c, summary, subject, hcl.DiagError)
}

func (e *evaluator) conditionOf(s *scope, x *expression, c config.Condition, summary string, subject hcl.Range, severity hcl.DiagnosticSeverity) bool {
	v, ctx, diags := e.conditionValue(x, s)
	t := traitsOf(v)
	if diags.HasErrors() {
		if !e.traitsIn(x, s).broken {
			e.report(e.discreet(x, s, ctx, diags)...)
		}
		return false
	}
	v = plain(v)
	if t.broken || x.bad {
		return false
	}
	if !v.IsKnown() {
		return true
	}
	v, err := convert.Convert(v, cty.Bool)
	if err != nil || v.IsNull() {
		e.errorf(c.Condition.Range(), "Invalid condition", "A condition must be true or false; this is neither.")
		return false
	}
	if v.True() {
		return true
	}
	if subject == (hcl.Range{}) {
		subject = c.Condition.Range()
	}
	d := &hcl.Diagnostic{Severity: severity, Summary: summary, Subject: subject.Ptr(), Expression: c.Condition, EvalContext: ctx}
	d.Detail = e.message(s, c)
	e.report(d)
	return false
}

// conditionValue evaluates without the short way of direct references, since
// the context is wanted for the diagnostic.
func (e *evaluator) conditionValue(x *expression, s *scope) (cty.Value, *hcl.EvalContext, hcl.Diagnostics) {
	if x.cached {
		return x.val, nil, nil
	}
	return e.evalRaw(x, s)
}

// message is what the condition's author wants to say, unless that is secret.
func (e *evaluator) message(s *scope, c config.Condition) string {
	const none = "A condition that the configuration states does not hold."
	if c.ErrorMessage == nil {
		return none
	}
	v := e.eval(e.compile(s.mod, c.ErrorMessage, nil), s)
	if traitsOf(v).sensitive {
		return none + " Its error message is made of sensitive values, so it is not shown."
	}
	v, err := convert.Convert(plain(v), cty.String)
	if err != nil || v.IsNull() || !v.IsKnown() || strings.TrimSpace(v.AsString()) == "" {
		return none
	}
	return diag.EscapeText(v.AsString())
}
