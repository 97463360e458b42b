package desired_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/planner/desired"
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

func BenchmarkBuild(b *testing.B) {
	for _, literal := range []bool{false, true} {
		for _, n := range []int{100, 1000, 5000} {
			kind := "for_each"
			if literal {
				kind = "literal"
			}
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				types := testTypes()
				m, diags := config.Load(".", config.Options{Types: types, Version: "0.3.0", Sources: map[string][]byte{"main.flo.hcl": []byte(roles(n, literal))}})
				if diags.HasErrors() {
					b.Fatal(diags)
				}
				b.ReportAllocs()
				for b.Loop() {
					r, diags := desired.Build(m, desired.Env{Types: types})
					if diags.HasErrors() {
						b.Fatal(diags)
					}
					if want := 3*n + 1; len(r.Objects) != want || len(r.Objects[0].Within) != 2 {
						b.Fatalf("%d objects, not %d", len(r.Objects), want)
					}
				}
			})
		}
	}
}
