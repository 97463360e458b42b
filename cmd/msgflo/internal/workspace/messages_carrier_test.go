package workspace

import (
	"slices"
	"strings"
	"testing"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/transport"
)

func TestParseCarrier(t *testing.T) {
	for text, want := range map[string]Carrier{
		"topic:home/+/temp": {Topic, "home/+/temp"}, "queue:a.in": {Queue, "a.in"}, "exchange:a:b": {Exchange, "a:b"}, "queue:": {Queue, ""},
	} {
		if got, ok := ParseCarrier(text); !ok || got != want || got.String() != text {
			t.Errorf("%s: %v %v", text, got, ok)
		}
	}
	for _, text := range []string{"web.out", "queue", "topics:x", "web.out -> queue:x", "Queue:x", ""} {
		if got, ok := ParseCarrier(text); ok {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// A topic is on the MQTT broker, all else on the other, whichever there is.
func TestBrokerOf(t *testing.T) {
	at := func(name string) addr.Provider { return addr.Provider{Kind: "broker", Name: name} }
	m := &Messages{brokers: map[addr.Provider]desired.Broker{
		at("home"): {Type: &providers.Type{Name: "mqtt"}}, at("main"): {Type: &providers.Type{Name: "rabbitmq"}}, at("more"): {Type: &providers.Type{Name: "rabbitmq"}},
	}}
	for _, c := range []struct{ carrier, broker, want string }{
		{"topic:x", "", "home"}, {"queue:x", "more", "more"},
		{"queue:x", "", "several brokers with a queue (main, more)"},
		{"queue:x", "home", "write topic:x"}, {"topic:x", "main", "write exchange:NAME or queue:NAME"},
		{"topic:x", "hom", `Did you mean "home"?`}, {"exchange:", "main", "stands before a name"},
	} {
		carrier, _ := ParseCarrier(c.carrier)
		on, err := m.BrokerOf(carrier, c.broker)
		got := on.Name
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s on %q: %s, want %s", c.carrier, c.broker, got, c.want)
		}
	}
}

// An exchange is listened to by the keys that its type has, and not at all
// where one binding more takes from the others.
func TestExchangeTaps(t *testing.T) {
	on := addr.Provider{Kind: "broker", Name: "main"}
	bound := func(key string) link { return link{on, transport.Link{Source: "x", Destination: "q", Key: key}} }
	for _, c := range []struct {
		typ, keys, bound, want string
	}{
		{"fanout", "", "", ","}, {"fanout", "k", "", ","}, {"headers", "", "", ","},
		{"topic", "", "a,b", "#,"}, {"topic", "a.*,b", "", "a.*,b,"},
		{"direct", "", "b,a,b", "a,b,"}, {"direct", "k", "a", "k,"},
		{"direct", "", "", "-key"}, {"x-delayed-message", "", "a", ",#,a,"}, {"", "k", "a", "is not known"},
		{"x-consistent-hash", "", "1", "could take messages"}, {"x-random", "k", "", "could take messages"},
	} {
		m := &Messages{s: &Session{}, links: []link{{addr.Provider{}, transport.Link{Source: "x", Key: "elsewhere"}}}}
		m.s.pool = newPool(&Workspace{}, "")
		for key := range strings.SplitSeq(c.bound, ",") {
			if c.bound != "" {
				m.links = append(m.links, bound(key))
			}
		}
		var keys []string
		if c.keys != "" {
			keys = strings.Split(c.keys, ",")
		}
		got := ""
		sources, err := m.exchangeTaps(t.Context(), on, "x", c.typ, slices.Clip(keys))
		for _, s := range sources {
			got += s.Key + ","
		}
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
