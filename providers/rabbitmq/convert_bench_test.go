package rabbitmq

import (
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// BenchmarkFind is what 15 000 objects cost between the decoded answer and
// their values.
func BenchmarkFind(b *testing.B) {
	const n = 5000
	d := &mgmt.Definitions{}
	type query struct {
		typ string
		v   cty.Value
	}
	var qs []query
	for i := range n {
		q, x := fmt.Sprint("role", i), fmt.Sprint("out", i)
		d.Queues = append(d.Queues, mgmt.Queue{Vhost: "v", Name: q, Durable: true, Arguments: map[string]any{"x-dead-letter-exchange": x, ownerArgument: "l"}})
		d.Exchanges = append(d.Exchanges, mgmt.Exchange{Vhost: "v", Name: x, Type: "fanout", Durable: true, Arguments: map[string]any{ownerArgument: "l"}})
		d.Bindings = append(d.Bindings, mgmt.Binding{Vhost: "v", Source: x, Destination: q, DestinationType: "queue"})
		qs = append(qs, query{typeQueue, object("name", q, "vhost", "v")}, query{typeExchange, object("name", x, "vhost", "v")},
			query{typeBinding, object("source", x, "destination", q, "destination_type", "queue", "routing_key", "", "vhost", "v", "arguments", cty.NullVal(cty.DynamicPseudoType))})
	}
	b.ReportAllocs()
	for b.Loop() {
		x := index(d)
		for _, q := range qs {
			if _, _, ok := x.find(q.typ, q.v); !ok {
				b.Fatal("absent")
			}
		}
	}
}
