package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnit: nothing in a path gets out of its word, and of the machine only the
// program and the directory are in it.
func TestUnit(t *testing.T) {
	var b strings.Builder
	if err := writeUnit(&b, "/opt/my tools/msgflo", "/srv/a \"b\" 100% $HOME \\x\nExecStartPre=/bin/false\x1b[31m", nil); err != nil {
		t.Fatal(err)
	}
	unit := b.String()
	want := `ExecStart=:"/opt/my tools/msgflo" agent "/srv/a \"b\" 100%% $HOME \\x\x0aExecStartPre=/bin/false\x1b[31m"` + "\n"
	if !strings.Contains(unit, "\n"+want) {
		t.Errorf("got %s", unit)
	}
	for l := range strings.Lines(unit) {
		if strings.HasPrefix(l, "ExecStartPre") || strings.ContainsRune(l, '\x1b') {
			t.Errorf("a path broke out: %q", l)
		}
	}
	home, _ := os.UserHomeDir()
	if strings.Contains(unit, home+"/") {
		t.Error("a path of this machine is in it")
	}
}

// The unit's agent is where this shell's commands look for it.
func TestUnitEnvironment(t *testing.T) {
	for _, c := range []struct{ state, run, want string }{
		{"", "", ""},
		{"/home/ann/.local/state", "/run/user/1000/", ""},
		{"state", "run", ""},
		{"/srv/s", "/run/user/1000", `Environment="XDG_STATE_HOME=/srv/s"` + "\n"},
		{"/srv/my \"s\" 100%\nUser=root", "/tmp/r$x", `Environment="XDG_STATE_HOME=/srv/my \"s\" 100%%\x0aUser=root"` + "\n" + `Environment="XDG_RUNTIME_DIR=/tmp/r$x"` + "\n"},
	} {
		get := func(name string) string {
			return map[string]string{"XDG_STATE_HOME": c.state, "XDG_RUNTIME_DIR": c.run}[name]
		}
		var b strings.Builder
		if err := writeUnit(&b, "/bin/msgflo", "/srv", unitEnvironment(get, "/home/ann", 1000)); err != nil {
			t.Fatal(err)
		}
		if want := "[Service]\n" + c.want + "ExecStart="; !strings.Contains(b.String(), want) {
			t.Errorf("%+v: got %s", c, b.String())
		}
	}
}

// systemd's own opinion of the unit, where it is installed.
func TestUnitVerifies(t *testing.T) {
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return // no systemd here; TestUnit holds the words
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "msgflo.service")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeUnit(f, self, `/srv/a "b" 100% $HOME`, []string{`XDG_STATE_HOME=/srv/a "b" 100% $HOME`}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(verify, "--user", "verify", path).CombinedOutput()
	if err != nil && strings.Contains(string(out), "msgflo.service:") {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}
