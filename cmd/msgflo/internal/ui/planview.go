package ui

import (
	"fmt"
	"strings"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
)

// maxListed is how many lines of one kind (adopted, moved, unmanaged, edges)
// are shown before the rest is only counted.
const maxListed = 20

// A planPrinter writes one plan for people.
type planPrinter struct {
	*printer
	plan    *plan.Plan
	changes []change.Change
	schemas change.Schemas
	concise bool
	sepDone bool
}

func (p *planPrinter) all() {
	p.drift()
	p.moved()
	if p.concise {
		p.conciseChanges()
	} else {
		p.blocks()
		p.flow()
	}
	p.quiet(plan.Adopt, "Found as declared and adopted:")
	forgotten := "Forgotten, left in place:"
	if p.plan.Mode == "refresh-only" { // nothing but what is gone is forgotten there
		forgotten = "Forgotten, for nothing is in its place:"
	}
	p.quiet(plan.Forget, forgotten)
	p.withheld()
	p.unmanaged()
	p.outputs()
	p.consent()
	p.gap()
	if p.plan.Targeted {
		p.line(p.pal.with(p.pal.yellow, "This plan is limited by -target or -exclude: what lies outside them is left as it is."))
	}
	p.last()
}

// gap puts one empty line between sections, none before the first.
func (p *planPrinter) gap() {
	if p.sepDone {
		p.line()
	}
	p.sepDone = true
}

func (p *planPrinter) heading(s string) {
	p.gap()
	p.line(p.pal.with(p.pal.bold, s))
}

// blocks writes every change that touches a broker, grouped as they belong.
func (p *planPrinter) blocks() {
	groups := change.Arrange(p.loud())
	if len(groups) > 0 {
		p.legend()
	}
	named := len(groups) > 1 || len(groups) == 1 && (groups[0].Module != "" || groups[0].Owner != "")
	for _, g := range groups {
		if named {
			p.gap()
			p.line(p.pal.with(p.pal.faint, "── "+groupTitle(g)+" "+strings.Repeat("─", max(3, 60-len(groupTitle(g))))))
		}
		for _, c := range g.Changes {
			p.block(c)
		}
	}
}

func groupTitle(g change.Group) string {
	parts := []string{}
	if g.Module != "" {
		parts = append(parts, diag.Escape(g.Module))
	}
	if g.Owner != "" {
		parts = append(parts, diag.Escape(g.Owner))
	}
	if len(parts) == 0 {
		return "root module"
	}
	return strings.Join(parts, " · ")
}

// loud are the changes that get a block: not adoptions and forgettings, which
// are a line each, unless an adoption changes something too.
func (p *planPrinter) loud() []change.Change {
	out := make([]change.Change, 0, len(p.changes))
	for _, c := range p.changes {
		if c.Action.Changes() || c.Step.Imported {
			out = append(out, c)
		}
	}
	return out
}

func (p *planPrinter) legend() {
	seen := map[plan.Action]bool{}
	for _, c := range p.changes {
		if c.Action.Changes() {
			seen[c.Action] = true
		}
	}
	var parts []string
	for _, a := range []plan.Action{plan.Create, plan.Update, plan.Migrate, plan.Restart, plan.Replace, plan.Delete} {
		if seen[a] {
			parts = append(parts, p.pal.sign(a)+" "+legendWord(a))
		}
	}
	if len(parts) > 0 {
		p.gap()
		p.line("msgflo will do the following:  ", strings.Join(parts, "   "))
	}
}

func legendWord(a plan.Action) string {
	switch a {
	case plan.Update:
		return "update in place"
	case plan.Delete:
		return "destroy"
	case plan.Replace:
		return "destroy, then create"
	}
	return a.String()
}

// block writes one change: why, what, and attribute by attribute.
func (p *planPrinter) block(c *change.Change) {
	s := p.schemas.For(c.Step.Provider, c.Addr.Type)
	before, after := c.Values(s)
	p.gap()
	p.line("  ", p.pal.with(p.pal.bold, "# "+title(c)))
	if c.Step.Prev != nil {
		p.line("  ", p.pal.with(p.pal.faint, "# (moved from "+diag.Escape(c.Step.Prev.String())+")"))
	}
	p.text("  ", p.pal.sign(c.Action), " ", header(c))
	lines, unchanged := p.attributes(c, s, before, after)
	risk := change.RiskText(c.Risk())
	at := riskLine(lines, risk)
	paint := p.pal.faint
	if c.Risk().Blocks() && c.Action != plan.Migrate {
		paint = p.pal.red
	}
	if risk != "" && at < 0 {
		p.text("      ", p.pal.with(paint, "# "+risk))
	}
	p.line()
	for i, l := range lines {
		p.text("      ", strings.Repeat(" ", 4*l.Depth))
		p.signed(l)
		if i == at {
			p.text("      ", p.pal.with(paint, "# "+risk))
		}
		p.line()
	}
	p.notes(c, unchanged)
}

// riskLine finds the line that is to blame for the risk: the first that makes
// it a replace; -1 means the header.
func riskLine(lines []value.Line, risk string) int {
	if risk == "" {
		return -1
	}
	for i, l := range lines {
		if l.Sign == '±' && l.Old != "" {
			return i
		}
	}
	return -1
}

func (p *planPrinter) notes(c *change.Change, unchanged int) {
	if unchanged > 0 && c.Action.Changes() {
		p.line("        ", p.pal.with(p.pal.faint, "("+change.Plural(int64(unchanged), "unchanged attribute")+" hidden)"))
	}
	if c.Action == plan.Migrate {
		p.line("        ", p.pal.with(p.pal.magenta, "migrates without loss: drains to a temporary queue and back (at least once; order not kept)"))
	}
	r := c.Risk()
	if r == nil {
		return
	}
	p.collateral(r)
	if r.Blocks() && c.Action != plan.Migrate {
		p.line("        ", p.pal.with(p.pal.red, "refused unless you consent: -allow-message-loss="+diag.ShellWord(c.Addr.String())))
	} else if r.Consent {
		p.line("        ", p.pal.with(p.pal.yellow, "consent given by -allow-message-loss"))
	}
}

// collateral names what goes along and is not part of this plan by itself.
func (p *planPrinter) collateral(r *plan.Risk) {
	shown, rest := 0, 0
	for _, o := range r.Collateral {
		if o.Managed {
			continue
		}
		if shown == maxListed {
			rest++
			continue
		}
		shown++
		p.line("        ", p.pal.with(p.pal.red, "takes along "+diag.Escape(o.Type)+" "+value.Name(o.Name)+", not managed here"))
	}
	if rest > 0 {
		p.line("        ", p.pal.with(p.pal.red, "takes along "+change.Number(int64(rest))+" more objects that are not managed here"))
	}
}

func (p *planPrinter) last() {
	n := change.Count(p.changes)
	if p.plan.Empty() {
		p.line(p.pal.with(p.pal.bold, "No changes."), " ", emptyText(p.plan, n))
		return
	}
	s := n.Line()
	p.line(p.pal.with(p.pal.bold, s[:len("Plan:")]), s[len("Plan:"):])
}

func emptyText(p *plan.Plan, n change.Counts) string {
	match := "What is live matches the configuration."
	switch {
	case p.Mode == "destroy":
		match = "There is nothing of ours to destroy."
	case p.Mode == "refresh-only" && p.Summary().Drifted > 0:
		match = "Nothing live is touched; applying this records what changed outside in the state."
	case p.Mode == "refresh-only":
		match = "What is live matches the state."
	case len(p.Withheld) > 0:
		match = "Nothing is left to do but the deletes withheld above."
	case p.Targeted:
		match = "What is live matches the configuration, as far as the targets reach."
	}
	if quiet := n.Quiet(); len(quiet) > 0 {
		return match + " For the state only: " + strings.Join(quiet, ", ") + "."
	}
	return match
}

// title is the sentence above a block.
func title(c *change.Change) string {
	at := diag.Escape(c.Addr.String())
	var says string
	switch process := c.Addr.Type == processType; {
	case process && c.Action == plan.Create:
		says = "will be started"
	case process && c.Action == plan.Delete:
		says = "will be stopped, for good"
	case process && c.Action == plan.Replace:
		says = "will be stopped, and started anew"
	default:
		says = titleWord(c.Action)
	}
	if c.Step.Imported && c.Action.Changes() {
		says += ", and imported"
	}
	if c.Step.Drift && !strings.Contains(reason(c), "outside msgflo") {
		says += " (changed outside msgflo)"
	}
	if r := reason(c); r != "" {
		says += ": " + diag.Escape(r)
	}
	return at + " " + says
}

// processType is the type of what runs: it starts and stops where others are
// made and destroyed.
const processType = "process"

func titleWord(a plan.Action) string {
	switch a {
	case plan.Create:
		return "will be created"
	case plan.Update:
		return "will be updated in place"
	case plan.Delete:
		return "will be destroyed"
	case plan.Replace, plan.Migrate:
		return "must be replaced"
	case plan.Restart:
		return "will be restarted"
	case plan.Forget:
		return "will be forgotten, and stays where it is"
	}
	return "will be imported"
}

// reason is the planner's, or for a replace what is fixed at creation.
func reason(c *change.Change) string {
	if r := c.Reason(); r != "" {
		return r
	}
	force := c.ForceNew()
	switch {
	case c.Action != plan.Replace && c.Action != plan.Migrate || len(force) == 0:
		return ""
	case len(force) == 1:
		return "its " + force[0] + " is fixed at creation"
	}
	return "its " + strings.Join(force[:len(force)-1], ", ") + " and " + force[len(force)-1] + " are fixed at creation"
}

// header names the object as the broker knows it.
func header(c *change.Change) string {
	s := diag.Escape(c.Addr.Type) + " " + change.Label(c.Addr, c.Facts)
	if v := c.Facts.Vhost; v != "" && v != "/" {
		s += " in vhost " + value.Quote(v)
	}
	return s + " on " + diag.Escape(c.Step.Provider.String())
}

func (p *planPrinter) more(n int, noun string) {
	if n > maxListed {
		p.line("  ", p.pal.with(p.pal.faint, fmt.Sprintf("… and %s", change.Plural(int64(n-maxListed), "more "+noun))))
	}
}
