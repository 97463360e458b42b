package desired

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/diag"
)

// A lifecycle is the block of that name, compiled.
type lifecycle struct {
	prevent, adopt *expression
	triggers       []*expression
	pre            []check
}

// A check is a compiled condition.
type check struct {
	config.Condition
	x *expression
}

func (e *evaluator) compileLifecycle(m *module, l *config.Lifecycle) *lifecycle {
	opt := func(src hcl.Expression) *expression {
		if src == nil {
			return nil
		}
		return e.compile(m, src, nil)
	}
	out := &lifecycle{prevent: opt(l.PreventDestroy), adopt: opt(l.Adopt)}
	for _, src := range l.ReplaceTriggeredBy {
		out.triggers = append(out.triggers, e.compile(m, src, nil))
	}
	out.pre = e.compileChecks(m, l.Preconditions)
	return out
}

func (e *evaluator) compileChecks(m *module, cs []config.Condition) []check {
	var out []check
	for _, c := range cs {
		if c.Condition != nil {
			out = append(out, check{c, e.compile(m, c.Condition, nil)})
		}
	}
	return out
}

// lifecycleOf evaluates the block for one instance.
func (e *evaluator) lifecycleOf(i *instance) {
	cfg := &i.block.cfg.Lifecycle
	l := i.block.life
	if l == nil {
		l = e.compileLifecycle(i.block.mod, cfg)
		i.block.life = l
	}
	i.life.IgnoreChanges, i.life.IgnoreAll = cfg.IgnoreChanges, cfg.IgnoreAll
	if l.prevent != nil {
		if v, ok := e.setting(i, l.prevent, "prevent_destroy", cty.Bool); ok {
			i.life.PreventDestroy = v.True()
		}
	}
	i.life.Adopt = e.choice(i, l.adopt, "adopt", "keep", "own", "refuse")
	for _, x := range l.triggers {
		ds := e.triggersOf(x, i.scope)
		i.deps = append(i.deps, ds...)
		if len(ds) == 0 && !x.bad {
			e.errorf(x.src.Range(), "Invalid replace_triggered_by", "This must be a reference to an object that is declared, as in queue.jobs.")
			i.failed = true
		}
		for _, d := range ds {
			if d.inst == i || d.block == i.block {
				e.errorf(x.src.Range(), "Invalid replace_triggered_by", "%s cannot be replaced because of itself.", i.label())
				i.failed = true
			}
		}
		i.triggers = append(i.triggers, ds...)
	}
	usable := !i.failed && !i.held
	for _, c := range l.pre {
		i.deps = e.appendDeps(i.deps, c.x, i.scope)
		if usable && !e.conditionOf(i.scope, c.x, c.Condition, "Precondition failed", hcl.Range{}, hcl.DiagError) {
			i.failed = true
		}
	}
}

// setting evaluates one attribute of the lifecycle block; false: left out or
// reported.
func (e *evaluator) setting(i *instance, x *expression, name string, ty cty.Type) (cty.Value, bool) {
	v := e.eval(x, i.scope)
	i.deps = e.appendDeps(i.deps, x, i.scope)
	t := traitsOf(v)
	switch {
	case t.broken:
		i.failed = true
		return cty.NilVal, false
	case t.held:
		i.held = true
		return cty.NilVal, false
	}
	c, err := converted(plain(v), ty)
	if err != nil || !c.IsKnown() {
		e.errorf(x.src.Range(), "Invalid lifecycle setting", "%s must be a %s that is known at plan time.", name, ty.FriendlyName())
		i.failed = true
		return cty.NilVal, false
	}
	return c, !c.IsNull()
}

func (e *evaluator) choice(i *instance, x *expression, name string, allowed ...string) string {
	if x == nil {
		return ""
	}
	v, ok := e.setting(i, x, name, cty.String)
	if !ok {
		return ""
	}
	s := v.AsString()
	if !slices.Contains(allowed, s) {
		e.errorf(x.src.Range(), "Invalid lifecycle setting", "%s is %s", name, diag.OneOf(s, allowed))
		i.failed = true
	}
	return s
}
