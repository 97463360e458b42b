package config

import (
	"fmt"
	"strings"
	"testing"
)

// literalBlocks is n roles written out: a queue with a dead letter, an
// exchange and a binding each.
func literalBlocks(n int) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `
queue "role%[1]d" {
  name        = "role%[1]d.IN"
  type        = "quorum"
  durable     = true
  arguments   = { "x-queue-leader-locator" = "balanced" }
  max_length  = 1000
  dead_letter {
    exchange = exchange.role%[1]d
  }
}

exchange "role%[1]d" {
  name = "role%[1]d.OUT"
  type = "fanout"
}

binding "role%[1]d" {
  source      = exchange.role%[1]d
  destination = queue.role%[1]d
  routing_key = "role%[1]d.#"
}
`, i)
	}
	return []byte(b.String())
}

func BenchmarkLoad(b *testing.B) {
	src := map[string][]byte{"main.flo.hcl": literalBlocks(1000)}
	b.SetBytes(int64(len(src["main.flo.hcl"])))
	b.ReportAllocs()
	for b.Loop() {
		if _, diags := Load(".", Options{Types: testTypes(), Version: testVersion, Sources: src}); diags.HasErrors() {
			b.Fatal(diags)
		}
	}
}

func BenchmarkEmbeddedSources(b *testing.B) {
	src := map[string][]byte{"main.flo.hcl": literalBlocks(1000)}
	m, diags := Load(".", Options{Types: testTypes(), Version: testVersion, Sources: src})
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	for b.Loop() {
		m.EmbeddedSources(".")
	}
}
