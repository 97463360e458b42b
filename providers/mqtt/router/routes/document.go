package routes

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// format is the version of the document.
const format = 1

// A Route forwards what is published to one topic to another.
type Route struct {
	From   string `json:"from"` // a topic filter
	To     string `json:"to"`
	QoS    byte   `json:"qos"` // at most: 0 or 1
	Retain bool   `json:"retain,omitzero"`
}

// A Document is the table of one lineage.
type Document struct {
	Version  int    `json:"version"`
	Lineage  string `json:"lineage"`
	Revision int64  `json:"revision"` // grows with each change, also over an absence of the document
	// Routes are sorted by From and To, and no two have both alike.
	Routes []Route `json:"routes"`
	// Lanes tells for each source filter which session of the router has it, 0
	// where it is not named. Filters of one session do not overlap: brokers differ
	// in whether a message that matches two subscriptions of a session comes once or
	// twice (MQTT 3.1.1, 3.3.5), and a router could not tell.
	Lanes map[string]int `json:"lanes,omitempty"`
	// Gone are filters of earlier revisions that sessions may still have. The
	// broker cannot be asked for the subscriptions of a session.
	Gone []Gone `json:"gone,omitempty"`
}

// Gone is a filter that a session had.
type Gone struct {
	From string `json:"from"`
	Lane int    `json:"lane,omitzero"`
}

// Lane of a source filter.
func (d *Document) Lane(from string) int { return d.Lanes[from] }

// Parse reads what is retained under a lineage's topic. Empty is a nil
// document, no error. The error says what is wrong with it.
func Parse(lineage string, body []byte) (*Document, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil //nolint:nilnil // no document is no error
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return nil, unreadable(lineage, errors.New("it is no JSON"))
	}
	if head.Version > format {
		return nil, unreadable(lineage, errNewer)
	}
	d := &Document{}
	if err := json.Unmarshal(body, d); err != nil {
		return nil, unreadable(lineage, errors.New("it has not the form of one"))
	}
	if err := d.check(lineage); err != nil {
		return nil, unreadable(lineage, err)
	}
	return d, nil
}

func unreadable(lineage string, err error) error {
	return fmt.Errorf("the routes that are retained at the topic %q cannot be read: %w", Topic(lineage), err)
}

func (d *Document) check(lineage string) error {
	if d.Version < 1 || d.Revision < 1 {
		return errors.New("it has no version or no revision")
	}
	if d.Lineage != lineage {
		return fmt.Errorf("it is of the lineage %q", d.Lineage)
	}
	for i, r := range d.Routes {
		if err := cmp.Or(CheckFrom(r.From), CheckTo(r.To)); err != nil {
			return err
		}
		if r.QoS > 1 {
			return fmt.Errorf("a route has the QoS %d; it is 0 or 1", r.QoS)
		}
		if i > 0 && compare(d.Routes[i-1], r) >= 0 {
			return errors.New("its routes are not in order, or one is there twice")
		}
	}
	const most = 1000
	for from, lane := range d.Lanes {
		if lane < 0 || lane > most {
			return fmt.Errorf("the filter %q has the lane %d", from, lane)
		}
	}
	for _, g := range d.Gone {
		if g.Lane < 0 || g.Lane > most {
			return fmt.Errorf("the filter %q had the lane %d", g.From, g.Lane)
		}
	}
	return nil
}

func compare(a, b Route) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) }

// Encode is the document as it is retained.
func (d *Document) Encode() ([]byte, error) { return json.Marshal(d) }

// Find is the route between two topics.
func (d *Document) Find(from, to string) (Route, bool) {
	if d == nil {
		return Route{}, false
	}
	i, ok := slices.BinarySearchFunc(d.Routes, Route{From: from, To: to}, compare)
	if !ok {
		return Route{}, false
	}
	return d.Routes[i], true
}

// A Change puts a route, or deletes the one between its topics.
type Change struct {
	Route  Route
	Delete bool
}

// Next is the document after some changes, the later ones winning. Now in
// milliseconds makes revisions grow also where the document was away meanwhile.
// Applied is the revision that the router has: what is gone since before that
// need not be told any more. D may be nil.
func (d *Document) Next(lineage string, changes []Change, applied, now int64) *Document {
	if d == nil {
		d = &Document{}
	}
	n := &Document{Version: format, Lineage: lineage, Revision: max(d.Revision+1, now), Routes: slices.Clone(d.Routes)}
	if applied < d.Revision {
		n.Gone = slices.Clone(d.Gone)
	}
	for _, c := range changes {
		i, found := slices.BinarySearchFunc(n.Routes, c.Route, compare)
		switch {
		case c.Delete && found:
			n.Routes = slices.Delete(n.Routes, i, i+1)
		case c.Delete:
		case found:
			n.Routes[i] = c.Route
		default:
			n.Routes = slices.Insert(n.Routes, i, c.Route)
		}
	}
	n.assign(d)
	return n
}

// assign gives filters their lanes; one that had a lane keeps it, since
// messages may be queued there.
func (d *Document) assign(before *Document) {
	d.Lanes = map[string]int{}
	filters := sources(d.Routes)
	had := map[string]bool{}
	for _, f := range sources(before.Routes) {
		had[f] = true
	}
	for _, f := range filters {
		if had[f] {
			d.Lanes[f] = before.Lane(f)
		}
	}
	d.colour(filters)
	for f := range had {
		if _, still := d.Lanes[f]; !still {
			d.Gone = append(d.Gone, Gone{f, before.Lane(f)})
		}
	}
	d.Gone = slices.DeleteFunc(d.Gone, func(g Gone) bool {
		lane, there := d.Lanes[g.From]
		return there && lane == g.Lane
	})
	slices.SortFunc(d.Gone, func(a, b Gone) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Lane, b.Lane)) })
	d.Gone = slices.Compact(d.Gone)
	for f, lane := range d.Lanes {
		if lane == 0 {
			delete(d.Lanes, f)
		}
	}
}

// colour gives each new filter the first lane where it overlaps none.
func (d *Document) colour(filters []string) {
	var patterns []string // those with wildcards, which alone can overlap with another
	for f := range d.Lanes {
		if wild(f) {
			patterns = append(patterns, f)
		}
	}
	for _, f := range filters {
		if _, has := d.Lanes[f]; has {
			continue
		}
		taken := map[int]bool{}
		if wild(f) {
			for g, lane := range d.Lanes {
				taken[lane] = taken[lane] || Overlap(f, g)
			}
			patterns = append(patterns, f)
		} else {
			for _, g := range patterns {
				if lane, has := d.Lanes[g]; has {
					taken[lane] = taken[lane] || Overlap(f, g)
				}
			}
		}
		lane := 0
		for taken[lane] {
			lane++
		}
		d.Lanes[f] = lane
	}
}

// sources are the filters of sorted routes, each once.
func sources(rs []Route) []string {
	var out []string
	for _, r := range rs {
		if len(out) == 0 || out[len(out)-1] != r.From {
			out = append(out, r.From)
		}
	}
	return out
}

// ParseAny reads what is retained under the topic of any lineage; the document
// says which.
func ParseAny(topic string, body []byte) (*Document, error) {
	var head struct {
		Lineage string `json:"lineage"`
	}
	if json.Unmarshal(body, &head) != nil || Topic(head.Lineage) != topic {
		return nil, fmt.Errorf("what is retained at the topic %q is no table of routes", topic)
	}
	return Parse(head.Lineage, body)
}
