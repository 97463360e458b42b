package planner

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/recorded"
)

// fixedAtCreation is why a change of these paths is a replace.
func fixedAtCreation(paths []string) string {
	switch len(paths) {
	case 0:
		return "it gets another name, and a broker object is its name"
	case 1:
		return fmt.Sprintf("its %s is fixed at creation", paths[0])
	}
	return fmt.Sprintf("its %s and %s are fixed at creation", strings.Join(paths[:len(paths)-1], ", "), paths[len(paths)-1])
}

// shown is a part of a value for people: short, escaped, nothing secret.
func (p *planning) shown(i *item, v cty.Value, path string) string {
	if covers(i.secretTexts(), path) {
		return "(sensitive)"
	}
	at, err := recorded.ParsePath(path)
	if err != nil {
		return "something else"
	}
	switch part := recorded.At(v, at); {
	case part == cty.NilVal || part.IsNull():
		return "nothing"
	case !part.IsWhollyKnown():
		return "(known after apply)"
	default:
		// A secret may lie deeper: what is not a plain value is not shown if so.
		for _, s := range i.secretTexts() {
			if covers([]string{path}, s) {
				return "(sensitive)"
			}
		}
		b, err := ctyjson.Marshal(part, part.Type())
		if err != nil {
			return "something else"
		}
		return clip(diag.Escape(string(b)))
	}
}

func clip(s string) string {
	const most = 80
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "…"
}
