package flow_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/planner/desired/flow"
)

// lines draws a system, a line each. Names and ports are few, so that they meet.
func lines(t *rapid.T) (head string, roles, rest []string) {
	kind := rapid.SampledFrom([]string{"rabbitmq", "rabbitmq", "mqtt"}).Draw(t, "kind")
	prefix := rapid.SampledFrom([]string{"", "dev-"}).Draw(t, "prefix")
	clients := []string{"nodejs", "noflo", "go", "plain", "cpp", "python", "rust"}
	if kind == "mqtt" {
		clients = []string{"nodejs", "browser", "arduino", "python", "plain"}
	}
	names := []string{"a", "b.c", "d/e", "f g", "ü$(*)"}[:rapid.IntRange(1, 5).Draw(t, "roles")]
	for i, n := range names {
		names[i] = strings.ReplaceAll(n, " ", "_")
		line := fmt.Sprintf("role %s%s %s owner=participant.p%d", prefix, names[i], rapid.SampledFrom(clients).Draw(t, "client"), i)
		if rapid.IntRange(0, 4).Draw(t, "foreign") == 0 {
			line += " foreign"
		}
		if rapid.IntRange(0, 2).Draw(t, "named") == 0 {
			q := rapid.SampledFrom([]string{"q", "dead-q", "out-q", prefix + "a.IN", "x/y"}).Draw(t, "queue")
			line += fmt.Sprintf(" in=in:%s in=other", q)
			if rapid.Bool().Draw(t, "out") {
				line += fmt.Sprintf(" out=out out=in:%s", rapid.SampledFrom([]string{"q", "dead-q", "r"}).Draw(t, "exchange"))
			}
		}
		roles = append(roles, line)
	}
	port := func(label string, ids ...string) string {
		return rapid.SampledFrom(names).Draw(t, label) + "." + rapid.SampledFrom(ids).Draw(t, label+" port")
	}
	for range rapid.IntRange(0, 8).Draw(t, "edges") {
		line := fmt.Sprintf("edge %s %s -> %s", rapid.SampledFrom([]string{"graph.g", "graph.h", "module.m.graph.g"}).Draw(t, "graph"), port("from", "out", "OUT", "in"), port("to", "in", "IN", "other"))
		if kind == "rabbitmq" && rapid.IntRange(0, 2).Draw(t, "roundrobin") == 0 {
			line += " roundrobin"
		}
		if kind == "rabbitmq" && rapid.IntRange(0, 2).Draw(t, "dead") == 0 {
			line += " dead=" + port("dead", "other", "in", "failed")
		}
		rest = append(rest, line)
	}
	for range rapid.IntRange(0, 2).Draw(t, "initials") {
		rest = append(rest, fmt.Sprintf("initial graph.g %s 1", port("initial", "in", "other")))
	}
	if kind == "rabbitmq" {
		rest = append(rest, declarations(t, prefix)...)
	}
	return fmt.Sprintf("broker %s prefix=%s", kind, prefix), roles, rest
}

func declarations(t *rapid.T, prefix string) []string {
	all := []string{
		`declared queue.q { name = "q", dead_letter = { exchange = "dead-q" } }`,
		`declared queue.p { name = "` + prefix + `a.IN" }`,
		`declared exchange.q { name = "q", type = "fanout" }`,
		`declared exchange.dead { name = "dead-` + prefix + `a.IN", type = "fanout" }`,
		`declared binding.b { source = "` + prefix + `a.OUT", destination = "q" }`,
		`declared policy.p { pattern = "^.*a", priority = 3, definition = { max-length = 3 } }`,
		`declared policy.r { pattern = "[.]IN$", priority = 2000, apply_to = "queues", definition = { message-ttl = 3 } }`,
		`declared vhost.v { name = "/" }`,
	}
	var out []string
	for _, d := range all {
		if rapid.IntRange(0, 3).Draw(t, "declared") == 0 {
			out = append(out, d)
		}
	}
	return out
}

// TestAnySystem: what is lowered is whole (check), does not depend on the order
// of declarations, and is the same when it is lowered again.
func TestAnySystem(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		head, roles, rest := lines(rt)
		text := func(roles, rest []string) string {
			return head + "\n" + strings.Join(roles, "\n") + "\n" + strings.Join(rest, "\n") + "\n"
		}
		s := system(t, text(roles, rest))
		low, diags := flow.Lower(s)
		check(rt, s, low, diags)
		if diags.HasErrors() {
			low = &flow.Lowered{}
		}
		first := dump(s, low, nil)
		if again, ds := flow.Lower(s); !ds.HasErrors() && dump(s, again, nil) != first {
			rt.Fatalf("lowered again it is\n%s\nand was\n%s", dump(s, again, ds), first)
		}
		other := system(t, text(roles, rapid.Permutation(rest).Draw(rt, "order")))
		low, ds := flow.Lower(other)
		if ds.HasErrors() != diags.HasErrors() {
			rt.Fatalf("%v, and in another order %v", diags, ds)
		}
		if got := dump(other, low, nil); !ds.HasErrors() && got != first {
			rt.Fatalf("in another order it is\n%s\nand was\n%s", got, first)
		}
	})
}

// TestPrefixKeepsAddresses: a broker's prefix is in no address.
func TestPrefixKeepsAddresses(t *testing.T) {
	addresses := func(prefix string) string {
		src := "broker rabbitmq prefix=" + prefix + "\n"
		for _, r := range []string{"a nodejs", "w cpp", "p python"} {
			src += "role " + prefix + r + " owner=participant." + r[:1] + "\n"
		}
		low, diags := flow.Lower(system(t, src+"edge graph.g a.out -> w.in roundrobin dead=p.in\ninitial graph.g p.in 1\n"))
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		var b strings.Builder
		for _, o := range low.Objects {
			fmt.Fprintln(&b, o.Addr)
		}
		return b.String()
	}
	if a, b := addresses(""), addresses("dev/"); a != b {
		t.Errorf("without a prefix\n%s\nwith one\n%s", a, b)
	}
}

// BenchmarkLower lowers systems of many roles, each with edges to two others,
// a fifth of them with dead letters by policy, beside ten declared policies.
func BenchmarkLower(b *testing.B) {
	for _, n := range []int{500, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var src strings.Builder
			src.WriteString("broker rabbitmq\n")
			clients := []string{"nodejs", "cpp", "python", "rust", "go"}
			order := rand.New(rand.NewPCG(1, 2)).Perm(n)
			for i := range n {
				fmt.Fprintf(&src, "role r%d %s\n", order[i], clients[order[i]%5])
			}
			for i := range n {
				fmt.Fprintf(&src, "edge graph.g r%d.out -> r%d.in\n", i, (i+1)%n)
				fmt.Fprintf(&src, "edge graph.g r%d.done -> r%d.in roundrobin", i, (i*7+3)%n)
				if i%5 == 0 {
					fmt.Fprintf(&src, " dead=r%d.failed", (i+2)%n)
				}
				src.WriteByte('\n')
			}
			for i := range 10 {
				fmt.Fprintf(&src, "declared policy.p%d { pattern = \"^r%d\", definition = { max-length = 5 } }\n", i, i)
			}
			s := system(b, src.String())
			b.ReportAllocs()
			for b.Loop() {
				if _, diags := flow.Lower(s); diags.HasErrors() {
					b.Fatal(diags)
				}
			}
		})
	}
}
