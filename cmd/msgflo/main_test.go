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

func (b brokered) Run() int {
	if err := os.Setenv("GORACE", goRace); err != nil {
		panic(err)
	}
	return rabbittest.Run(b.m)
}

// goRace: with the race detector every process sleeps for a second at its end,
// for reports that come late. Here are thousands of processes.
const goRace = "atexit_sleep_ms=20"

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
