package ui

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/uitest"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
)

func TestStatus(t *testing.T) {
	var text, doc, bare, idle bytes.Buffer
	s := uitest.Status()
	if err := Status(&text, s, clock(), false); err != nil {
		t.Fatal(err)
	}
	if err := StatusJSON(&doc, s); err != nil {
		t.Fatal(err)
	}
	s.Agent, s.Roles, s.Edges = nil, s.Roles[:1], nil
	s.Roles[0].State = workspace.Unknown
	s.Roles[0].Broker = "far"
	s.Roles = append(s.Roles, uitest.Status().Roles[5])
	if err := Status(&bare, s, clock(), false); err != nil {
		t.Fatal(err)
	}
	if err := Status(&idle, &workspace.Status{}, clock(), true); err != nil {
		t.Fatal(err)
	}
	golden(t, "status", []txtar.File{{Name: "text", Data: text.Bytes()}, {Name: "document", Data: doc.Bytes()},
		{Name: "no agent, two brokers", Data: bare.Bytes()}, {Name: "nothing", Data: idle.Bytes()}})
	for _, r := range text.String() + doc.String() + bare.String() {
		if r != '\n' && (r < ' ' || r == '\u202e') {
			t.Fatalf("%q reaches the terminal", r)
		}
	}
	if err := json.Unmarshal(doc.Bytes(), new(workspace.Status)); err != nil {
		t.Fatal(err)
	}
}

// Colours have no width: with and without them the columns are the same.
func TestStatusColumns(t *testing.T) {
	var plain, painted bytes.Buffer
	for b, color := range map[*bytes.Buffer]bool{&plain: false, &painted: true} {
		if err := Status(b, uitest.Status(), clock(), color); err != nil {
			t.Fatal(err)
		}
	}
	if stripped := stripColors(painted.String()); stripped != plain.String() {
		t.Errorf("colours move columns:\n%s", stripped)
	}
	if !strings.Contains(painted.String(), "\x1b[") {
		t.Error("there is no colour")
	}
}

func stripColors(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			return b.String() + s
		}
		b.WriteString(s[:i])
		s = s[i:]
		s = s[strings.IndexByte(s, 'm')+1:]
	}
}
