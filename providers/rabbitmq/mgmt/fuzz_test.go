package mgmt

import (
	"encoding/json"
	"strings"
	"testing"
)

// An answer either decodes or is an error; none may hang or panic, and nothing
// that is no whole JSON text may decode.
func FuzzDefinitions(f *testing.F) {
	f.Add(`{"rabbit_version":"3.10.8","queues":[{"name":"q","durable":true,"arguments":{"x-a":1.0}}],"exchanges":[],"bindings":[],"policies":[],"parameters":[]}`)
	f.Add(`{"queues":[{"name":"q","arguments":[]}],"exchanges":[{"name":"e","type":"topic","arguments":{"a":[{"b":null}]}}],"bindings":[{"source":"e","destination":"q","destination_type":"queue"}],"policies":[{"name":"p","priority":1e99}],"parameters":[{"name":"s","value":"x"}]}`)
	f.Add(`{"queues":[{"name":"\ud800"}]`)
	f.Add(strings.Repeat(`{"parameters":[{"value":`, 200))
	f.Fuzz(func(t *testing.T, text string) {
		var defs Definitions
		d := newDecoder(strings.NewReader(text))
		err := d.whole(func(d *decoder) error { return decodeDefinitions(d, "v", &defs) })
		if err != nil {
			return
		}
		checkWhole(t, text)
		for _, q := range defs.Queues {
			if q.Name == "" || q.Vhost == "" && !strings.Contains(text, "vhost") {
				t.Errorf("a queue without a name: %+v", q)
			}
		}
	})
}

func FuzzBindings(f *testing.F) {
	f.Add(`[{"source":"","vhost":"v","destination":"q","destination_type":"queue","routing_key":"q","arguments":{},"properties_key":"q"}]`)
	f.Add(`[{"destination":"q","destination_type":"queue","arguments":{"x":12345678901234567890,"y":[1.0,true,null,{}]}},]`)
	f.Add(`[[]]`)
	f.Fuzz(func(t *testing.T, text string) {
		var all []Binding
		d := newDecoder(strings.NewReader(text))
		if err := d.whole(func(d *decoder) error { return listOf(d, &all, decodeBinding) }); err != nil {
			return
		}
		checkWhole(t, text)
		for _, b := range all {
			if b.Destination == "" || b.DestinationType == "" {
				t.Errorf("a binding without an end: %+v", b)
			}
		}
	})
}

func checkWhole(t *testing.T, text string) {
	t.Helper()
	if !json.Valid([]byte(text)) {
		t.Errorf("decoded what is no JSON: %q", text)
	}
}
