package local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/state"
	"github.com/msgflo/msgflo/state/storetest"
)

// crashing does so many steps of the disk, then dies: nothing reaches the disk
// any more. The step at which it dies may be half done.
type crashing struct {
	osDisk
	left int
	half bool
}

var errCrash = errors.New("killed")

func (c *crashing) step(do, half func() error) error {
	c.left--
	switch {
	case c.left >= 0:
		return do()
	case c.left == -1 && c.half && half != nil:
		return errors.Join(half(), errCrash)
	}
	return errCrash
}

func (c *crashing) write(path string, b []byte) error {
	return c.step(func() error { return c.osDisk.write(path, b) }, func() error { return c.osDisk.write(path, b[:len(b)/2]) })
}

func (c *crashing) link(a, b string) error {
	return c.step(func() error { return c.osDisk.link(a, b) }, nil)
}

func (c *crashing) rename(a, b string) error {
	return c.step(func() error { return c.osDisk.rename(a, b) }, nil)
}

func (c *crashing) remove(p string) error {
	return c.step(func() error { return c.osDisk.remove(p) }, nil)
}

func (c *crashing) syncDir(p string) error {
	return c.step(func() error { return c.osDisk.syncDir(p) }, nil)
}

// everyCrash runs the act, killed after every possible number of steps, on a
// new directory each, until it gets through.
func everyCrash(t *testing.T, prepare func(*Store), act func(*Store) error, check func(t *testing.T, dir string, err error)) {
	for _, half := range []bool{false, true} {
		through := false
		for n := 0; !through; n++ {
			if n > 100 {
				t.Fatal("never gets through")
			}
			dir := t.TempDir()
			prepare(Open(dir, ""))
			s := Open(dir, "")
			_, err := s.Load(t.Context())
			must(t, err)
			c := &crashing{left: n, half: half}
			s.disk = c
			err = act(s)
			through = c.left >= 0
			if through && err != nil {
				t.Fatal(err)
			}
			check(t, dir, err)
		}
	}
}

func TestKilledSave(t *testing.T) {
	prepare := func(s *Store) {
		must(t, s.Save(t.Context(), storetest.Snapshot("l", 1, 1)))
		must(t, s.Save(t.Context(), storetest.Snapshot("l", 2, 2)))
	}
	save := func(s *Store) error { return s.Save(t.Context(), storetest.Snapshot("l", 3, 3)) }
	everyCrash(t, prepare, save, func(t *testing.T, dir string, killed error) {
		s := Open(dir, "")
		got, err := s.Load(t.Context())
		if err != nil || got.Serial != 3 && (got.Serial != 2 || killed == nil) {
			t.Fatalf("%+v %v (save: %v)", got, err, killed)
		}
		if b := decode(t, filepath.Join(dir, "msgflo.flostate.backup")).Serial; b != 1 && b != 2 {
			t.Fatalf("backup %d", b)
		}
		must(t, s.Save(t.Context(), storetest.Snapshot("l", 4, 1)))
		if got := files(t, dir); got != "msgflo.flostate msgflo.flostate.backup" {
			t.Fatalf("litter: %s", got)
		}
		if b := decode(t, filepath.Join(dir, "msgflo.flostate.backup")).Serial; b != got.Serial {
			t.Fatalf("backup %d of %d", b, got.Serial)
		}
	})
}

func TestKilledBegin(t *testing.T) {
	for _, earlier := range []bool{false, true} {
		prepare := func(s *Store) {
			must(t, s.Save(t.Context(), storetest.Snapshot("l", 1, 1)))
			if earlier {
				begin(t, s, "r1")
			}
		}
		act := func(s *Store) error {
			r, err := s.Begin(t.Context(), state.Intent{ID: "r2", Lineage: "l", Serial: 1})
			if err == nil {
				err = r.Close()
			}
			return err
		}
		everyCrash(t, prepare, act, func(t *testing.T, dir string, killed error) {
			in, outs, err := Open(dir, "").Unfinished(t.Context())
			must(t, err)
			switch {
			case in == nil && (earlier || killed == nil):
				t.Fatal("no intent")
			case in != nil && killed == nil && in.ID != "r2":
				t.Fatalf("%+v", in)
			case earlier && len(outs) != 1:
				t.Fatalf("the earlier run's outcomes: %v", outs)
			case !earlier && len(outs) != 0:
				t.Fatalf("%v", outs)
			}
		})
	}
}

func TestKilledEnd(t *testing.T) {
	prepare := func(s *Store) {
		must(t, s.Save(t.Context(), storetest.Snapshot("l", 1, 1)))
		begin(t, s, "r1")
	}
	act := func(s *Store) error { return s.End(t.Context()) }
	everyCrash(t, prepare, act, func(t *testing.T, dir string, killed error) {
		s := Open(dir, "")
		in, outs, err := s.Unfinished(t.Context())
		must(t, err)
		if in != nil && (killed == nil || len(outs) != 1) {
			t.Fatalf("%+v %v", in, outs)
		}
		must(t, s.End(t.Context()))
		r, err := s.Begin(t.Context(), state.Intent{ID: "r2", Lineage: "l", Serial: 1})
		must(t, err)
		must(t, r.Close())
		if _, outs, err := s.Unfinished(t.Context()); err != nil || len(outs) != 0 {
			t.Fatalf("the ended run's outcomes came back: %v %v", outs, err)
		}
	})
}

func begin(t testing.TB, s *Store, id string) {
	t.Helper()
	r, err := s.Begin(t.Context(), state.Intent{ID: id, Lineage: "l", Serial: 1})
	must(t, err)
	must(t, r.Record(t.Context(), outcome(id, 0)))
	must(t, r.Close())
}

func outcome(run string, i int) state.Outcome {
	return state.Outcome{Run: run, Addr: addr.Instance{Type: "queue", Name: "q", Key: addr.IntKey(i)}}
}

// childEnv makes the test binary a run on that directory, to be killed.
const childEnv = "MSGFLO_LOCAL_TEST_CHILD"

// child runs again and again, and says on stdout what it has been promised.
func child(dir string) {
	ctx := context.Background()
	try := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	s := Open(dir, "")
	_, err := s.Lock(ctx, storetest.Info("child"), 0)
	try(err)
	for serial := uint64(1); ; serial++ {
		id := fmt.Sprint("r", serial)
		r, err := s.Begin(ctx, state.Intent{ID: id, Lineage: "l", Serial: serial - 1, Plan: json.RawMessage(`{}`)})
		try(err)
		fmt.Println("begun", serial)
		for i := range 5 {
			try(r.Record(ctx, outcome(id, i)))
			fmt.Println("recorded", i)
		}
		try(r.Close())
		try(s.Save(ctx, storetest.Snapshot("l", serial, 50)))
		fmt.Println("saved", serial)
		try(s.End(ctx))
		fmt.Println("ended", serial)
	}
}

// killAfter starts a child, kills it once it has said so many lines, and
// returns all it said.
func killAfter(t *testing.T, dir string, lines int) []string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var said []string
	for sc := bufio.NewScanner(out); sc.Scan(); { // to the end: what was said before the signal came counts
		said = append(said, sc.Text())
		if len(said) == lines {
			must(t, cmd.Process.Kill())
		}
	}
	_ = cmd.Wait() // it was killed
	if len(said) < lines || strings.HasPrefix(said[len(said)-1], "error") {
		t.Fatalf("the child said %v", said)
	}
	return said
}

func TestSIGKILL(t *testing.T) {
	for lines := 1; lines <= 24; lines++ {
		dir := t.TempDir()
		said := killAfter(t, dir, lines)
		s := Open(dir, "")
		l, err := s.Lock(t.Context(), storetest.Info("next"), 0)
		if err != nil {
			t.Fatalf("a dead holder's lock: %v", err)
		}
		snap, err := s.Load(t.Context())
		must(t, err)
		in, outs, err := s.Unfinished(t.Context())
		must(t, err)
		var begun, saved uint64
		var ended bool
		recorded := 0
		for _, line := range said {
			var n int
			var what string
			_, err := fmt.Sscan(line, &what, &n)
			must(t, err)
			switch what {
			case "begun":
				begun, recorded, ended = uint64(n), 0, false
			case "recorded":
				recorded++
			case "saved":
				saved = uint64(n)
			case "ended":
				ended = true
			}
		}
		var have uint64
		if snap != nil {
			have = snap.Serial
		}
		if have < saved || have > saved+1 {
			t.Errorf("after %d lines: state %d, was told of %d", lines, have, saved)
		}
		switch {
		case ended || in == nil && saved == begun:
		case in == nil || in.Serial != begun-1 || len(outs) < recorded:
			t.Errorf("after %d lines: run %d recorded %d; intent %+v, outcomes %d", lines, begun, recorded, in, len(outs))
		}
		must(t, l.Unlock())
	}
}
