package routes

import (
	"encoding/json"
	"fmt"
)

// An Announcement is what a router says of itself, retained.
type Announcement struct {
	Version  int    `json:"version"`
	Instance string `json:"instance"` // of this process; another one for each start
	// Epoch is one more than that of the router which it takes over from: of
	// two, the higher one carries the routes and the other stands by.
	Epoch    int64 `json:"epoch"`
	Revision int64 `json:"revision"` // of the document that is carried; 0: none yet
	Routes   int   `json:"routes"`
	// Note is what is wrong, for people, "" where all is well.
	Note string `json:"note,omitempty"`
}

// ParseAnnouncement reads what is retained under a router's topic: false where
// nothing is, or what no router wrote.
func ParseAnnouncement(body []byte) (Announcement, bool) {
	var a Announcement
	if len(body) == 0 || json.Unmarshal(body, &a) != nil || a.Version < 1 || a.Instance == "" {
		return Announcement{}, false
	}
	return a, true
}

// Encode is the announcement as it is retained.
func (a Announcement) Encode() ([]byte, error) {
	a.Version = format
	b, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("writing the router's announcement: %w", err)
	}
	return b, nil
}

// Beats reports whether, of two routers, a is to carry the routes.
func (a Announcement) Beats(b Announcement) bool {
	if a.Epoch != b.Epoch {
		return a.Epoch > b.Epoch
	}
	return a.Instance > b.Instance
}
