package diag

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"name", "queue", "exchange", "env", "dead_letter", "one", "max_length", "max_bytes"}
	for wrong, want := range map[string]string{
		"nmae": "name", "quue": "queue", "evn": "env", "oen": "one", "NAME": "name", "deadletter": "dead_letter", "exchnge": "exchange",
		"que": "queue", "exch": "exchange", "letter": "dead_letter", "ame": "name",
		"zzz": "", "x": "", "": "", "completely": "", "max": "",
	} {
		if got := Nearest(wrong, known); got != want {
			t.Errorf("%q: %q, want %q", wrong, got, want)
		}
	}
}

func TestEscape(t *testing.T) {
	if got := Escape("a\x1b[31m\u202e\nä"); got != `a\x1b[31m\u202e\nä` {
		t.Error(got)
	}
	if got := EscapeText("a\n\tb\x07"); got != "a\n\tb\\a" {
		t.Error(got)
	}
}

func TestShellWord(t *testing.T) {
	for s, want := range map[string]string{
		"plan.out": "plan.out", "queue.jobs": "queue.jobs", "jobs@/": "jobs@/", "é": "é", "": "''",
		`queue.jobs["eu"]`: `'queue.jobs["eu"]'`, "it's": `'it'\''s'`, "a b": "'a b'", "~": "'~'", "$x": "'$x'", "\x1b": `'\x1b'`,
	} {
		if got := ShellWord(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}
