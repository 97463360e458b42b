package workspace_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/workspace"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/local"
	"github.com/msgflo/msgflo/providers/rabbitmq"
	"github.com/msgflo/msgflo/providers/transport"
)

const twoBrokers = `
broker "main" {
  url = "amqp://localhost/"
}
broker "other" {
  url = "amqp://elsewhere/"
}
component "Work" {
  command = ["work"]
  client  = "nodejs"
}
component "Plain" {
  command = ["plain"]
  client  = "cpp"
}
participant "web" {
  broker    = broker.main
  component = component.Work
}
participant "resize" {
  broker    = broker.main
  component = component.Work
}
participant "store" {
  broker    = broker.main
  component = component.Plain
}
participant "failed" {
  broker  = broker.main
  foreign = true
  client  = "nodejs"
}
participant "twin" {
  broker    = broker.main
  component = component.Work
}
participant "twins" {
  role      = "twin"
  broker    = broker.other
  component = component.Work
}
graph "g" {
  broker = broker.main
  edge "web.out" "resize.in" {
    delivery    = "roundrobin"
    dead_letter = "failed.in"
  }
  edge "resize.out" "store.in" {}
  edge "web.more" "store.in" {}
  edge "twin.out" "store.in" {}
}
graph "h" {
  broker = broker.other
  edge "twin.out" "twin.in" {}
}
`

func messagesOf(t *testing.T, source string) *workspace.Messages {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.flo.hcl"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	w, diags := workspace.Open(workspace.Options{Dir: dir, Types: []*providers.Type{rabbitmq.Type(), local.Type()}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	m, diags := w.Messages(t.Context())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// TestPorts: a port is found by its role and name, of launched participants
// and foreign ones.
func TestPorts(t *testing.T) {
	m := messagesOf(t, twoBrokers)
	for _, c := range []struct{ text, broker, want string }{
		{"resize.in", "", "in main resize.IN"},
		{"RESIZE.In", "", "in main resize.IN"},
		{"web.more", "", "out main web.MORE"},
		{"store.in", "main", "in main store.IN"},
		{"failed.in", "", "in main failed.IN"},
		{"twin.in", "", "in other twin.IN"},
		{"twin.out", "other", "out other twin.OUT"},
		{"twin.out", "", "several brokers (main, other): say which one with -broker"},
		{"twin.out", "third", `there is no broker "third"`},
		{"resize.inn", "", `Did you mean "resize.in"?`},
		{"resize.width", "", `Role "resize" has the ports in, out.`},
		{"resize", "", "A port is written as role.port."},
		{"failed.dead-in", "", `no role here has a port`},
		{"nobody.in", "main", `no role here has a port "nobody.in"`},
	} {
		ps, err := m.Ports(c.text, c.broker)
		got := fmt.Sprint(err)
		if err == nil {
			way := map[bool]string{true: "in", false: "out"}[ps[0].In]
			got = way + " " + ps[0].Broker.Name + " " + ps[0].Carrier
		}
		if len(ps) > 1 || !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
	}
	if _, err := m.Broker(""); err == nil || !strings.Contains(err.Error(), "several brokers (main, other)") {
		t.Errorf("%v", err)
	}
}

// TestTaps: an inport is heard at all that leads to its queue, and an edge is
// one only where messages go along it.
func TestTaps(t *testing.T) {
	m := messagesOf(t, twoBrokers)
	port := func(text string) workspace.Endpoint {
		t.Helper()
		ps, err := m.Ports(text, "main")
		if err != nil {
			t.Fatal(err)
		}
		return ps[0]
	}
	for text, want := range map[string][]string{
		"web.out":   {"web.OUT"},
		"resize.in": {"out-web.OUT", "resize.IN"},
		"store.in":  {"resize.OUT", "twin.OUT", "web.MORE"},
		"failed.in": {"dead-resize.IN", "failed.IN"},
	} {
		var got []string
		for _, s := range m.Taps(port(text)) {
			if s != (transport.Source{Exchange: s.Exchange}) {
				t.Errorf("%s: %+v", text, s)
			}
			got = append(got, s.Exchange)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	for edge, want := range map[[2]string]bool{
		{"web.out", "resize.in"}: true, {"web.more", "store.in"}: true, {"twin.out", "store.in"}: true,
		{"web.out", "store.in"}: false, {"resize.out", "resize.in"}: false, {"web.out", "failed.in"}: false,
	} {
		if got := m.Leads(port(edge[0]), port(edge[1])); got != want {
			t.Errorf("%v: %v", edge, got)
		}
	}
}

// A broker's prefix is left out where edges name roles, and may be written.
func TestPortsWithPrefix(t *testing.T) {
	m := messagesOf(t, strings.Replace(twoBrokers, `url = "amqp://localhost/"`, "url = \"amqp://localhost/\"\n  prefix = \"eu-\"", 1))
	for _, text := range []string{"web.out", "eu-web.out"} {
		ports, err := m.Ports(text, "")
		if err != nil || len(ports) != 1 || ports[0].String() != "web.out" || ports[0].Carrier != "eu-web.OUT" {
			t.Errorf("%s: %v %v", text, ports, err)
		}
	}
}
