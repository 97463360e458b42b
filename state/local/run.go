package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/msgflo/msgflo/state"
	"github.com/msgflo/msgflo/state/journal"
)

// Begin stores the intent beside the state. The journal is made before it, so
// that an intent never stands beside the journal of a run that ended; that of
// an unfinished one is continued.
func (s *Store) Begin(_ context.Context, in state.Intent) (state.Recorder, error) {
	open, err := s.readIntent()
	if err != nil {
		return nil, err
	}
	b, err := state.EncodeIntent(in.Resuming(open))
	if err != nil {
		return nil, err
	}
	if err := s.room(len(b)); err != nil {
		return nil, err
	}
	start := journal.Create
	if open != nil {
		start = journal.Append
	}
	j, err := start(s.journal())
	if err != nil {
		return nil, fmt.Errorf("opening the run's journal: %w", err)
	}
	if err := writeAtomic(s.disk, s.intent(), "", b); err != nil {
		return nil, errors.Join(fmt.Errorf("storing what the run is to do: %w", err), j.Close())
	}
	return state.NewRecorder(j), nil
}

// Unfinished returns the intent of a run that did not end, and what it and
// those that it continues did.
func (s *Store) Unfinished(context.Context) (*state.Intent, []state.Outcome, error) {
	in, err := s.readIntent()
	if in == nil || err != nil {
		return nil, nil, err
	}
	outcomes, err := state.ReadOutcomes(s.journal(), in)
	if err != nil {
		return nil, nil, err
	}
	return in, outcomes, nil
}

// readIntent returns nil where there is none.
func (s *Store) readIntent() (*state.Intent, error) {
	b, err := os.ReadFile(s.intent())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what an unfinished run meant to do: %w", err)
	}
	in, err := state.DecodeIntent(b)
	if err != nil {
		return nil, state.Located(err, s.intent(), "bring back a good copy of that file")
	}
	return in, nil
}

// End removes the intent, then the journal: a kill between the two leaves a
// journal that nothing refers to and the next Begin replaces.
func (s *Store) End(context.Context) error {
	err := removeIfThere(s.disk, s.intent())
	if err == nil {
		err = s.disk.syncDir(filepath.Dir(s.intent()))
	}
	if err == nil {
		err = removeIfThere(s.disk, s.journal())
	}
	if err != nil {
		return fmt.Errorf("forgetting the run that ended: %w", err)
	}
	return nil
}
