package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var shBlock = regexp.MustCompile("(?s)\n```sh\n(.*?)\n```\n")

// TestReadme: README's commands are two, each one line, and `.ci/run` runs
// them as they are written; every make target and msgflo command in it exists.
func TestReadme(t *testing.T) {
	readme := must(os.ReadFile("../../README.md"))
	blocks := shBlock.FindAllStringSubmatch(string(readme), -1)
	if len(blocks) != 2 {
		t.Fatalf("README has %d sh blocks; .ci/run runs two", len(blocks))
	}
	makefile := string(must(os.ReadFile("../../Makefile")))
	for _, b := range blocks {
		if strings.Contains(b[1], "\n") {
			t.Errorf("more than one line: %s", b[1])
		}
		for part := range strings.SplitSeq(b[1], "&&") {
			words := strings.Fields(part)
			switch {
			case words[0] == "make":
				if !strings.Contains(makefile, "\n"+words[1]+":") {
					t.Errorf("Makefile has no target %s", words[1])
				}
			case strings.HasPrefix(strings.TrimSpace(part), "go run ./cmd/msgflo "):
				if out, err := exec.Command("msgflo", words[3], "-h").CombinedOutput(); err != nil {
					t.Errorf("msgflo %s -h: %v\n%s", words[3], err, out)
				}
			default:
				t.Errorf("README runs something that this test does not know: %s", part)
			}
		}
	}
	ci := string(must(os.ReadFile("../../.ci/run")))
	for _, want := range []string{`"$(block 1)"`, `"$(block 2)"`} {
		if !strings.Contains(ci, want) {
			t.Errorf(".ci/run does not run README's %s", want)
		}
	}
}
