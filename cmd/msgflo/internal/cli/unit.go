package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/msgflo/msgflo/config/diag"
)

func (a *app) printUnit(dir string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if strings.Contains(filepath.ToSlash(program), "/go-build") {
		a.say("This program is a temporary one of `go run`, which the unit cannot name: `go install ./cmd/msgflo` first, then run that.")
		return errShown
	}
	home, _ := os.UserHomeDir() // without one there is no default to leave out
	return writeUnit(a.env.Stdout, program, dir, unitEnvironment(os.Getenv, home, os.Getuid()))
}

// unitEnvironment is where the agent is looked for from here, if that is elsewhere than it
// would be under systemd: what is set otherwise than the XDG base directories' and pam_systemd's defaults.
func unitEnvironment(get func(string) string, home string, uid int) []string {
	var out []string
	for _, d := range []struct{ name, usual string }{
		{"XDG_STATE_HOME", filepath.Join(home, ".local", "state")},
		{"XDG_RUNTIME_DIR", fmt.Sprintf("/run/user/%d", uid)},
	} {
		if v := get(d.name); filepath.IsAbs(v) && filepath.Clean(v) != d.usual { // a relative one counts for nothing
			out = append(out, d.name+"="+v)
		}
	}
	return out
}

// writeUnit writes a systemd user unit (systemd.unit(5), systemd.service(5)).
// KillMode=process: to end or restart the agent leaves participants running, as
// everywhere else; the colon keeps systemd from reading $ in paths.
func writeUnit(w io.Writer, program, dir string, env []string) error {
	var variables strings.Builder
	for _, kv := range env {
		fmt.Fprintf(&variables, "Environment=%s\n", unitWord(kv))
	}
	_, err := fmt.Fprintf(w, `# The msgflo agent of one directory, as a systemd user unit. Put it in
# ~/.config/systemd/user/NAME.service, then: systemctl --user enable --now NAME
# Without a login, user units start at boot once: loginctl enable-linger
[Unit]
Description=msgflo agent of %s

[Service]
%sExecStart=:%s agent %s
Restart=on-failure
RestartSec=5
KillMode=process

[Install]
WantedBy=default.target
`, strings.ReplaceAll(diag.Escape(dir), "%", "%%"), variables.String(), unitWord(program), unitWord(dir))
	return err
}

// unitWord quotes one word of ExecStart or Environment: C escapes within quotes, and percent
// signs doubled, for they begin specifiers.
func unitWord(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '%':
			b.WriteString("%%")
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
