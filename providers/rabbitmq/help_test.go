package rabbitmq_test

import (
	"context"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq"
)

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func null(typ string) cty.Value { return cty.NullVal(rabbitmq.Type().Resources[typ].ImpliedType()) }

func apply(t testing.TB, p providers.Provider, typ string, before, after cty.Value, opts ...func(*providers.Change)) (cty.Value, error) {
	t.Helper()
	c := providers.Change{Type: typ, Before: before, After: after}
	for _, o := range opts {
		o(&c)
	}
	return p.Apply(testContext(t), c)
}

func mustMake(t testing.TB, p providers.Provider, typ string, v cty.Value) cty.Value {
	t.Helper()
	left, err := apply(t, p, typ, null(typ), v)
	if err != nil {
		t.Fatalf("making %s: %v", typ, err)
	}
	return left
}

func mustDelete(t testing.TB, p providers.Provider, typ string, v cty.Value, opts ...func(*providers.Change)) {
	t.Helper()
	if _, err := apply(t, p, typ, v, null(typ), opts...); err != nil {
		t.Fatalf("deleting %s: %v", typ, err)
	}
}

func readOne(t testing.TB, p providers.Provider, typ string, v cty.Value) providers.Result {
	t.Helper()
	rs, err := p.Read(testContext(t), []providers.Query{{Type: typ, Value: v}})
	if err != nil {
		t.Fatal(err)
	}
	return rs[0]
}

func allowLoss(c *providers.Change) { c.AllowLoss = true }
