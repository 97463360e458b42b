package rabbitmq

import (
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// TestImportIDs: objects are imported by their ID, with names escaped or as
// they are, and by nothing that names another.
func TestImportIDs(t *testing.T) {
	text := func(kv ...string) cty.Value {
		m := map[string]cty.Value{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = cty.StringVal(kv[i+1])
		}
		return cty.ObjectVal(m)
	}
	binding := text("vhost", "/", "source", "a/b", "destination", "q", "destination_type", "queue", "routing_key", "#", "properties_key", "%23")
	for _, c := range []struct {
		typ       string
		v         cty.Value
		yes, none []string
	}{
		{typeQueue, text("name", "a/b %2F", "vhost", "eu/1"), []string{"a%2Fb%20%252F@eu%2F1", "a/b %2F@eu/1", "a/b %2F"}, []string{"a/b", "a/b %2F@eu", "", "x@eu/1"}},
		{typeParameter, text("component", "shovel", "name", "s", "vhost", "/"), []string{"shovel/s@/", "shovel/s"}, []string{"s@/", "s"}},
		{typePermission, text("user", "u", "vhost", "/"), []string{"u@/", "u"}, []string{"v@/"}},
		{typeTopicPerm, text("user", "u", "exchange", "x", "vhost", "v"), []string{"u/x@v"}, []string{"u@v", "x"}},
		{typeBinding, binding, []string{"%2F/a%2Fb/queue/q/%2523", "//a/b/queue/q/%23"}, []string{"", "q", "%2F/a%2Fb/queue/q/x"}},
	} {
		s := resourceSchemas()[c.typ]
		for _, id := range c.yes {
			if !s.MatchID(c.v, id) {
				t.Errorf("%s %q is not %#v", c.typ, id, c.v)
			}
		}
		for _, id := range c.none {
			if s.MatchID(c.v, id) {
				t.Errorf("%s %q is taken for %#v", c.typ, id, c.v)
			}
		}
	}
}
