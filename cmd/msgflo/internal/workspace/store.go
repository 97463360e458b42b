package workspace

import (
	"fmt"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/state"
	"github.com/msgflo/msgflo/state/http"
	"github.com/msgflo/msgflo/state/local"
)

// Store opens the place where state is kept, as the backend block says.
func (w *Workspace) Store() (state.Store, hcl.Diagnostics) {
	b := (*config.Backend)(nil)
	if w.module != nil && w.module.Settings != nil {
		b = w.module.Settings.Backend
	}
	if b == nil {
		return local.Open(w.o.Dir, ""), nil
	}
	attrs, diags := desired.Settings(w.module, w.env(), b.Attrs)
	if diags.HasErrors() {
		return nil, diags
	}
	switch b.Type {
	case "local":
		return local.Open(w.o.Dir, attr.String(attrs["path"])), nil
	case "http":
		c, err := http.Decode(attrs)
		if err == nil {
			c.JournalDir = filepath.Join(w.o.Dir, workDir)
			var s *http.Store
			if s, err = http.Open(c); err == nil {
				return s, nil
			}
		}
		return nil, diag.At(err, b.Decl)
	}
	return nil, diag.At(fmt.Errorf("backend %q is not in this version; there are local and http", b.Type), b.Decl)
}
