package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/providers"
)

// A Module is one directory of configuration, parsed and checked as far as can
// be done without values: names are known, attributes exist, references lead
// somewhere. Expressions are not evaluated; planner/desired does that.
type Module struct {
	Dir       string    // as given by the caller
	Path      []string  // labels of the calls that lead here; empty for the root
	Settings  *Settings // root only; never nil there
	Variables map[string]*Variable
	Locals    map[string]*Local
	Outputs   map[string]*Output
	Brokers   map[string]*Broker // root only; children use their caller's
	Calls     map[string]*Call
	// Launchers by KIND.NAME, as in "local.here"; root only, as brokers.
	Launchers  map[string]*Launcher
	Components map[string]*Component
	Resources  map[string]*Resource // by TYPE.NAME, as in "queue.jobs"
	Data       map[string]*Resource // by data.TYPE.NAME
	Moved      []Moved
	Removed    []Removed
	Imports    []Import // root only
	Checks     []*Check
	// Files are the sources by path, for snippets in diagnostics and for plan
	// files; a child's files are in the child.
	Files map[string]*hcl.File

	// For EmbeddedSources: arguments of sensitive(…), and what a broker block takes.
	marked      []hcl.Expression
	brokerAttrs []providers.Attr
}

// Settings is the msgflo block.
type Settings struct {
	RequiredVersion string
	OwnershipMarks  bool     // default true
	Backend         *Backend // nil: local
	Decl            hcl.Range
}

// Backend is where state is kept. Its expressions use variables and functions only.
type Backend struct {
	Type  string // local, http
	Attrs map[string]*hcl.Attribute
	Decl  hcl.Range
}

// Variable is an input of a module.
type Variable struct {
	Name, Description string
	Type              cty.Type // cty.DynamicPseudoType: any
	TypeDefaults      *typeexpr.Defaults
	Default           cty.Value // cty.NilVal: must be given
	Sensitive         bool
	Ephemeral         bool
	Nullable          bool // default true
	Validations       []Condition
	Decl              hcl.Range

	defaultExpr hcl.Expression // nil: none
}

// Convert brings a value to the variable's type, filling optional attributes.
func (v *Variable) Convert(val cty.Value) (cty.Value, error) {
	if v.TypeDefaults != nil && !val.IsNull() {
		val = v.TypeDefaults.Apply(val)
	}
	return convert.Convert(val, v.Type)
}

// Condition is a validation, precondition, postcondition or assertion.
type Condition struct {
	Condition    hcl.Expression
	ErrorMessage hcl.Expression
	Decl         hcl.Range
}

// Local is one named value of a locals block.
type Local struct {
	Name string
	Expr hcl.Expression
	Decl hcl.Range
}

// Output is an output value of a module.
type Output struct {
	Name, Description string
	Value             hcl.Expression
	Sensitive         bool
	Ephemeral         bool
	DependsOn         []hcl.Traversal
	Preconditions     []Condition
	Decl              hcl.Range
}

// Broker is a broker block. Its attributes follow the Config schema of the
// provider type that its URL's scheme picks once evaluated.
type Broker struct {
	Name   string
	Attrs  map[string]*hcl.Attribute
	Blocks []*Block
	Decl   hcl.Range
}

// Call is a module block.
type Call struct {
	Name           string
	Source         string // as written; a local path
	SourceRange    hcl.Range
	Module         *Module
	Count, ForEach hcl.Expression
	Args           map[string]*hcl.Attribute // by variable name
	DependsOn      []hcl.Traversal
	Decl           hcl.Range
}

// Resource is a block that makes objects, or a data block that reads one.
type Resource struct {
	Type, Name     string
	Data           bool
	ProviderType   *providers.Type // whose Resources has Type; nil for a participant and a graph
	Schema         *providers.Schema
	Count, ForEach hcl.Expression            // at most one is set
	Broker         hcl.Expression            // nil: the only one
	Attrs          map[string]*hcl.Attribute // the schema's attributes as written
	Blocks         []*Block
	DependsOn      []hcl.Traversal
	Lifecycle      Lifecycle
	Decl           hcl.Range // the header
	// Launcher is a participant's argument of that name; nil: this machine.
	Launcher hcl.Expression
	// Graph is what a graph block has beside its schema's attributes; nil for
	// all others.
	Graph *Graph
	// In is the label of the graph block that a participant is declared in, "" at the top.
	In string
}

// Addr is the block's address within its module.
func (r *Resource) Addr() addr.Instance { return addr.Instance{Type: r.Type, Name: r.Name} }

// Key is how Module's maps key the resource.
func (r *Resource) Key() string {
	if r.Data {
		return "data." + r.Type + "." + r.Name
	}
	return r.Type + "." + r.Name
}

// Block is a nested block, or a dynamic block that makes some.
type Block struct {
	Name    string
	Attr    *providers.Attr // the schema's description
	Label   string          // where Attr.Label is set: the block's label
	Attrs   map[string]*hcl.Attribute
	Blocks  []*Block
	Dynamic *Dynamic // nil: written as it is
	Decl    hcl.Range
}

// Dynamic is what a dynamic block adds to a Block.
type Dynamic struct {
	ForEach  hcl.Expression
	Iterator string // default: the block's name
}

// Lifecycle is a lifecycle block as written.
type Lifecycle struct {
	PreventDestroy     hcl.Expression // nil: false
	IgnoreChanges      []string       // as diag.FormatPath writes paths
	IgnoreAll          bool
	ReplaceTriggeredBy []hcl.Expression // references
	Adopt              hcl.Expression
	Preconditions      []Condition
	Postconditions     []Condition
	Decl               hcl.Range
}

// Moved is a moved block.
type Moved struct {
	From, To addr.Target // relative to the module that has it
	Decl     hcl.Range
}

// Removed is a removed block.
type Removed struct {
	From    addr.Target
	Destroy bool // lifecycle { destroy }, default true
	Decl    hcl.Range
}

// Import is an import block: the live object with this ID becomes ours.
type Import struct {
	To      hcl.Expression // a reference, its index may use each.key
	ID      hcl.Expression
	ForEach hcl.Expression
	Decl    hcl.Range
}

// Check is a check block: assertions on the system after apply. They warn.
type Check struct {
	Name    string
	Asserts []Condition
	Data    *Resource // a scoped data block, or nil
	Decl    hcl.Range
}

// Var is a value given to a root variable, and where it came from.
type Var struct {
	Value  cty.Value
	Raw    bool   // a string from the environment or -var: parse as HCL where the type is not a string
	Source string // for diagnostics: "-var", "MSGFLO_VAR_x", "prod.flovars.hcl"
	Decl   hcl.Range
}

// Launcher is a launcher block: where participants run.
type Launcher struct {
	Kind, Name string // local, here
	Type       *providers.Type
	Attrs      map[string]*hcl.Attribute
	Blocks     []*Block
	Decl       hcl.Range
}

// Component is a component block. Its attributes and ports are those of
// ComponentSchema; they are evaluated once for each participant, in the scope of
// the component's module with self.role, self.component, self.file and self.iips.
type Component struct {
	Name   string
	Attrs  map[string]*hcl.Attribute
	Blocks []*Block // inport and outport, with their labels
	Decl   hcl.Range
}

// Graph is the body of a graph block. Participants declared in it are in the
// module's Resources, as participant.NAME.
type Graph struct {
	Edges    []*Edge
	Initials []*Initial
	Exports  []*Export
}

// Edge is an edge block, or a connection block, whose ends are expressions.
type Edge struct {
	// From and To are `role.port`; of a connection they are nil where FromExpr
	// and ToExpr are set: strings, or the value of participant.X.out.PORT.
	From, To             string
	FromExpr, ToExpr     hcl.Expression
	Delivery, DeadLetter hcl.Expression // nil: not written
	Decl                 hcl.Range
	FromRange, ToRange   hcl.Range
}

// Initial is an initial packet: initial "role.port" { data = … }.
type Initial struct {
	To      string
	ToRange hcl.Range
	Data    hcl.Expression
	Decl    hcl.Range
}

// Export is an inport or outport block of a graph.
type Export struct {
	Out  bool
	Name string
	End  hcl.Expression // `to` of an inport, `from` of an outport
	Decl hcl.Range
}
