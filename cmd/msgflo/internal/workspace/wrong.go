package workspace

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/planner/desired"
)

// alsoWrong evaluates a configuration that has errors already, so that what
// only evaluation finds (a value of the wrong type, an unknown x- argument) is
// reported in the same run. What may only follow from an error that is known
// is left out: everything in a block that has one.
func (w *Workspace) alsoWrong(known hcl.Diagnostics) hcl.Diagnostics {
	if w.module == nil || w.module.Settings == nil {
		return nil
	}
	_, found := desired.Build(w.module, w.validateEnv())
	bad := map[string][]span{}
	for _, d := range known {
		if d.Subject != nil {
			bad[d.Subject.Filename] = append(bad[d.Subject.Filename], w.blockAround(*d.Subject))
		}
	}
	var out hcl.Diagnostics
	for _, d := range found {
		if d.Severity == hcl.DiagError && d.Subject != nil && !within(bad[d.Subject.Filename], d.Subject.Start.Byte) {
			out = append(out, d)
		}
	}
	return out
}

// A span is a range of bytes in one file.
type span struct{ from, to int }

func within(spans []span, at int) bool {
	for _, s := range spans {
		if s.from <= at && at < s.to {
			return true
		}
	}
	return false
}

// blockAround is the top-level block that a range lies in, or the range.
func (w *Workspace) blockAround(r hcl.Range) span {
	if f := w.Files()[r.Filename]; f != nil {
		if b := f.OutermostBlockAtPos(r.Start); b != nil {
			if body, ok := b.Body.(interface{ MissingItemRange() hcl.Range }); ok {
				return span{b.DefRange.Start.Byte, max(body.MissingItemRange().End.Byte, r.End.Byte) + 1}
			}
		}
	}
	return span{r.Start.Byte, r.End.Byte}
}
