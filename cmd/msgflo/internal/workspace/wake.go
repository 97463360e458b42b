package workspace

import (
	"context"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// wake brings back the processes of ours that stand behind recorded objects
// (see providers.Waker), also where the plan has nothing to do there.
func (s *Session) wake(ctx context.Context) hcl.Diagnostics {
	behind := map[addr.Provider]bool{}
	for i := range s.snap.Objects {
		behind[s.snap.Objects[i].Provider] = true
	}
	var diags hcl.Diagnostics
	for _, a := range sortedProviders(behind) {
		pr, err := s.pool.Open(a)
		if err != nil {
			continue // reading it, or a step that needs it, says so
		}
		if w, ok := pr.(providers.Waker); ok {
			diags = append(diags, diag.At(w.Wake(ctx), s.pool.decl(a))...)
		}
	}
	return diags
}
