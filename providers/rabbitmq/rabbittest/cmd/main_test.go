package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// TestMain lets start begin this test binary again as `serve`.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestStartAndStopInTheBackground(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "broker")
	args := []string{"-dir", dir, "-amqp-port", "0", "-management-port", "0", "-plugins", ""}
	if err := run(append([]string{"start"}, args...)); err != nil {
		t.Fatal(err)
	}
	b, err := rabbittest.Attach(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(append([]string{"start"}, args...)); err != nil {
		t.Errorf("a second start: %v", err)
	}
	if err := run(append([]string{"serve"}, args...)); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second broker in the folder: %v", err)
	}
	if err := run([]string{"stop", "-dir", dir}); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(b.AMQPURL, "amqp://guest:guest@")
	if conn, err := net.Dial("tcp", host); err == nil {
		conn.Close()
		t.Error("it still listens after stop")
	}
	if err := run([]string{"stop", "-dir", dir}); err == nil {
		t.Error("a second stop found a broker")
	}
}

func TestCommandBesideABroker(t *testing.T) {
	err := run([]string{"-plugins", "", "--", "sh", "-c", `test -s "$` + rabbittest.DirEnv + `/broker.json" && exit 7`})
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("the command's own exit code is lost: %v", err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	none := filepath.Join(t.TempDir(), "none")
	for says, args := range map[string][]string{
		"no command given": {},
		"unexpected":       {"serve", "please"},
		"not defined":      {"serve", "-port", "1"},
		"AMQP_PORT":        {"serve", "-dir", none, "-amqp-port", taken},
		"no broker runs":   {"stop", "-dir", none + "-at-all"},
		"start needs -dir": {"start", "-dir", ""},
		"did not start":    {"start", "-dir", none + "2", "-amqp-port", taken},
		"not found":        {"-plugins", "", "--", "no-such-command-anywhere"},
	} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", slices.Concat([]string{"cmd"}, args), err)
		}
	}
}
