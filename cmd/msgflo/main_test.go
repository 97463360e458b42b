package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// TestMain makes the test binary also the program under test (for the
// scripts), and the bare program that benchmarks measure it against.
func TestMain(m *testing.M) {
	testscript.Main(brokered{m}, map[string]func(){
		"msgflo": main,
		"floor":  floorMain,
	})
}

// brokered ends the tests' broker when the tests have ended.
type brokered struct{ m *testing.M }

func (b brokered) Run() int { return rabbittest.Run(b.m) }

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
