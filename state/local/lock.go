package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/msgflo/msgflo/state"
)

// retry is how often a held lock is asked for again.
const retry = 50 * time.Millisecond

// Lock takes the operating system's lock on a file beside the state, so that a
// dead holder's lock is free; who holds it is written in that file.
func (s *Store) Lock(ctx context.Context, info state.LockInfo, timeout time.Duration) (state.Unlocker, error) {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return nil, fmt.Errorf("the state's directory cannot be made: %w", err)
	}
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	again := time.NewTicker(retry)
	defer again.Stop()
	for {
		l, err := s.tryLock(info)
		if l != nil || err != nil {
			return l.orNil(), err
		}
		if timeout <= 0 {
			return nil, s.locked()
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-deadline.C:
			return nil, s.locked()
		case <-again.C:
		}
	}
}

func (s *Store) locked() error {
	holder, _ := s.holder() // unreadable or just gone: then there is no name to give
	return &state.LockedError{Holder: holder}
}

// tryLock returns nil and no error where somebody else has the lock.
func (s *Store) tryLock(info state.LockInfo) (*held, error) {
	return s.take(flock.New(s.lock(), flock.SetPermissions(0o600)), info)
}

// take locks an opened or unopened file and closes it where that fails.
func (s *Store) take(f *flock.Flock, info state.LockInfo) (*held, error) {
	ok, err := f.TryLock()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking the state: %w (a command that only looks can be given -lock=false)", err), f.Close())
	}
	l := &held{file: f}
	// The one before removes the file as it leaves; then we may hold a lock on
	// what nobody else can find.
	if !ok || l.Check() != nil {
		return nil, f.Close()
	}
	b, err := json.Marshal(info)
	if err == nil {
		err = os.WriteFile(s.lock(), b, 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("writing who holds the state's lock: %w", err), l.Unlock())
	}
	return l, nil
}

// holder reads who holds the lock. The error is os.ErrNotExist where nobody does.
func (s *Store) holder() (state.LockInfo, error) {
	var info state.LockInfo
	b, err := os.ReadFile(s.lock())
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return state.LockInfo{}, fmt.Errorf("reading who holds the state's lock: %w", err)
	}
	return info, nil
}

// ForceUnlock frees the lock with that id. A holder that is alive on this
// machine is not robbed but named: ending it frees the lock.
func (s *Store) ForceUnlock(_ context.Context, id string) error {
	holder, err := s.holder()
	if errors.Is(err, os.ErrNotExist) {
		return &state.UnlockError{Detail: fmt.Sprintf("the state %s is not locked", s.name)}
	}
	if err != nil {
		return err
	}
	if err := state.CheckUnlock(holder, id); err != nil {
		return err
	}
	f := flock.New(s.lock())
	free, err := f.TryLock()
	if err != nil {
		return errors.Join(fmt.Errorf("asking for the state's lock: %w", err), f.Close())
	}
	if !free && here(holder) {
		return errors.Join(&state.UnlockError{Detail: fmt.Sprintf("the lock is held by %s, which is alive on this machine; stop that process "+
			"instead, and its lock is free", holder)}, f.Close())
	}
	return errors.Join(os.Remove(s.lock()), f.Close())
}

// here reports whether a holder, user@host, runs on this machine.
func here(holder state.LockInfo) bool {
	host, err := os.Hostname()
	at := strings.LastIndexByte(holder.Who, '@')
	return err != nil || at < 0 || holder.Who[at+1:] == host
}

// held is a lock that this process has.
type held struct{ file *flock.Flock }

func (l *held) orNil() state.Unlocker {
	if l == nil {
		return nil
	}
	return l
}

// Check fails if the lock's file is no longer the one that we locked.
func (l *held) Check() error {
	ours, err := l.file.Stat()
	if err == nil {
		var now os.FileInfo
		if now, err = os.Stat(l.file.Path()); err == nil && os.SameFile(ours, now) {
			return nil
		}
	}
	return errors.New("the lock of the state was taken away from this run (was `msgflo force-unlock` run?); another run may be writing")
}

// Unlock frees the lock and removes its file. Unlocking twice is no error.
func (l *held) Unlock() error {
	if !l.file.Locked() {
		return nil
	}
	if l.Check() == nil {
		// Where it cannot be removed (a directory that became read-only) it stays, and is free.
		_ = os.Remove(l.file.Path())
	}
	return l.file.Close()
}
