package discovery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func said(role, id, label string) Announcement {
	return Announcement{ID: id, Role: role, Component: "C", Label: label, Inports: []Port{{ID: "in", Queue: role + ".IN"}}}
}

func TestTable(t *testing.T) {
	tab := NewTable()
	for i, c := range []struct {
		a    Announcement
		want News
	}{
		{said("a", "1", ""), New}, {said("a", "2", ""), New}, {said("a", "1", ""), Heartbeat},
		{said("a", "1", "other"), Changed}, {said("a", "1", "other"), Heartbeat},
		{said("b", "1", ""), New}, // the id of another role's process is another process
	} {
		if got := tab.Hear(c.a, epoch.Add(time.Duration(i)*time.Second)); got != c.want {
			t.Errorf("%d: %v, want %v", i, got, c.want)
		}
	}
	all := tab.Participants()
	if len(all) != 3 || all[0].ID != "1" || all[0].Heard != 4 || !all[0].FirstSeen.Equal(epoch) || !all[0].LastSeen.Equal(epoch.Add(4*time.Second)) {
		t.Errorf("%+v", all)
	}
	if !tab.Knows("b", "1") || tab.Knows("b", "2") {
		t.Error("who is known is not known")
	}
}

// TestExpired: silence alone is no proof where somebody consumes.
func TestExpired(t *testing.T) {
	p := Participant{LastSeen: epoch}
	count := func(n int) *int { return &n }
	for _, c := range []struct {
		after     time.Duration
		consumers *int
		want      bool
	}{
		{0, count(0), false}, {Silence, count(0), false}, {Silence + 1, count(0), true}, {Silence + 1, nil, true},
		{Silence + 1, count(1), false}, {1000 * time.Hour, count(1), false}, {-time.Hour, count(0), false},
	} {
		if got := Expired(p, epoch.Add(c.after), Silence, c.consumers); got != c.want {
			t.Errorf("%v, consumers %v: %v", c.after, c.consumers, got)
		}
	}
}

// TestTableProperties: whatever is heard and expired, the table is in order
// and within its bounds.
func TestTableProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tab, now, heard := NewTable(), epoch, map[key]time.Time{}
		alive := map[string]bool{"a": true}
		t.Repeat(map[string]func(*rapid.T){
			"hear": func(t *rapid.T) {
				a := said(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "role"), rapid.StringMatching("[xyz]").Draw(t, "id"), rapid.StringMatching("[lm]?").Draw(t, "label"))
				k := key{a.Role, a.ID}
				if _, was := heard[k]; (tab.Hear(a, now) == New) == was {
					t.Fatalf("%v: new and known at once", k)
				}
				heard[k] = now
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "seconds")) * time.Second)
			},
			"expire": func(*rapid.T) {
				gone := tab.Expire(now, Silence, func(p Participant) *int {
					n := 0
					if alive[p.Role] {
						n = 1
					}
					return &n
				})
				for _, p := range gone {
					k := key{p.Role, p.ID}
					if alive[p.Role] || now.Sub(heard[k]) <= Silence {
						t.Fatalf("%v is gone", k)
					}
					delete(heard, k)
				}
				for k, last := range heard {
					if !alive[k.role] && now.Sub(last) > Silence {
						t.Fatalf("%v is still there", k)
					}
				}
			},
			"": func(t *rapid.T) {
				if tab.Len() != len(heard) || len(tab.Participants()) != len(heard) {
					t.Fatalf("%d, want %d", tab.Len(), len(heard))
				}
				size := 0
				for _, p := range tab.Participants() {
					size += p.size()
					if p.FirstSeen.After(p.LastSeen) || !p.LastSeen.Equal(heard[key{p.Role, p.ID}]) {
						t.Fatalf("%+v", p)
					}
				}
				if size != tab.size {
					t.Fatalf("its size is %d, not %d", size, tab.size)
				}
			},
		})
	})
}

// TestTableBound: a flood of ids pushes out the silent, not the memory.
func TestTableBound(t *testing.T) {
	tab := NewTable()
	for i := range maxParticipants + 500 {
		tab.Hear(said("r", fmt.Sprint(i), ""), epoch.Add(time.Duration(i)))
	}
	if tab.Len() != maxParticipants || tab.Forgot() != 500 || tab.Knows("r", "0") || !tab.Knows("r", "500") {
		t.Errorf("%d known, %d forgotten", tab.Len(), tab.Forgot())
	}
	big := said("r", "big", strings.Repeat("x", maxText))
	for i := range 100 {
		big.Outports = append(big.Outports, Port{ID: fmt.Sprint(i), Description: strings.Repeat("x", maxText)})
	}
	for i := range 1000 {
		big.ID = fmt.Sprint("big", i)
		tab.Hear(big, epoch.Add(time.Hour))
	}
	if tab.size > maxTableSize || tab.Len() == 0 {
		t.Errorf("%d bytes, %d known", tab.size, tab.Len())
	}
}
