// Package desired lowers a Module to the objects that must exist: it evaluates
// variables, locals, count, for_each, modules and attributes, and says what a
// port, an edge or a role means on each kind of broker. It is pure: what it
// lacks (data sources) it asks for.
package desired

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/providers"
)

// Env is what the outside gives to an evaluation.
type Env struct {
	Vars    map[string]config.Var // root variables that were given
	Data    map[string]cty.Value  // answers, by DataQuery.ID
	Types   []*providers.Type
	Environ func(string) (string, bool) // env() and MSGFLO_BROKER; os.LookupEnv
	Dir     string                      // base of relative paths
	// AllowMissing is validate's: a root variable without a value is unknown of
	// its type instead of an error, a broker whose URL is not given is passed over
	// (its objects are checked against their schemas alone), and what depends on
	// unknown values is not judged.
	AllowMissing bool
	// Secret runs a broker's password_command and gives what it printed. It is
	// asked only where a participant, or what the agent runs, is handed the
	// password; the same command may be asked for again. Nil: there is none.
	Secret func(command []string) (string, error)
	// Computed gives the recorded value of an object that exists, or, after apply,
	// of one just made; cty.NilVal where there is none. It is asked only for what
	// an expression refers to. May be nil.
	Computed func(addr.Instance) cty.Value
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
	// Roles are what participants play on each broker, by name, with the ports
	// that their edges imply and what carries them.
	Roles map[addr.Provider][]*flow.Role
}

// Broker is an evaluated broker block.
type Broker struct {
	Addr   addr.Provider
	Type   *providers.Type
	Config cty.Value // secrets included, no marks
	// Partial: settings that were not given are left out (Env.AllowMissing). It
	// must not be opened.
	Partial bool
	Decl    hcl.Range
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

// Build evaluates a module. What could be evaluated is in the result even
// where something is wrong; then it must not be acted on. Queries are what to
// read before calling again: as long as there are any, objects that depend on
// them are left out.
func Build(m *config.Module, env Env) (*Result, hcl.Diagnostics) {
	e := newEvaluator(m, env)
	r := e.run()
	return r, e.sorted()
}

func newEvaluator(m *config.Module, env Env) *evaluator {
	if env.Environ == nil {
		env.Environ = func(string) (string, bool) { return "", false }
	}
	e := &evaluator{env: env, seen: map[string]bool{}, brokers: map[string]*broker{}, byPath: map[string]*module{},
		functions: map[string]map[string]function.Function{}, schemas: map[*providers.Schema]*schemaInfo{}}
	e.scratch = map[string]cty.Value{}
	e.root = e.newModule(m, "")
	for name, b := range m.Brokers {
		e.brokers[name] = &broker{cfg: b, addr: addr.Provider{Kind: "broker", Name: name}, mod: e.root}
	}
	e.declareLaunchers(m)
	return e
}

// run evaluates everything there is, so that all that is wrong is found.
func (e *evaluator) run() *Result {
	e.rootVariables()
	for _, name := range sortedKeys(e.brokers) {
		e.evalBroker(e.brokers[name])
	}
	for _, name := range sortedKeys(e.launchers) {
		e.evalLauncher(e.launchers[name])
	}
	for n := 0; n < len(e.modules); n++ { //nolint:intrange // the list grows as calls are expanded
		e.visit(e.modules[n])
	}
	e.imports()
	all := e.derive(e.objects())
	e.relate(all)
	r := &Result{Objects: make([]Object, 0, len(all)), Providers: map[addr.Provider]Broker{}}
	for _, i := range all {
		if !i.failed {
			r.Objects = append(r.Objects, *i.object)
		}
	}
	for _, b := range e.brokers {
		if !b.failed && !b.passed {
			r.Providers[b.addr] = Broker{Addr: b.addr, Type: b.typ, Config: b.config, Partial: b.partial, Decl: b.cfg.Decl}
		}
	}
	for _, l := range e.launchers {
		if !l.failed && (l.written || l.used) {
			r.Providers[l.addr] = Broker{Addr: l.addr, Type: l.typ, Config: l.config, Decl: l.decl()}
		}
	}
	r.Variables = e.variables()
	r.Roles = e.roles()
	r.Outputs = e.rootOutputs()
	r.Queries = e.openQueries()
	e.moves(r)
	return r
}

// roles are those of all brokers that can be told.
func (e *evaluator) roles() map[addr.Provider][]*flow.Role {
	out := map[addr.Provider][]*flow.Role{}
	for _, l := range e.lowering {
		for _, p := range l.players {
			if !p.unclear && !p.failed {
				out[l.broker.addr] = append(out[l.broker.addr], p.role)
			}
		}
		slices.SortFunc(out[l.broker.addr], func(a, b *flow.Role) int { return strings.Compare(a.Name, b.Name) })
	}
	return out
}

// visit evaluates every declaration of one module instance.
func (e *evaluator) visit(m *module) {
	for _, vs := range []map[string]*value{m.vars, m.locals} {
		for _, name := range sortedKeys(vs) {
			e.valueOf(vs[name])
		}
	}
	for _, name := range sortedKeys(m.calls) {
		e.expandCall(m.calls[name])
	}
	for _, key := range sortedKeys(m.resources) {
		b := m.resources[key]
		if e.expandBlock(b) {
			e.visitBlock(b)
		}
	}
	for _, name := range sortedKeys(m.outputs) {
		e.valueOf(m.outputs[name])
	}
}

func (e *evaluator) visitBlock(b *block) {
	b.depends = unique(append(e.dependsOn(b.mod, b.cfg.DependsOn), b.mod.outer...))
	for _, i := range b.instances {
		if b.cfg.Data {
			e.answerOf(i)
			i.deps = unique(append(i.deps, e.narrow(&b.exp, i.key.text)...))
			continue
		}
		if !e.complete(i) || i.in == nil {
			i.failed = true
			continue
		}
		e.lifecycleOf(i)
		e.judgeAlone(i)
		i.deps = unique(append(i.deps, e.narrow(&b.exp, i.key.text)...))
	}
}
