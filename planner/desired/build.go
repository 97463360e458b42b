// Package desired lowers a Module to the objects that must exist: it evaluates
// variables, locals, count, for_each, modules and attributes, and says what a
// port, an edge or a role means on each kind of broker. It is pure: what it
// lacks (data sources) it asks for.
package desired

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/providers"
)

// Env is what the outside gives to an evaluation.
type Env struct {
	Vars    map[string]config.Var // root variables that were given
	Data    map[string]cty.Value  // answers, by DataQuery.ID
	Types   []*providers.Type
	Environ func(string) (string, bool) // env() and MSGFLO_BROKER; os.LookupEnv
	Dir     string                      // base of relative paths
	// Computed has the recorded values of computed attributes of objects that
	// exist, and, after apply, those just made.
	Computed map[addr.Instance]cty.Value
}

// Result is a lowered configuration.
type Result struct {
	Objects   []Object
	Providers map[addr.Provider]Broker
	Queries   []DataQuery // still open: Objects that depend on them are incomplete
	Outputs   map[string]Output
	Variables map[string]cty.Value // evaluated root variables, marked where sensitive
	Moves     []Move
	Forget    []addr.Target
}

// Broker is an evaluated broker block.
type Broker struct {
	Addr   addr.Provider
	Type   *providers.Type
	Config cty.Value // secrets included, no marks
	Decl   hcl.Range
}

// DataQuery is a data source that wants reading.
type DataQuery struct {
	ID       string // module path, data address and instance key
	Provider addr.Provider
	Type     string
	Value    cty.Value       // identity attributes set
	After    []addr.Instance // read only once these are as wanted; empty mostly
	Decl     hcl.Range
}

// Output is an evaluated output of the root module.
type Output struct {
	Value     cty.Value // unmarked
	Sensitive bool
	Decl      hcl.Range
}

// Build evaluates a module.
func Build(m *config.Module, env Env) (*Result, hcl.Diagnostics) { panic("contract only") }

// CheckAfter evaluates what only holds once the system is there:
// postconditions and check blocks, with the live values of objects. Failed
// check blocks are warnings.
func CheckAfter(m *config.Module, env Env, live map[addr.Instance]cty.Value) hcl.Diagnostics {
	panic("contract only")
}
