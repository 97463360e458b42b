package local

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
)

func identity(name, doc string) providers.Attr {
	return providers.Attr{Name: name, Type: cty.String, Identity: true, Required: true, Doc: doc}
}

func brokerName() providers.Attr { return identity("broker", "the name of the broker's block") }

// link is the broker's URL. It is compared with what the agent keeps, so no
// hash of it needs to be in state.
func link() providers.Attr {
	return providers.Attr{Name: "url", Type: cty.String, Sensitive: []cty.Path{{}}, Doc: "the broker's URL, with its login; never recorded"}
}

func machineAttr() providers.Attr {
	return providers.Attr{Name: "machine", Type: cty.String, Computed: true, ReadOnly: true, Doc: "the machine that it runs on"}
}

// bindingType is what a keeper knows of a binding: what names it.
func bindingType() cty.Type {
	return cty.Object(map[string]cty.Type{
		"vhost": cty.String, "source": cty.String, "destination": cty.String, "destination_type": cty.String, "routing_key": cty.String,
	})
}

func keeper() *providers.Schema {
	return derived("bindings that are declared again when an end that vanished is back",
		brokerName(), identity("name", "whose bindings they are"), link(),
		providers.Attr{Name: "bindings", Type: cty.List(bindingType()), Doc: "which"})
}

func announcement() *providers.Schema {
	return derived("discovery for a participant that runs elsewhere and does not announce itself",
		brokerName(), identity("role", "the participant's role"), link(),
		providers.Attr{Name: "message", Type: cty.String, Required: true, Check: jsonText, Doc: "what is announced: JSON of the discovery protocol"},
		providers.Attr{Name: "period", Type: cty.String, Default: cty.StringVal("60s"), Check: period,
			Doc: "after how long without an announcement it may be taken for gone"})
}

func server() *providers.Schema {
	// A server that does not persist forgets what is on it when it is started
	// again, so that what is within it must be made again: it is replaced. Only listen
	// needs no ForceNew: at another address nothing is found, so all is made there.
	return derived("an embedded MQTT broker", brokerName(),
		providers.Attr{Name: "listen", Type: cty.String, Doc: "where it takes MQTT connections, as host:port"},
		providers.Attr{Name: "websocket", Type: cty.String, ForceNew: true, Doc: "where it takes them over WebSocket, as host:port"},
		providers.Attr{Name: "persist", Type: cty.Bool, ForceNew: true, Default: cty.True, Doc: "whether sessions and retained messages outlive it"})
}

func router() *providers.Schema {
	return derived("carries the MQTT routes of a broker", brokerName(), link())
}

func derived(doc string, attrs ...providers.Attr) *providers.Schema {
	s := &providers.Schema{Doc: doc, Derived: true, Attrs: append(attrs, machineAttr())}
	s.ID = func(v cty.Value) string { return strings.Join(names(s, v), "@") }
	return s
}

// names are the identity of a value, what is within the broker first.
func names(s *providers.Schema, v cty.Value) []string {
	var out []string
	for i := range s.Attrs {
		if a := &s.Attrs[i]; a.Identity {
			out = append([]string{attr.Text(v, a.Name)}, out...)
		}
	}
	return out
}

func jsonText(v cty.Value) error {
	if !json.Valid([]byte(v.AsString())) {
		return errors.New("it is no JSON")
	}
	return nil
}

func period(v cty.Value) error {
	if d, err := time.ParseDuration(v.AsString()); err != nil || d < time.Second {
		return errors.New("it is a duration of a second or more, such as 60s")
	}
	return nil
}
