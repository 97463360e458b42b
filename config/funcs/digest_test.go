package funcs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/config/funcs"
)

func TestDigest(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	digest := func(patterns ...string) string {
		t.Helper()
		s, err := funcs.Digest(dir, patterns)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	write("src/a.js", "1")
	write("src/lib/b.js", "2")
	write("src/readme", "x")
	first := digest("src/**/*.js")
	if again := digest("src/a.js", "src/lib/*.js", "src/**/*.js"); again != first {
		t.Error("the same files, named in another way, have another digest")
	}
	if abs := digest(filepath.Join(dir, "src", "**", "*.js")); abs != first {
		t.Error("the same files, by an absolute pattern, have another digest")
	}
	write("src/readme", "y")
	if digest("src/**/*.js") != first {
		t.Error("a file that no pattern matches changes the digest")
	}
	write("src/lib/b.js", "3")
	changed := digest("src/**/*.js")
	write("src/lib/b.js", "2")
	if err := os.Rename(filepath.Join(dir, "src/lib/b.js"), filepath.Join(dir, "src/lib/c.js")); err != nil {
		t.Fatal(err)
	}
	renamed := digest("src/**/*.js")
	if changed == first || renamed == first || changed == renamed {
		t.Error("a change of content or name does not change the digest")
	}
	// Bytes that move from one file to another are a change.
	write("two/a", "xy")
	write("two/b", "")
	one := digest("two/*")
	write("two/a", "x")
	write("two/b", "y")
	if digest("two/*") == one {
		t.Error("bytes moved between files do not change the digest")
	}
}

func TestDigestRefuses(t *testing.T) {
	dir := t.TempDir()
	for pattern, says := range map[string]string{"*.ts": "matches no file", "": "no file pattern", "[": "no file pattern", "../nowhere/*": "matches no file"} {
		if _, err := funcs.Digest(dir, []string{pattern}); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), dir) {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}
