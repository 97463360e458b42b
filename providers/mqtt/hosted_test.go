package mqtt

import (
	"context"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/mqtt/embedded"
	"github.com/msgflo/msgflo/providers/providertest/child"
)

// host runs a lineage's embedded broker until its stop.
func host(t *testing.T, lineage, addr string) (stop func()) {
	t.Helper()
	ready, done := make(chan embedded.Addresses, 1), make(chan error, 1)
	s, err := embedded.New(embedded.Spec{Broker: "main", Listen: addr}, embedded.Options{Lineage: lineage, Ready: func(a embedded.Addresses) { ready <- a }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- s.Run(ctx) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func hostedAt(addr string, persist bool) attrs {
	return attrs{"url": str("mqtt://" + addr), "embedded": cty.ObjectVal(attrs{
		"listen": str(addr), "websocket": cty.NullVal(cty.String), "persist": cty.BoolVal(persist)})}
}

func retainedOf(topic string) cty.Value {
	return cty.ObjectVal(attrs{"topic": str(topic), "payload": str("x"), "qos": num(1)})
}

// TestHostedIsAway: while the server that the agent hosts does not run, all
// that is on it is absent; what it keeps comes back with it, so that is no drift. A
// broker that is elsewhere and away is an error.
func TestHostedIsAway(t *testing.T) {
	addr := child.Address(t)
	ask := []providers.Query{{Type: typeRetained, Value: retainedOf("a")}, {Type: typeRoute, Value: routeValue(routeOf(cty.ObjectVal(attrs{"from": str("a"), "to": str("b")})))}}
	for _, persist := range []bool{false, true} {
		p := openAt(t, quick(), "away", hostedAt(addr, persist))
		got, err := p.Read(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range got {
			if !r.Value.IsNull() || r.Err != nil || (r.Note != "") != persist {
				t.Errorf("persist %t, %d: %+v", persist, i, r)
			}
		}
	}
	p := openAt(t, quick(), "away", attrs{"url": str("mqtt://" + addr)})
	if _, err := p.Read(t.Context(), ask); err == nil {
		t.Error("a broker that is not ours and away reads as empty")
	}
}

// TestHostedComesLater: the provider reads before the server is there, and
// changes after an earlier step of the same run started it, or started it again.
func TestHostedComesLater(t *testing.T) {
	addr := child.Address(t)
	p := openAt(t, quick(), "later", hostedAt(addr, false))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := p.Read(ctx, []providers.Query{{Type: typeRetained, Value: retainedOf("a")}}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		stop := host(t, "later", addr)
		for _, topic := range []string{"a", "b"} { // forgotten each time
			if _, err := p.Apply(ctx, providers.Change{Type: typeRetained, Before: cty.NullVal(cty.DynamicPseudoType), After: retainedOf(topic)}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := p.Read(ctx, []providers.Query{{Type: typeRetained, Value: retainedOf("a")}})
		if err != nil || got[0].Value.IsNull() {
			t.Errorf("%v, %+v", err, got)
		}
		stop()
	}
}

// TestHostedByAnother: another lineage's broker at the address is not ours, so
// nothing of ours is on it, whatever is.
func TestHostedByAnother(t *testing.T) {
	addr := child.Address(t)
	defer host(t, "theirs", addr)()
	theirs, ours := openAt(t, quick(), "theirs", hostedAt(addr, false)), openAt(t, quick(), "ours", hostedAt(addr, false))
	ask := []providers.Query{{Type: typeRetained, Value: retainedOf("a")}}
	if _, err := theirs.Apply(t.Context(), providers.Change{Type: typeRetained, Before: cty.NullVal(cty.DynamicPseudoType), After: retainedOf("a")}); err != nil {
		t.Fatal(err)
	}
	for p, there := range map[*provider]bool{theirs: true, ours: false} {
		if got, err := p.Read(t.Context(), ask); err != nil || got[0].Value.IsNull() == there {
			t.Errorf("there: %t; read %v, %+v", there, err, got)
		}
	}
}
