// Package plan is the plan as a document: what it says, its file format, and
// the events of carrying it out. It knows no config and no provider; it
// imports addr, hcl's ranges and the standard library.
package plan

import (
	"encoding/json"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
)

// Action is what a step does.
type Action rune

// The actions, by the sign that people see before an object. A replace is
// only shown ('±'): in the plan it is a delete and a create.
const (
	Create  Action = '+'
	Update  Action = '~'
	Delete  Action = '-'
	Adopt   Action = '=' // record an equal live object; nothing changes on the broker
	Migrate Action = '»'
	Restart Action = '↻' // an update that restarts a process
	Forget  Action = '.' // drop from state; nothing changes on the broker
	Replace Action = '±' // never in a Step; how a delete and create of one address are shown
	Record  Action = '*' // only what state records changes: relations (fact 3), refreshed values, ownership; not shown as a change
	Move    Action = '>' // never in a Step; shown for an address that moved
)

// Changes reports whether the action changes anything outside the state.
func (a Action) Changes() bool {
	switch a {
	case Create, Update, Delete, Migrate, Restart, Replace:
		return true
	}
	return false
}

// Updates reports whether the action changes an object that stays.
func (a Action) Updates() bool { return a == Update || a == Restart }

// String returns the word for the action.
func (a Action) String() string {
	switch a {
	case Create:
		return "create"
	case Update:
		return "update"
	case Delete:
		return "delete"
	case Adopt:
		return "adopt"
	case Migrate:
		return "migrate"
	case Restart:
		return "restart"
	case Forget:
		return "forget"
	case Replace:
		return "replace"
	case Record:
		return "record"
	case Move:
		return "move"
	}
	return string(rune(a))
}

// A StepID names a step within one plan: the sign and the address.
type StepID string

// ID makes the StepID of an action on an object.
func ID(a Action, at addr.Instance) StepID { return StepID(string(rune(a)) + " " + at.String()) }

// A Step is one change of one object. Values are JSON in the form of
// go-cty/json for the schema's type; secrets in them are null and listed as
// holes.
type Step struct {
	ID            StepID          `json:"id"`
	Addr          addr.Instance   `json:"addr"`
	Prev          *addr.Instance  `json:"previous_address,omitempty"` // where a move takes it from: see PriorAddr
	Provider      addr.Provider   `json:"provider"`
	Action        Action          `json:"action"`
	Reason        string          `json:"reason,omitempty"` // for people only; decides nothing
	Before        json.RawMessage `json:"before,omitempty"` // as live (or recorded); absent: null
	After         json.RawMessage `json:"after,omitempty"`
	SchemaVersion int             `json:"schema_version"`
	Holes         []Hole          `json:"holes,omitempty"`
	Changed       []string        `json:"changed,omitempty"`   // paths that differ, as diag.FormatPath writes them
	ForceNew      []string        `json:"force_new,omitempty"` // those of them that make it a replace
	Sensitive     []string        `json:"sensitive,omitempty"` // paths masked wherever the values are shown
	Drift         bool            `json:"drift,omitempty"`     // the difference comes from outside: live left what state recorded
	Risk          *Risk           `json:"risk,omitempty"`
	Needs         []StepID        `json:"needs,omitempty"` // the whole execution graph, explicit
	Decl          hcl.Range       `json:"decl"`            // where it is declared; zero for what is only in state
	Record        Recorded        `json:"record"`          // what state says once the step is done
	Imported      bool            `json:"imported,omitempty"`
	Shared        bool            `json:"shared,omitempty"` // see desired.Lifecycle
}

// PriorAddr is the address that state has the object under when the plan is
// made.
func (s *Step) PriorAddr() addr.Instance {
	if s.Prev != nil {
		return *s.Prev
	}
	return s.Addr
}

// Recorded is what a step leaves in state beside the value.
type Recorded struct {
	Within []addr.Instance `json:"within,omitempty"`
	After  []addr.Instance `json:"after,omitempty"`
	Owned  bool            `json:"owned"`          // false: adopted
	Keep   bool            `json:"keep,omitempty"` // adopt = "keep" at the declaration
	// Hashes are those that state has of write-only attributes; they stay where
	// the step does not fill that path anew.
	Hashes map[string]string `json:"hashes,omitempty"`
}

// A Hole is a part of After that is filled when the step runs: from another
// step's outcome (Addr and Attr) or, for a secret, from the declaration's
// variables, environment and files.
type Hole struct {
	Path   string         `json:"path"`             // as diag.FormatPath writes it
	Secret bool           `json:"secret,omitempty"` // re-evaluated at Step.Decl
	Addr   *addr.Instance `json:"addr,omitempty"`   // computed: of this object …
	Attr   string         `json:"attr,omitempty"`   // … this attribute
}

// A Risk is what a step endangers.
type Risk struct {
	Ready      int64        `json:"ready"`
	Unacked    int64        `json:"unacked"`
	Consumers  int64        `json:"consumers"`
	Unknown    bool         `json:"unknown,omitempty"` // the broker could not say
	Collateral []Collateral `json:"collateral,omitempty"`
	Consent    bool         `json:"consent"` // -allow-message-loss named this address
}

// Blocks reports whether the step must not run without consent.
func (r *Risk) Blocks() bool {
	if r == nil || r.Consent {
		return false
	}
	if r.Ready+r.Unacked > 0 || r.Unknown {
		return true
	}
	for _, c := range r.Collateral {
		if !c.Managed {
			return true
		}
	}
	return false
}

// A Collateral is an object that a delete would drag along.
type Collateral struct {
	Type    string          `json:"type"`
	Name    string          `json:"name"`    // for people: "events -> jobs (key job.#)"
	Managed bool            `json:"managed"` // ours, and dealt with by this plan
	Value   json.RawMessage `json:"value,omitempty"`
}

// A Plan is the document. It can be shown, saved, reviewed and carried out,
// nothing recomputed.
type Plan struct {
	FormatVersion int                        `json:"format_version"`
	MsgfloVersion string                     `json:"msgflo_version"`
	Lineage       string                     `json:"lineage"`
	Serial        uint64                     `json:"serial"`            // of the state it was made from
	Carries       string                     `json:"carries,omitempty"` // the interrupted run whose outcomes it was made with
	Mode          string                     `json:"mode"`              // normal, destroy, refresh-only
	Targeted      bool                       `json:"targeted,omitempty"`
	Steps         []Step                     `json:"steps"`
	Drift         []Drift                    `json:"drift,omitempty"`
	Moved         []Moved                    `json:"moved,omitempty"`
	Withheld      []Withheld                 `json:"withheld,omitempty"` // what -no-destroy left out
	Unmanaged     []Unmanaged                `json:"unmanaged,omitempty"`
	Unchanged     int                        `json:"unchanged"` // objects that are as they should be
	Outputs       map[string]Output          `json:"outputs,omitempty"`
	Sources       map[string]string          `json:"sources,omitempty"`          // configuration files by path relative to Dir, sensitive literals cut out
	Cut           []string                   `json:"cut,omitempty"`              // sources whose secret literals were cut out: `apply FILE` reads them again
	Variables     map[string]json.RawMessage `json:"variables,omitempty"`        // values that are not sensitive
	SecretVars    []string                   `json:"secret_variables,omitempty"` // must be given again at apply
	SecretHashes  map[string]string          `json:"secret_hashes,omitempty"`    // argon2id of those that must be given with the same value; older plans have none
	Dir           string                     `json:"dir,omitempty"`              // the configuration's directory as given
}

// A Drift is an object that is not as state recorded it, and what changed.
type Drift struct {
	Addr      addr.Instance   `json:"addr"`
	Provider  addr.Provider   `json:"provider"`
	Gone      bool            `json:"gone,omitempty"`
	Recorded  json.RawMessage `json:"recorded,omitempty"`
	Live      json.RawMessage `json:"live,omitempty"`
	Changed   []string        `json:"changed,omitempty"`
	Sensitive []string        `json:"sensitive,omitempty"`
	Note      string          `json:"note,omitempty"` // "not present now: auto-delete"; then it is no drift to repair
}

// A Moved object changed its address and nothing else.
type Moved struct {
	From addr.Instance `json:"from"`
	To   addr.Instance `json:"to"`
}

// A Withheld step is a delete that -no-destroy left out.
type Withheld struct {
	Addr   addr.Instance `json:"addr"`
	Reason string        `json:"reason"`
}

// An Unmanaged object is on the broker and neither declared nor in state.
type Unmanaged struct {
	Provider addr.Provider   `json:"provider"`
	Type     string          `json:"type"`
	Name     string          `json:"name"`
	Value    json.RawMessage `json:"value,omitempty"`
}

// An Output is an output value before and after.
type Output struct {
	Before    json.RawMessage `json:"before,omitempty"` // {"value":…,"type":…} as in state
	After     json.RawMessage `json:"after,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"` // then both values are left out
	Changed   bool            `json:"changed,omitempty"`
	Unknown   bool            `json:"unknown,omitempty"` // known only after apply
	New       bool            `json:"new,omitempty"`     // not recorded yet; said for what has no Before to tell it
	Gone      bool            `json:"gone,omitempty"`    // not declared any more
}

// Empty reports whether carrying the plan out would change nothing outside
// the state. A plan that only adopts or forgets counts as no change (fact 5).
func (p *Plan) Empty() bool {
	for i := range p.Steps {
		if p.Steps[i].Action.Changes() {
			return false
		}
	}
	for _, o := range p.Outputs {
		if o.Changed {
			return false
		}
	}
	return true
}

// Blocked lists the steps that need consent and have none.
func (p *Plan) Blocked() []*Step {
	var out []*Step
	for i := range p.Steps {
		if p.Steps[i].Risk.Blocks() {
			out = append(out, &p.Steps[i])
		}
	}
	return out
}
