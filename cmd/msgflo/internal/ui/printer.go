package ui

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/planner/plan"
)

// A printer writes lines, keeping the first error.
type printer struct {
	w   *bufio.Writer
	pal *palette
	err error
}

func newPrinter(w io.Writer, on bool) *printer {
	return &printer{w: bufio.NewWriterSize(w, 64<<10), pal: newPalette(on)}
}

func (p *printer) text(parts ...string) {
	for _, s := range parts {
		if _, err := p.w.WriteString(s); err != nil && p.err == nil {
			p.err = err
		}
	}
}

func (p *printer) line(parts ...string) {
	p.text(parts...)
	p.text("\n")
}

func (p *printer) linef(format string, args ...any) { p.line(fmt.Sprintf(format, args...)) }

func (p *printer) flush() {
	if err := p.w.Flush(); err != nil && p.err == nil {
		p.err = err
	}
}

// lines writes the lines of an object or a difference. Each nesting is four
// columns: two for the sign, two to stand in from it.
func (p *printer) lines(indent int, ls []value.Line) {
	for _, l := range ls {
		p.text(strings.Repeat(" ", indent+4*l.Depth))
		p.signed(l)
		p.text("\n")
	}
}

func (p *printer) signed(l value.Line) {
	var c *color.Color
	switch l.Sign {
	case '+', '~', '-', '±':
		c = p.pal.action(plan.Action(l.Sign))
		p.text(p.pal.with(c, string(l.Sign)), " ")
	default:
		p.text("  ")
	}
	p.text(l.Key)
	if l.Old != "" {
		p.text(p.pal.with(p.pal.red, l.Old), " → ", p.pal.with(p.pal.green, l.Text))
		return
	}
	if l.Text == value.SecretText || l.Text == value.UnknownText {
		c = p.pal.faint
	} else if l.Sign == '~' || l.Sign == '±' {
		c = nil
	}
	p.text(p.pal.with(c, l.Text))
}
