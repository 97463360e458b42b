package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/providers/rabbitmq/rabbittest"
)

// TestScripts runs the stories of testdata/script: the real main on a real
// broker, each story in a vhost of its own.
//
// A story has in its environment URL (the broker with the story's vhost),
// MGMT (the management API) and VHOST, and beside testscript's commands:
//
//	exits CODE PROGRAM ARGS…   runs it and wants that exit code
//	mgmt METHOD PATH [BODY]    calls the management API; {V} is the vhost. The answer is stdout
//	publish QUEUE COUNT        sends so many persistent messages, confirmed
//	await PATH TEXT            calls the management API until the answer contains the text
//	processes [COUNT TEXT]     lists what runs because of the story, sorted, once so many of its lines have the text; ! waits until nothing does
//	pids                       lists the running replicas and their pids, as status knows them
//	kill-agents                kills the story's agents, and nothing else, and waits until they are gone
//	power-off                  kills all that runs because of the story, at once
//	build-other                compiles a msgflo of version 9.9.9 and puts its path into OTHER
//	until PROGRAM ARGS…        runs it until it exits with 0; with !, until it does not
func TestScripts(t *testing.T) {
	broker := rabbittest.Shared(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "mgmt": mgmt, "publish": publish, "await": await, "processes": processes, "pids": pids, "until": until, "kill-agents": killAgents, "power-off": powerOff, "build-other": buildOther},
		Setup: func(e *testscript.Env) error {
			vhost := rabbittest.Vhost(e.T().(testing.TB), broker)
			e.Setenv("URL", broker.VhostURL(vhost))
			e.Setenv("AMQP", broker.AMQPURL)
			e.Setenv("MGMT", broker.ManagementURL)
			e.Setenv("VHOST", vhost)
			e.Setenv("MSGFLO_BROKER", broker.VhostURL(vhost))
			if err := joins(e); err != nil {
				return err
			}
			return copyExamples(e.WorkDir)
		},
	})
}

// copyExamples puts the repository's examples into the story's folder, where
// it may change them; what somebody's own run left beside them stays there.
// Installed packages are linked: they are many and do not change.
func copyExamples(dir string) error {
	from, err := filepath.Abs("../../examples")
	if err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, "examples", rel)
		switch {
		case d.Name() == "node_modules":
			if err := os.Symlink(path, to); err != nil {
				return err
			}
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case strings.Contains(d.Name(), ".flostate"):
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o644)
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if ee, ok := errors.AsType[*exec.ExitError](err); ok {
		got = ee.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func mgmt(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: mgmt METHOD PATH [BODY]")
	}
	path := strings.ReplaceAll(args[1], "{V}", url.PathEscape(ts.Getenv("VHOST")))
	body := ""
	if len(args) > 2 {
		body = args[2]
	}
	status, answer, err := call(args[0], ts.Getenv("MGMT")+path, body)
	ts.Check(err)
	_, _ = fmt.Fprintln(ts.Stdout(), answer)
	if failed := status >= 300; failed != neg {
		ts.Fatalf("%s %s: %d %s", args[0], path, status, answer)
	}
}

func call(method, address, body string) (int, string, error) {
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.SetBasicAuth(rabbittest.User, rabbittest.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer), err
}

// processes prints the command lines of what runs because of the story. It
// waits until they are as many as wanted: an agent that has let all go still has
// to end itself.
func processes(ts *testscript.TestScript, neg bool, args []string) {
	wanted := wantedProcesses(ts, neg, args)
	h := householdOf(ts)
	var lines []string
	as := eventually(time.Minute, 20*time.Millisecond, func() bool {
		lines = slices.Sorted(maps.Values(h.processes()))
		return wanted(lines)
	})
	_, _ = fmt.Fprintln(ts.Stdout(), strings.Join(lines, "\n"))
	if !as {
		ts.Fatalf("still running:\n%s", strings.Join(lines, "\n"))
	}
}

func wantedProcesses(ts *testscript.TestScript, neg bool, args []string) func(lines []string) bool {
	switch {
	case neg && len(args) == 0:
		return func(lines []string) bool { return len(lines) == 0 }
	case !neg && len(args) == 0:
		return func([]string) bool { return true }
	case neg || len(args) != 2:
		ts.Fatalf("usage: [!] processes, or processes COUNT TEXT")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	return func(lines []string) bool {
		return len(slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.Contains(l, args[1]) })) == n
	}
}

// await polls the management API until the answer contains a text: statistics
// come late.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await PATH TEXT")
	}
	path := strings.ReplaceAll(args[0], "{V}", url.PathEscape(ts.Getenv("VHOST")))
	var answer string
	var err error
	if !eventually(time.Minute, 50*time.Millisecond, func() bool {
		_, answer, err = call(http.MethodGet, ts.Getenv("MGMT")+path, "")
		return err == nil && strings.Contains(answer, args[1])
	}) {
		ts.Fatalf("GET %s never said %q; last: %s %v", path, args[1], answer, err)
	}
}

func publish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: publish QUEUE N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(publishTo(ts.Getenv("URL"), args[0], n))
}

func publishTo(brokerURL, queue string, n int) error {
	c, err := amqp.Dial(brokerURL)
	if err != nil {
		return err
	}
	defer c.Close()
	ch, err := c.Channel()
	if err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return err
	}
	for i := range n {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		conf, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, true, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, Body: fmt.Appendf(nil, "message %d", i)})
		if err == nil {
			var ok bool
			if ok, err = conf.WaitContext(ctx); err == nil && !ok {
				err = errors.New("not confirmed")
			}
		}
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}
