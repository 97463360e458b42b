package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
)

// here gives a test folders of its own, with a short path.
func here(t *testing.T) Place {
	t.Helper()
	base, err := os.MkdirTemp("/tmp", "mfc") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(base, "r"))
	t.Setenv("XDG_STATE_HOME", filepath.Join(base, "s"))
	p, err := Locate("l/1")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLocate(t *testing.T) {
	p := here(t)
	if !strings.HasPrefix(p.Socket, os.Getenv("XDG_RUNTIME_DIR")+"/msgflo/") || p.Folder != os.Getenv("XDG_STATE_HOME")+"/msgflo/l%2F1" {
		t.Errorf("%+v", p)
	}
	t.Setenv("XDG_RUNTIME_DIR", "/tmp/"+strings.Repeat("x", 100))
	if long, err := Locate("l"); err != nil || !strings.HasPrefix(long.Socket, "/tmp/msgflo-") {
		t.Errorf("%+v %v", long, err)
	}
	t.Setenv("XDG_RUNTIME_DIR", "relative")
	t.Setenv("XDG_STATE_HOME", "relative")
	if p, err := Locate("l"); err != nil || !filepath.IsAbs(p.Socket) || !strings.HasSuffix(p.Folder, "/.local/state/msgflo/l") {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := Locate(""); err == nil {
		t.Error("no lineage is a place")
	}
}

// What would keep the agent from having its folders is found without making any.
func TestUsable(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(base string) error
		want string // "" for usable
	}{
		{"nothing there yet", func(string) error { return nil }, ""},
		{"both there", func(base string) error {
			return errors.Join(os.MkdirAll(base+"/r/msgflo", 0o700), os.MkdirAll(base+"/s/msgflo/l%2F1", 0o700))
		}, ""},
		{"a file for the socket", func(base string) error { return os.WriteFile(base+"/r", nil, 0o600) }, "/r is a file and no folder; set XDG_RUNTIME_DIR"},
		{"a file for the journal", func(base string) error { return os.WriteFile(base+"/s", nil, 0o600) }, "/s is a file and no folder; set XDG_STATE_HOME"},
		{"a link that leads nowhere", func(base string) error { return os.Symlink(base+"/gone", base+"/s") }, "/s is a link that leads nowhere; set XDG_STATE_HOME"},
		{"others may look", func(base string) error {
			return errors.Join(os.MkdirAll(base+"/s/msgflo/l%2F1", 0o700), os.Chmod(base+"/s/msgflo/l%2F1", 0o755))
		}, "has mode 0755"},
		{"read-only", func(base string) error { return os.Mkdir(base+"/s", 0o500) }, "cannot write to "},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := here(t)
			base := filepath.Dir(os.Getenv("XDG_STATE_HOME"))
			if err := errors.Join(os.MkdirAll(base, 0o700), c.make(base)); err != nil {
				t.Fatal(err)
			}
			if c.name == "read-only" && os.Getuid() == 0 {
				return // root writes anywhere
			}
			before := listing(t, base)
			err := p.Usable()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
			if after := listing(t, base); after != before {
				t.Errorf("it made something: %s, before %s", after, before)
			}
			if is := p.Prepare(); (is == nil) != (err == nil) {
				t.Errorf("usable: %v, and then %v", err, is)
			}
		})
	}
}

// Commands that begin at the same time all find the folders usable, whoever
// of them makes them.
func TestPrepareTogether(t *testing.T) {
	const together = 4
	for range 200 {
		p := here(t)
		begin, errs := make(chan struct{}), make(chan error)
		for range together {
			go func() {
				<-begin
				errs <- p.Prepare()
			}()
		}
		close(begin)
		for range together {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	}
}

// listing are all paths below a folder.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func TestPrepare(t *testing.T) {
	p := here(t)
	if err := p.Prepare(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(p.Socket)
	wrong := func(want string) {
		t.Helper()
		if err := p.Prepare(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
		// Nobody there is asked for anything either: it could be told secrets.
		if _, err := Dial(t.Context(), p.Lineage); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("dial: %v; want %q", err, want)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	wrong("chmod 700")
	if err := errors.Join(os.Remove(dir), os.Symlink(t.TempDir(), dir)); err != nil {
		t.Fatal(err)
	}
	wrong("a symbolic link")
}

// A folder of another user's is refused by name. Root can make one; others
// have /usr, which is root's.
func TestForeignFolder(t *testing.T) {
	dir := "/usr"
	if os.Getuid() == 0 {
		dir = t.TempDir()
		if err := errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, 12345, -1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := checkPrivate(dir); err == nil || !strings.Contains(err.Error(), "belongs to user") {
		t.Error(err)
	}
}

func TestNoAgent(t *testing.T) {
	p := here(t)
	if _, err := Dial(t.Context(), p.Lineage); !errors.Is(err, ErrNoAgent) {
		t.Error(err)
	}
	// A socket that a dead agent left.
	if err := p.Prepare(); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.Socket})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := Dial(t.Context(), p.Lineage); !errors.Is(err, ErrNoAgent) {
		t.Error(err)
	}
	if held, err := ReadFolder(p.Lineage); err != nil || len(held) != 0 {
		t.Error(held, err)
	}
}

// answering is an agent that says what the test wants.
func answering(t *testing.T, p Place, h http.Handler) {
	t.Helper()
	if err := p.Prepare(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", p.Socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
}

func TestStrangeAnswers(t *testing.T) {
	leaktest.Check(t)
	p := here(t)
	hello := func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(Hello{Lineage: p.Lineage}) }
	m := http.NewServeMux()
	m.HandleFunc("GET /hello", hello)
	m.HandleFunc("PUT /1/objects", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("{\"text\":\"one\"}\n{\"te")) // and it dies
	})
	m.HandleFunc("POST /1/check", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no \x1b[31m", http.StatusBadRequest)
	})
	answering(t, p, m)
	c, err := Dial(t.Context(), p.Lineage)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var seen []string
	_, err = c.Put(t.Context(), Object{}, func(e Event) { seen = append(seen, e.Text) })
	if err == nil || !strings.Contains(err.Error(), "agent ended before") || len(seen) != 1 {
		t.Error(err, seen)
	}
	if err := c.Check(t.Context(), Object{}); err == nil || !strings.Contains(err.Error(), `no \x1b[31m`) {
		t.Error(err)
	}
	if _, err := c.List(t.Context()); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Hello(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// An agent that ends by itself at that moment hangs up on who asks it to.
func TestHangsUpWhenAskedToEnd(t *testing.T) {
	leaktest.Check(t)
	p := here(t)
	m := http.NewServeMux()
	m.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(Hello{Lineage: p.Lineage}) })
	m.HandleFunc("POST /", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	answering(t, p, m)
	c, err := Dial(t.Context(), p.Lineage)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Quit(t.Context()); err != nil { // nobody has the lock: it has ended
		t.Error(err)
	}
	if err := c.Down(t.Context(), nil); !errors.Is(err, ErrNoAgent) {
		t.Error(err)
	}
	if err := c.Restart(t.Context(), "main/role", nil); err == nil || errors.Is(err, ErrNoAgent) {
		t.Errorf("an act that may have begun: %v", err)
	}
}

// Nothing is asked on a connection that an agent may be about to close because
// it lies idle: the question would be lost with it, on a race.
func TestEachQuestionHasItsConnection(t *testing.T) {
	p := here(t)
	idle := make(chan bool, 10)
	answering(t, p, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		idle <- !r.Close
		_ = json.NewEncoder(w).Encode(Hello{Lineage: p.Lineage})
	}))
	c, err := Dial(t.Context(), p.Lineage)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if <-idle {
			t.Error("the connection is kept for a later question")
		}
	}
}

// An agent that dies as soon as it is started is an error with what it said.
func TestAgentThatDies(t *testing.T) {
	p := here(t)
	program := filepath.Join(t.TempDir(), "msgflo")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"my journal is \033[1mbroken: $*\" >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Ensure(t.Context(), Agent{Lineage: p.Lineage, Dir: "/d", Program: program})
	if err == nil || !strings.Contains(err.Error(), `my journal is \x1b[1mbroken: agent serve l/1 /d`) {
		t.Error(err)
	}
}

func TestFileNames(t *testing.T) {
	for in, want := range map[string]string{"a.b-C_9": "a.b-C_9", "..": "%2E.", "": "%", "a/b": "a%2Fb", "ü": "%C3%BC", "%": "%25", "\n": "%0A"} {
		if got := FileName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		pad := strings.Repeat("x", rapid.SampledFrom([]int{0, 119, 149, 500}).Draw(t, "pad"))
		x, y := FileName(pad+a), FileName(pad+b)
		if (x == y) != (a == b) {
			t.Fatalf("%q and %q are %q and %q", a, b, x, y)
		}
		if len(x) > 200 || x == "" || strings.ContainsAny(x, "/\x00\n") || strings.HasPrefix(x, ".") {
			t.Fatalf("%q", x)
		}
	})
}

// A ledger is what its records say, however often it was written anew between
// them.
func TestLedgerRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain, rewritten := NewLedger(), NewLedger()
		for range rapid.IntRange(0, 40).Draw(t, "n") {
			k := Key{Kind: Process, Name: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name")}
			run := Run{Nonce: rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "nonce"), Key: k, Index: rapid.IntRange(0, 1).Draw(t, "index")}
			if rapid.Bool().Draw(t, "final") {
				run.Final, run.Reason = launch.Failed, "why"
			}
			r := Record{Op: rapid.SampledFrom([]string{OpWant, OpUnwant, OpKeep, OpDelete, OpHold, OpStart, OpReady, OpEnd}).Draw(t, "op"), Key: k}
			switch r.Op {
			case OpWant, OpKeep:
				r.Want = &Entry{Key: k, Spec: json.RawMessage(`{}`), Dir: "/d", Secret: "s"}
			case OpHold:
				r.Held = rapid.Bool().Draw(t, "held")
			case OpStart, OpReady, OpEnd:
				r.Run = &run
			}
			plain.Note(r)
			rewritten.Note(r)
			if rapid.Bool().Draw(t, "rewrite") {
				d := rewritten.Dump()
				rewritten = NewLedger()
				rewritten.Note(Record{Op: OpAll, All: &d})
			}
		}
		a, _ := json.Marshal(plain.Dump())
		b, _ := json.Marshal(rewritten.Dump())
		if string(a) != string(b) {
			t.Fatalf("%s\n%s", a, b)
		}
	})
}

func FuzzLedger(f *testing.F) {
	f.Add([]byte(`{"op":"start","run":{"nonce":"1"}}`))
	f.Add([]byte(`{"op":"all","all":{"entries":[{}]}}`))
	f.Add([]byte(`{"op":"keep"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var r Record
		if json.Unmarshal(line, &r) != nil {
			return
		}
		l := NewLedger()
		if known := l.Note(r); !known && len(l.Entries)+len(l.Wants)+len(l.Runs) > 0 {
			t.Error("what is not known did something")
		}
		l.Dump()
	})
}

func FuzzLogLine(f *testing.F) {
	f.Add([]byte("2026-11-23T12:24:42.123Z text"))
	f.Add([]byte("2026-11-23T12:24:42.123Z "))
	f.Add([]byte("no time"))
	f.Fuzz(func(t *testing.T, line []byte) {
		at, text := CutTime(line)
		if at.IsZero() && string(text) != string(line) {
			t.Errorf("%q became %q", line, text)
		}
		if !at.IsZero() && !bytes.HasSuffix(line, text) {
			t.Errorf("%q became %q", line, text)
		}
	})
}

func TestLastLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	text := "2026-01-01T00:00:00.000Z old\n2026-01-02T00:00:00.000Z new \x1b[31m\r\n2026-01-02T00:00:01.000Z " + strings.Repeat("y", 500) + "\n"
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 100<<10)+"\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	since := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	got := LastLines(path, 20, since)
	if len(got) != 2 || got[0] != `new \x1b[31m` || len(got[1]) != 300+len("…") {
		t.Errorf("%q", got)
	}
	if got := LastLines(path, 1, time.Time{}); len(got) != 1 {
		t.Errorf("%q", got)
	}
	if got := LastLines(path+"x", 1, since); got != nil {
		t.Errorf("%q", got)
	}
}

func TestSecretSum(t *testing.T) {
	a := SecretSum([]byte("salt"), json.RawMessage(`{"a":"1","b":"2"}`))
	for text, same := range map[string]bool{`{ "b":"2", "a":"1" }`: true, `{"a":"1","b":"3"}`: false, `{"a":"1"}`: false} {
		if (Held{Salt: []byte("salt"), Digest: a}).SameSecret(json.RawMessage(text)) != same {
			t.Error(text)
		}
	}
	if SecretSum([]byte("salt"), nil) != nil || !(Held{}).SameSecret(nil) || (Held{}).SameSecret(json.RawMessage(`{}`)) {
		t.Error("no secret")
	}
}

func TestDamagedFiles(t *testing.T) {
	p := here(t)
	if err := p.Prepare(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Secrets(), []byte(`{"x": {"secret": "hunter2"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFolder(p.Lineage); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
	if err := os.WriteFile(p.Journal(), []byte("junk\nmore of it\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFolder(p.Lineage); err == nil || !strings.Contains(err.Error(), "journal") {
		t.Error(err)
	}
}

// Locks tell who lives, and asking does not take them.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if Locked(path) {
		t.Error("a file that is not there is locked")
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if Locked(path) {
		t.Error("locked before")
	}
	if ok, err := Lock(f); !ok || err != nil || !Locked(path) {
		t.Error(ok, err)
	}
	g, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if ok, err := Lock(g); ok || err != nil {
		t.Error(ok, err)
	}
	f.Close()
	if Locked(path) {
		t.Error("locked after")
	}
}

func TestBuild(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	a, err := Build(exe)
	b, err2 := Build("/proc/self/exe")
	other, err3 := Build("/bin/sh")
	if err := errors.Join(err, err2, err3); err != nil || a != b || a == other || len(a) != 24 {
		t.Error(a, b, other, err)
	}
	if first, again := Machine(), Machine(); first != again || !strings.Contains(first, "/") {
		t.Error(Machine())
	}
}
