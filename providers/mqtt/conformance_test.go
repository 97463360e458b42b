package mqtt

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/mqtt/mosquittotest"
	"github.com/msgflo/msgflo/providers/mqtt/router"
	"github.com/msgflo/msgflo/providers/providertest"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
)

func TestMain(m *testing.M) {
	os.Exit(leaktest.Judge(mosquittotest.Run(m)))
}

type attrs = map[string]cty.Value

func str(s string) cty.Value { return cty.StringVal(s) }

func num(n int64) cty.Value { return cty.NumberIntVal(n) }

// patient is for tests in which a router is there: a machine under load may be
// slow to say so.
func patient() *providers.Type { return newType(limits{absent: time.Minute, behind: time.Minute}) }

// quick is for tests in which a router that is absent stays so.
func quick() *providers.Type {
	return newType(limits{absent: 50 * time.Millisecond, behind: time.Minute})
}

// openAt opens a provider with a lineage on a broker.
func openAt(t testing.TB, typ *providers.Type, lineage string, config attrs) *provider {
	t.Helper()
	p, err := typ.Open(context.Background(), providers.Env{Config: typ.Config.Complete(config), Lineage: lineage, Marks: true, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p.(*provider)
}

// startRouter runs a lineage's router until the test or its stop ends it.
func startRouter(t testing.TB, url, lineage string) (stop func()) {
	t.Helper()
	ready := make(chan struct{})
	s, err := router.New(router.Options{URL: url, Lineage: lineage, Ready: func() { close(ready) }, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx) // it has no error
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	select {
	case <-ready:
	case <-time.After(time.Minute):
		t.Fatal("the router is not ready")
	}
	return stop
}

const secret = "correct-horse"

// conform runs the suite on a broker to itself.
func conform(t *testing.T, url string) {
	startRouter(t, url, providertest.Lineage)
	typ := Type()
	providertest.Run(t, providertest.Harness{
		Type: typ, Secret: secret,
		Open: func(t *testing.T) (providers.Provider, string) {
			p := openAt(t, typ, providertest.Lineage, attrs{"url": str(url)})
			ns := rand.Text()
			t.Cleanup(func() { wipeAll(t, url, ns) })
			return p, ns
		},
		Cases: conformanceCases,
	})
}

// wipeAll deletes what a part of the suite left.
func wipeAll(t *testing.T, url, ns string) {
	p := openAt(t, quick(), providertest.Lineage, attrs{"url": str(url)})
	for _, c := range conformanceCases(ns) {
		null := cty.NullVal(c.Base.Type())
		for _, v := range append([]cty.Value{c.Base}, c.ForceNew...) {
			if _, err := p.Apply(context.Background(), providers.Change{Type: c.Type, Before: v, After: null}); err != nil {
				t.Error(err)
			}
		}
	}
	p.Close()
}

func conformanceCases(ns string) []providertest.Case {
	value := func(typ string, a attrs) cty.Value { return Type().Resources[typ].Complete(a) }
	topic := func(s string) cty.Value { return str(ns + "/" + s) }
	route := func(a attrs) cty.Value { return value(typeRoute, a) }
	return []providertest.Case{
		{Name: "route", Type: typeRoute, Marked: true, Base: route(attrs{"from": topic("a"), "to": topic("b")}),
			InPlace: []cty.Value{
				route(attrs{"from": topic("a"), "to": topic("b"), "qos": num(0), "retain": cty.True}),
				route(attrs{"from": topic("a"), "to": topic("b"), "retain": cty.True}),
			},
			ForceNew: []cty.Value{
				route(attrs{"from": topic("+/x"), "to": topic("b")}),
				route(attrs{"from": topic("in/#"), "to": topic("é b")}),
			}},
		{Name: "another route", Type: typeRoute, Marked: true, Base: route(attrs{"from": topic("in/#"), "to": topic("out")})},
		{Name: "retained", Type: typeRetained, Base: value(typeRetained, attrs{"topic": topic("settings"), "payload": str(`{"rate": 5}`)}),
			InPlace:  []cty.Value{value(typeRetained, attrs{"topic": topic("settings"), "payload": str(secret + " é"), "qos": num(0)})},
			ForceNew: []cty.Value{value(typeRetained, attrs{"topic": topic("/else where"), "payload": str(strings.Repeat("x", 100_000))})}},
	}
}

func TestConformanceOnMosquitto(t *testing.T) {
	conform(t, mosquittotest.Start(t, mosquittotest.Options{}).URL)
}
