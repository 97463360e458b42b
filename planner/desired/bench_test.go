package desired_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/providers"
)

// roles is a configuration of n roles: a queue with a dead letter, an exchange
// and a binding each, as blocks of their own or by for_each.
func roles(n int, literal bool) string {
	var b strings.Builder
	b.WriteString("broker \"main\" {\n  url = \"amqp://localhost\"\n}\nexchange \"dead\" {}\n")
	if !literal {
		fmt.Fprintf(&b, `
locals {
  roles = { for r in flatten([for a in range(%d) : [for b in range(100) : "role-${a}-${b}"]]) : r => r }
}
exchange "out" {
  for_each = local.roles
  name     = "${each.key}.OUT"
  type     = "fanout"
}
queue "in" {
  for_each = local.roles
  name     = "${each.key}.IN"
  dead_letter {
    exchange    = exchange.dead
    routing_key = each.key
  }
}
binding "edge" {
  for_each    = local.roles
  source      = exchange.out[each.key]
  destination = queue.in[each.key]
}
`, n/100)
		return b.String()
	}
	for i := range n {
		fmt.Fprintf(&b, `
exchange "role-%[1]d" {
  name = "role-%[1]d.OUT"
  type = "fanout"
}
queue "role-%[1]d" {
  name = "role-%[1]d.IN"
  dead_letter {
    exchange    = exchange.dead
    routing_key = "role-%[1]d"
  }
}
binding "role-%[1]d" {
  source      = exchange.role-%[1]d
  destination = queue.role-%[1]d.name
}
`, i)
	}
	return b.String()
}

// evaluate measures the evaluation of a configuration, and checks each result.
func evaluate(b *testing.B, types []*providers.Type, src string, check func(*desired.Result)) {
	b.Helper()
	m, diags := config.Load(".", config.Options{Types: types, Version: "0.3.0", Sources: map[string][]byte{"main.flo.hcl": []byte(src)}})
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	b.ReportAllocs()
	for b.Loop() {
		r, diags := desired.Build(m, desired.Env{Types: types})
		if diags.HasErrors() {
			b.Fatal(diags)
		}
		check(r)
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, literal := range []bool{false, true} {
		for _, n := range []int{100, 1000, 5000} {
			kind := "for_each"
			if literal {
				kind = "literal"
			}
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				evaluate(b, testTypes(), roles(n, literal), func(r *desired.Result) {
					if want := 3*n + 1; len(r.Objects) != want || len(r.Objects[0].Within) != 2 {
						b.Fatalf("%d objects, not %d", len(r.Objects), want)
					}
				})
			})
		}
	}
}

// pipeline is a configuration of n participants in a ring of edges, each with
// an environment of its own and some with a second in-edge.
func pipeline(n int, forEach bool) string {
	var b strings.Builder
	b.WriteString("broker \"main\" {\n  url = \"amqp://localhost\"\n}\ncomponent \"Work\" {\n  command = [\"node\", \"work.js\", self.role]\n  env = {\n    LEVEL = \"info\"\n  }\n}\n")
	if forEach {
		fmt.Fprintf(&b, `
locals {
  all  = flatten([for a in range(%[1]d / 100) : [for b in range(100) : a * 100 + b]])
  next = { for i in local.all : "w-${i}" => "w-${(i + 1) %% %[1]d}" }
}
participant "w" {
  for_each  = local.next
  role      = each.key
  component = component.Work
  env = {
    NEXT = each.value
  }
}
graph "ring" {
  for_each = local.next
  connection {
    from = participant.w[each.key].out.done
    to   = participant.w[each.value].in.jobs
  }
}
`, n)
		return b.String()
	}
	for i := range n {
		fmt.Fprintf(&b, "participant \"w-%[1]d\" {\n  component = component.Work\n  env = {\n    NEXT = participant.w-%[2]d.in.jobs.queue\n  }\n}\n", i, (i+1)%n)
	}
	b.WriteString("graph \"ring\" {\n")
	for i := range n {
		fmt.Fprintf(&b, "  edge \"w-%d.done\" \"w-%d.jobs\" {}\n", i, (i+1)%n)
		if i%5 == 0 {
			fmt.Fprintf(&b, "  edge \"w-%d.error\" \"w-%d.jobs\" {}\n", i, (i+7)%n)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

func BenchmarkParticipants(b *testing.B) {
	for _, forEach := range []bool{false, true} {
		for _, n := range []int{100, 500, 2000} {
			kind := "literal"
			if forEach {
				kind = "for_each"
			}
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				evaluate(b, realTypes(), pipeline(n, forEach), func(r *desired.Result) {
					if len(r.Objects) < 6*n {
						b.Fatalf("%d objects, fewer than %d", len(r.Objects), 6*n)
					}
				})
			})
		}
	}
}
