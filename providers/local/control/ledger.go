package control

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/state/journal"
)

// A Record is one line of an agent's journal. The agent writes it, and who
// asks where no agent runs reads it.
type Record struct {
	Op   string `json:"op"`
	Key  Key    `json:"key,omitzero"`
	Want *Entry `json:"want,omitempty"` // of OpWant and OpKeep
	Held bool   `json:"held,omitempty"` // of OpHold
	Run  *Run   `json:"run,omitempty"`  // of OpStart, OpReady and OpEnd
	All  *Dump  `json:"all,omitempty"`  // of OpAll
	// Down, of OpBegun: all was stopped by `msgflo down`. It is no Op of its own,
	// so that an earlier version reads past it.
	Down bool `json:"down,omitempty"`
}

// What a Record says. A put is two of them: wanted, and kept once all of it
// was ready. What was only wanted when an agent died is undone by the next.
const (
	OpAll    = "all"    // all that was known when the journal was written anew: the first of every journal
	OpBegun  = "begun"  // the one before it is whole: a torn last record is no damage, a torn first one is
	OpWant   = "want"   // an object is being put
	OpUnwant = "unwant" // that failed
	OpKeep   = "keep"   // an object is held
	OpDelete = "delete" // an object is held no more
	OpHold   = "hold"   // a process was stopped on purpose, or no more
	OpStart  = "start"  // a process is about to be started
	OpReady  = "ready"  // it was ready
	OpEnd    = "end"    // it has ended
)

// An Entry is an object as the journal has it: its secret is in the secrets
// file, under the name Secret.
type Entry struct {
	Key
	Spec   json.RawMessage `json:"spec"`
	Dir    string          `json:"dir"`
	Secret string          `json:"secret,omitempty"`
	Held   bool            `json:"held,omitempty"`
}

// A Run is one start of one replica. Its nonce names its folder below procs/.
type Run struct {
	Nonce string `json:"nonce"`
	Key   Key    `json:"key"`
	Index int    `json:"index"`
	Sum   string `json:"sum"`  // of what was started: its spec, secret and directory
	Boot  string `json:"boot"` // id of the boot that it was started in
	Ready bool   `json:"ready,omitempty"`
	// Final is what the replica stays in, of one that ended and is not to be
	// started again; Reason says why.
	Final  launch.State `json:"final,omitempty"`
	Reason string       `json:"reason,omitempty"`
}

// A Dump is a whole ledger.
type Dump struct {
	Entries []Entry `json:"entries"`
	Wants   []Entry `json:"wants,omitempty"`
	Runs    []Run   `json:"runs,omitempty"`
}

// A Ledger is what the journal's records add up to.
type Ledger struct {
	Entries map[Key]Entry
	Wants   map[Key]Entry  // put and not (yet) kept
	Runs    map[string]Run // by nonce: those not known to have ended, and final ones
	Down    bool           // all was brought down, and nothing has happened since
}

// ReadLedger reads a journal; no file is an empty ledger. A file without its
// first record is damaged: it must not read as "nothing runs".
func ReadLedger(path string) (*Ledger, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return NewLedger(), nil
	}
	lines, err := journal.Read(path)
	if err != nil {
		return nil, err
	}
	l := NewLedger()
	if len(lines) == 0 {
		return nil, fmt.Errorf("the agent's journal %s is damaged: its beginning is missing", diag.Escape(path))
	}
	for i, line := range lines {
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("record %d of %s cannot be read: %w", i, path, err)
		}
		if !l.Note(r) {
			return nil, fmt.Errorf("record %d of %s is of a kind that this version of msgflo does not know (%q): it was written by a newer one", i, path, r.Op)
		}
	}
	return l, nil
}

// NewLedger is a ledger of nothing.
func NewLedger() *Ledger {
	return &Ledger{Entries: map[Key]Entry{}, Wants: map[Key]Entry{}, Runs: map[string]Run{}}
}

// Note adds what a record says; false for one that is not known.
func (l *Ledger) Note(r Record) bool {
	l.Down = r.Down
	switch {
	case r.Op == OpAll && r.All != nil:
		l.load(*r.All)
	case r.Op == OpBegun:
	case r.Op == OpWant && r.Want != nil:
		l.Wants[r.Want.Key] = *r.Want
	case r.Op == OpUnwant:
		delete(l.Wants, r.Key)
	case r.Op == OpKeep && r.Want != nil:
		delete(l.Wants, r.Want.Key)
		l.Entries[r.Want.Key] = *r.Want
	case r.Op == OpDelete:
		delete(l.Wants, r.Key)
		delete(l.Entries, r.Key)
		maps.DeleteFunc(l.Runs, func(_ string, run Run) bool { return run.Key == r.Key && run.Final != "" })
	case r.Op == OpHold:
		if e, ok := l.Entries[r.Key]; ok {
			e.Held = r.Held
			l.Entries[r.Key] = e
		}
	case r.Run == nil:
		return false
	case r.Op == OpStart:
		// A replica that is started anew is not final any more.
		maps.DeleteFunc(l.Runs, func(_ string, run Run) bool {
			return run.Final != "" && run.Key == r.Run.Key && run.Index == r.Run.Index
		})
		l.Runs[r.Run.Nonce] = *r.Run
	case r.Op == OpReady:
		if run, ok := l.Runs[r.Run.Nonce]; ok {
			run.Ready = true
			l.Runs[run.Nonce] = run
		}
	case r.Op == OpEnd:
		delete(l.Runs, r.Run.Nonce)
		if r.Run.Final != "" {
			l.Runs[r.Run.Nonce] = *r.Run
		}
	default:
		return false
	}
	return true
}

func (l *Ledger) load(d Dump) {
	*l = *NewLedger()
	for _, e := range d.Entries {
		l.Entries[e.Key] = e
	}
	for _, e := range d.Wants {
		l.Wants[e.Key] = e
	}
	for _, r := range d.Runs {
		l.Runs[r.Nonce] = r
	}
}

// Dump is the ledger as one record, sorted.
func (l *Ledger) Dump() Dump {
	byKey := func(a, b Entry) int { return Compare(a.Key, b.Key) }
	return Dump{
		Entries: slices.SortedFunc(maps.Values(l.Entries), byKey),
		Wants:   slices.SortedFunc(maps.Values(l.Wants), byKey),
		Runs:    slices.SortedFunc(maps.Values(l.Runs), func(a, b Run) int { return cmp.Compare(a.Nonce, b.Nonce) }),
	}
}

// Compare orders keys by kind, then by name.
func Compare(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
}
