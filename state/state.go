// Package state is what a run remembers: which objects are ours, what they
// were when last seen, and how they relate. It knows no provider, so that
// listing state works with every broker down. It imports addr, diag and journal,
// the floor below, and no provider, planner or store; the stores live in
// folders below it and import it.
package state

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
)

// FormatVersion is the version of the state document that this program writes.
const FormatVersion = 1

// A Snapshot is the state document.
type Snapshot struct {
	Version       int      `json:"version"`
	MsgfloVersion string   `json:"msgflo_version"`
	Lineage       string   `json:"lineage"` // made once, at the first write
	Serial        uint64   `json:"serial"`  // grows by one with every write that changes something
	Objects       []Object `json:"objects"` // in address order
	// Pending are objects whose creation was begun while nobody could tell how it
	// ended: what each was to be. The next refresh looks: one that is there just
	// so is ours and joins Objects, any other is forgotten. An address may be in both.
	Pending []Object          `json:"pending,omitempty"`
	Outputs map[string]Output `json:"outputs,omitempty"`
	Intent  json.RawMessage   `json:"intent,omitempty"` // remote stores only: what an unfinished run meant to do
	Checks  json.RawMessage   `json:"checks,omitempty"`
}

// An Object is what is remembered of one object. No secret is ever in it.
type Object struct {
	Addr          addr.Instance   `json:"addr"`
	Provider      addr.Provider   `json:"provider"`
	ProviderType  string          `json:"provider_type"` // rabbitmq, mqtt, …: which schemas Attrs follow
	SchemaVersion int             `json:"schema_version"`
	Attrs         json.RawMessage `json:"attrs"`               // go-cty/json of the schema's type, secrets null
	Sensitive     []string        `json:"sensitive,omitempty"` // further paths that the configuration made sensitive
	Within        []addr.Instance `json:"within,omitempty"`
	After         []addr.Instance `json:"after,omitempty"`
	Owned         bool            `json:"owned"` // false: adopted
	Keep          bool            `json:"keep,omitempty"`
	// Hashes tell that a sensitive attribute changed: argon2id in PHC form, by path.
	Hashes map[string]string `json:"hashes,omitempty"`
}

// An Output is an output value as last computed.
type Output struct {
	Value     json.RawMessage `json:"value,omitempty"` // absent where sensitive
	Type      json.RawMessage `json:"type,omitempty"`  // cty's JSON form
	Sensitive bool            `json:"sensitive,omitempty"`
}

// New returns an empty snapshot of a lineage.
func New(lineage string) *Snapshot {
	return &Snapshot{Version: FormatVersion, Lineage: lineage, Objects: []Object{}}
}

// Sort brings the objects into address order, the document's order.
func (s *Snapshot) Sort() {
	slices.SortFunc(s.Objects, byAddress)
}

func byAddress(a, b Object) int { return a.Addr.Compare(b.Addr) }

// Index maps addresses to positions in Objects.
func (s *Snapshot) Index() map[addr.Instance]int {
	m := make(map[addr.Instance]int, len(s.Objects))
	for i := range s.Objects {
		m[s.Objects[i].Addr] = i
	}
	return m
}

// An Intent is what a run set out to do, stored before its first step. Plan is
// the plan document; the next run reads the objects that it names and goes on.
type Intent struct {
	ID      string          `json:"id"` // of the run; journal records carry it
	Lineage string          `json:"lineage"`
	Serial  uint64          `json:"serial"` // of the state that the run began with
	Plan    json.RawMessage `json:"plan"`
	// Continues names earlier runs that did not end either and whose outcomes
	// may not be in the state yet. Stores fill it; callers leave it alone.
	Continues []string `json:"continues,omitempty"`
}

// An Outcome is what a step left behind, as the journal records it.
type Outcome struct {
	Run    string        `json:"run"` // Intent.ID
	Addr   addr.Instance `json:"addr"`
	Object *Object       `json:"object,omitempty"` // nil: nothing is there any more (or it was forgotten)
	// Pending: the outcome is unknown; Object is what was to be made (Snapshot.Pending).
	Pending bool `json:"pending,omitempty"`
}

// A Store keeps a snapshot somewhere. Its methods never read a broken, empty
// or newer document as "nothing exists yet": that is an error that says what
// to do.
type Store interface {
	// Load returns the snapshot, or nil where none was ever written.
	Load(ctx context.Context) (*Snapshot, error)
	// Save writes it atomically and keeps the one before as backup. The caller
	// holds the lock and has raised Serial; a store whose document has moved on
	// refuses with ErrMoved.
	Save(ctx context.Context, s *Snapshot) error
	// Lock waits up to the timeout and returns *LockedError if somebody else has it.
	Lock(ctx context.Context, info LockInfo, timeout time.Duration) (Unlocker, error)
	// ForceUnlock frees the lock with that ID, whoever holds it.
	ForceUnlock(ctx context.Context, id string) error
	// Begin stores the intent, durably, and opens the run's journal. Where an
	// earlier run is unfinished, its outcomes stay until End.
	Begin(ctx context.Context, in Intent) (Recorder, error)
	// Unfinished returns the intent of a run that did not end and the outcomes
	// it recorded, or nil. Outcomes are not yet folded into the snapshot.
	Unfinished(ctx context.Context) (*Intent, []Outcome, error)
	// End forgets the intent and its journal; called after a Save that has the outcomes.
	End(ctx context.Context) error
	// Describe names the place for people: the file's path, the URL without secrets.
	Describe() string
}

// An Unlocker holds a lock.
type Unlocker interface {
	// Check fails if the lock was lost, for stores where that can happen.
	Check() error
	Unlock() error
}

// A Recorder appends outcomes durably, in constant time each (group commit).
// It is safe for concurrent use.
type Recorder interface {
	Record(ctx context.Context, o Outcome) error
	Close() error
}

// ErrMoved says that the stored state is not the one this run began with.
var ErrMoved = errors.New("the stored state has changed since this run read it: another run has written to it; run plan again")

// LockInfo says who holds a lock, since when, for what.
type LockInfo struct {
	ID        string    `json:"ID"` // Terraform's field names: the http protocol sends this document
	Operation string    `json:"Operation"`
	Info      string    `json:"Info"`
	Who       string    `json:"Who"` // user@host
	Version   string    `json:"Version"`
	Created   time.Time `json:"Created"`
	Path      string    `json:"Path"`
	PID       int       `json:"PID,omitempty"`
}

// A LockedError says that another run holds the lock.
type LockedError struct{ Holder LockInfo }

func (e *LockedError) Error() string {
	h := e.Holder
	if h.ID == "" {
		return "another run holds the lock of this state and does not say who it is; wait for it to end, or give -lock-timeout=1m to wait longer"
	}
	return fmt.Sprintf("another run holds the lock of this state: %s, lock id %s; wait for it to end, "+
		"give -lock-timeout=1m to wait longer, or, if that run is dead on another machine, run `msgflo force-unlock %s`",
		h, diag.Escape(h.ID), diag.Escape(h.ID))
}

// String names the holder for people: what, by whom, which process, since when.
func (i LockInfo) String() string {
	s := cmp.Or(i.Operation, "a run")
	if i.Who != "" {
		s += " by " + i.Who
	}
	if i.PID != 0 {
		s += fmt.Sprintf(" (pid %d)", i.PID)
	}
	if !i.Created.IsZero() {
		s += " since " + i.Created.UTC().Format(time.RFC3339)
	}
	return diag.Escape(s)
}

// Summary is the error's headline.
func (e *LockedError) Summary() string { return "State is locked" }
