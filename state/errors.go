package state

import (
	"errors"
	"fmt"

	"github.com/msgflo/msgflo/config/diag"
)

// A CorruptError says that a state document cannot be relied on. Decode gives
// Problem; the store that read it adds Place and Advice.
type CorruptError struct {
	Problem string // what is wrong, a clause whose subject is the document
	Place   string // "" or the file or URL
	Advice  string // "" or what this store offers, as the path of a good backup
	Edited  bool   // only the checksum is wrong
}

func (e *CorruptError) Error() string {
	subject := "the state"
	if e.Place != "" {
		subject = "the state in " + diag.Escape(e.Place)
	}
	advice := e.Advice
	if advice == "" {
		advice = "bring back a good copy (its backup, version control) with `msgflo state push FILE`"
	}
	if e.Edited {
		advice += "; if the change was meant, hand the edited file to `msgflo state push FILE`"
	}
	return fmt.Sprintf("%s cannot be used: %s. Nothing was changed. To go on, %s. Where no good copy is left, move it away and take "+
		"the existing objects in again with `msgflo import`; do not just delete it, for then nothing knows which objects are yours",
		subject, e.Problem, advice)
}

// Summary is the error's headline.
func (e *CorruptError) Summary() string { return "State is damaged" }

// A NewerError says that a later version of the program wrote the state.
type NewerError struct {
	Version float64 // of the format; JSON's number as found
	Writer  string  // the program's version, or ""
	Place   string
}

func (e *NewerError) Error() string {
	by := ""
	if e.Writer != "" {
		by = " by msgflo " + diag.Escape(e.Writer)
	}
	where := ""
	if e.Place != "" {
		where = " in " + diag.Escape(e.Place)
	}
	return fmt.Sprintf("the state%s was written%s in format version %v; this program knows versions up to %d and would lose what it "+
		"does not know: use that version of msgflo or a later one", where, by, e.Version, FormatVersion)
}

// Summary is the error's headline.
func (e *NewerError) Summary() string { return "State is from a newer version" }

// Located adds the place, and what can be done there, to an error of Decode or
// DecodeIntent. Other errors are returned as they are.
func Located(err error, place, advice string) error {
	if e, ok := errors.AsType[*CorruptError](err); ok {
		c := *e
		c.Place, c.Advice = place, advice
		return &c
	}
	if e, ok := errors.AsType[*NewerError](err); ok {
		c := *e
		c.Place = place
		return &c
	}
	return err
}

// An UnlockError says why a lock cannot be freed by force.
type UnlockError struct{ Detail string }

func (e *UnlockError) Error() string { return e.Detail }

// Summary is the error's headline.
func (e *UnlockError) Summary() string { return "Lock not freed" }

// CheckUnlock says whether the lock of that holder may be freed by who gives
// that id: the id is asked for so that nobody frees another lock than the one
// they were told of.
func CheckUnlock(holder LockInfo, id string) error {
	if holder.ID == id {
		return nil
	}
	if holder.ID == "" {
		return &UnlockError{"the state's lock does not say who holds it, so no id fits; wait for that run to end"}
	}
	return &UnlockError{fmt.Sprintf("%q is not the id of the state's lock: it is held by %s, lock id %s",
		id, holder, diag.Escape(holder.ID))}
}
