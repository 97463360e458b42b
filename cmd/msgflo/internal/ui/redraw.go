package ui

import "strings"

// ClearScreen empties a terminal before the first Redraw.
const ClearScreen = "\x1b[2J\x1b[H"

// Redraw writes a text over the one before: from the top left, each line to
// its end, and nothing left below. What is higher than the terminal would scroll
// and stay, so it is cut; a height of 0 is not known.
func Redraw(text string, height int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if height > 2 && len(lines) >= height {
		lines = append(lines[:height-2], "… more than fits here: make the window higher, or leave -watch out")
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	for _, l := range lines {
		b.WriteString(l + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	return b.String()
}
