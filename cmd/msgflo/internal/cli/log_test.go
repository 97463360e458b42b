package cli

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/providers"
)

func TestLoggerLevels(t *testing.T) {
	for _, tt := range []struct {
		log, debug          string
		wantDebug, wantLine bool
	}{
		{"", "", false, false},
		{"off", "", false, false},
		{"debug", "", true, false},
		{"trace", "", true, true},
		{"TRACE", "", true, true},
		{"", "msgflo*", true, false},
		{"", "express:*, msgflo:apply", true, false},
		{"", "express:*", false, false},
		{"", "1", false, false},
	} {
		var out bytes.Buffer
		l, err := logger(&out, func(name string) string {
			return map[string]string{"MSGFLO_LOG": tt.log, "DEBUG": tt.debug}[name]
		})
		if err != nil {
			t.Fatal(err)
		}
		if l == nil {
			l = slog.New(slog.DiscardHandler)
		}
		l.Debug("one")
		l.Log(t.Context(), providers.LevelTrace, "two")
		if got := strings.Contains(out.String(), "level=DEBUG msg=one"); got != tt.wantDebug {
			t.Errorf("MSGFLO_LOG=%q DEBUG=%q: debug line %t, want %t", tt.log, tt.debug, got, tt.wantDebug)
		}
		if got := strings.Contains(out.String(), "level=TRACE msg=two"); got != tt.wantLine {
			t.Errorf("MSGFLO_LOG=%q DEBUG=%q: trace line %t, want %t", tt.log, tt.debug, got, tt.wantLine)
		}
	}
	if _, err := logger(nil, func(string) string { return "loud" }); err == nil {
		t.Error("an unknown level was taken")
	}
}

func TestLoggerMasks(t *testing.T) {
	var out bytes.Buffer
	l, err := logger(&out, func(string) string { return "trace" })
	if err != nil {
		t.Fatal(err)
	}
	l.Debug("dial amqp://u:swordfish@h/v", "url", "amqps://u:swordfish@h", "err", errors.New("GET http://a:swordfish@b/: no"), "name", "esc\x1b[31m")
	if s := out.String(); strings.Contains(s, "swordfish") || strings.Contains(s, "\x1b") {
		t.Errorf("logged: %s", s)
	}
}
