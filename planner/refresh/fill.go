package refresh

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/recorded"
)

// fill gives wanted objects the computed values of others as they are now.
// Desired evaluation had what state remembers, and that is old where an object was made
// anew outside, or nothing where its creation was not recorded. Whether an object will be made
// anew by this plan is for the planner to find out; it opens such holes again.
func fill(r *Request, live map[addr.Instance]planner.Live) {
	for i := range r.Want {
		o := &r.Want[i]
		for _, h := range o.Holes {
			if h.Addr == nil {
				continue
			}
			l, ok := live[*h.Addr]
			if !ok || l.Value == cty.NilVal || l.Next != nil {
				continue
			}
			fillOne(o, h.Path, recorded.Part(l.Value, h.Attr))
		}
	}
}

func fillOne(o *desired.Object, path string, now cty.Value) {
	p, err := recorded.ParsePath(path)
	if err != nil || now == cty.NilVal || now.IsNull() || !now.IsWhollyKnown() {
		return
	}
	old := recorded.At(o.Value, p)
	if old == cty.NilVal || old.IsKnown() && old.RawEquals(now) {
		return
	}
	part, err := convert.Convert(now, old.Type())
	if err != nil {
		return
	}
	if v, err := recorded.Set(o.Value, p, part); err == nil {
		o.Value = v
	}
}
