package discovery

import (
	"cmp"
	"container/list"
	"slices"
	"time"
)

// Silence is after how long without a word the protocol takes a participant
// for stopped (msgflo-wire.md §1.3).
const Silence = 600 * time.Second

// The bounds of a table: whoever can publish can announce new ids without end.
const (
	maxParticipants = 10_000
	maxTableSize    = 32 << 20
)

// A Participant is one process that was heard.
type Participant struct {
	Announcement           // the latest
	FirstSeen    time.Time `json:"firstSeen"`
	LastSeen     time.Time `json:"lastSeen"`
	Heard        int       `json:"heard"` // announcements
}

// A Table is who was heard on one discovery queue. It is not safe for
// concurrent use, and knows no clock: time is what its callers say.
type Table struct {
	byID   map[key]*list.Element // of *Participant
	order  list.List             // by last seen, oldest first
	size   int
	forgot int
}

// A key is a process. Another role with the same id is another process:
// clients make ids of their own.
type key struct{ role, id string }

// What an announcement was to a table.
type News int

// A participant that was not there, one that says something else than before,
// or a heartbeat.
const (
	Heartbeat News = iota
	Changed
	New
)

// NewTable makes an empty table.
func NewTable() *Table { return &Table{byID: map[key]*list.Element{}} }

// Hear enters an announcement. FirstSeen stays, whatever changes. Where the
// table is full, who was silent longest is forgotten.
func (t *Table) Hear(a Announcement, now time.Time) News {
	k := key{a.Role, a.ID}
	e := t.byID[k]
	if e == nil {
		t.byID[k] = t.order.PushBack(&Participant{Announcement: a, FirstSeen: now, LastSeen: now, Heard: 1})
		t.size += a.size()
		t.bound()
		return New
	}
	p := e.Value.(*Participant)
	news := Heartbeat
	if !same(p.Announcement, a) {
		news = Changed
	}
	t.size += a.size() - p.size()
	p.Announcement, p.LastSeen = a, now
	p.Heard++
	t.order.MoveToBack(e)
	t.bound()
	return news
}

// same compares what two announcements say.
func same(a, b Announcement) bool {
	return a.Component == b.Component && a.Label == b.Label && a.Icon == b.Icon &&
		slices.Equal(a.Inports, b.Inports) && slices.Equal(a.Outports, b.Outports)
}

// bound forgets the longest silent until the table is as small as it must be.
func (t *Table) bound() {
	for len(t.byID) > maxParticipants || t.size > maxTableSize && len(t.byID) > 1 {
		t.remove(t.order.Front())
		t.forgot++
	}
}

func (t *Table) remove(e *list.Element) {
	p := t.order.Remove(e).(*Participant)
	delete(t.byID, key{p.Role, p.ID})
	t.size -= p.size()
}

// Forgot is how many participants there was no room for.
func (t *Table) Forgot() int { return t.forgot }

// Len is how many participants are known.
func (t *Table) Len() int { return len(t.byID) }

// Knows reports whether a process was heard.
func (t *Table) Knows(role, id string) bool { return t.byID[key{role, id}] != nil }

// Participants are all that were heard, by role and id.
func (t *Table) Participants() []Participant {
	out := make([]Participant, 0, len(t.byID))
	for e := t.order.Front(); e != nil; e = e.Next() {
		out = append(out, *e.Value.(*Participant))
	}
	slices.SortFunc(out, func(a, b Participant) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Expired says whether a participant is to be taken for gone at a time: it was
// silent for longer than silence, and nobody consumes its inports. Silence alone
// proves nothing where somebody does: the Rust client announces itself once and
// never again. Consumers is nil where they cannot be counted (MQTT).
func Expired(p Participant, now time.Time, silence time.Duration, consumers *int) bool {
	if now.Sub(p.LastSeen) <= silence {
		return false
	}
	return consumers == nil || *consumers == 0
}

// Expire forgets who is gone, and returns them. Consumers counts those of a
// participant's inports, as Expired has it; it is asked about the silent only.
func (t *Table) Expire(now time.Time, silence time.Duration, consumers func(Participant) *int) []Participant {
	var gone []Participant
	for e := t.order.Front(); e != nil; {
		p, next := e.Value.(*Participant), e.Next()
		if now.Sub(p.LastSeen) <= silence {
			break // all after it were heard later
		}
		if Expired(*p, now, silence, consumers(*p)) {
			gone = append(gone, *p)
			t.remove(e)
		}
		e = next
	}
	return gone
}
