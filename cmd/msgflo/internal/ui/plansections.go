package ui

import (
	"maps"
	"slices"
	"strings"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
)

// attributes are the lines below a change's header.
func (p *planPrinter) attributes(c *change.Change, s *providers.Schema, before, after map[string]any) (lines []value.Line, unchanged int) {
	whole := after
	switch c.Action {
	case plan.Create:
	case plan.Adopt, plan.Record:
		if after == nil {
			whole = before
		}
	case plan.Delete:
		whole = before
	default:
		d := value.Diff{Schema: s, Only: value.NewPaths(c.Changed()...), Force: value.NewPaths(c.ForceNew()...), Sep: value.Colon}
		return d.Lines(before, after)
	}
	said := []string{"name", "vhost"} // by the header
	if s != nil && s.Derived {
		said = append(said, "role", "broker")
		withoutDefaults(whole, s.Attrs)
	}
	for _, k := range said {
		if _, text := whole[k].(string); text {
			delete(whole, k)
		}
	}
	return value.Object(whole, s, value.Colon), 0
}

// withoutDefaults leaves out what is as it always is, where nobody wrote the
// object down attribute by attribute: it was derived from a participant.
func withoutDefaults(v map[string]any, attrs []providers.Attr) {
	for i := range attrs {
		a := &attrs[i]
		switch was := v[a.Name].(type) {
		case map[string]any:
			if !a.IsBlock() {
				continue
			}
			withoutDefaults(was, a.Attrs)
			if len(was) == 0 {
				delete(v, a.Name)
			}
		case nil:
			delete(v, a.Name)
		default:
			if value.IsDefault(was, a) {
				delete(v, a.Name)
			}
		}
	}
}

// drift tells what changed outside since the last run, and what is away without
// anybody having changed it.
func (p *planPrinter) drift() {
	var outside, away []*plan.Drift
	for i := range p.plan.Drift {
		if d := &p.plan.Drift[i]; d.Note == "" {
			outside = append(outside, d)
		} else {
			away = append(away, d)
		}
	}
	p.drifted("Changed outside msgflo since the last run:", outside)
	p.drifted("Not there now, which is no change from outside:", away)
}

func (p *planPrinter) drifted(heading string, ds []*plan.Drift) {
	if len(ds) == 0 {
		return
	}
	p.heading(heading)
	for i, d := range ds {
		if p.concise && i == maxListed {
			p.more(len(ds), "object")
			return
		}
		p.driftOf(d)
	}
}

func (p *planPrinter) driftOf(d *plan.Drift) {
	at := diag.Escape(d.Addr.String())
	note := ""
	if d.Note != "" {
		note = "  " + p.pal.with(p.pal.faint, "# "+diag.Escape(d.Note))
	}
	if d.Gone {
		says := " is gone"
		if d.Note != "" {
			says = " is not there now"
		}
		p.line("  ", p.pal.sign(plan.Delete), " ", at, says, note)
		return
	}
	p.line("  ", p.pal.sign(plan.Update), " ", at, note)
	if p.concise {
		return
	}
	s := p.schemas.For(d.Provider, d.Addr.Type)
	secrets := value.SecretPaths(d.Sensitive, s)
	was, _ := value.Mask(value.Decode(d.Recorded, s), secrets).(map[string]any)
	is, _ := value.Mask(value.Decode(d.Live, s), secrets).(map[string]any)
	lines, _ := value.Diff{Schema: s, Only: value.NewPaths(d.Changed...), Sep: value.Colon}.Lines(was, is)
	p.lines(6, lines)
}

// moved lists what only changes its address; of the rest its block says so.
func (p *planPrinter) moved() {
	changed := map[addr.Instance]bool{}
	for i := range p.plan.Steps {
		if s := &p.plan.Steps[i]; s.Action.Changes() {
			changed[s.Addr] = true
		}
	}
	moves := slices.DeleteFunc(slices.Clone(p.plan.Moved), func(m plan.Moved) bool { return changed[m.To] })
	if len(moves) == 0 {
		return
	}
	p.heading("Moved to another address, otherwise untouched:")
	for i, m := range moves {
		if i == maxListed {
			p.more(len(moves), "object")
			return
		}
		p.line("  ", p.pal.sign(plan.Move), " ", diag.Escape(m.From.String()), " → ", diag.Escape(m.To.String()))
	}
}

// conciseChanges is a line an object.
func (p *planPrinter) conciseChanges() {
	for i, g := range change.Arrange(p.loud()) {
		if i == 0 {
			p.gap()
		}
		for _, c := range g.Changes {
			p.text(p.pal.sign(c.Action), " ", diag.Escape(c.Addr.String()))
			if r := reason(c); r != "" {
				p.text("  ", p.pal.with(p.pal.faint, diag.Escape(r)))
			}
			if r := change.RiskText(c.Risk()); r != "" {
				p.text("  ", p.pal.with(p.pal.red, "# "+r))
			}
			p.line()
		}
	}
}

// flow tells what the plan does to the ways that messages take.
func (p *planPrinter) flow() {
	edges := change.Edges(p.changes)
	if len(edges) == 0 {
		return
	}
	p.heading("The flow of messages:")
	for i, e := range edges {
		if i == maxListed {
			break
		}
		a := plan.Delete
		if e.Opens {
			a = plan.Create
		}
		p.line("  ", p.pal.sign(a), " ", e.String())
	}
	p.more(len(edges), "edge")
}

// quiet lists what touches no broker, a line each.
func (p *planPrinter) quiet(a plan.Action, title string) {
	n := 0
	for i := range p.changes {
		c := &p.changes[i]
		if c.Action != a || c.Step.Imported {
			continue
		}
		if n++; n == 1 {
			p.heading(title)
		}
		if n > maxListed {
			continue
		}
		p.text("  ", p.pal.sign(a), " ", diag.Escape(c.Addr.String()))
		if r := c.Reason(); r != "" {
			p.text("  ", p.pal.with(p.pal.faint, "# "+diag.Escape(r)))
		}
		p.line()
	}
	p.more(n, "object")
}

func (p *planPrinter) withheld() {
	if len(p.plan.Withheld) == 0 {
		return
	}
	p.heading("Not destroyed, because of -no-destroy:")
	for i, w := range p.plan.Withheld {
		if i == maxListed {
			p.more(len(p.plan.Withheld), "object")
			return
		}
		p.text("  ", p.pal.with(p.pal.faint, "-"), " ", diag.Escape(w.Addr.String()))
		if w.Reason != "" {
			p.text("  ", p.pal.with(p.pal.faint, "# "+diag.Escape(w.Reason)))
		}
		p.line()
	}
}

// unmanaged was asked for, so all of it is shown.
func (p *planPrinter) unmanaged() {
	if len(p.plan.Unmanaged) == 0 {
		return
	}
	p.heading("On the broker, neither declared nor in the state; not touched:")
	for _, u := range p.plan.Unmanaged {
		f := change.FactsOf(u.Value, nil)
		p.text("    ", diag.Escape(u.Type), " ", value.Name(u.Name))
		if f.Vhost != "" && f.Vhost != "/" {
			p.text(" in vhost ", value.Quote(f.Vhost))
		}
		p.line(" on ", diag.Escape(u.Provider.String()))
	}
}

func (p *planPrinter) outputs() {
	names := slices.Sorted(maps.Keys(p.plan.Outputs))
	names = slices.DeleteFunc(names, func(n string) bool { return !p.plan.Outputs[n].Changed })
	if len(names) == 0 {
		return
	}
	p.heading("Changes to outputs:")
	keys, wide := value.AlignKeys(names)
	for i, n := range names {
		o := p.plan.Outputs[n]
		l := value.Line{Key: keys[i] + strings.Repeat(" ", max(0, wide-len(keys[i]))) + " = "}
		var ls []value.Line
		before, after := value.DecodeWrapped(o.Before), value.DecodeWrapped(o.After)
		switch {
		case o.Sensitive:
			l.Sign, l.Text = secretSign(o), value.SecretText
		case o.Unknown:
			l.Sign, l.Text = '~', value.UnknownText
		case len(o.Before) == 0:
			l.Sign = '+'
			ls = value.LiteralLines(l, after)
		case len(o.After) == 0:
			l.Sign = '-'
			ls = value.LiteralLines(l, before)
		default:
			l.Sign, l.Old, l.Text = '~', value.Literal(before, 4), value.Literal(after, 4)
		}
		if ls == nil {
			ls = []value.Line{l}
		}
		p.lines(2, ls)
	}
}

// secretSign is the sign of an output whose values are not in the plan.
func secretSign(o plan.Output) rune {
	switch {
	case o.New:
		return '+'
	case o.Gone:
		return '-'
	}
	return '~'
}

// consent says once, at the end, what must be named before this plan may run.
func (p *planPrinter) consent() {
	var blocked []*change.Change
	for i := range p.changes {
		if p.changes[i].Risk().Blocks() && p.changes[i].Action != plan.Migrate {
			blocked = append(blocked, &p.changes[i])
		}
	}
	if len(blocked) == 0 {
		return
	}
	p.gap()
	what := "this step is"
	if len(blocked) > 1 {
		what = change.Number(int64(len(blocked))) + " steps are"
	}
	p.line(p.pal.with(p.pal.red, "Unless you consent, "+what+" not carried out, for messages or objects not managed here would be lost:"))
	for i, c := range blocked {
		if i == maxListed {
			break
		}
		p.line("  -allow-message-loss=", diag.ShellWord(c.Addr.String()))
	}
	p.more(len(blocked), "step")
}
