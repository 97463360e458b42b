package local_test

import (
	"context"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/local"
	"github.com/msgflo/msgflo/providers/providertest"
)

func TestConformance(t *testing.T) {
	const secret = "correct-horse"
	providertest.Run(t, providertest.Harness{
		Type: local.Type(), Secret: secret,
		Open: func(t *testing.T) (providers.Provider, string) {
			home(t)
			t.Cleanup(func() { down(t, providertest.Lineage) })
			p, err := local.Type().Open(context.Background(), providers.Env{Config: cty.EmptyObjectVal, Lineage: providertest.Lineage, Marks: true, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			})
			return p, "main"
		},
		Cases: func(broker string) []providertest.Case {
			named := func(typ string, a attrs) cty.Value {
				a["broker"] = str(broker)
				return value(typ, a)
			}
			link := str("amqp://u:" + secret + "@h")
			worker := named("process", attrs{"role": str("work"), "command": words("sleep", "1000"), "restart": impatient(), "secret_env": texts("MSGFLO_BROKER", "amqp://u:"+secret+"@h"),
				"env": texts("A", "1")})
			bindings := func(key string) cty.Value {
				return cty.ListVal([]cty.Value{cty.ObjectVal(attrs{"vhost": str("/"), "source": str("a"), "destination": str("b"), "destination_type": str("queue"), "routing_key": str(key)})})
			}
			keeper := named("keeper", attrs{"name": str("graph.g"), "url": link, "bindings": bindings("k")})
			announcement := named("announcement", attrs{"role": str("door"), "url": link, "message": str(`{"role":"door"}`)})
			return []providertest.Case{
				{Name: "process", Type: "process", Marked: true, Base: worker,
					InPlace: []cty.Value{
						with(worker, attrs{"env": texts("A", "2")}),
						with(worker, attrs{"replicas": cty.NumberIntVal(3)}),
						with(worker, attrs{"secret_env": texts("MSGFLO_BROKER", "amqp://u:"+secret+"2@h")}),
						with(worker, attrs{"replicas": cty.Zero}),
					},
					ForceNew: []cty.Value{with(worker, attrs{"role": str("other")})},
					Invalid: []cty.Value{
						with(worker, attrs{"command": words("no-such-program-anywhere")}),
						with(worker, attrs{"directory": str("no/such/directory")}),
						with(worker, attrs{"command": words("sh", "-c", "echo went wrong; exit 3"), "ready": never()}),
					}},
				{Name: "keeper", Type: "keeper", Marked: true, Base: keeper, InPlace: []cty.Value{with(keeper, attrs{"bindings": bindings("l")})},
					ForceNew: []cty.Value{with(keeper, attrs{"name": str("graph.h")})}},
				{Name: "announcement", Type: "announcement", Marked: true, Base: announcement, InPlace: []cty.Value{with(announcement, attrs{"period": str("30s")})}},
				{Name: "server", Type: "server", Marked: true, Base: named("server", attrs{"listen": str("localhost:0")})},
				{Name: "router", Type: "router", Marked: true, Base: named("router", attrs{"url": link})},
			}
		},
	})
}
