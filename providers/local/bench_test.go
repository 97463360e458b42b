package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local"
	"github.com/msgflo/msgflo/providers/local/control"
)

// What a plan of 500 participants reads of this machine.
func BenchmarkRead(b *testing.B) {
	const n = 500
	f := newFolder(b)
	dir := b.TempDir()
	var qs []providers.Query
	for i := range n {
		role := fmt.Sprintf("role%d", i)
		v := value("process", attrs{"broker": str("main"), "role": str(role), "command": words("node", "x.js"), "env": texts("A", "1", "B", "2"),
			"secret_env": texts("MSGFLO_BROKER", "amqp://u:p@h"), "replicas": cty.Zero})
		v = launch.Normalize(v) // the blocks with all their defaults, as they are evaluated
		s, secret, err := launch.SpecOf(v)
		if err != nil {
			b.Fatal(err)
		}
		raw, err := json.Marshal(secret)
		if err != nil {
			b.Fatal(err)
		}
		f.holds(control.Key{Kind: control.Process, Name: "main/" + role}, s, string(raw), dir)
		qs = append(qs, providers.Query{Type: "process", Value: v, Recorded: v})
	}
	f.write()
	p := open(b, local.Type(), dir)
	b.ResetTimer()
	for b.Loop() {
		rs, err := p.Read(context.Background(), qs)
		if err != nil || len(rs) != n || rs[n-1].Value.IsNull() {
			b.Fatal(err)
		}
	}
}
