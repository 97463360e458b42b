package planner

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
)

// restart makes the step of an update one that restarts a process, where what
// changed cannot take effect otherwise. To all decisions it remains an update.
func (p *planning) restart(i *item, s *plan.Step) {
	for _, path := range i.changed {
		if !restarts(i.sch.Attrs, path) {
			continue
		}
		s.Action, s.ID = plan.Restart, plan.ID(plan.Restart, i.at)
		if s.Reason == "" {
			s.Reason = fmt.Sprintf("a process has its %s from its start on", i.plainly(path))
		}
		return
	}
}

// plainly is the path, but of a secret only the attribute: which part of one
// differs nobody can say.
func (i *item) plainly(path string) string {
	at, err := recorded.ParsePath(path)
	if err != nil || !covers(i.secretTexts(), path) {
		return path
	}
	return keyOf(at[0])
}

// restarts reports whether the attribute that a path leads to, or a block
// around it, says so.
func restarts(attrs []providers.Attr, path string) bool {
	at, err := recorded.ParsePath(path)
	if err != nil {
		return false
	}
	for _, step := range at {
		name, ok := step.(cty.GetAttrStep)
		if !ok {
			continue // a label or an element
		}
		a := (&providers.Schema{Attrs: attrs}).Attr(name.Name)
		if a == nil {
			return false
		}
		if a.Restarts {
			return true
		}
		attrs = a.Attrs
	}
	return false
}
