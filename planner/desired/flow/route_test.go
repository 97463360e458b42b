package flow_test

import (
	"regexp"
	"slices"
	"strings"

	"github.com/msgflo/msgflo/planner/desired/flow"
)

// A model is a broker as far as routing goes: what is lowered and declared, and
// what unknown clients are taken to have made.
type model struct {
	bindings map[string][]target // by source exchange
	letters  map[string]string   // a queue's x-dead-letter-exchange
	policies []flow.Object
	routes   map[string][]string
}

type target struct{ typ, name string }

func modelOf(s *flow.System, low *flow.Lowered) *model {
	m := &model{bindings: map[string][]target{}, letters: map[string]string{}, routes: map[string][]string{}}
	all := append([]flow.Object{}, low.Objects...)
	for _, d := range s.Declared {
		all = append(all, flow.Object{Addr: d.Addr, Attrs: d.Value.AsValueMap()})
	}
	for _, o := range all {
		text := func(name string) string {
			if v, ok := o.Attrs[name]; ok && !v.IsNull() {
				return v.AsString()
			}
			return ""
		}
		switch o.Addr.Type {
		case "binding":
			typ := text("destination_type")
			if typ == "" {
				typ = "queue"
			}
			m.bindings[text("source")] = append(m.bindings[text("source")], target{typ, text("destination")})
		case "queue":
			if d, ok := o.Attrs["dead_letter"]; ok && !d.IsNull() {
				m.letters[text("name")] = d.GetAttr("exchange").AsString()
			}
		case "policy":
			m.policies = append(m.policies, o)
		case "route":
			m.routes[text("from")] = append(m.routes[text("from")], text("to"))
		}
	}
	return m
}

// reaches reports whether what is published to an exchange gets into a queue.
func (m *model) reaches(exchange, queue string, seen map[string]bool) bool {
	if seen[exchange] {
		return false
	}
	seen[exchange] = true
	for _, t := range m.bindings[exchange] {
		if t.typ == "queue" && t.name == queue || t.typ == "exchange" && m.reaches(t.name, queue, seen) {
			return true
		}
	}
	return false
}

// deadLetters is the exchange where a queue's dead letters go: by argument, else
// by the policy of highest priority.
func (m *model) deadLetters(queue string) string {
	if x := m.letters[queue]; x != "" {
		return x
	}
	exchange, top := "", -1e18
	for _, p := range m.policies {
		if to := p.Attrs["apply_to"].AsString(); to != "queues" && to != "all" {
			continue
		}
		n, _ := p.Attrs["priority"].AsBigFloat().Float64()
		re, err := regexp.Compile(p.Attrs["pattern"].AsString())
		if err != nil || n <= top || !re.MatchString(queue) {
			continue
		}
		top, exchange = n, ""
		if v, ok := p.Attrs["definition"].AsValueMap()["dead-letter-exchange"]; ok {
			exchange = v.AsString()
		}
	}
	return exchange
}

func (m *model) forwards(from, to string) bool {
	return from == to || slices.Contains(m.routes[from], to)
}

// queueOf is what carries an end's messages.
func queueOf(e flow.End, ports []*flow.Port) string {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for _, p := range ports {
			if same(p.ID, e.Port) {
				return p.Queue
			}
		}
	}
	return ""
}

// checkEdges holds that every edge exists: a message sent gets there, and a
// dead letter where it should.
func checkEdges(t fataler, s *flow.System, low *flow.Lowered) {
	t.Helper()
	m := modelOf(s, low)
	for _, e := range s.Edges {
		from, to := queueOf(e.From, e.From.Role.Outports), queueOf(e.To, e.To.Role.Inports)
		if s.Broker.Kind == "mqtt" {
			if !m.forwards(from, to) {
				t.Errorf("%s -> %s: %s is not forwarded to %s", e.From, e.To, from, to)
			}
			continue
		}
		if !m.reaches(from, to, map[string]bool{}) {
			t.Errorf("%s -> %s: %s does not reach %s", e.From, e.To, from, to)
		}
		if e.DeadLetter == nil {
			continue
		}
		dead := queueOf(*e.DeadLetter, e.DeadLetter.Role.Inports)
		if x := m.deadLetters(to); x != "dead-"+to || !m.reaches(x, dead, map[string]bool{}) {
			t.Errorf("dead letters of %s go to %q, and not to %s", to, x, dead)
		}
	}
}
