package ui

import (
	"fmt"
	"html"
	"io"
	"strings"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
)

// maxRows bounds the table of a Markdown plan and maxDetail the bytes of its
// details: a comment on GitHub holds 65 536 characters.
const (
	maxRows   = 100
	maxDetail = 40_000
)

// Markdown writes a plan for a pull request: the counts, a table of what
// changes, what happens to the flow, and the whole plan folded away.
func Markdown(w io.Writer, p *plan.Plan, o Options) error {
	m := &markdown{printer: newPrinter(w, false), plan: p, changes: change.Merge(p), opt: o}
	m.head()
	m.table()
	m.flow()
	m.details()
	m.flush()
	return m.err
}

type markdown struct {
	*printer
	plan    *plan.Plan
	changes []change.Change
	opt     Options
}

func (m *markdown) head() {
	n := change.Count(m.changes)
	if m.plan.Empty() {
		m.line("### msgflo: no changes")
		m.line()
		m.line(mdText(emptyText(m.plan, n)))
		return
	}
	m.line("### msgflo plan")
	m.line()
	m.line("**", n.Line(), "**")
	if n.Messages > 0 || n.Unknown {
		m.line()
		m.line("> [!CAUTION]")
		m.line("> ", n.AtRisk(), ".")
	}
}

func (m *markdown) table() {
	groups := change.Arrange(m.changes)
	rows := 0
	for _, g := range groups {
		for _, c := range g.Changes {
			if rows == 0 {
				m.line()
				m.line("| | object | what | why |")
				m.line("|---|---|---|---|")
			}
			if rows++; rows > maxRows {
				continue
			}
			why := reason(c)
			if r := change.RiskText(c.Risk()); r != "" {
				why = strings.TrimPrefix(why+"; "+r, "; ")
			}
			m.linef("| %s | %s | %s | %s |", mdText(string(rune(c.Action))), mdCode(c.Addr.String()), mdWord(c), mdText(why))
		}
	}
	if rows > maxRows {
		m.line()
		m.line("… and ", change.Plural(int64(rows-maxRows), "more change"), ".")
	}
}

func mdWord(c *change.Change) string {
	if c.Step.Imported && !c.Action.Changes() {
		return "import"
	}
	if c.Action == plan.Delete {
		return "destroy"
	}
	return c.Action.String()
}

func (m *markdown) flow() {
	edges := change.Edges(m.changes)
	if len(edges) == 0 {
		return
	}
	m.line()
	m.line("**The flow of messages**")
	m.line()
	for i, e := range edges {
		if i == maxListed {
			m.line("* … and ", change.Plural(int64(len(edges)-maxListed), "more edge"))
			break
		}
		sign := "−"
		if e.Opens {
			sign = "+"
		}
		m.line("* ", sign, " ", e.Sentence(mdCode, mdName))
	}
}

// details folds the whole plan away, in a fence longer than any run of
// backticks inside it, so that no name can end it.
func (m *markdown) details() {
	if len(m.changes) == 0 && len(m.plan.Drift) == 0 {
		return
	}
	var b strings.Builder
	pp := &planPrinter{printer: newPrinter(&b, false), plan: m.plan, changes: m.changes, schemas: m.opt.Schemas}
	pp.all()
	pp.flush()
	text := b.String()
	cut := len(text) > maxDetail
	if cut {
		text = text[:strings.LastIndexByte(text[:maxDetail], '\n')+1]
	}
	fence := strings.Repeat("`", max(3, longestRun(text, '`')+1))
	m.line()
	m.line("<details><summary>The plan in full</summary>")
	m.line()
	m.line(fence, "text")
	m.text(text)
	m.line(fence)
	if cut {
		m.line()
		m.line("The rest is left out, for it is too long for a comment; run `msgflo show` on the plan file.")
	}
	m.line()
	m.line("</details>")
}

func longestRun(s string, c byte) int {
	best, run := 0, 0
	for i := range len(s) {
		if s[i] != c {
			run = 0
			continue
		}
		run++
		best = max(best, run)
	}
	return best
}

// mdText escapes prose: nothing in it is markup, a link, a mention or HTML.
func mdText(s string) string {
	s = html.EscapeString(diag.Escape(s))
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '@':
			b.WriteString("&#64;")
		case strings.ContainsRune("\\`*_[]()|~#!<>", r):
			fmt.Fprintf(&b, "\\%c", r)
		default:
			b.WriteRune(r)
		}
	}
	return unescapeEntities(b.String())
}

// unescapeEntities mends the entities whose # was escaped (&#39;).
func unescapeEntities(s string) string { return strings.ReplaceAll(s, `&\#`, "&#") }

// mdName writes a name in prose.
func mdName(s string) string { return mdText(value.Name(s)) }

// mdCode writes a name as code in a table cell: a bar ends a cell even in
// code, so it is HTML.
func mdCode(s string) string {
	s = html.EscapeString(diag.Escape(s))
	return "<code>" + strings.NewReplacer("|", "&#124;", "`", "&#96;", "*", "&#42;", "_", "&#95;",
		"[", "&#91;", "]", "&#93;", "\\", "&#92;", "~", "&#126;", "@", "&#64;").Replace(s) + "</code>"
}
