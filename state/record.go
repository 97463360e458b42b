package state

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/msgflo/msgflo/state/journal"
)

// NewRecorder makes a journal record outcomes, for stores that keep one.
func NewRecorder(j *journal.Journal) Recorder { return recorder{j} }

type recorder struct{ j *journal.Journal }

// Record does not look at the context: an outcome has happened already, and is
// remembered even where the run is being cancelled.
func (r recorder) Record(_ context.Context, o Outcome) error {
	b, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("recording the outcome of %s: %w", o.Addr, err)
	}
	return r.j.Append(b)
}

func (r recorder) Close() error { return r.j.Close() }

// ReadOutcomes returns what the runs that an intent covers left in the journal
// at the path, in the order recorded.
func ReadOutcomes(path string, in *Intent) ([]Outcome, error) {
	records, err := journal.Read(path)
	if err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, 0, len(records))
	for i, b := range records {
		var o Outcome
		if err := json.Unmarshal(b, &o); err != nil {
			return nil, fmt.Errorf("record %d of the journal %s is no outcome (was it written by another version of msgflo?): %w", i+1, path, err)
		}
		if in.Covers(o.Run) {
			outcomes = append(outcomes, o)
		}
	}
	return outcomes, nil
}
