package ui

import (
	"io"
	"os"

	"github.com/fatih/color"
	"golang.org/x/term"

	"github.com/msgflo/msgflo/planner/plan"
)

// A Terminal is where a view writes.
type Terminal struct {
	Out, Err io.Writer // data; everything else
	Color    bool
	// Rewrite: Out is a terminal, so that a line of progress may be written over.
	Rewrite bool
	Width   int // columns in which prose is wrapped; 0: not wrapped
}

// maxWidth keeps lines readable on a wide screen.
const maxWidth = 120

// Open finds out what a pair of files can show. Colour needs a terminal, no
// -no-color, no NO_COLOR (https://no-color.org: set and not empty) and a TERM
// that is not dumb.
func Open(out, errs *os.File, noColor bool, getenv func(string) string) Terminal {
	t := Terminal{Out: out, Err: errs}
	dumb := getenv("TERM") == "dumb"
	t.Rewrite = term.IsTerminal(int(out.Fd())) && !dumb
	t.Color = t.Rewrite && !noColor && getenv("NO_COLOR") == ""
	if w, _, err := term.GetSize(int(out.Fd())); err == nil && w > 0 {
		t.Width = min(w, maxWidth)
	}
	return t
}

// A palette paints with instances of its own: fatih/color's global switch is
// neither read nor set.
type palette struct {
	on                                                   bool
	green, yellow, red, cyan, magenta, blue, bold, faint *color.Color
}

func newPalette(on bool) *palette {
	paint := func(a ...color.Attribute) *color.Color {
		c := color.New(a...)
		if on {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
		return c
	}
	return &palette{
		on: on, green: paint(color.FgGreen), yellow: paint(color.FgYellow), red: paint(color.FgRed),
		cyan: paint(color.FgCyan), magenta: paint(color.FgMagenta), blue: paint(color.FgBlue),
		bold: paint(color.Bold), faint: paint(color.Faint),
	}
}

// with paints s, at no cost where there is no colour.
func (p *palette) with(c *color.Color, s string) string {
	if !p.on || c == nil || s == "" {
		return s
	}
	return c.Sprint(s)
}

func (p *palette) action(a plan.Action) *color.Color {
	switch a {
	case plan.Create:
		return p.green
	case plan.Update:
		return p.yellow
	case plan.Delete, plan.Replace:
		return p.red
	case plan.Migrate, plan.Restart:
		return p.magenta
	case plan.Adopt, plan.Move:
		return p.cyan
	}
	return p.faint
}

func (p *palette) sign(a plan.Action) string { return p.with(p.action(a), string(rune(a))) }
