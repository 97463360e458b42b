package desired

import (
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// discreet takes secrets out of the diagnostics of an evaluation. hcl's text
// writer leaves marked values out by itself, but the words of a function that
// failed, or of a for expression with duplicate keys, may quote what they were
// given.
func (e *evaluator) discreet(x *expression, s *scope, ctx *hcl.EvalContext, diags hcl.Diagnostics) hcl.Diagnostics {
	secrets := e.secretsIn(x, s)
	for _, d := range diags {
		if d.EvalContext == nil && ctx != nil {
			d.EvalContext, d.Expression = ctx, x.src
		}
		if len(secrets) == 0 {
			continue
		}
		if f, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok && f.FunctionCallError() != nil {
			d.Detail = "Call to function " + strconv.Quote(f.CalledFunctionName()) + " failed. Sensitive values take part, so why is not shown."
			d.Extra = nil
		}
		for _, secret := range secrets {
			if strings.Contains(d.Detail, secret) || strings.Contains(d.Detail, strings.Trim(strconv.Quote(secret), `"`)) {
				d.Detail = "Sensitive values take part, so what is wrong is not shown."
				break
			}
		}
		// A for expression's own variables can hold parts of a secret unmarked.
		d.EvalContext, d.Expression = nil, nil
	}
	return diags
}

// secretsIn lists the strings and numbers that are secret among all that the
// expression refers to.
func (e *evaluator) secretsIn(x *expression, s *scope) []string {
	var out []string
	if x.base != nil {
		for c := x.base; c != nil; c = c.Parent() {
			for _, v := range c.Variables {
				out = appendSecrets(out, v)
			}
		}
	}
	if x.scoped {
		for _, v := range s.vars {
			out = appendSecrets(out, v)
		}
	}
	return out
}

func appendSecrets(out []string, v cty.Value) []string {
	if !marked(v) {
		return out
	}
	v, paths := v.UnmarkDeepWithPaths()
	for _, p := range paths {
		if _, ok := p.Marks[sensitive]; !ok {
			continue
		}
		part, err := p.Path.Apply(v)
		if err != nil {
			continue
		}
		_ = cty.Walk(part, func(_ cty.Path, leaf cty.Value) (bool, error) {
			if leaf.IsKnown() && !leaf.IsNull() {
				switch leaf.Type() {
				case cty.String:
					if s := leaf.AsString(); s != "" {
						out = append(out, s)
					}
				case cty.Number:
					out = append(out, leaf.AsBigFloat().Text('f', -1))
				default:
					if !leaf.CanIterateElements() {
						return true, nil
					}
				}
			}
			return true, nil
		})
	}
	if len(out) == 0 && len(paths) > 0 {
		for _, p := range paths {
			if _, ok := p.Marks[sensitive]; ok {
				return append(out, "\x00") // secret, with nothing to look for
			}
		}
	}
	return out
}
