// Package http keeps state on a server that speaks Terraform's http backend
// protocol (developer.hashicorp.com/terraform/language/backend/http), as
// GitLab does: GET, POST and DELETE of one document, LOCK and UNLOCK of
// another. The protocol has no compare-and-swap, so the stored document is
// read and compared before each write; no backup, so that is the server's
// matter. The server must give back what it was given, white space excepted.
// It is a store: it imports state and nothing that knows providers.
package http

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	nethttp "net/http"
	"os"
	"path/filepath"

	"github.com/msgflo/msgflo/state"
	"github.com/msgflo/msgflo/state/journal"
)

// A Store keeps state at one address. One run uses it from one goroutine; the
// Recorder of Begin alone is for many.
type Store struct {
	client *client
	c      Config
	seen   stamp
	intent json.RawMessage // in the document as last read or written
	lockID string          // of the lock that this run holds, which updates name
}

// stamp is what the server held when this store last read or wrote it.
type stamp struct {
	known, exists bool
	digest        string
}

func stampOf(b []byte, exists bool) stamp {
	return stamp{known: true, exists: exists, digest: state.Digest(b)}
}

// Open returns the store of a configuration. Nothing is asked of the server
// yet. The error is a cty.PathError that blames an attribute of the block.
func Open(c Config) (*Store, error) {
	cl, err := newClient(&c)
	if err != nil {
		return nil, err
	}
	return &Store{client: cl, c: c}, nil
}

// Close frees idle connections.
func (s *Store) Close() { s.client.http.CloseIdleConnections() }

// Describe is the address without user, password and query.
func (s *Store) Describe() string { return shown(s.c.Address) }

// Load returns the state, or nil where the server says 404 or 204. An answer
// that is no state, an empty one above all, is an error.
func (s *Store) Load(ctx context.Context) (*state.Snapshot, error) {
	b, exists, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	s.seen, s.intent = stampOf(b, exists), nil
	if !exists {
		return nil, nil
	}
	snap, err := s.decode(b)
	if err != nil {
		return nil, err
	}
	s.intent = snap.Intent
	return snap, nil
}

func (s *Store) read(ctx context.Context) (b []byte, exists bool, err error) {
	a, err := s.client.send(ctx, "reading the state", nethttp.MethodGet, s.c.Address, nil)
	if err != nil {
		return nil, false, err
	}
	switch {
	case a.status == nethttp.StatusNotFound, a.status == nethttp.StatusNoContent:
		return nil, false, nil
	case a.status != nethttp.StatusOK:
		return nil, false, s.client.refused("reading the state", s.c.Address, a)
	}
	return a.body, true, nil
}

const advice = "see what the address answers, and bring back an earlier version on the server (GitLab keeps all) or with `msgflo state push -force FILE`"

func (s *Store) decode(b []byte) (*state.Snapshot, error) {
	snap, err := state.Decode(b)
	if err != nil {
		return nil, state.Located(err, s.Describe(), advice)
	}
	return snap, nil
}

// Save replaces the document. An unfinished run's intent stays in it until End.
func (s *Store) Save(ctx context.Context, snap *state.Snapshot) error {
	before, err := s.current(ctx)
	if err != nil {
		return err
	}
	if !s.seen.known && before.exists {
		cur, err := s.decode(before.body)
		if err != nil {
			return err
		}
		if cur.Lineage != snap.Lineage || cur.Serial >= snap.Serial {
			return state.ErrMoved
		}
		s.intent = cur.Intent
	}
	next := *snap
	next.Intent = s.intent
	return s.write(ctx, &next, before.stamp)
}

// stored is a version of the document on the server.
type stored struct {
	stamp
	body []byte
}

// current reads what is stored, which must be what this run knows, if it has
// read or written anything.
func (s *Store) current(ctx context.Context) (stored, error) {
	b, exists, err := s.read(ctx)
	if err != nil {
		return stored{}, err
	}
	now := stampOf(b, exists)
	if s.seen.known && now != s.seen {
		return stored{}, state.ErrMoved
	}
	return stored{now, b}, nil
}

// write puts a document in the place of the one before.
func (s *Store) write(ctx context.Context, snap *state.Snapshot, before stamp) error {
	b, err := state.Encode(snap)
	if err != nil {
		return err
	}
	next := stampOf(b, true)
	op := func() error { return s.post(ctx, b, next, before) }
	if err := s.client.retry(ctx, op); err != nil {
		return err
	}
	s.seen, s.intent = next, snap.Intent
	return nil
}

// post makes one attempt. Where its outcome is unknown (a connection lost, a
// gateway's error) the document is read again before it is repeated.
func (s *Store) post(ctx context.Context, b []byte, next, before stamp) error {
	const doing = "writing the state"
	a, err := s.client.once(ctx, doing, s.c.UpdateMethod, withID(s.c.Address, s.lockID), b)
	if err == nil && a.ok() {
		return nil
	}
	if err == nil {
		err = s.client.refused(doing, s.c.Address, a)
		if !a.transient() {
			return permanent(err)
		}
	}
	now, exists, readErr := s.read(ctx)
	if readErr != nil {
		return permanent(fmt.Errorf("%w; whether it was written is not known: %w", err, readErr))
	}
	switch stampOf(now, exists) {
	case next:
		return nil
	case before:
		return err
	}
	return permanent(state.ErrMoved)
}

// Delete removes the document, as `workspace delete` does.
func (s *Store) Delete(ctx context.Context) error {
	const doing = "deleting the state"
	a, err := s.client.send(ctx, doing, nethttp.MethodDelete, withID(s.c.Address, s.lockID), nil)
	if err != nil {
		return err
	}
	if !a.ok() && a.status != nethttp.StatusNotFound {
		return s.client.refused(doing, s.c.Address, a)
	}
	s.seen, s.intent = stampOf(nil, false), nil
	return nil
}

// CheckWritable fails where the run's journal could not be kept. That the
// server takes writes shows when Begin stores the intent.
func (s *Store) CheckWritable(context.Context) error {
	if err := os.MkdirAll(s.c.JournalDir, 0o700); err != nil {
		return fmt.Errorf("the run's journal cannot be kept: %w", err)
	}
	return nil
}

// journal is the path of this state's journal on this machine.
func (s *Store) journal() string {
	sum := sha256.Sum256([]byte(s.Describe()))
	return filepath.Join(s.c.JournalDir, "http-"+hex.EncodeToString(sum[:8])+".journal")
}

// Begin opens the journal and stores the intent in the document, where runs on
// other machines find it.
func (s *Store) Begin(ctx context.Context, in state.Intent) (state.Recorder, error) {
	if err := s.CheckWritable(ctx); err != nil {
		return nil, err
	}
	snap, before, err := s.document(ctx)
	if err != nil {
		return nil, err
	}
	open, err := s.parseIntent(snap)
	if err != nil {
		return nil, err
	}
	if snap == nil {
		snap = state.New(in.Lineage)
	}
	start := journal.Create
	if open != nil {
		start = journal.Append
	}
	j, err := start(s.journal())
	if err != nil {
		return nil, fmt.Errorf("opening the run's journal: %w", err)
	}
	snap.Intent, err = json.Marshal(in.Resuming(open))
	if err == nil {
		err = s.write(ctx, snap, before)
	}
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return state.NewRecorder(j), nil
}

// document reads what is stored, as this run knows it; nil where there is none.
func (s *Store) document(ctx context.Context) (*state.Snapshot, stamp, error) {
	cur, err := s.current(ctx)
	if err != nil || !cur.exists {
		return nil, cur.stamp, err
	}
	snap, err := s.decode(cur.body)
	return snap, cur.stamp, err
}

func (s *Store) parseIntent(snap *state.Snapshot) (*state.Intent, error) {
	if snap == nil || len(snap.Intent) == 0 {
		return nil, nil
	}
	var in state.Intent
	if err := json.Unmarshal(snap.Intent, &in); err != nil || in.ID == "" {
		return nil, &state.CorruptError{Problem: "the intent of an unfinished run in it cannot be read", Place: s.Describe(), Advice: advice}
	}
	return &in, nil
}

// Unfinished returns the intent in the document and what the journal of this
// machine holds of its run. Where the run was on another machine there is
// none; then only the live objects tell what became of it.
func (s *Store) Unfinished(ctx context.Context) (*state.Intent, []state.Outcome, error) {
	snap := &state.Snapshot{Intent: s.intent}
	if !s.seen.known {
		var err error
		if snap, _, err = s.document(ctx); err != nil {
			return nil, nil, err
		}
	}
	in, err := s.parseIntent(snap)
	if in == nil || err != nil {
		return nil, nil, err
	}
	outcomes, err := state.ReadOutcomes(s.journal(), in)
	if err != nil {
		return nil, nil, err
	}
	return in, outcomes, nil
}

// End takes the intent out of the document, then removes the journal.
func (s *Store) End(ctx context.Context) error {
	snap, before, err := s.document(ctx)
	if err != nil {
		return err
	}
	if snap != nil && len(snap.Intent) > 0 {
		snap.Intent = nil
		if err := s.write(ctx, snap, before); err != nil {
			return err
		}
	}
	if err := os.Remove(s.journal()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forgetting the run that ended: %w", err)
	}
	return nil
}
