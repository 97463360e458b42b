package diagram

import (
	"encoding/json"
	"strings"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/config/addr"
)

// attrs is an object with its value read; what is secret says only that.
type attrs struct {
	Object
	values map[string]json.RawMessage
}

func read(o Object) attrs {
	a := attrs{Object: o}
	if len(o.Value) == 0 || json.Unmarshal(o.Value, &a.values) != nil {
		return a // unknown as a whole
	}
	secrets := value.NewPaths(o.Sensitive...)
	for name := range a.values {
		if below, all := secrets.Key(name); all || len(below) > 0 {
			a.values[name], _ = json.Marshal(value.SecretText) // a text always can be
		}
	}
	return a
}

// text is a text attribute, "" where it is none.
func (a attrs) text(name string) string {
	var s string
	a.into(name, &s)
	return s
}

// into reads an attribute as far as it is of v's form.
func (a attrs) into(name string, v any) {
	if raw := a.values[name]; len(raw) > 0 {
		_ = json.Unmarshal(raw, v) // what is odd or not known yet stays empty
	}
}

// ownerOf is the address of the participant, graph or broker that an object
// belongs to, "" where it has a block of its own.
func ownerOf(a addr.Instance) string {
	if a.Owner == "" {
		return ""
	}
	return addr.Instance{Module: a.Module, Owner: a.Owner}.String()
}

// graph is the owner if that is a graph.
func (a attrs) graph() string {
	if !strings.HasPrefix(a.Addr.Owner, "graph.") {
		return ""
	}
	return ownerOf(a.Addr)
}
