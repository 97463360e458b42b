package workspace

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// Running is a workspace seen by commands that act on what runs: they read the
// state without its lock, need no broker, and work with a configuration that is
// being edited.
type Running struct {
	w        *Workspace
	declared []fact
	played   map[addr.Provider][]*flow.Role
	brokers  map[addr.Provider]desired.Broker
	pool     *pool
	notes    []string
	patience time.Duration // how long a broker may take to answer Status
}

// patience is short: who looks wants to know that a broker is silent.
const patience = 5 * time.Second

// Running evaluates the configuration as far as it can be. What cannot be is
// left out, and noted in Status. Close it.
func (w *Workspace) Running() *Running {
	r := &Running{w: w, pool: newPool(w, ""), patience: patience, brokers: map[addr.Provider]desired.Broker{}}
	if w.module == nil {
		return r
	}
	env := w.env()
	env.Secret = func([]string) (string, error) { return "", nil } // nobody is handed one
	res, diags := desired.Build(w.module, env)
	if diags.HasErrors() { // variables that were not given leave unknown what depends on them
		res, diags = desired.Build(w.module, w.validateEnv())
	}
	if diags.HasErrors() || res == nil {
		r.notes = append(r.notes, "The configuration cannot be evaluated (msgflo validate says why): only what was applied and what runs is shown.")
		return r
	}
	r.declared, r.played, r.brokers = factsOf(res), res.Roles, res.Providers
	r.pool.declare(res.Providers)
	return r
}

// Close closes connections to brokers.
func (r *Running) Close() error { return r.pool.Close() }

// A Recorded is what state has of participants: which lineage, which roles.
type Recorded struct {
	Lineage string // "" where nothing was ever applied
	facts   []fact
}

// Recorded reads the state without its lock.
func (r *Running) Recorded(ctx context.Context) (*Recorded, hcl.Diagnostics) {
	snap, diags := r.w.Read(ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	return &Recorded{snap.Lineage, recordedFacts(snap, newReader(snap, r.w.Types()))}, diags
}

// Here is what a machine says of itself to Status.
type Here struct {
	Machine string
	Agent   *control.Hello // nil: none answers
	// Held is what the agent holds, or, where there is none, what its folder says it held.
	Held []control.Held
	// Notes say what of this is not known, in sentences.
	Notes []string
}

// Status joins what is declared, what is recorded, what this machine's agent
// holds and what the brokers say. Whatever part of it fails is noted.
func (r *Running) Status(ctx context.Context, rec *Recorded, here Here) *Status {
	s := &Status{
		FormatVersion: StatusVersion, Lineage: rec.Lineage, Machine: here.Machine,
		Roles: []Role{}, Edges: []Edge{}, Notes: slices.Concat(r.notes, here.Notes),
	}
	if here.Agent != nil {
		s.Agent = &Agent{here.Agent.PID, here.Agent.Version, here.Agent.Started}
	}
	t := r.table(rec, here)
	r.ask(ctx, t, s)
	s.Roles, s.Edges, s.Services = t.sorted(), t.edgeList(), servicesOf(here.Held)
	if s.Notes == nil {
		s.Notes = []string{}
	}
	return s
}

// Roles are the roles of this directory, for commands that take one.
func (r *Running) Roles(rec *Recorded, here Here) []Role {
	return r.table(rec, here).sorted()
}

func (r *Running) table(rec *Recorded, here Here) *table {
	t := &table{here: here, roles: map[roleKey]*Role{}, vhosts: map[brokerQueue]string{}, edges: map[edgeKey]*Edge{}}
	t.foreign(r.played)
	t.add(r.declared)
	t.add(rec.facts)
	for i := range here.Held {
		t.held(&here.Held[i])
	}
	return t
}

// queueValue names a queue as the broker's schema does; a vhost of "" is the
// broker's own.
func queueValue(b desired.Broker, vhost, name string) cty.Value {
	return objectValue(b, "queue", vhost, name)
}

// objectValue is the same of a queue or exchange.
func objectValue(b desired.Broker, typ, vhost, name string) cty.Value {
	attrs := map[string]cty.Value{"name": cty.StringVal(name)}
	if vhost != "" {
		attrs["vhost"] = cty.StringVal(vhost)
	} else if b.Type.Defaults != nil {
		b.Type.Defaults(b.Config, typ, attrs)
	}
	return b.Type.Resources[typ].Complete(attrs)
}

func trafficOf(g providers.Traffic) *Traffic {
	if g.Absent {
		return &Traffic{Missing: true}
	}
	return &Traffic{Ready: known(g.Ready), Unacked: known(g.Unacked), Consumers: known(g.Consumers), InRate: known(g.In), OutRate: known(g.Out)}
}

func known[T int64 | float64](n T) *T {
	if n < 0 {
		return nil
	}
	return &n
}

// A RoleError is that of a command whose role is not there; it names the nearest.
type RoleError struct{ text string }

func (e *RoleError) Error() string   { return e.text }
func (e *RoleError) Summary() string { return "No such role" }

// FindRole finds the role that a person names: as the broker knows it, as
// BROKER/ROLE, or by its participant's address or label.
func FindRole(roles []Role, name string) (*Role, error) {
	var found []*Role
	for i := range roles {
		if roles[i].named(name) {
			found = append(found, &roles[i])
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		var each []string
		for _, r := range found {
			each = append(each, r.Broker+"/"+r.Role)
		}
		return nil, &RoleError{fmt.Sprintf("%q is a role on several brokers; name one of them: %s.", name, diag.Escape(strings.Join(each, ", ")))}
	case len(roles) == 0:
		return nil, &RoleError{fmt.Sprintf("There is no role %q: this directory has no participants.", name)}
	}
	var names []string
	for i := range roles {
		names = append(names, roles[i].Role)
	}
	near := diag.DidYouMean(name, names)
	if near == "" {
		near = " There " + listRoles(names)
	}
	return nil, &RoleError{fmt.Sprintf("There is no role %q here.%s", name, near)}
}

// maxNamed is how many roles an error lists.
const maxNamed = 12

func listRoles(names []string) string {
	for i, n := range names {
		names[i] = diag.Escape(n)
	}
	switch {
	case len(names) == 1:
		return "is only " + names[0] + "."
	case len(names) > maxNamed:
		return fmt.Sprintf("are %s and %d more; msgflo status lists them.", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
	}
	return "are " + strings.Join(names, ", ") + "."
}

func (r *Role) named(name string) bool {
	return name == r.Role || name == r.Broker+"/"+r.Role || r.Address != "" && (name == r.Address || "participant."+name == r.Address)
}

// Key is how the agent names the role's process.
func (r *Role) Key() control.Key {
	return control.Key{Kind: control.Process, Name: r.Broker + "/" + r.Role}
}

func compareRoles(a, b *Role) int {
	return cmp.Or(strings.Compare(a.Broker, b.Broker), strings.Compare(a.Role, b.Role))
}

// worst brings the states of replicas into one word.
func worst(rs []launch.Replica) State {
	for _, s := range []launch.State{launch.Failed, launch.Waiting, launch.Stopping, launch.Starting, launch.Running, launch.Stopped} {
		if slices.ContainsFunc(rs, func(r launch.Replica) bool { return r.State == s }) {
			return State(s)
		}
	}
	return NotApplied
}
