package cli

import (
	"io"
	"log/slog"
	"regexp"
	"strings"

	"github.com/msgflo/msgflo/providers"
)

// logger is what MSGFLO_LOG=debug|trace asks for, or, as in the original
// MsgFlo, DEBUG=msgflo*; nil where neither is set. It writes to stderr.
func logger(w io.Writer, lookup func(string) string) (*slog.Logger, error) {
	level := slog.LevelDebug
	switch v := strings.ToLower(lookup("MSGFLO_LOG")); v {
	case "", "off":
		if !debugWanted(lookup("DEBUG")) {
			return nil, nil
		}
	case "debug":
	case "trace":
		level = providers.LevelTrace
	default:
		return nil, usagef("MSGFLO_LOG=%q: there are debug and trace", v)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: maskAttr})), nil
}

// debugWanted reads DEBUG as the npm package of that name does: patterns,
// separated by commas or blanks, of which only those for msgflo concern us.
func debugWanted(patterns string) bool {
	for _, p := range strings.FieldsFunc(patterns, func(r rune) bool { return r == ',' || r == ' ' }) {
		if strings.HasPrefix(p, "msgflo") {
			return true
		}
	}
	return false
}

// userinfo is user and password in a URL.
var userinfo = regexp.MustCompile(`://[^/\s"]*@`)

// maskAttr names the level that slog has no word for, and takes passwords out
// of URLs: whoever logs should not have one, and here is the last place to
// make sure.
func maskAttr(_ []string, a slog.Attr) slog.Attr {
	if l, ok := a.Value.Any().(slog.Level); ok && a.Key == slog.LevelKey && l == providers.LevelTrace {
		return slog.String(slog.LevelKey, "TRACE")
	}
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(mask(v))
	case error:
		a.Value = slog.StringValue(mask(v.Error()))
	}
	return a
}

func mask(s string) string { return userinfo.ReplaceAllString(s, "://***@") }
