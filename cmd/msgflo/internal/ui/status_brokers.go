package ui

import (
	"fmt"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/local/control"
)

// brokers says of each broker that it answers, or why not, and of what the agent does
// for them what is wrong.
func (p *printer) brokers(s *workspace.Status) {
	if len(s.Brokers) > 0 {
		p.line()
	}
	for _, b := range s.Brokers {
		name := "broker." + diag.Escape(b.Name)
		switch {
		case b.Answers == nil:
			p.line(p.pal.with(p.pal.yellow, fmt.Sprintf("%s: not asked: %s", name, diag.Escape(b.Problem))))
		case *b.Answers:
			p.line(p.pal.with(p.pal.faint, name+": answers"))
		default:
			p.line(p.pal.with(p.pal.red, fmt.Sprintf("%s: %s", name, diag.Escape(b.Problem))))
		}
	}
	for _, v := range s.Services {
		if v.Note == "" || v.Note == control.NoAgent || v.Note == control.ByDown { // that is said once, above
			continue
		}
		p.line(p.pal.with(p.pal.yellow, fmt.Sprintf("%s of %s: %s", serviceText(v.Kind), diag.Escape(v.Name), diag.Escape(v.Note))))
	}
}

// serviceText is a kind of service in the words of who does not know the agent.
func serviceText(kind string) string {
	switch kind {
	case control.Server:
		return "the embedded broker"
	case control.Router:
		return "the router"
	case control.Keeper:
		return "the keeper of bindings"
	}
	return "the " + diag.Escape(kind)
}
