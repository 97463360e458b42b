package state

import (
	"bytes"
	"fmt"
)

// A PushError says why a state must not replace the stored one.
type PushError struct{ Detail string }

func (e *PushError) Error() string { return e.Detail }

// Summary is the error's headline.
func (e *PushError) Summary() string { return "State must not be replaced" }

// CheckPush says whether a pushed state may take the place of the current one
// (nil: none): it must be of the same lineage and newer, as Terraform's rule
// is. Force, the caller's matter, sets it aside.
func CheckPush(current, pushed *Snapshot) error {
	switch {
	case current == nil:
		return nil
	case len(current.Intent) > 0:
		return &PushError{"a run on the stored state did not end; run `msgflo apply` first so that what it did is taken over, " +
			"or give -force to forget it"}
	case current.Lineage != pushed.Lineage:
		return &PushError{fmt.Sprintf("the pushed state is of another lineage (%s, stored: %s): it describes another set of objects; "+
			"give -force if you are sure that it belongs here", pushed.Lineage, current.Lineage)}
	case pushed.Serial < current.Serial:
		return &PushError{fmt.Sprintf("the pushed state is older (serial %d) than the stored one (serial %d) and would undo what "+
			"was recorded since; pull the newer one and edit that, or give -force", pushed.Serial, current.Serial)}
	case pushed.Serial == current.Serial && !equal(current, pushed):
		return &PushError{fmt.Sprintf("the pushed state has the stored one's serial (%d); if it was edited, raise its serial to %d, "+
			"or give -force", current.Serial, current.Serial+1)}
	}
	return nil
}

func equal(a, b *Snapshot) bool {
	ab, err1 := Encode(a)
	bb, err2 := Encode(b)
	return err1 == nil && err2 == nil && bytes.Equal(ab, bb)
}
