package ui

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

const hostile = "\x1b]0;x\x07\x1b[31mred\u202e\r\tend"

func TestLogs(t *testing.T) {
	at := clock()
	write := func(o LogOptions) string {
		var b bytes.Buffer
		l := NewLogs(&b, 0, o)
		for i, text := range []string{"plain", hostile, "bytes \xff\x00", ""} {
			if err := l.Line("resize", i*10, at, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Line(hostile, 0, time.Time{}, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	text := write(LogOptions{Times: true})
	for _, c := range text + write(LogOptions{JSON: true}) {
		if c != '\n' && c != '\t' && (c < ' ' || c == '\u202e') {
			t.Fatalf("%q reaches the terminal: %q", c, text)
		}
	}
	want := "resize.0 | 2026-01-02T03:04:05.000Z plain\nresize.10 | 2026-01-02T03:04:05.000Z \\x1b]0;x\\a\\x1b[31mred\\u202e\\r\tend\n"
	if !strings.HasPrefix(text, want) {
		t.Errorf("got %q", text)
	}
	if raw := write(LogOptions{Raw: true}); !strings.Contains(raw, hostile) || !strings.Contains(raw, "bytes \xff\x00") {
		t.Errorf("what goes into a pipe is changed: %q", raw)
	}
	doc := write(LogOptions{JSON: true})
	if !strings.HasPrefix(doc, `{"role":"resize","replica":0,"time":"2026-01-02T03:04:05.000Z","text":"plain"}`+"\n") || !strings.Contains(doc, `"time":null`) {
		t.Errorf("got %s", doc)
	}
	if painted := write(LogOptions{Color: true}); stripColors(painted) != write(LogOptions{}) {
		t.Errorf("got %q", painted)
	}
}

func TestActs(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		var b bytes.Buffer
		a := NewActs(&b, asJSON)
		v := Verbs{"restarting", "restarted"}
		a.Begin("resize", v)
		a.Progress("resize", hostile)
		a.Progress("resize", "")
		a.End("resize", v, 1500*time.Millisecond, nil)
		a.End(hostile, v, time.Second, errors.New(hostile))
		if err := a.Err(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "\n"); n != 4 || strings.ContainsAny(b.String(), "\x1b\r\u202e\t\a") {
			t.Errorf("%d lines: %q", n, b.String())
		}
		if want := "resize: restarting…\n"; !asJSON && !strings.HasPrefix(b.String(), want) {
			t.Errorf("got %q", b.String())
		}
	}
}

func TestRedraw(t *testing.T) {
	if got := Redraw("a\nb\n", 0); got != "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J" {
		t.Errorf("%q", got)
	}
	if got := Redraw(strings.Repeat("x\n", 100), 10); strings.Count(got, "\n") != 9 || !strings.Contains(got, "more than fits") {
		t.Errorf("%q", got)
	}
}
