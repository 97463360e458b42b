package tfjson

import (
	"encoding/json"
	"strconv"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/config/addr"
)

// split parts a decoded value, masked and filled, into Terraform's three: the
// value (secret and unknown parts null or left out), what is unknown, what is
// sensitive. The marks are true, or nested where only parts are marked.
func split(v any) (plain, unknown, sensitive any) {
	switch v := v.(type) {
	case value.Secret:
		return nil, nil, true
	case value.Unknown:
		return nil, true, nil
	case map[string]any:
		p, u, s := map[string]any{}, map[string]any{}, map[string]any{}
		for k, e := range v {
			ep, eu, es := split(e)
			if eu != true {
				p[k] = ep
			}
			if eu != nil {
				u[k] = eu
			}
			if es != nil {
				s[k] = es
			}
		}
		return p, orNil(u), orNil(s)
	case []any:
		return splitList(v)
	}
	return v, nil, nil
}

func splitList(l []any) (plain, unknown, sensitive any) {
	p, u, s := make([]any, len(l)), make([]any, len(l)), make([]any, len(l))
	anyU, anyS := false, false
	for i, e := range l {
		var eu, es any
		p[i], eu, es = split(e)
		u[i], s[i] = orFalse(eu), orFalse(es)
		anyU, anyS = anyU || eu != nil, anyS || es != nil
	}
	if anyU {
		unknown = u
	}
	if anyS {
		sensitive = s
	}
	return p, unknown, sensitive
}

func orNil(m map[string]any) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

func orFalse(v any) any {
	if v == nil {
		return false
	}
	return v
}

// marks is a mark tree as a document has it: an empty object where nothing is
// marked in an object, false where there is no object.
func marks(v any, object bool) any {
	switch {
	case v != nil:
		return v
	case object:
		return map[string]any{}
	}
	return false
}

// Index is an instance's key as Terraform has it: a number, a string, or
// nothing.
func Index(a addr.Instance) any {
	if len(a.Key) < 3 {
		return nil
	}
	if n, err := strconv.Atoi(a.Key[1 : len(a.Key)-1]); err == nil && a.Key[1] != '"' {
		return n
	}
	text, _ := a.KeyText()
	return text
}

// Name is the resource's name; what a participant or graph gives rise to bears
// its owner's.
func Name(a addr.Instance) string {
	if a.Name == "" {
		return a.Owner
	}
	return a.Name
}

// object makes a nil map of a value that is absent, for JSON null.
func object(m map[string]any) any {
	if m == nil {
		return nil
	}
	return m
}

func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}
