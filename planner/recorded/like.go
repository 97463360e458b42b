package recorded

import (
	"github.com/zclconf/go-cty/cty"
)

// Like reports whether a live object is the one that was meant: equal in
// normal form, but for what cannot tell. That is computed and elastic
// attributes, what the broker does not show, and secrets: those of the schema and
// those given beside. Normalize may be nil.
func (f *Form) Like(live, meant cty.Value, sensitive []string, normalize func(cty.Value) cty.Value) bool {
	if live.IsNull() || !live.IsKnown() || meant.IsNull() || !meant.IsKnown() {
		return false
	}
	for _, p := range f.sensitive {
		live, meant = Blank(live, p), Blank(meant, p)
	}
	for _, text := range f.Further(sensitive) {
		if p, err := ParsePath(text); err == nil {
			live, meant = Blank(live, p), Blank(meant, p)
		}
	}
	if normalize != nil {
		live, meant = normalize(live), normalize(meant)
	}
	for i := range f.Schema.Attrs {
		a := &f.Schema.Attrs[i]
		if a.Computed || a.ReadOnly || a.Elastic || a.WriteOnly {
			continue
		}
		l, m := live.GetAttr(a.Name), meant.GetAttr(a.Name)
		if l.IsWhollyKnown() && m.IsWhollyKnown() && !l.RawEquals(m) {
			return false
		}
	}
	return true
}
