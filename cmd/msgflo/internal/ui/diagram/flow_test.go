package diagram

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
)

// thing is an object on broker.main, written as its address and its attributes.
func thing(t testing.TB, address string, v map[string]any) Object {
	t.Helper()
	a, err := addr.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return Object{Addr: a, Provider: addr.Provider{Kind: "broker", Name: "main"}, Value: b}
}

func binding(t testing.TB, address, from, to string) Object {
	return thing(t, address, map[string]any{"vhost": "/", "source": from, "destination": to, "destination_type": "queue"})
}

func named(t testing.TB, address, name string) Object {
	return thing(t, address, map[string]any{"vhost": "/", "name": name})
}

func process(t testing.TB, role, in, out string) Object {
	ports := func(ids string) (list []map[string]string) {
		for id := range strings.FieldsSeq(ids) {
			list = append(list, map[string]string{"id": id, "queue": role + "." + strings.ToUpper(id)})
		}
		return list
	}
	return thing(t, "participant."+role+".process", map[string]any{"broker": "main", "role": role, "component": "C", "replicas": 1, "inports": ports(in), "outports": ports(out)})
}

// arrows are a drawing's arrows in words, sorted.
func arrows(d Drawing) []string {
	m := build(d)
	labels := map[string]string{}
	for _, v := range m.vertices {
		labels[v.id] = v.label
	}
	var out []string
	for _, a := range m.arrows {
		line := "--"
		if a.dotted {
			line = ".."
		}
		if a.dashed {
			line = "- "
		}
		s := labels[a.from] + "." + a.out + " " + line + " " + labels[a.to] + "." + a.in + " " + a.label
		s = strings.TrimSpace(s)
		if a.action != 0 {
			s += " " + a.action.String()
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// TestFlow: a way through what carries ports, and what MsgFlo puts between, is
// one arrow; what is no port's is drawn as itself.
func TestFlow(t *testing.T) {
	web, work := process(t, "web", "", "out"), process(t, "work", "in", "out error")
	own := []Object{
		named(t, `participant.web.exchange["out"]`, "web.OUT"), named(t, `participant.work.exchange["out"]`, "work.OUT"),
		named(t, `participant.work.exchange["error"]`, "work.ERROR"), named(t, `participant.work.exchange["in"]`, "work.IN"),
		named(t, `participant.work.queue["in"]`, "work.IN"), binding(t, `participant.work.binding["in"]`, "work.IN", "work.IN"),
		named(t, `broker.main.queue["fbp"]`, "fbp"),
	}
	with := func(more ...Object) Drawing {
		return Drawing{Objects: append([]Object{web, work}, append(own, more...)...)}
	}
	edge := binding(t, `graph.g.binding["web.out -> work.in"]`, "web.OUT", "work.IN")
	dead := named(t, `participant.work.exchange["dead-in"]`, "dead-work.IN")
	toExchange := func(address, from, to string) Object {
		return thing(t, address, map[string]any{"vhost": "/", "source": from, "destination": to, "destination_type": "exchange"})
	}
	for name, c := range map[string]struct {
		d    Drawing
		want []string
	}{
		"nothing leads anywhere": {with(), nil},
		"pubsub":                 {with(edge), []string{"web.out -- work.in"}},
		"round-robin": {with(named(t, `participant.web.exchange["out-out"]`, "out-web.OUT"), toExchange(`participant.web.binding["out-out"]`, "web.OUT", "out-web.OUT"),
			binding(t, `graph.g.binding["web.out -> work.in"]`, "out-web.OUT", "work.IN")), []string{"web.out -- work.in round-robin"}},
		"errors, to oneself": {with(binding(t, `graph.g.binding["work.error -> work.in"]`, "work.ERROR", "work.IN")), []string{"work.error -  work.in"}},
		"dead letters by a policy": {with(dead, binding(t, `graph.g.binding["work.in -dead-> work.in"]`, "dead-work.IN", "work.IN")),
			[]string{"work. .. work.in dead letter"}},
		"blocks of one's own between": {with(named(t, "exchange.e", "e"), named(t, "queue.q", "q"), toExchange("binding.a", "web.OUT", "e"),
			thing(t, "binding.b", map[string]any{"vhost": "/", "source": "e", "destination": "work.IN", "destination_type": "queue", "routing_key": "k"}),
			binding(t, "binding.c", "e", "q"), binding(t, "binding.d", "work.OUT", "nobody")),
			[]string{"exchange e. -- queue q.", "exchange e. -- work.in k", "web.out -- exchange e.", "work.out -- queue nobody."}},
		"by the exchange of an inport": {with(toExchange("binding.a", "web.OUT", "work.IN")), []string{"web.out -- work.in"}},
		"another vhost is another world": {with(thing(t, "binding.a", map[string]any{"vhost": "other", "source": "web.OUT", "destination": "work.IN"})),
			[]string{"exchange web.OUT. -- queue work.IN."}},
		"what is between, in a circle": {with(named(t, `participant.web.exchange["out-out"]`, "out-web.OUT"), toExchange("binding.a", "web.OUT", "out-web.OUT"),
			toExchange("binding.b", "out-web.OUT", "out-web.OUT")), nil},
		"ports that go": {with(named(t, `participant.web.exchange["more"]`, "web.MORE"), named(t, `participant.work.exchange["x"]`, "work.X"), named(t, `participant.work.queue["x"]`, "work.X"),
			binding(t, `graph.g.binding["web.more -> work.x"]`, "web.MORE", "work.X")), []string{"web.more -- work.x"}},
		"an initial packet": {with(thing(t, `graph.g.initial["work.in"]`, map[string]any{"vhost": "/", "queue": "work.IN", "payload": `{"a": 1}`})),
			[]string{`{"a": 1}. -- work.in`}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := arrows(c.d); !slices.Equal(got, c.want) {
				t.Errorf("%q\nwant %q", got, c.want)
			}
		})
	}
}

// On MQTT what carries ports are topics, and one topic is one place.
func TestFlowOfTopics(t *testing.T) {
	party := func(role, in, out string) Party {
		return Party{Broker: "main", Owner: "participant." + role, Role: role, In: []Port{{"in", in}}, Out: []Port{{"out", out}}}
	}
	d := Drawing{Foreign: []Party{party("a", "a/in", "shared"), party("b", "shared", "b/out")}, Objects: []Object{
		thing(t, "route.r", map[string]any{"from": "b/out", "to": "display"}),
		thing(t, "route.s", map[string]any{"from": "home/+/temp", "to": "a/in"}),
		thing(t, "retained.x", map[string]any{"topic": "a/in", "payload": strings.Repeat("long ", 20)}),
	}}
	want := []string{"a.out -- b.in", "b.out -- topic display.", strings.Repeat("long ", 8) + "…. -- a.in", "topic home/+/temp. -- a.in"}
	if got := arrows(d); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// A secret payload is not drawn.
func TestFlowOfSecrets(t *testing.T) {
	o := thing(t, "retained.x", map[string]any{"topic": "a", "payload": "leak"})
	o.Sensitive = []string{"payload"}
	got := arrows(Drawing{Foreign: []Party{{Broker: "main", Owner: "participant.a", Role: "a", In: []Port{{"in", "a"}}}}, Objects: []Object{o}})
	if want := []string{"(sensitive value). -- a.in"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// What a plan creates, and what it takes away although no block declares it any
// more, is drawn, too.
func TestFlowOfPlan(t *testing.T) {
	d := Drawing{Objects: []Object{process(t, "web", "", "out"), named(t, `participant.web.exchange["out"]`, "web.OUT"),
		named(t, `participant.gone.queue["in"]`, "gone.IN"), named(t, `participant.gone.exchange["in"]`, "gone.IN"),
		named(t, `participant.gone.exchange["out"]`, "gone.OUT"), named(t, `participant.gone.exchange["dead-in"]`, "dead-gone.IN"),
		binding(t, `graph.g.binding["web.out -> gone.in"]`, "web.OUT", "gone.IN")}, Actions: map[addr.Instance]plan.Action{}}
	for _, o := range d.Objects[2:] {
		d.Actions[o.Addr] = plan.Delete
	}
	if got := arrows(d); !slices.Equal(got, []string{"web.out -- gone.in delete"}) {
		t.Errorf("%q", got)
	}
	m := build(d)
	v := m.vertices[slices.IndexFunc(m.vertices, func(v vertex) bool { return v.label == "gone" })]
	if v.action != plan.Delete || !slices.Equal(v.in, []string{"in"}) || !slices.Equal(v.out, []string{"out"}) {
		t.Errorf("%+v", v)
	}
	d.Topology = true
	if got := arrows(d); len(got) != 1 || !strings.HasPrefix(got[0], "exchange web.OUT. -- queue gone.IN.") {
		t.Errorf("%q", got)
	}
}

// A setting that names another participant's queue is drawn where nothing else
// joins the two.
func TestFlowOfReferences(t *testing.T) {
	bridge := process(t, "bridge", "in", "")
	at := func(s string) addr.Instance { a, _ := addr.Parse(s); return a }
	bridge.After = []addr.Instance{at(`participant.archive.queue["in"]`), at(`participant.archive.exchange["in"]`), at(`participant.bridge.queue["in"]`)}
	d := Drawing{Objects: []Object{bridge, process(t, "archive", "in", "")}}
	if got := arrows(d); !slices.Equal(got, []string{"bridge. .. archive. refers to"}) {
		t.Errorf("%q", got)
	}
}

// Boxes are brokers where there are several, and in them graphs, or modules.
func TestBoxes(t *testing.T) {
	d := Drawing{Foreign: []Party{
		{Broker: "main", Owner: "participant.a", Role: "a", Out: []Port{{"out", "a.OUT"}}},
		{Broker: "main", Owner: "participant.b", Role: "b", In: []Port{{"in", "b.IN"}}, Out: []Port{{"out", "b.OUT"}}},
		{Broker: "main", Module: "module.m", Owner: "participant.c", Role: "c", In: []Port{{"in", "c.IN"}}},
		{Broker: "other", Owner: "participant.d", Role: "d"},
	}, Objects: []Object{
		named(t, "queue.q", "q"),
		binding(t, `graph.g.binding["a.out -> b.in"]`, "a.OUT", "b.IN"),
		binding(t, `module.m.graph.h.binding["b.out -> c.in"]`, "b.OUT", "c.IN"),
	}}
	m := build(d)
	var lines []string
	m.boxes(func(name string) { lines = append(lines, name+"(") }, func(v vertex) { lines = append(lines, v.label) }, func() { lines = append(lines, ")") })
	if got, want := strings.Join(lines, " "), "broker.main( b queue q graph.g( a ) module.m.graph.h( c ) ) broker.other( d )"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// A participant in dot is a record with its ports, in mermaid a line more.
func TestParticipants(t *testing.T) {
	d := Drawing{Objects: []Object{process(t, "web", "", "out"), process(t, "work", "in", "out"), named(t, `participant.work.queue["in"]`, "work.IN"),
		binding(t, `graph.g.binding["web.out -> work.in"]`, "web.OUT", "work.IN")}}
	var dot, mermaid bytes.Buffer
	if err := Dot(&dot, d); err != nil {
		t.Fatal(err)
	}
	if err := Mermaid(&mermaid, d); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ in, want string }{
		{dot.String(), `n0 [label="{web\nC|{<o1> out}}" shape=Mrecord]`},
		{dot.String(), `n1 [label="{{<i1> in}|work\nC|{<o1> out}}" shape=Mrecord]`},
		{dot.String(), `n0:o1 -> n1:i1 []`},
		{mermaid.String(), `n1("work<br/>C<br/>in → out")`},
		{mermaid.String(), `n0 -->|"out → in"| n1`},
	} {
		if !strings.Contains(c.in, c.want) {
			t.Errorf("no %s in\n%s", c.want, c.in)
		}
	}
}
