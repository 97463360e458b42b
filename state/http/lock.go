package http

import (
	"context"
	"encoding/json"
	"fmt"
	nethttp "net/http"
	"time"

	"github.com/google/uuid"

	"github.com/msgflo/msgflo/state"
)

// patience is how long one request about a lock may take. It is not cut short
// when the run is cancelled: whether the lock was taken must be known, or it
// would be left behind.
const patience = 30 * time.Second

// Locks reports whether the block names a lock_address; without one Lock
// succeeds at once and excludes nobody, as in Terraform.
func (s *Store) Locks() bool { return s.c.LockAddress != "" }

// Lock asks the server for the lock until it is free or the time is over.
func (s *Store) Lock(ctx context.Context, info state.LockInfo, timeout time.Duration) (state.Unlocker, error) {
	if !s.Locks() {
		return unlocked{}, nil
	}
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	again := time.NewTicker(min(max(s.c.RetryWaitMin, 10*time.Millisecond), time.Second))
	defer again.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		other, err := s.tryLock(ctx, info)
		if err != nil {
			return nil, err
		}
		if other == nil {
			s.lockID = info.ID
			return &held{store: s, info: info}, nil
		}
		if timeout <= 0 {
			return nil, &state.LockedError{Holder: *other}
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-deadline.C:
			return nil, &state.LockedError{Holder: *other}
		case <-again.C:
		}
	}
}

// tryLock returns the holder where it is somebody else.
func (s *Store) tryLock(ctx context.Context, info state.LockInfo) (*state.LockInfo, error) {
	const doing = "locking the state"
	a, err := s.ask(ctx, doing, s.c.LockMethod, s.c.LockAddress, info)
	if err != nil {
		return nil, err
	}
	switch {
	case a.ok():
		return nil, nil
	case a.status == nethttp.StatusLocked, a.status == nethttp.StatusConflict:
		h := holder(a.body)
		if h.ID == info.ID { // an earlier request took it, and its answer was lost
			return nil, nil
		}
		return &h, nil
	}
	return nil, s.client.refused(doing, s.c.LockAddress, a)
}

func (s *Store) ask(ctx context.Context, doing, method, address string, info state.LockInfo) (answer, error) {
	b, err := json.Marshal(info)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", doing, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return s.client.send(ctx, doing, method, address, b)
}

// holder reads who holds the lock from a refusal; servers need not say.
func holder(body []byte) state.LockInfo {
	var h state.LockInfo
	if json.Unmarshal(body, &h) != nil {
		return state.LockInfo{}
	}
	return h
}

// ForceUnlock frees the lock with that id. Servers differ in whether they
// compare ids, so the holder is asked for first, by trying to lock.
func (s *Store) ForceUnlock(ctx context.Context, id string) error {
	if !s.Locks() {
		return &state.UnlockError{Detail: "the http backend has no lock_address, so the state is never locked"}
	}
	probe := state.LockInfo{ID: uuid.NewString(), Operation: "force-unlock", Created: time.Now().UTC(), Path: s.Describe()}
	other, err := s.tryLock(ctx, probe)
	if err != nil {
		return err
	}
	if other == nil {
		if err := s.unlock(ctx, probe); err != nil {
			return err
		}
		return &state.UnlockError{Detail: fmt.Sprintf("the state %s is not locked", s.Describe())}
	}
	if other.ID == "" { // then only the server can compare
		return s.unlock(ctx, state.LockInfo{ID: id})
	}
	if err := state.CheckUnlock(*other, id); err != nil {
		return err
	}
	return s.unlock(ctx, *other)
}

func (s *Store) unlock(ctx context.Context, info state.LockInfo) error {
	const doing = "unlocking the state"
	a, err := s.ask(ctx, doing, s.c.UnlockMethod, s.c.UnlockAddress, info)
	if err != nil {
		return err
	}
	if !a.ok() && a.status != nethttp.StatusNotFound { // 404: it is free
		return s.client.refused(doing, s.c.UnlockAddress, a)
	}
	return nil
}

// held is a lock that the server gave to this run.
type held struct {
	store *Store
	info  state.LockInfo
	freed bool
}

// Check cannot fail: the protocol has no question for it. A server that locks
// refuses the update of a run that lost its lock.
func (l *held) Check() error { return nil }

// Unlock frees the lock. Unlocking twice is no error.
func (l *held) Unlock() error {
	if l.freed {
		return nil
	}
	if err := l.store.unlock(context.Background(), l.info); err != nil {
		return fmt.Errorf("%w; the lock may be left behind, then run `msgflo force-unlock %s`", err, l.info.ID)
	}
	l.freed = true
	l.store.lockID = ""
	return nil
}

// unlocked stands for a lock where there is none.
type unlocked struct{}

func (unlocked) Check() error  { return nil }
func (unlocked) Unlock() error { return nil }
