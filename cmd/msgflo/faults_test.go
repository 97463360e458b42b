package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFaultsTable: every test and story that docs/faults.md names exists.
func TestFaultsTable(t *testing.T) {
	doc, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declaration.FindAllSubmatch(text, -1) {
			declared[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`).FindAllString(string(doc), -1) {
		if !declared[name] {
			t.Errorf("%s is named and does not exist", name)
		}
	}
	for _, m := range regexp.MustCompile(`\bscript/(\w+)`).FindAllStringSubmatch(string(doc), -1) {
		if _, err := os.Stat("testdata/script/" + m[1] + ".txtar"); err != nil {
			t.Error(err)
		}
	}
}
