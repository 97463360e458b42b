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
	if err := writeUnit(&b, "/opt/my tools/msgflo", "/srv/a \"b\" 100% $HOME \\x\nExecStartPre=/bin/false\x1b[31m"); err != nil {
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
	if err := writeUnit(f, self, `/srv/a "b" 100% $HOME`); err != nil {
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
