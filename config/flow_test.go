package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
)

// All participants of a configuration share one schema: what is computed from
// it is kept by its address.
func TestOneSchemaALoad(t *testing.T) {
	m, diags := Load(".", Options{Types: testTypes(), Sources: map[string][]byte{
		"a.flo.hcl":   []byte("participant \"a\" {\n}\ngraph \"g\" {\n  participant \"b\" {\n  }\n}\nmodule \"c\" {\n  source = \"./c\"\n}\n"),
		"c/c.flo.hcl": []byte("participant \"c\" {\n}\n"),
	}})
	if diags.HasErrors() {
		t.Fatal(diagnosticsText(m, diags))
	}
	a, b, c := m.Resources["participant.a"], m.Resources["participant.b"], m.Calls["c"].Module.Resources["participant.c"]
	if a.Schema != b.Schema || a.Schema != c.Schema || a.ProviderType != nil {
		t.Error("three schemas, or a provider type")
	}
}

// Every attribute of these schemas has a doc, a default that its own check
// lets pass, and a type, so that the docs can be generated from them.
func TestFlowSchemas(t *testing.T) {
	for name, attrs := range map[string][]providers.Attr{
		"participant": ParticipantSchema().Attrs, "component": ComponentSchema().Attrs, "graph": GraphSchema().Attrs, "graph's": GraphBlocks(),
	} {
		checkAttrs(t, name, attrs)
	}
}

func checkAttrs(t *testing.T, in string, attrs []providers.Attr) {
	seen := map[string]bool{}
	for i := range attrs {
		a := &attrs[i]
		at := in + "." + a.Name
		if seen[a.Name] {
			t.Errorf("%s stands twice", at)
		}
		seen[a.Name] = true
		if a.NotYet != "" {
			continue
		}
		if a.Doc == "" || !a.IsBlock() && a.Type == cty.NilType {
			t.Errorf("%s has no doc or no type", at)
		}
		if a.Default != cty.NilVal && a.Check != nil && a.Check(a.Default) != nil {
			t.Errorf("%s: its default is refused: %v", at, a.Check(a.Default))
		}
		checkAttrs(t, at, a.Attrs)
	}
}

func TestFlowChecks(t *testing.T) {
	client, replicas := ParticipantSchema().Attr("client"), ParticipantSchema().Attr("replicas")
	for _, c := range Clients() {
		if err := client.Check(cty.StringVal(c)); err != nil {
			t.Error(c, err)
		}
	}
	if err := client.Check(cty.StringVal("nodej")); err == nil || !strings.HasSuffix(err.Error(), `Did you mean "nodejs"?`) {
		t.Error(err)
	}
	for n, ok := range map[float64]bool{0: true, 3: true, -1: false, 1.5: false} {
		if err := replicas.Check(cty.NumberFloatVal(n)); (err == nil) != ok {
			t.Errorf("%v replicas: %v", n, err)
		}
	}
}

// A repeated edge or a long graph is no burden: thousands of blocks load.
func TestLargeGraph(t *testing.T) {
	var b strings.Builder
	b.WriteString("graph \"g\" {\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "  participant \"p%d\" {\n    component = \"msgflo/Drop\"\n  }\n  edge \"p%d.out\" \"p%d.in\" {\n  }\n", i, i, i)
	}
	b.WriteString("}\n")
	m, diags := Load(".", Options{Types: testTypes(), Sources: map[string][]byte{"a.flo.hcl": []byte(b.String())}})
	if diags.HasErrors() {
		t.Fatal(diagnosticsText(m, diags))
	}
	g := m.Resources["graph.g"].Graph
	if len(g.Edges) != 5000 || g.Edges[4999].From != "p4999.out" || len(m.Resources) != 5001 {
		t.Errorf("%d edges, %d resources", len(g.Edges), len(m.Resources))
	}
}
