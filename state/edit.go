package state

import (
	"fmt"
	"slices"
	"strings"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
)

// An AddressError says that a command names what is not in the state, or what
// cannot be moved there.
type AddressError struct {
	Headline string
	Detail   string
}

func (e *AddressError) Error() string { return e.Detail }

// Summary is the error's headline.
func (e *AddressError) Summary() string { return e.Headline }

// Lookup returns the objects that a target covers, in address order, or an
// *AddressError with the nearest known address.
func Lookup(s *Snapshot, t addr.Target) ([]*Object, error) {
	var found []*Object
	for i := range s.Objects {
		if t.Matches(s.Objects[i].Addr) {
			found = append(found, &s.Objects[i])
		}
	}
	if len(found) == 0 {
		return nil, s.unknown(t)
	}
	return found, nil
}

func (s *Snapshot) unknown(t addr.Target) error {
	if len(s.Objects) == 0 {
		return &AddressError{"No such object in state", fmt.Sprintf("the state holds no objects, so there is no %s", t)}
	}
	names := make([]string, 0, len(s.Objects))
	for i := range s.Objects {
		names = append(names, s.Objects[i].Addr.String(), s.Objects[i].Addr.Block().String())
	}
	return &AddressError{"No such object in state", fmt.Sprintf("nothing in the state has the address %s; `msgflo state list` shows what it holds.%s",
		t, diag.DidYouMean(t.String(), names))}
}

// Remove forgets the objects that the targets cover, and the relations of
// others to them. It returns their addresses, or an *AddressError, with the
// snapshot untouched, where a target covers nothing.
func Remove(s *Snapshot, targets []addr.Target) ([]addr.Instance, error) {
	gone := map[addr.Instance]bool{}
	for _, t := range targets {
		found, err := Lookup(s, t)
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			gone[o.Addr] = true
		}
	}
	removed := make([]addr.Instance, 0, len(gone))
	edit := Relink(nil, gone)
	kept := make([]Object, 0, len(s.Objects)-len(gone))
	for _, o := range s.Objects {
		if gone[o.Addr] {
			removed = append(removed, o.Addr)
			continue
		}
		o.Within, o.After = edit(o.Within), edit(o.After)
		kept = append(kept, o)
	}
	s.Objects = kept
	return removed, nil
}

// A Moved is one object's change of address.
type Moved struct{ From, To addr.Instance }

// Move gives what one target covers the address of the other: an object, a
// block with its instances, a participant's or graph's objects, a module with
// all in it. Relations of all objects follow. Where nothing is covered, the
// two are not of one kind, or an address is taken, it returns an
// *AddressError and leaves the snapshot untouched.
func Move(s *Snapshot, from, to addr.Target) ([]Moved, error) {
	if err := movable(from, to); err != nil {
		return nil, err
	}
	found, err := Lookup(s, from)
	if err != nil {
		return nil, err
	}
	moves := make([]Moved, 0, len(found))
	rename := make(map[addr.Instance]addr.Instance, len(found))
	for _, o := range found {
		next, err := rebase(o.Addr, from.Instance, to.Instance)
		if err != nil {
			return nil, err
		}
		moves = append(moves, Moved{o.Addr, next})
		rename[o.Addr] = next
	}
	if err := s.free(moves, rename); err != nil {
		return nil, err
	}
	s.Readdress(rename)
	return moves, nil
}

// Readdress gives objects new addresses, all at once: they may take each
// other's. Relations of all objects follow. Who shares the objects keeps them
// as they were.
func (s *Snapshot) Readdress(to map[addr.Instance]addr.Instance) {
	edit := Relink(to, nil)
	s.Objects = slices.Clone(s.Objects)
	for i := range s.Objects {
		o := &s.Objects[i]
		if next, ok := to[o.Addr]; ok {
			o.Addr = next
		}
		o.Within, o.After = edit(o.Within), edit(o.After)
	}
	s.Sort()
}

// free makes sure that every new address is free, or is left by its holder.
func (s *Snapshot) free(moves []Moved, rename map[addr.Instance]addr.Instance) error {
	at := s.Index()
	taken := make(map[addr.Instance]bool, len(moves))
	for _, m := range moves {
		_, exists := at[m.To]
		_, leaves := rename[m.To]
		if exists && !leaves || taken[m.To] {
			return cannotMove("%s cannot become %s: the state has an object of that address already; move or remove that first", m.From, m.To)
		}
		taken[m.To] = true
	}
	return nil
}

func cannotMove(format string, args ...any) error {
	return &AddressError{"Cannot move in state", fmt.Sprintf(format, args...)}
}

func movable(from, to addr.Target) error {
	f, t := from.Instance, to.Instance
	switch {
	case f == t:
		return cannotMove("%s is to be moved to itself", from)
	case level(f) != level(t):
		return cannotMove("%s names %s and %s %s: both must be of one kind", from, level(f), to, level(t))
	case f.Type != t.Type:
		return cannotMove("%s cannot become %s: a %s is no %s", from, to, f.Type, t.Type)
	case f.Type == "" && f.Owner != "" && ownerKind(f) != ownerKind(t):
		return cannotMove("%s cannot become %s: a %s is no %s", from, to, ownerKind(f), ownerKind(t))
	case f.Type != "" && (f.Owner == "") != (t.Owner == ""):
		return cannotMove("%s cannot become %s: what a participant or graph gives rise to and what a block of its own declares are different things", from, to)
	case f.Type == "" && f.Owner == "" && strings.HasPrefix(t.Module, f.Module+"."):
		return cannotMove("%s cannot be moved into itself", from)
	}
	return nil
}

func level(i addr.Instance) string {
	switch {
	case i.Type != "":
		return "an object"
	case i.Owner != "":
		return "all objects of a participant or graph"
	}
	return "a module"
}

func ownerKind(i addr.Instance) string { kind, _, _ := strings.Cut(i.Owner, "."); return kind }

// rebase is the address of an object under from as seen from to.
func rebase(a, from, to addr.Instance) (addr.Instance, error) {
	next := a
	switch {
	case from.Type != "":
		next.Module, next.Owner, next.Name = to.Module, to.Owner, to.Name
		switch {
		case a.Key == from.Key:
			next.Key = to.Key
		case to.Key != "":
			return a, cannotMove("%s covers several instances, as %s, and cannot become the one object %s; move each by its full address", from, a, to)
		}
	case from.Owner != "":
		suffix, err := suffixOf(a.Owner, from.Owner, to.Owner, from, to)
		if err != nil {
			return a, err
		}
		next.Module, next.Owner = to.Module, to.Owner+suffix
	default:
		suffix, err := suffixOf(a.Module, from.Module, to.Module, from, to)
		if err != nil {
			return a, err
		}
		next.Module = to.Module + suffix
	}
	return next, nil
}

// suffixOf is what follows the prefix: `["a"]` where all instances move, a
// nested module's part. All instances cannot become one.
func suffixOf(name, prefix, next string, from, to addr.Instance) (string, error) {
	suffix := name[len(prefix):]
	if strings.HasPrefix(suffix, "[") && strings.HasSuffix(next, "]") {
		return "", cannotMove("%s covers several instances, as %s, and cannot become the one %s; move each by its full address", from, name, to)
	}
	return suffix, nil
}

// Relink returns a function that renames addresses in a list of relations and
// drops those that are gone. It leaves the list itself alone, for the caller
// may share it, and hands back the same list where nothing changes.
func Relink(rename map[addr.Instance]addr.Instance, gone map[addr.Instance]bool) func([]addr.Instance) []addr.Instance {
	stale := func(a addr.Instance) bool { _, moved := rename[a]; return moved || gone[a] }
	return func(as []addr.Instance) []addr.Instance {
		first := 0
		for first < len(as) && !stale(as[first]) {
			first++
		}
		if first == len(as) {
			return as
		}
		out := append(make([]addr.Instance, 0, len(as)), as[:first]...)
		for _, a := range as[first:] {
			if to, ok := rename[a]; ok {
				out = append(out, to)
			} else if !gone[a] {
				out = append(out, a)
			}
		}
		return out
	}
}
