package desired

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
)

// Settings evaluates attributes that must be known before state is read: those
// of the backend block. They may use variables, locals and functions; what
// depends on an object or data source is an error. Values carry no marks.
func Settings(m *config.Module, env Env, attrs map[string]*hcl.Attribute) (map[string]cty.Value, hcl.Diagnostics) {
	e := newEvaluator(m, env)
	e.rootVariables()
	out := make(map[string]cty.Value, len(attrs))
	for _, name := range sortedKeys(attrs) {
		a := attrs[name]
		v := e.eval(e.compile(e.root, a.Expr, nil), e.root.scope)
		if traitsOf(v).broken {
			continue
		}
		if v = plain(v); !v.IsWhollyKnown() {
			e.report(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Backend depends on objects", Subject: a.Expr.Range().Ptr(),
				Detail: fmt.Sprintf("%q must be known before the state is read, so it may use variables, locals and functions only.", name)})
			continue
		}
		out[name] = v
	}
	return out, e.sorted()
}

// Variables evaluates the root's variables alone, as Result.Variables has them.
// Those that are wrong, or wait for a data source, are left out: Build reports
// them.
func Variables(m *config.Module, env Env) map[string]cty.Value {
	e := newEvaluator(m, env)
	e.rootVariables()
	return e.variables()
}

func (e *evaluator) variables() map[string]cty.Value {
	out := make(map[string]cty.Value, len(e.root.vars))
	for name, v := range e.root.vars {
		if val := e.valueOf(v); !traitsOf(val).broken && !traitsOf(val).held {
			out[name] = val
		}
	}
	return out
}
