package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Ctrl-C at the question is an answer, and what comes of it is said.
func TestInterruptedQuestion(t *testing.T) {
	in, typed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer typed.Close()
	name := filepath.Join(t.TempDir(), "stderr")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := &app{env: Env{Stdin: in, Stderr: out}}
	if err := a.ask(ctx); !errors.Is(err, errShown) {
		t.Errorf("%v", err)
	}
	said, err := os.ReadFile(name)
	if err != nil || !strings.HasSuffix(string(said), "Answer: \nInterrupted; nothing was changed.\n") {
		t.Errorf("%q %v", said, err)
	}
}
