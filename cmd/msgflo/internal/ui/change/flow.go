package change

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
)

// An Edge is a way that messages take and that a plan opens or closes.
type Edge struct {
	Opens bool // else it closes
	// From and To are `role.port`, of an edge of a graph; what carries it is then
	// left out. Else they are "".
	From, To    string
	Provider    addr.Provider
	Vhost       string
	Source      string // exchange
	Destination string
	ToExchange  bool
	RoutingKey  string
	Arguments   string // as an HCL literal, "" where none
}

// Edges finds what changes on the way of messages: bindings that vanish and
// come back in one plan (their queue is replaced) change nothing.
func Edges(cs []Change) []Edge {
	net := map[Edge]int{}
	var order []Edge
	count := func(raw json.RawMessage, c *Change, n int) {
		e, ok := edgeOf(raw, c)
		if !ok {
			return
		}
		if _, seen := net[e]; !seen {
			order = append(order, e)
		}
		net[e] += n
	}
	for i := range cs {
		c := &cs[i]
		if c.Addr.Type != "binding" && c.Addr.Type != "route" || within(c.Addr, "participant") {
			continue // what a participant binds for itself is part of its port
		}
		if c.Action == plan.Delete || c.Action == plan.Replace || c.Action == plan.Update {
			count(c.Before(), c, -1)
		}
		if c.Action == plan.Create || c.Action == plan.Replace || c.Action == plan.Update {
			count(c.After(), c, 1)
		}
	}
	var out []Edge
	for _, e := range order {
		if n := net[e]; n != 0 {
			e.Opens = n > 0
			out = append(out, e)
		}
	}
	slices.SortFunc(out, compareEdges)
	return out
}

// within reports whether an object was lowered from a block of that type.
func within(a addr.Instance, kind string) bool { return strings.HasPrefix(a.Owner, kind+".") }

// ends are those of a graph's edge, by the key of what carries it.
func ends(a addr.Instance) (from, to string, ok bool) {
	key, ok := a.KeyText()
	if !within(a, "graph") || !ok {
		return "", "", false
	}
	return strings.Cut(key, " -> ")
}

func edgeOf(raw json.RawMessage, c *Change) (Edge, bool) {
	if from, to, ok := ends(c.Addr); ok && len(raw) > 0 {
		return Edge{Provider: c.Step.Provider, From: from, To: to}, true
	}
	f := FactsOf(raw, c.secretPaths())
	if f.Source == "" || f.Destination == "" {
		return Edge{}, false
	}
	return Edge{
		Provider: c.Step.Provider, Vhost: f.Vhost, Source: f.Source, Destination: f.Destination,
		ToExchange: f.DestinationType == "exchange", RoutingKey: f.RoutingKey, Arguments: arguments(raw, c),
	}, true
}

func arguments(raw json.RawMessage, c *Change) string {
	var v struct {
		Arguments json.RawMessage `json:"arguments"`
	}
	if json.Unmarshal(raw, &v) != nil || len(v.Arguments) < len(`{"a":1}`) {
		return ""
	}
	m := map[string]any{"arguments": value.DecodeWrapped(v.Arguments)}
	value.Mask(m, value.NewPaths(c.secretPaths()...))
	if args, ok := m["arguments"].(map[string]any); ok && len(args) == 0 || m["arguments"] == nil {
		return ""
	}
	return value.Inline(m["arguments"])
}

func compareEdges(a, b Edge) int {
	for _, d := range []int{strings.Compare(a.From, b.From), strings.Compare(a.To, b.To), strings.Compare(a.Vhost, b.Vhost),
		strings.Compare(a.Source, b.Source), strings.Compare(a.Destination, b.Destination)} {
		if d != 0 {
			return d
		}
	}
	if a.Opens != b.Opens {
		if a.Opens {
			return -1
		}
		return 1
	}
	return strings.Compare(a.RoutingKey+a.Arguments, b.RoutingKey+b.Arguments)
}

// String is the edge as a sentence without its full stop: "`order.*` from
// exchange events no longer reaches queue billing", and of a graph's edge "web.out now reaches resize.in".
func (e Edge) String() string { return e.Sentence(Code, value.Name) }

// Sentence is String with routing keys and names written as the format at hand
// needs them.
func (e Edge) Sentence(code, name func(string) string) string {
	verb := "no longer reaches"
	if e.Opens {
		verb = "now reaches"
	}
	if e.From != "" {
		return name(e.From) + " " + verb + " " + name(e.To)
	}
	what := "exchange " + name(e.Source)
	if e.RoutingKey != "" {
		what = code(e.RoutingKey) + " from " + what
	}
	kind := "queue "
	if e.ToExchange {
		kind = "exchange "
	}
	s := what + " " + verb + " " + kind + name(e.Destination)
	if e.Vhost != "" && e.Vhost != "/" {
		s += " in vhost " + name(e.Vhost)
	}
	if e.Arguments != "" {
		s += " where " + code(e.Arguments)
	}
	return s
}

// Code sets a text off as `text`; what holds a backtick or a control character
// is quoted inside.
func Code(s string) string {
	if diag.Escape(s) == s && !strings.Contains(s, "`") {
		return "`" + s + "`"
	}
	return value.Quote(s)
}
