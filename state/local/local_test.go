package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofrs/flock"

	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/state"
	"github.com/msgflo/msgflo/state/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		child(dir)
		return
	}
	leaktest.Main(m)
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place {
		dir := t.TempDir()
		return storetest.Place{
			Open:     func(*testing.T) state.Store { return Open(dir, "") },
			Previous: func(t *testing.T) *state.Snapshot { return decode(t, filepath.Join(dir, "msgflo.flostate.backup")) },
			LocksDie: true,
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func decode(t testing.TB, path string) *state.Snapshot {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	s, err := state.Decode(b)
	must(t, err)
	return s
}

func files(t testing.TB, dir string) string {
	t.Helper()
	es, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range es {
		fi, err := e.Info()
		must(t, err)
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), fi.Mode())
		}
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// What a run leaves beside the state, and that all of it is private.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir, "")
	l, err := s.Lock(t.Context(), storetest.Info("x"), 0)
	must(t, err)
	must(t, s.Save(t.Context(), storetest.Snapshot("l", 1, 1)))
	r, err := s.Begin(t.Context(), state.Intent{ID: "r", Lineage: "l"})
	must(t, err)
	must(t, s.Save(t.Context(), storetest.Snapshot("l", 2, 1)))
	if got := files(t, dir); got != ".msgflo.flostate.intent .msgflo.flostate.journal .msgflo.flostate.lock msgflo.flostate msgflo.flostate.backup" {
		t.Error(got)
	}
	must(t, errors.Join(r.Close(), s.End(t.Context()), l.Unlock()))
	if got := files(t, dir); got != "msgflo.flostate msgflo.flostate.backup" {
		t.Error(got)
	}
}

func TestPath(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "abs.flostate")
	for path, want := range map[string]string{"": "msgflo.flostate", "states/prod.flostate": "states/prod.flostate", elsewhere: ""} {
		s := Open(dir, path)
		l, err := s.Lock(t.Context(), storetest.Info("x"), 0)
		must(t, err)
		must(t, s.Save(t.Context(), storetest.Snapshot("l", 1, 1)))
		must(t, l.Unlock())
		file := filepath.Join(dir, want)
		if want == "" {
			file = elsewhere
		}
		if s.Describe() != file || decode(t, file).Serial != 1 {
			t.Error(s.Describe())
		}
	}
}

// A state that is a link stays one, and two names of it share one lock.
func TestLink(t *testing.T) {
	dir, real := t.TempDir(), filepath.Join(t.TempDir(), "real.flostate")
	must(t, Open(filepath.Dir(real), "real.flostate").Save(t.Context(), storetest.Snapshot("l", 1, 1)))
	link := filepath.Join(dir, "msgflo.flostate")
	must(t, os.Symlink(real, link))
	s := Open(dir, "")
	must(t, s.Save(t.Context(), storetest.Snapshot("l", 2, 1)))
	if decode(t, real).Serial != 2 {
		t.Error("the link was replaced by a file")
	}
	l, err := s.Lock(t.Context(), storetest.Info("x"), 0)
	must(t, err)
	if _, err := Open(filepath.Dir(real), "real.flostate").Lock(t.Context(), storetest.Info("y"), 0); err == nil {
		t.Error("locked twice")
	}
	must(t, l.Unlock())
	must(t, os.Remove(real))
	if _, err := Open(dir, "").Load(t.Context()); err == nil || !strings.Contains(err.Error(), "link") {
		t.Errorf("a link to nowhere: %v", err)
	}
}

func TestDamagedStateNamesBackup(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"truncated": func(b []byte) []byte { return b[:len(b)/2] },
		"empty":     func([]byte) []byte { return nil },
		"flipped":   func(b []byte) []byte { b[90] ^= 1; return b },
		"zeros":     func(b []byte) []byte { clear(b); return b },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := Open(dir, "")
			must(t, s.Save(t.Context(), storetest.Snapshot("l", 1, 1)))
			must(t, s.Save(t.Context(), storetest.Snapshot("l", 2, 1)))
			path := filepath.Join(dir, "msgflo.flostate")
			b, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path, damage(b), 0o600))

			s = Open(dir, "")
			snap, err := s.Load(t.Context())
			var c *state.CorruptError
			if snap != nil || !errors.As(err, &c) || !strings.Contains(err.Error(), "cp "+path+".backup "+path) {
				t.Fatalf("%v %v", snap, err)
			}
			if err := Open(dir, "").Save(t.Context(), storetest.Snapshot("l", 3, 1)); !errors.As(err, &c) {
				t.Errorf("written over unread: %v", err)
			}
			// state push -force: the good backup stays, the damaged file too.
			must(t, s.Save(t.Context(), storetest.Snapshot("l", 3, 1)))
			if decode(t, path).Serial != 3 || decode(t, path+".backup").Serial != 1 {
				t.Error("the backup was replaced by a damaged file")
			}
			if _, err := os.Stat(path + ".damaged"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLostStateIsNotNone(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir, "")
	must(t, s.Save(t.Context(), storetest.Snapshot("l", 1, 1)))
	must(t, s.Save(t.Context(), storetest.Snapshot("l", 2, 1)))
	must(t, os.Remove(filepath.Join(dir, "msgflo.flostate")))
	if snap, err := Open(dir, "").Load(t.Context()); err == nil || !strings.Contains(err.Error(), "backup") {
		t.Errorf("%v %v", snap, err)
	}
}

// full is a disk without room for more than a few bytes.
type full struct{ osDisk }

func (full) write(path string, b []byte) error {
	return errors.Join(osDisk{}.write(path, b[:min(len(b), 100)]), errors.New("no space left on device"))
}

func TestFullDiskIsFoundBeforeTheRun(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir, "")
	must(t, s.Save(t.Context(), storetest.Snapshot("l", 1, 1)))
	s.disk = full{}
	for name, err := range map[string]error{
		"check": s.CheckWritable(t.Context()),
		"begin": func() error { _, err := s.Begin(t.Context(), state.Intent{ID: "r", Lineage: "l"}); return err }(),
		"save":  s.Save(t.Context(), storetest.Snapshot("l", 2, 1)),
	} {
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := files(t, dir); got != "msgflo.flostate" {
		t.Errorf("left behind: %s", got)
	}
	if decode(t, filepath.Join(dir, "msgflo.flostate")).Serial != 1 {
		t.Error("written")
	}
}

// A parent that is a file stands for every directory that cannot be written:
// permissions do not stop root, under which CI runs.
func TestUnwritableDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(dir, nil, 0o600))
	s := Open(dir, "")
	_, lockErr := s.Lock(t.Context(), storetest.Info("x"), 0)
	for name, err := range map[string]error{"check": s.CheckWritable(t.Context()), "lock": lockErr, "save": s.Save(t.Context(), storetest.Snapshot("l", 1, 1))} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := SaveErrored(dir, storetest.Snapshot("l", 1, 1)); err == nil {
		t.Error("errored: no error")
	}
}

// Without hard links the backup is a copy.
type linkless struct{ osDisk }

func (linkless) link(string, string) error { return errors.New("operation not permitted") }

func TestBackupWithoutLinks(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir, "")
	s.disk = linkless{}
	for i := range uint64(3) {
		must(t, s.Save(t.Context(), storetest.Snapshot("l", i+1, 1)))
	}
	if decode(t, filepath.Join(dir, "msgflo.flostate.backup")).Serial != 2 {
		t.Error("not the one before")
	}
}

func TestSaveErrored(t *testing.T) {
	dir := t.TempDir()
	for i, want := range []string{"errored.flostate", "errored-2.flostate", "errored-3.flostate"} {
		path, err := SaveErrored(dir, storetest.Snapshot("l", uint64(i), 1))
		must(t, err)
		if filepath.Base(path) != want || decode(t, path).Serial != uint64(i) {
			t.Error(path)
		}
	}
	files(t, dir)
}

func TestDamagedIntent(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir, "")
	r, err := s.Begin(t.Context(), state.Intent{ID: "r", Lineage: "l"})
	must(t, err)
	must(t, r.Close())
	path := filepath.Join(dir, ".msgflo.flostate.intent")
	must(t, os.WriteFile(path, nil, 0o600))
	if in, _, err := s.Unfinished(t.Context()); in != nil || err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%v %v", in, err)
	}
	if _, err := s.Begin(t.Context(), state.Intent{ID: "r2", Lineage: "l"}); err == nil {
		t.Error("begun over it")
	}
}

func TestForceUnlockNamesLiveHolder(t *testing.T) {
	dir := t.TempDir()
	host, err := os.Hostname()
	must(t, err)
	info := storetest.Info("one")
	info.Who, info.PID = "ada@"+host, os.Getpid()
	l, err := Open(dir, "").Lock(t.Context(), info, 0)
	must(t, err)
	err = Open(dir, "").ForceUnlock(t.Context(), "one")
	var refused *state.UnlockError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "pid ") || !strings.Contains(err.Error(), "ada@") {
		t.Error(err)
	}
	must(t, l.Check())
	must(t, l.Unlock())
	if err := Open(dir, "").ForceUnlock(t.Context(), "one"); !errors.As(err, &refused) || !strings.Contains(err.Error(), "not locked") {
		t.Error(err)
	}
}

// A run that opened the lock's file before its holder removed it gets a lock
// on a file that nobody else can see; that is none.
func TestLockOnRemovedFile(t *testing.T) {
	s := Open(t.TempDir(), "")
	opened := flock.New(s.lock())
	if ok, err := opened.TryRLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	must(t, os.Remove(s.lock()))
	if l, err := s.take(opened, storetest.Info("two")); l != nil || err != nil {
		t.Error(l, err)
	}
	l, err := s.Lock(t.Context(), storetest.Info("three"), 0)
	must(t, err)
	must(t, l.Unlock())
}
