package diagram

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
)

func drawing(name string) Drawing {
	j := func(m map[string]any) json.RawMessage { b, _ := json.Marshal(m); return b }
	p := addr.Provider{Kind: "broker", Name: "main"}
	at := func(typ, n string) addr.Instance { return addr.Instance{Type: typ, Name: n} }
	return Drawing{Objects: []Object{
		{Addr: at("binding", "b"), Provider: p, Value: j(map[string]any{"vhost": "/", "source": "x", "destination": name, "destination_type": "queue", "routing_key": name})},
		{Addr: at("queue", "q"), Provider: p, Value: j(map[string]any{"vhost": "/", "name": name, "dead_letter": map[string]any{"exchange": "dlx"}}),
			After: []addr.Instance{at("exchange", "dlx"), at("vhost", "v")}},
		{Addr: at("exchange", "dlx"), Provider: p, Value: j(map[string]any{"vhost": "/", "name": "dlx"})},
		{Addr: at("vhost", "v"), Provider: p, Value: j(map[string]any{"name": "v"})},
		{Addr: addr.Instance{Module: "module.m", Type: "queue", Name: "q"}, Provider: p, Value: j(map[string]any{"vhost": "/", "name": "inner"})},
	}, Actions: map[addr.Instance]plan.Action{at("queue", "q"): plan.Create, at("binding", "b"): plan.Delete}}
}

func TestDot(t *testing.T) {
	var b bytes.Buffer
	if err := Dot(&b, drawing("jobs")); err != nil {
		t.Fatal(err)
	}
	want := `digraph msgflo {
  rankdir=LR
  node [fontname="sans-serif" shape=box style=filled fillcolor=white]
  edge [fontname="sans-serif"]
  n0 [label="exchange dlx" shape=hexagon]
  n1 [label="queue jobs" shape=cylinder fillcolor="#dcf5dc" color="#2e7d32"]
  n2 [label="vhost v" shape=folder]
  n4 [label="exchange x" style="dashed"]
  subgraph cluster_0 {
  label="module.m"
  n3 [label="queue inner" shape=cylinder]
  }
  n4 -> n1 [label="jobs" color="#c62828" fontcolor="#c62828" style=dashed]
  n1 -> n0 [label="dead letter" style=dotted arrowhead=open constraint=false]
}
`
	if b.String() != want {
		t.Errorf("got:\n%s", b.String())
	}
}

func TestMermaid(t *testing.T) {
	var b bytes.Buffer
	if err := Mermaid(&b, drawing("jobs")); err != nil {
		t.Fatal(err)
	}
	want := `flowchart LR
  n0{{"exchange dlx"}}
  n1[("queue jobs")]
  n2["vhost v"]
  n4(["exchange x"])
  subgraph m0 ["module.m"]
  n3[("queue inner")]
  end
  n4 -->|"jobs"| n1
  linkStyle 0 stroke:#c62828,color:#c62828
  n1 -.->|"dead letter"| n0
  classDef create fill:#dcf5dc,stroke:#2e7d32,color:#111
  class n1 create
`
	if b.String() != want {
		t.Errorf("got:\n%s", b.String())
	}
}

// hostile is a flow in which all has one name.
func hostile(t *testing.T, name string) Drawing {
	p := Party{Broker: "main", Owner: "participant.p", Role: name, Foreign: true, In: []Port{{name, name}, {"", "in"}}, Out: []Port{{name, name}}}
	return Drawing{Foreign: []Party{p}, Objects: []Object{
		thing(t, "retained.x", map[string]any{"topic": name, "payload": name}),
		thing(t, "route.x", map[string]any{"from": name, "to": "x" + name}),
		thing(t, "route.y", map[string]any{"from": "x" + name, "to": "in"})}}
}

// Each line is one of the few forms a drawing has, whatever the names: none
// gets out of its quotes.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"jobs", `a"];evil->b[label="`, "a\nb", `\`, `\\"`, "#quot;", "&quot;", "\x1b]0;x\a", "\u202e", "x|y", "```", `"] --> x["`} {
		f.Add(s)
	}
	quoted := `"(?:[^"\\]|\\.)*"`
	field := `(?:[^"\\{}|<> ]|\\.)*`
	sides := func(side string) string { return `\{(?:<` + side + `\d+> ` + field + `\|?)+\}` }
	record := `"\{(?:` + sides("i") + `\|)?` + field + `(?:\|` + sides("o") + `)?\}"`
	dot := regexp.MustCompile(`^(digraph msgflo \{|\}|  \}|  rankdir=LR|  (node|edge) \[.*\]|  subgraph cluster_0 \{|  label=` + quoted +
		`|  n\d+ \[label=` + record + ` shape=Mrecord style="filled,dashed"\]` +
		`|  n\d+ \[label=` + quoted + `( shape=\w+)?( style="dashed")?( fillcolor="#\w+" color="#\w+")?\]` +
		`|  n\d+(?::o\d+)? -> n\d+(?::i\d+)? \[(label=` + quoted + `)? ?(color="#\w+" fontcolor="#\w+")?( ?style=[a-z =]+)?\])$`)
	text := `"(?:[^"<]|<br/>)*"`
	mermaid := regexp.MustCompile(`^(flowchart LR|  end|  subgraph m0 \[` + text + `\]|  n\d+(\{\{|\[\(|\(\[|\[|\(|\[/|>)` + text + `(\}\}|\)\]|\]\)|\]|\)|/\])` +
		`|  n\d+ (-->|-\.->)(\|` + text + `\|)? n\d+|  linkStyle .*|  classDef .*|  class .*)$`)
	f.Fuzz(func(t *testing.T, name string) {
		check := func(write func(*bytes.Buffer) error, form *regexp.Regexp) {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			if diag.EscapeText(b.String()) != b.String() {
				t.Fatalf("control characters: %q", b.String())
			}
			for line := range strings.SplitSeq(strings.TrimSuffix(b.String(), "\n"), "\n") {
				if !form.MatchString(line) {
					t.Fatalf("%q gives the line\n%s", name, line)
				}
			}
		}
		check(func(b *bytes.Buffer) error { return Dot(b, drawing(name)) }, dot)
		check(func(b *bytes.Buffer) error { return Mermaid(b, drawing(name)) }, mermaid)
		check(func(b *bytes.Buffer) error { return Dot(b, hostile(t, name)) }, dot)
		check(func(b *bytes.Buffer) error { return Mermaid(b, hostile(t, name)) }, mermaid)
	})
}
