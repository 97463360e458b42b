package discovery

import (
	"time"

	"github.com/msgflo/msgflo/config/diag"
)

// An Announcement is what a participant said of itself, bounded and complete, in
// whatever form it said it; wire.Announcement is the form that we speak. Its texts
// are as they came: escape them before a terminal (diag.Escape).
type Announcement struct {
	ID        string    `json:"id"` // of one process; its role where the client sends none (msgflo-arduino)
	Role      string    `json:"role"`
	Component string    `json:"component"`
	Label     string    `json:"label,omitempty"`
	Icon      string    `json:"icon,omitempty"`
	Inports   []Port    `json:"inports"`
	Outports  []Port    `json:"outports"`
	Received  time.Time `json:"-"` // when it reached this process
}

// A Port in an announcement.
type Port struct {
	ID          string `json:"id"`
	Queue       string `json:"queue,omitempty"` // queue, exchange or topic; "" where it cannot be wired
	Type        string `json:"type,omitempty"`
	Description string `json:"description,omitempty"`
	Schema      string `json:"schema,omitempty"`
	Hidden      bool   `json:"hidden,omitempty"`
	Transient   bool   `json:"-"` // persistent:false of msgflo-nodejs: its queue goes with it
}

// String names who speaks, fit for a terminal.
func (a Announcement) String() string {
	if a.ID == a.Role {
		return diag.Escape(a.Role)
	}
	return diag.Escape(a.Role) + " (" + diag.Escape(a.ID) + ")"
}

// size is roughly how much memory the announcement takes.
func (a Announcement) size() int {
	n := 256 + len(a.ID) + len(a.Role) + len(a.Component) + len(a.Label) + len(a.Icon)
	for _, ports := range [][]Port{a.Inports, a.Outports} {
		for _, p := range ports {
			n += 128 + len(p.ID) + len(p.Queue) + len(p.Type) + len(p.Description) + len(p.Schema)
		}
	}
	return n
}
