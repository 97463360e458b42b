package config

import (
	"slices"

	"github.com/msgflo/msgflo/config/funcs"
	"github.com/msgflo/msgflo/providers"
)

// A vocabulary is the names that the given provider types and the language
// make known.
type vocabulary struct {
	resources map[string]*kind
	data      map[string]*kind
	broker    []providers.Attr // the union of the types' broker settings
	brokerOf  *form
	functions map[string]bool
	top       *form
	nested    map[*providers.Attr]*form // made at first use
}

// A kind is a block type that makes or reads objects.
type kind struct {
	name   string
	of     *providers.Type
	schema *providers.Schema
	form   *form
}

func newVocabulary(types []*providers.Type) *vocabulary {
	v := &vocabulary{
		resources: map[string]*kind{}, data: map[string]*kind{}, functions: map[string]bool{},
		nested: map[*providers.Attr]*form{},
	}
	for _, t := range types {
		for name, s := range t.Resources {
			if v.resources[name] == nil {
				v.resources[name] = &kind{name: name, of: t, schema: s, form: resourceForm(name, s, false)}
			}
		}
		for name, s := range t.Data {
			if v.data[name] == nil {
				v.data[name] = &kind{name: name, of: t, schema: s, form: resourceForm(name, s, true)}
			}
		}
		v.broker = mergeAttrs(v.broker, t.Config.Attrs)
	}
	v.brokerOf = brokerForm(v.broker)
	for _, name := range funcs.Names() {
		v.functions[name] = true
	}
	v.top = topForm(v)
	return v
}

// mergeAttrs adds the attributes that are not there yet; blocks are merged
// within. What a broker's scheme does not know is the provider's to refuse.
func mergeAttrs(have, more []providers.Attr) []providers.Attr {
	out := slices.Clone(have)
	for _, a := range more {
		i := slices.IndexFunc(out, func(b providers.Attr) bool { return a.Name == b.Name })
		if i < 0 {
			// Whether it must be written depends on the provider type, known
			// only when the URL is.
			a.Required = a.Required && len(have) == 0
			out = append(out, a)
			continue
		}
		out[i].Attrs = mergeAttrs(out[i].Attrs, a.Attrs)
		out[i].Required = out[i].Required && a.Required
		if out[i].NotYet == "" || a.NotYet == "" {
			out[i].NotYet = ""
		}
	}
	return out
}
