package ui

import (
	"strings"
	"unicode/utf8"

	"github.com/fatih/color"
)

// A cell of a grid; its text is already escaped.
type cell struct {
	text  string
	paint *color.Color // nil: none
	right bool         // numbers line up on the right
}

// A grid is lined up by what people see: colours have no width.
type grid struct {
	rows [][]cell
}

func (g *grid) row(cells ...cell) { g.rows = append(g.rows, cells) }

// note puts a line of its own between rows; it takes no part in the widths.
func (g *grid) note(text string, paint *color.Color) {
	g.rows = append(g.rows, []cell{{text: text, paint: paint}})
}

func (g *grid) widths() []int {
	var wide []int
	for _, r := range g.rows {
		if len(r) == 1 {
			continue
		}
		for i, c := range r {
			if i == len(wide) {
				wide = append(wide, 0)
			}
			wide[i] = max(wide[i], utf8.RuneCountInString(c.text))
		}
	}
	return wide
}

// columnGap separates columns.
const columnGap = "  "

func (p *printer) grid(g *grid) {
	wide := g.widths()
	for _, r := range g.rows {
		if len(r) == 1 {
			p.line(p.pal.with(r[0].paint, r[0].text))
			continue
		}
		last := len(r) - 1
		for last > 0 && r[last].text == "" { // nothing is written behind the last word
			last--
		}
		for i, c := range r[:last+1] {
			fill := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(c.text))
			painted := p.pal.with(c.paint, c.text)
			switch {
			case c.right:
				p.text(fill, painted)
			case i == last:
				p.text(painted)
			default:
				p.text(painted, fill)
			}
			if i < last {
				p.text(columnGap)
			}
		}
		p.line()
	}
}
