package wire_test

import (
	"testing"
	"time"

	"github.com/msgflo/msgflo/providers/discovery"
	"github.com/msgflo/msgflo/providers/discovery/wire"
)

// TestEncode: byte for byte what listeners of the original are used to, and
// what ours reads.
func TestEncode(t *testing.T) {
	body := wire.Participant{
		ID: "r-1", Role: "r", Component: "test/C", Label: "a label",
		Inports:  []wire.Port{{ID: "in", Queue: "r.IN", Type: "any", Schema: "s"}, {ID: "gone", Queue: "g", Hidden: true, Persistent: new(bool)}},
		Outports: []wire.Port{},
	}.Encode()
	want := `{"protocol":"discovery","command":"participant","payload":{"id":"r-1","role":"r","component":"test/C","label":"a label",` +
		`"inports":[{"id":"in","queue":"r.IN","type":"any","hidden":false,"schema":"s"},{"id":"gone","queue":"g","hidden":true,"persistent":false}],"outports":[]}}`
	if string(body) != want {
		t.Errorf("\n got %s\nwant %s", body, want)
	}
	a, err := discovery.Parse(body)
	if err != nil || a.ID != "r-1" || len(a.Inports) != 2 || !a.Inports[1].Transient {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestHeartbeat(t *testing.T) {
	if got := wire.Heartbeat(22 * time.Second); got != 10*time.Second {
		t.Errorf("%v", got)
	}
}
