package fake_test

import (
	"context"
	"maps"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/fake"
	"github.com/msgflo/msgflo/providers/providertest"
)

const secret = "correct horse"

func str(s string) cty.Value { return cty.StringVal(s) }

func openOn(t *testing.T, w *fake.World, lineage string) providers.Provider {
	t.Helper()
	ty := w.Type()
	p, err := ty.Open(context.Background(), providers.Env{Lineage: lineage, Marks: true, Config: cty.ObjectVal(map[string]cty.Value{
		"url": str("fake://here"), "username": cty.NullVal(cty.String), "password": str(secret),
	})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestConformance(t *testing.T) {
	types := fake.NewWorld().Type()
	value := func(typ string, attrs map[string]cty.Value) cty.Value {
		return fake.Complete(types.Resources[typ], attrs)
	}
	obj := func(typ string, attrs map[string]cty.Value) providers.Object {
		return providers.Object{Type: typ, Value: value(typ, attrs)}
	}
	providertest.Run(t, providertest.Harness{
		Type:   types,
		Secret: secret,
		Open: func(t *testing.T) (providers.Provider, string) {
			w := fake.NewWorld()
			if err := w.Put("vhost", map[string]cty.Value{"name": str("v")}); err != nil {
				t.Fatal(err)
			}
			if err := w.Put("queue", map[string]cty.Value{"name": str("foreign")}); err != nil {
				t.Fatal(err)
			}
			return openOn(t, w, providertest.Lineage), "v"
		},
		Cases: func(ns string) []providertest.Case {
			v := str(ns)
			named := func(name string, more map[string]cty.Value) map[string]cty.Value {
				m := map[string]cty.Value{"vhost": v, "name": str(name)}
				maps.Copy(m, more)
				return m
			}
			exchange, queue := obj("exchange", named("events", nil)), obj("queue", named("bound", nil))
			binding := func(key string) cty.Value {
				return value("binding", map[string]cty.Value{"vhost": v, "source": str("events"), "destination": str("bound"), "key": str(key)})
			}
			user := func(pw string, tags ...cty.Value) cty.Value {
				set := cty.SetValEmpty(cty.String)
				if len(tags) > 0 {
					set = cty.SetVal(tags)
				}
				return value("user", map[string]cty.Value{"name": str("ann"), "password": str(pw), "tags": set})
			}
			permission := func(write string) cty.Value {
				return value("permission", map[string]cty.Value{"vhost": v, "user": str("bob"), "write": str(write)})
			}
			return []providertest.Case{
				{Name: "vhost", Type: "vhost", Base: value("vhost", map[string]cty.Value{"name": str("w")}),
					InPlace: []cty.Value{value("vhost", map[string]cty.Value{"name": str("w"), "description": str("second")})}},
				{Name: "queue", Type: "queue", Marked: true, Conflict: true, Base: value("queue", named("jobs", nil)),
					ForceNew: []cty.Value{
						value("queue", named("jobs", map[string]cty.Value{"type": str("quorum")})),
						value("queue", named("jobs", map[string]cty.Value{"arguments": cty.MapVal(map[string]cty.Value{"x-max-length": str("5")})})),
						value("queue", named("jobs2", nil)),
					},
					Invalid: []cty.Value{value("queue", map[string]cty.Value{"vhost": str("nowhere"), "name": str("jobs")})}},
				{Name: "exchange", Type: "exchange", Marked: true, Conflict: true, Base: value("exchange", named("jobs", nil)),
					ForceNew: []cty.Value{value("exchange", named("jobs", map[string]cty.Value{"type": str("fanout")}))}},
				{Name: "binding", Type: "binding", Needs: []providers.Object{exchange, queue}, Base: binding("a"),
					InPlace: []cty.Value{binding("b")}, ForceNew: []cty.Value{binding("c")},
					Invalid: []cty.Value{value("binding", map[string]cty.Value{"vhost": v, "source": str("none"), "destination": str("bound")})}},
				{Name: "policy", Type: "policy", Base: value("policy", named("p", map[string]cty.Value{"pattern": str(".*")})),
					InPlace: []cty.Value{value("policy", named("p", map[string]cty.Value{"pattern": str("x"), "priority": cty.NumberIntVal(7)}))}},
				{Name: "user", Type: "user", Base: user(secret), InPlace: []cty.Value{user(secret, str("management")), user(secret + "2")}},
				{Name: "permission", Type: "permission", Needs: []providers.Object{obj("user", map[string]cty.Value{"name": str("bob")})},
					Base: permission(""), InPlace: []cty.Value{permission(".*")},
					Invalid: []cty.Value{value("permission", map[string]cty.Value{"vhost": v, "user": str("nobody")})}},
				{Name: "widget", Type: "widget", Base: value("widget", named("w", nil)),
					InPlace:  []cty.Value{value("widget", named("w", map[string]cty.Value{"label": str("l"), "replicas": cty.NumberIntVal(4)}))},
					ForceNew: []cty.Value{value("widget", named("w", map[string]cty.Value{"size": cty.NumberIntVal(3)}))}},
			}
		},
	})
}
