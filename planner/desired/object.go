package desired

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
)

// An Object is one thing that must exist: where, of what type, with what
// value, and how it stands to others.
type Object struct {
	Addr     addr.Instance
	Provider addr.Provider
	Type     string
	// Value has every attribute of the type's schema; unset ones are null or
	// the schema's default, computed ones unknown. It carries no marks; the
	// secrets in it are real and never leave memory.
	Value cty.Value
	// Sensitive are the paths that the configuration made secret, beside the
	// schema's own.
	Sensitive []cty.Path
	Within    []addr.Instance // dies with these (Relation Within); those not desired are left out
	After     []addr.Instance // after these in order
	Lifecycle Lifecycle
	Holes     []plan.Hole          // computed values of other objects
	Decl      hcl.Range            // the block's header
	AttrDecl  map[string]hcl.Range // where each attribute is written
	ImportID  string               // an import block or command wants this live object taken over
}

// Lifecycle is the block of that name, evaluated.
type Lifecycle struct {
	PreventDestroy     bool
	IgnoreChanges      []string // attribute names or paths as diag.FormatPath writes them
	IgnoreAll          bool
	ReplaceTriggeredBy []addr.Instance
	Adopt              string // keep (default), own, refuse
	// Shared: made where it is missing, adopted where it is there, whoever marked
	// it, brought to what is wanted in place, and never deleted or replaced: when it
	// is not wanted any more it is forgotten (MsgFlo's queue fbp and its policy).
	Shared bool
}

// A Move is a moved block, resolved: every recorded object under From is now
// under To.
type Move struct {
	From, To addr.Target
}
