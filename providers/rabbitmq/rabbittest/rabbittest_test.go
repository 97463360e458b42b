package rabbittest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/msgflo/msgflo/providers/providertest/child"
)

// crashEnv makes this test binary a program that starts a broker and is killed.
const crashEnv = "MSGFLO_RABBITTEST_CRASH"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashEnv); dir != "" {
		startAndWaitToBeKilled(dir)
	}
	Main(m)
}

func startAndWaitToBeKilled(dir string) {
	b, err := Start(Options{Dir: dir, Plugins: []string{}})
	if err != nil {
		panic(err)
	}
	pids := strconv.Itoa(b.node.Pid) + " " + strconv.Itoa(b.epmd.Pid)
	os.WriteFile(filepath.Join(dir, "pids"), []byte(pids), 0o600)
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

func declare(t *testing.T, url, queue string, passive bool) error {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	f := ch.QueueDeclare
	if passive {
		f = ch.QueueDeclarePassive
	}
	_, err = f(queue, true, false, false, false, nil)
	return err
}

func TestSharedBrokerServesAVhost(t *testing.T) {
	b := Shared(t)
	if Shared(t) != b {
		t.Fatal("two brokers in one test binary")
	}
	if err := declare(t, b.VhostURL(Vhost(t, b)), "q", false); err != nil {
		t.Fatal(err)
	}
}

func TestVhostIsRemoved(t *testing.T) {
	b := Shared(t)
	var name string
	t.Run("a name / of 100% #hard", func(t *testing.T) { name = Vhost(t, b) })
	err := b.call(context.Background(), http.MethodGet, "/api/vhosts/"+name, "")
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Fatalf("the vhost is still there: %v", err)
	}
}

func TestAttachUsesWhatIsPublished(t *testing.T) {
	b := Shared(t)
	dir, err := b.Publish()
	if err != nil {
		t.Fatal(err)
	}
	a, err := Attach(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := declare(t, a.VhostURL(Vhost(t, a)), "q", false); err != nil {
		t.Fatal(err)
	}
	if err := a.Restart(); err == nil {
		t.Error("a broker that another process holds was restarted")
	}
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
	if err := declare(t, b.VhostURL(Vhost(t, b)), "q", false); err != nil { // more patient than checkAMQP, which is asked again and again
		t.Errorf("stopping an attached broker stopped it: %v", err)
	}
}

// A durable queue must outlive a crash, the folder that was given must outlive
// Stop, and nothing else may: no process, no listener.
func TestOwnBrokerLifecycle(t *testing.T) {
	b, err := Start(Options{Dir: t.TempDir(), Plugins: []string{}}) // starts in half the time
	if err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	if err := declare(t, b.AMQPURL+"/", "q", false); err != nil {
		t.Fatal(err)
	}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := b.checkAMQP(); err == nil {
		t.Error("a killed broker answers")
	}
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := declare(t, b.AMQPURL+"/", "q", true); err != nil {
		t.Errorf("after Kill and Restart: %v", err)
	}
	node, epmd := b.node, b.epmd
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	// With the groups the sockets are gone; that a port is free cannot be asked,
	// since another test's broker may have taken it by now.
	deadline := time.Now().Add(time.Minute)
	for _, p := range []*child.Process{node, epmd} {
		for !errors.Is(syscall.Kill(-p.Pid, 0), syscall.ESRCH) {
			if time.Now().After(deadline) {
				t.Fatalf("of the group of process %d something is still there", p.Pid)
			}
			time.Sleep(10 * time.Millisecond) // polling: orphans are reaped by somebody else
		}
	}
	if _, err := os.Stat(b.Dir); err != nil {
		t.Errorf("the caller's folder is gone: %v", err)
	}
}

// A test binary that is killed (a timeout, the out-of-memory killer) must not
// leave a broker running.
func TestProcessesDieWithTheirParent(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+dir)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child was not killed: %v\n%s", err, out)
	}
	pids, err := os.ReadFile(filepath.Join(dir, "pids"))
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for s := range strings.FieldsSeq(string(pids)) {
		pid, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		for alive(pid) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d outlived its parent", pid)
			}
			time.Sleep(10 * time.Millisecond) // polling: an orphan's end sends no event to us
		}
	}
}

// alive tells a running process from one that is dead but not yet reaped by
// whoever adopted it.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

func TestTakenPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	_, err = Start(Options{AMQPPort: port})
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(port)) || !strings.Contains(err.Error(), "taken") {
		t.Fatalf("got %v", err)
	}
}

func TestFailedStartShowsTheLogAndCleansUp(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	_, err := Start(Options{Config: "no_such_setting = 1\n"})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Fatalf("got %v", err)
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// What a killed process left is removed; what is in use, or may soon be, stays.
func TestSweep(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	now := time.Now()
	brokers := map[string]*Broker{"dead": {}, "used": {}, "young": {}}
	for name, b := range brokers {
		if err := b.makeTemp(); err != nil {
			t.Fatal(err)
		}
		if name != "used" {
			b.lock.Unlock()
		}
		if name != "young" {
			if err := os.Chtimes(b.path(lockFile), now, now.Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	foreign := filepath.Join(tmp, tempPrefix+"of-somebody")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	sweep(tmp, now)
	for name, want := range map[string]bool{brokers["dead"].Dir: false, brokers["used"].Dir: true, brokers["young"].Dir: true, foreign: true} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := brokers["used"].removeTemp(); err != nil {
		t.Error(err)
	}
}
