// Package local keeps state in a file of a directory, with its backup, lock,
// intent and journal beside it. At every moment, a kill or a power failure
// included, the file is the old state or the new one, whole. It is a store: it
// imports state and nothing that knows providers.
package local

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/msgflo/msgflo/state"
)

// DefaultPath is the state's file where the backend block names none.
const DefaultPath = "msgflo.flostate"

// probe is how many bytes must be free beyond a second copy of the state
// before a run begins.
const probe = 64 << 10

// A Store keeps state in one file. One run uses it from one goroutine; the
// Recorder of Begin alone is for many.
type Store struct {
	path string // of the state, links resolved
	name string // as the user gave it
	disk disk
	seen stamp
}

// stamp is what the file held when this store last read or wrote it.
type stamp struct {
	known, exists, corrupt bool
	sum                    [sha256.Size]byte
}

func stampOf(b []byte, exists bool) stamp {
	return stamp{known: true, exists: exists, sum: sha256.Sum256(b)}
}

// Open returns the store of a directory. The path is the `path` of a `backend
// "local"` block, relative to the directory; "" is DefaultPath. Nothing is
// read or made yet.
func Open(dir, path string) *Store {
	if path == "" {
		path = DefaultPath
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	s := &Store{path: path, name: path, disk: osDisk{}}
	// A rename would replace a link by a file; write where it points instead.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		s.path = real
	}
	return s
}

// Describe is the state's path.
func (s *Store) Describe() string { return s.name }

// beside is the path of one of the hidden files that accompany the state.
func (s *Store) beside(suffix string) string {
	return filepath.Join(filepath.Dir(s.path), "."+filepath.Base(s.path)+suffix)
}

func (s *Store) backup() string  { return s.path + ".backup" }
func (s *Store) lock() string    { return s.beside(".lock") }
func (s *Store) intent() string  { return s.beside(".intent") }
func (s *Store) journal() string { return s.beside(".journal") }

// Load returns the state, or nil where there is no file and never was one: a
// backup without a state, or a link to nowhere, is an error.
func (s *Store) Load(context.Context) (*state.Snapshot, error) {
	b, exists, err := s.read()
	if err != nil {
		return nil, err
	}
	s.seen = stampOf(b, exists)
	if !exists {
		return nil, s.absent()
	}
	snap, err := state.Decode(b)
	if err != nil {
		s.seen.corrupt = true
		return nil, state.Located(err, s.name, s.advice())
	}
	return snap, nil
}

func (s *Store) read() (b []byte, exists bool, err error) {
	b, err = os.ReadFile(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading the state: %w", err)
	}
	return b, true, nil
}

// absent tells a state that never was from one that got lost.
func (s *Store) absent() error {
	if fi, err := os.Lstat(s.path); err == nil && fi.Mode()&os.ModeSymlink != 0 {
		return &state.CorruptError{Problem: "it is a link to a file that is not there", Place: s.name,
			Advice: "make what it points to available (is a disk not mounted?), or remove the link if there is no state yet"}
	}
	if _, err := os.Lstat(s.backup()); err == nil {
		return &state.CorruptError{Problem: "the file is not there, but its backup is, so it was removed by something other than msgflo", Place: s.name,
			Advice: s.advice() + ", or remove the backup too if you mean to begin with nothing"}
	}
	return nil
}

// advice says what the backup is good for.
func (s *Store) advice() string {
	b, err := os.ReadFile(s.backup())
	if err != nil {
		return ""
	}
	snap, err := state.Decode(b)
	if err != nil {
		return fmt.Sprintf("bring back a good copy, as from version control (the backup %s is damaged too)", s.backup())
	}
	return fmt.Sprintf("bring back its backup, which is whole (serial %d, objects: %d): cp %s %s", snap.Serial, len(snap.Objects), s.backup(), s.path)
}

// Save replaces the file; what was there becomes the backup.
func (s *Store) Save(_ context.Context, snap *state.Snapshot) error {
	b, err := state.Encode(snap)
	if err != nil {
		return err
	}
	old, exists, err := s.read()
	if err != nil {
		return err
	}
	if err := s.moved(snap, old, exists); err != nil {
		return err
	}
	if err := s.replace(b, exists); err != nil {
		return fmt.Errorf("writing the state %s: %w", s.name, err)
	}
	s.seen = stampOf(b, true)
	return nil
}

// moved returns state.ErrMoved if the file is not the one that this run knows,
// or, where it has read none, not one that the new state follows.
func (s *Store) moved(next *state.Snapshot, b []byte, exists bool) error {
	if s.seen.known {
		now := stampOf(b, exists)
		if now.exists != s.seen.exists || now.sum != s.seen.sum {
			return state.ErrMoved
		}
		return nil
	}
	if !exists {
		return s.absent()
	}
	cur, err := state.Decode(b)
	if err != nil {
		return state.Located(err, s.name, s.advice())
	}
	if cur.Lineage != next.Lineage || cur.Serial >= next.Serial {
		return state.ErrMoved
	}
	return nil
}

// replace writes the state's next version. A damaged one does not become the
// backup, which may be the last good copy, but is put aside.
func (s *Store) replace(b []byte, exists bool) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	s.sweep()
	keep := ""
	if exists {
		keep = s.backup()
	}
	if exists && s.seen.corrupt {
		keep = s.path + ".damaged"
	}
	return writeAtomic(s.disk, s.path, keep, b)
}

// sweep removes what a killed run left half written.
func (s *Store) sweep() {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(s.path), tempPattern(s.path)))
	for _, p := range left {
		_ = os.Remove(p) // if it cannot be removed it is only in the way of nobody
	}
}

// CheckWritable fails where a run could not store its outcome: a directory
// that is read-only, a disk without room for a second copy of the state. Begin
// asks it, so that this is found before the first change to a broker.
func (s *Store) CheckWritable(context.Context) error { return s.room(0) }

// room makes sure that size bytes beside the state can be written durably.
func (s *Store) room(size int) error {
	dir := filepath.Dir(s.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the state's directory cannot be made: %w", err)
	}
	fi, err := os.Stat(s.path)
	switch {
	case err == nil && fi.IsDir():
		return fmt.Errorf("the state %s is a directory", s.name)
	case err == nil:
		size = max(size, int(fi.Size()))
	}
	tmp := tempName(s.path)
	err = s.disk.write(tmp, make([]byte, size+probe))
	err = errors.Join(err, removeIfThere(s.disk, tmp))
	if err != nil {
		return fmt.Errorf("the state %s cannot be written: %w; free some space or mend the permissions of %s", s.name, err, dir)
	}
	return nil
}
