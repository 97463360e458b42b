package state

import (
	"bytes"
	"errors"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
)

// EncodeIntent writes an intent as a document with a checksum, for stores that
// keep it beside the state.
func EncodeIntent(in Intent) ([]byte, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	w := &writer{}
	w.buf.WriteString("{\n")
	w.member("id", in.ID)
	w.member("lineage", in.Lineage)
	w.buf.WriteString("  \"serial\": " + strconv.FormatUint(in.Serial, 10) + ",\n")
	if len(in.Continues) > 0 {
		w.member("continues", in.Continues)
	}
	if len(in.Plan) > 0 {
		w.member("plan", in.Plan)
	}
	if w.err != nil {
		return nil, w.err
	}
	return seal(w.buf.Bytes()), nil
}

// DecodeIntent reads what EncodeIntent wrote. Anything else is a *CorruptError.
func DecodeIntent(b []byte) (*Intent, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, &CorruptError{Problem: "the intent of an unfinished run is empty"}
	}
	var d struct {
		Intent
		Checksum string `json:"checksum"`
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, &CorruptError{Problem: "the intent of an unfinished run cannot be read: " + cause(err)}
	}
	if !sealed(b, d.Checksum) {
		return nil, &CorruptError{Problem: "the checksum of an unfinished run's intent does not fit"}
	}
	if err := d.check(); err != nil {
		return nil, &CorruptError{Problem: err.Error()}
	}
	return &d.Intent, nil
}

func (in *Intent) check() error {
	if in.ID == "" || in.Lineage == "" {
		return errors.New("an intent without the id of its run, or without lineage")
	}
	return nil
}

// Resuming returns the intent as a store keeps it where an earlier run's is still
// open: that run's outcomes count until End.
func (in Intent) Resuming(open *Intent) Intent {
	if open == nil || open.ID == in.ID {
		return in
	}
	in.Continues = append(append([]string(nil), open.Continues...), open.ID)
	return in
}

// Covers reports whether outcomes of that run are still to be folded in.
func (in *Intent) Covers(run string) bool {
	return run == in.ID || slices.Contains(in.Continues, run)
}
