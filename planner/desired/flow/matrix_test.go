package flow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/planner/desired/flow"
)

// A combination is one cell of the matrix: sources that each have an edge to
// all targets.
type combination struct {
	source, target   string // clients, with " foreign"
	delivery         string
	dead, oneName    bool // oneName: the outports' exchange and the inports' queue have the same
	sources, targets int
}

func combinations() []combination {
	var all []combination
	clients := []string{"nodejs", "noflo", "go", "python", "cpp", "rust", "plain", "nodejs foreign", "python foreign", `"" foreign`}
	for _, source := range clients {
		for _, target := range clients {
			for bits := range 32 {
				bit := func(n int) bool { return bits>>n&1 == 1 }
				c := combination{source: source, target: target, delivery: "pubsub", dead: bit(1), oneName: bit(2), sources: 1, targets: 1}
				if bit(0) {
					c.delivery = "roundrobin"
				}
				if bit(3) {
					c.sources = 2
				}
				if bit(4) {
					c.targets = 2
				}
				all = append(all, c)
			}
		}
	}
	return all
}

// text is the combination as a system.
func (c combination) text() string {
	var b strings.Builder
	out, in := "", ""
	if c.oneName {
		out, in = " out=out:one", " in=in:one"
	}
	for n := range c.sources {
		name := fmt.Sprint("s", n)
		fmt.Fprintf(&b, "role %s %s%s\n", name, c.source, either(out, c.source, " out=out:"+name+"/out"))
	}
	for n := range c.targets {
		name := fmt.Sprint("t", n)
		fmt.Fprintf(&b, "role %s %s%s\n", name, c.target, either(in, c.target, " in=in:"+name+"/in"))
	}
	b.WriteString("role d nodejs\n")
	for s := range c.sources {
		for t := range c.targets {
			fmt.Fprintf(&b, "edge graph.g s%d.out -> t%d.in %s", s, t, c.delivery)
			if c.dead {
				fmt.Fprintf(&b, " dead=d.in")
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// either is the ports' queue as written: that of an unknown client must be.
func either(written, client, own string) string {
	if written == "" && strings.HasPrefix(client, `""`) {
		return own
	}
	return written
}

// refused is why a combination cannot be, "" where it must.
func (c combination) refused() string {
	node := strings.Contains("nodejs noflo go", strings.Fields(c.target)[0])
	durable := !strings.Contains("python cpp", strings.Fields(c.source)[0])
	switch {
	case c.oneName && node && !durable:
		return "Two declarations of one exchange"
	case c.delivery == "roundrobin" && c.targets > 1 && !c.oneName:
		return "Roundrobin to several targets"
	}
	return ""
}

// TestMatrix: whatever the clients, the delivery, how many sources and targets
// there are and whether their names are one, every edge exists or is refused for
// a reason, at its place.
func TestMatrix(t *testing.T) {
	for _, c := range combinations() {
		s := system(t, c.text())
		low, diags := flow.Lower(s)
		check(t, s, low, diags)
		got := ""
		for _, d := range diags {
			if d.Severity == hcl.DiagError {
				got = d.Summary
			}
		}
		if got != c.refused() {
			t.Errorf("%+v: %q, want %q\n%s", c, got, c.refused(), dump(s, low, diags))
		}
		if t.Failed() {
			t.Fatalf("%+v\n%s", c, c.text())
		}
	}
}

// TestMatrixOnMQTT: there is pubsub only, and clients that speak it.
func TestMatrixOnMQTT(t *testing.T) {
	for _, source := range []string{"nodejs", "noflo", "go", "python", "cpp", "rust", "plain", "browser", "arduino"} {
		for bits := range 8 {
			bit := func(n int) bool { return bits>>n&1 == 1 }
			c := combination{source: source, target: "browser", delivery: "pubsub", dead: bit(1), oneName: bit(2), sources: 2, targets: 2}
			want := ""
			if bit(0) {
				c.delivery, want = "roundrobin", "No roundrobin on MQTT"
			} else if c.dead {
				want = "No dead letters on MQTT"
			}
			if source == "rust" {
				want = "Client without MQTT"
			}
			s := system(t, "broker mqtt\n"+c.text())
			low, diags := flow.Lower(s)
			check(t, s, low, diags)
			if got := fmt.Sprint(diags.HasErrors()); got != fmt.Sprint(want != "") || want != "" && diags[0].Summary != want {
				t.Errorf("%+v: %v, want %q", c, diags, want)
			}
		}
	}
}
