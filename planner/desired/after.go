package desired

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
)

// CheckQueries lists the data sources inside check blocks. They are read after
// apply, never at plan time, and their answers go to CheckAfter in Env.Data. A
// null answer says that nothing is there; then the check's assertions fail.
func CheckQueries(m *config.Module, env Env, live map[addr.Instance]cty.Value) []DataQuery {
	e := newEvaluator(m, env)
	e.live = live
	e.run()
	var out []DataQuery
	for _, m := range e.modules {
		for _, c := range m.cfg.Checks {
			view := e.checkView(m, c)
			if view.scoped == nil || !e.expandBlock(view.scoped) {
				continue
			}
			for _, i := range view.scoped.instances {
				if e.answerOf(i); i.query != nil {
					out = append(out, *i.query)
				}
			}
		}
	}
	return out
}

// CheckAfter evaluates what only holds once the system is there:
// postconditions and check blocks. References to objects and self are the live
// values where there are any, else the desired ones. Failed check blocks are
// warnings.
func CheckAfter(m *config.Module, env Env, live map[addr.Instance]cty.Value) hcl.Diagnostics {
	e := newEvaluator(m, env)
	e.live = live
	e.run()
	// What is wrong with the configuration itself was reported before apply.
	e.diags, e.seen = nil, map[string]bool{}
	for _, m := range e.modules {
		for _, key := range sortedKeys(m.resources) {
			e.postconditions(m.resources[key])
		}
		for _, c := range m.cfg.Checks {
			e.checkBlock(m, c)
		}
	}
	return e.sorted()
}

func (e *evaluator) postconditions(b *block) {
	checks := e.compileChecks(b.mod, b.cfg.Lifecycle.Postconditions)
	if len(checks) == 0 {
		return
	}
	for _, i := range b.instances {
		if i.failed || i.held {
			continue
		}
		s := i.scope.with("self", e.objectOf(i))
		for _, c := range checks {
			e.conditionOf(s, c.x, c.Condition, "Postcondition failed", hcl.Range{}, hcl.DiagError)
		}
	}
}

// checkView is the module as a check block sees it: with its own data source.
func (e *evaluator) checkView(m *module, c *config.Check) *module {
	if c.Data == nil {
		return m
	}
	view := *m
	view.scoped = &block{cfg: c.Data, mod: &view, check: c.Name}
	view.scope = &scope{mod: &view}
	return &view
}

// checkBlock evaluates the assertions of a check; whatever is wrong with them
// is a warning, since the run itself went well.
func (e *evaluator) checkBlock(m *module, c *config.Check) {
	before := len(e.diags)
	view := e.checkView(m, c)
	for _, a := range e.compileChecks(view, c.Asserts) {
		e.conditionOf(view.scope, a.x, a.Condition, "Check "+c.Name+" failed", hcl.Range{}, hcl.DiagWarning)
	}
	for _, d := range e.diags[before:] {
		d.Severity = hcl.DiagWarning
	}
}
