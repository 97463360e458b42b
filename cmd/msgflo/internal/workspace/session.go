package workspace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/apply"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/state"
	"github.com/msgflo/msgflo/state/local"
)

// A Session is one run on a workspace: the state, locked and read, and the
// providers opened for it. Close it always.
type Session struct {
	w     *Workspace
	store state.Store
	lock  state.Unlocker
	snap  *state.Snapshot // as recorded, outcomes of an interrupted run folded in
	// unfinished: an interrupted run's outcomes are in snap but not yet stored.
	unfinished bool
	// pending: the stored state holds objects whose fate was unknown; what
	// refresh made of them is to be stored.
	pending bool
	// emptying: the interrupted run was deleting, so that what is recorded may
	// well be gone.
	emptying bool
	// carried is the interrupted run that this one carries on, "" for none.
	carried string
	intent  map[addr.Instance]bool
	pool    *pool
}

// Begin locks the state and reads it. Operation is the command's name, for who
// waits for the lock.
func (w *Workspace) Begin(ctx context.Context, operation string) (*Session, hcl.Diagnostics) {
	return w.begin(ctx, operation, func(error) bool { return false })
}

// BeginPush is Begin for `state push`, which may take the place of a stored
// state that is damaged: one edited by hand, or any with force.
func (w *Workspace) BeginPush(ctx context.Context, force bool) (*Session, hcl.Diagnostics) {
	return w.begin(ctx, "state push", func(err error) bool {
		var damaged *state.CorruptError
		return errors.As(err, &damaged) && (damaged.Edited || force)
	})
}

func (w *Workspace) begin(ctx context.Context, operation string, passable func(error) bool) (*Session, hcl.Diagnostics) {
	store, diags := w.Store()
	if diags.HasErrors() {
		return nil, diags
	}
	s := &Session{w: w, store: store}
	if l, ok := store.(locker); ok && w.o.Lock && !l.Locks() {
		diags = append(diags, diag.Warning(hcl.Range{}, "State is not locked",
			fmt.Sprintf("%s has no lock address, so nothing keeps two runs apart. Set lock_address if the server can lock.", store.Describe())))
	}
	if w.o.Lock {
		l, err := store.Lock(ctx, lockInfo(operation, w.o.Version, store.Describe()), w.o.LockTimeout)
		if err != nil {
			return nil, append(diags, diag.At(err, hcl.Range{})...)
		}
		s.lock = l
	}
	switch err := s.load(ctx); {
	case err != nil && passable(err):
		s.snap = state.New(state.NewLineage())
	case err != nil:
		return nil, append(append(diags, diag.At(err, hcl.Range{})...), s.Close()...)
	}
	s.pool = newPool(w, s.snap.Lineage)
	s.pool.state = stateAt(store)
	w.debug("state read", "where", store.Describe(), "operation", operation, "lineage", s.snap.Lineage, "serial", s.snap.Serial,
		"objects", len(s.snap.Objects), "carries_on", s.carried)
	return s, diags
}

// A locker is a store that may be set up without a lock.
type locker interface{ Locks() bool }

func lockInfo(operation, version, path string) state.LockInfo {
	who := "unknown"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	return state.LockInfo{
		ID: uuid.NewString(), Operation: operation, Who: who + "@" + host(), Version: version,
		Created: time.Now().UTC(), Path: path, PID: os.Getpid(),
	}
}

// load reads the snapshot and folds in what an interrupted run recorded.
func (s *Session) load(ctx context.Context) error {
	snap, err := s.store.Load(ctx)
	if err != nil {
		return err
	}
	if snap == nil {
		snap = state.New(state.NewLineage())
	}
	s.snap = snap
	s.pending = len(snap.Pending) > 0
	in, outcomes, err := s.store.Unfinished(ctx)
	if err != nil || in == nil {
		return err
	}
	// A run that ended but was killed before it could forget its intent.
	if in.Lineage == snap.Lineage && in.Serial < snap.Serial {
		s.unfinished = true
		return nil
	}
	p, err := plan.Decode(in.Plan)
	if err != nil {
		return fmt.Errorf("the intent of an interrupted run beside %s cannot be read: %w", s.store.Describe(), err)
	}
	if snap.Serial == 0 {
		snap.Lineage = in.Lineage
	}
	s.snap, s.intent = apply.Recover(snap, p, outcomes)
	s.carried = in.ID
	for i := range p.Steps {
		s.emptying = s.emptying || p.Steps[i].Action == plan.Delete
	}
	s.unfinished = true
	return nil
}

// Interrupted reports whether an earlier run was cut short and is being
// carried on.
func (s *Session) Interrupted() bool { return s.intent != nil }

// Snapshot is the state as this run sees it.
func (s *Session) Snapshot() *state.Snapshot { return s.snap }

// Close closes the providers and frees the lock.
func (s *Session) Close() hcl.Diagnostics {
	var errs []error
	if s.pool != nil {
		errs = append(errs, s.pool.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Unlock())
		s.lock = nil
	}
	if c, ok := s.store.(io.Closer); ok {
		errs = append(errs, c.Close())
	}
	return diag.At(errors.Join(errs...), hcl.Range{})
}

// save stores the snapshot under the next serial and forgets the intent. What
// cannot be stored is kept beside the configuration instead of lost.
func (s *Session) save(ctx context.Context, next *state.Snapshot) hcl.Diagnostics {
	if next.Serial <= s.snap.Serial { // a pushed one may be ahead
		next.Serial = s.snap.Serial + 1
	}
	next.MsgfloVersion = s.w.o.Version
	next.Intent = nil
	next.Sort()
	// A cancelled run must still be remembered.
	ctx = context.WithoutCancel(ctx)
	if err := s.store.Save(ctx, next); err != nil {
		return s.saveErrored(next, err)
	}
	s.snap = next
	if s.unfinished {
		if err := s.store.End(ctx); err != nil {
			return diag.At(err, hcl.Range{})
		}
		s.unfinished, s.intent = false, nil
	}
	s.pending = len(next.Pending) > 0
	return nil
}

func (s *Session) saveErrored(next *state.Snapshot, cause error) hcl.Diagnostics {
	detail := fmt.Sprintf("Storing the state in %s failed: %s. ", s.store.Describe(), cause)
	d := diag.Error(hcl.Range{}, "State not saved", "")
	path, err := local.SaveErrored(s.w.o.Dir, next)
	if err == nil {
		d.Detail = detail + fmt.Sprintf("It was written to %s instead. What was done on the broker is recorded there: once the cause is mended, run `msgflo state push %s`.", path, path)
		return hcl.Diagnostics{d}
	}
	b, encErr := state.Encode(next)
	if encErr != nil {
		b = nil
	}
	d.Detail = detail + fmt.Sprintf("Writing it into %s failed too (%s), so it follows here; keep it and give it to `msgflo state push`.", s.w.o.Dir, err)
	d.Extra = ErroredState(b)
	return hcl.Diagnostics{d}
}

// ErroredState is the Extra of the diagnostic about a state that could be
// stored nowhere: the command line prints it to stderr.
type ErroredState []byte

// Describe names the place of the state, for people.
func (s *Session) Describe() string { return s.store.Describe() }
