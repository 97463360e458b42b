package ui

import (
	"bufio"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fatih/color"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/tfjson"
	"github.com/msgflo/msgflo/config/diag"
)

// Logs writes lines of participants' logs behind `role.0 | `.
type Logs struct {
	opt  LogOptions
	w    *bufio.Writer
	pal  *palette
	wide int
}

// LogOptions say how lines of logs are written.
type LogOptions struct {
	Color bool
	// Raw leaves lines as they were written: for pipes and files. A terminal
	// obeys what is in them, so for one they are escaped.
	Raw   bool
	Times bool // when each line was written, before it
	JSON  bool // an object a line: {"role": …, "replica": 0, "time": …, "text": …}
}

// NewLogs writes to w. Wide is how long the longest `role.0` is for now.
func NewLogs(w io.Writer, wide int, o LogOptions) *Logs {
	return &Logs{opt: o, w: bufio.NewWriter(w), pal: newPalette(o.Color), wide: wide}
}

// LogName is how a replica is called before its lines.
func LogName(role string, index int) string { return fmt.Sprintf("%s.%d", diag.Escape(role), index) }

// Line writes one line.
func (l *Logs) Line(role string, index int, at time.Time, text []byte) error {
	if l.opt.JSON {
		return l.json(role, index, at, text)
	}
	name := LogName(role, index)
	l.wide = max(l.wide, utf8.RuneCountInString(name))
	name += strings.Repeat(" ", l.wide-utf8.RuneCountInString(name)) + " |"
	parts := []string{l.pal.with(l.paint(role), name), " "}
	if l.opt.Times && !at.IsZero() {
		parts = append(parts, l.pal.with(l.pal.faint, at.Format(logTime)), " ")
	}
	for _, p := range parts {
		_, _ = l.w.WriteString(p) // the first error stays: Flush returns it
	}
	if l.opt.Raw {
		_, _ = l.w.Write(text)
	} else {
		_, _ = l.w.WriteString(diag.EscapeText(strings.TrimRight(string(text), "\r")))
	}
	return l.w.WriteByte('\n')
}

// logTime is RFC 3339 with milliseconds, which -since takes.
const logTime = "2006-01-02T15:04:05.000Z07:00"

func (l *Logs) json(role string, index int, at time.Time, text []byte) error {
	line := struct {
		Role    string          `json:"role"`
		Replica int             `json:"replica"`
		Time    json.RawMessage `json:"time"`
		Text    string          `json:"text"`
	}{role, index, json.RawMessage("null"), string(text)}
	if !at.IsZero() {
		line.Time = json.RawMessage(at.Format(`"` + logTime + `"`))
	}
	b, err := tfjson.Encode(line)
	if err != nil {
		return err
	}
	_, err = l.w.Write(b)
	return err
}

// paint gives a role the same colour each time, whoever else is shown.
func (l *Logs) paint(role string) *color.Color {
	h := fnv.New32a()
	_, _ = h.Write([]byte(role)) // never fails
	all := []*color.Color{l.pal.cyan, l.pal.green, l.pal.magenta, l.pal.yellow, l.pal.blue}
	return all[h.Sum32()%uint32(len(all))]
}

// Flush writes out what is held back.
func (l *Logs) Flush() error { return l.w.Flush() }
