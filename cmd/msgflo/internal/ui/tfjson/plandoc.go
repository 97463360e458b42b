package tfjson

import (
	"encoding/json"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
)

// PlanVersion is the format_version of plan documents, StateVersion that of
// states (Terraform 1.9's).
const (
	PlanVersion  = "1.2"
	StateVersion = "1.0"
)

// Plan is what `show -json PLANFILE` prints.
type Plan struct {
	FormatVersion    string                     `json:"format_version"`
	TerraformVersion string                     `json:"terraform_version"`
	Variables        map[string]PlanVariable    `json:"variables,omitempty"`
	PlannedValues    Values                     `json:"planned_values"`
	ResourceDrift    []ResourceChange           `json:"resource_drift,omitempty"`
	ResourceChanges  []ResourceChange           `json:"resource_changes"`
	OutputChanges    map[string]ValueChange     `json:"output_changes,omitempty"`
	PriorState       *State                     `json:"prior_state,omitempty"`
	Configuration    map[string]json.RawMessage `json:"configuration"`
	Timestamp        string                     `json:"timestamp,omitempty"`
	Applyable        bool                       `json:"applyable"`
	Complete         bool                       `json:"complete"`
	Errored          bool                       `json:"errored"`
	Msgflo           PlanExtension              `json:"msgflo"`
}

// PlanVariable is the value of a root variable that is not sensitive.
type PlanVariable struct {
	Value json.RawMessage `json:"value"`
}

// PlanExtension is what Terraform's format has no place for.
type PlanExtension struct {
	Mode      string           `json:"mode"`
	Lineage   string           `json:"lineage"`
	Serial    uint64           `json:"serial"`
	Unchanged int              `json:"unchanged"`
	Moved     []plan.Moved     `json:"moved,omitempty"`
	Withheld  []plan.Withheld  `json:"withheld,omitempty"`
	Away      []AwayEntry      `json:"away,omitempty"`
	Unmanaged []UnmanagedEntry `json:"unmanaged,omitempty"`
	Edges     []EdgeChange     `json:"edges,omitempty"`
	Messages  int64            `json:"messages_at_risk"`
}

// AwayEntry is a recorded object that is not there now, for a reason that makes
// it no drift: its queue is auto-delete, its participant was brought down.
type AwayEntry struct {
	Addr   addr.Instance `json:"addr"`
	Reason string        `json:"reason"`
}

// UnmanagedEntry is an object that is neither declared nor in state.
type UnmanagedEntry struct {
	Provider string `json:"provider"`
	Type     string `json:"type"`
	Name     string `json:"name"`
}

// EdgeChange is a way of messages that the plan opens or closes.
type EdgeChange struct {
	Action      string `json:"action"` // open, close
	Provider    string `json:"provider"`
	Vhost       string `json:"vhost,omitempty"`
	Source      string `json:"source"`
	Destination string `json:"destination"`
	Type        string `json:"destination_type"`
	RoutingKey  string `json:"routing_key"`
}

// ResourceChange is one change of one object.
type ResourceChange struct {
	Address         string          `json:"address"`
	PreviousAddress string          `json:"previous_address,omitempty"`
	ModuleAddress   string          `json:"module_address,omitempty"`
	Mode            string          `json:"mode"`
	Type            string          `json:"type"`
	Name            string          `json:"name"`
	Index           any             `json:"index,omitempty"`
	ProviderName    string          `json:"provider_name"`
	Change          ValueChange     `json:"change"`
	ActionReason    string          `json:"action_reason,omitempty"`
	Msgflo          ChangeExtension `json:"msgflo"`
}

// ChangeExtension says what msgflo does in its own words.
type ChangeExtension struct {
	Action  string     `json:"action"` // create, update, delete, replace, migrate, adopt, forget, …
	Broker  string     `json:"broker"`
	Reason  string     `json:"reason,omitempty"`
	Drift   bool       `json:"drift,omitempty"`
	Changed []string   `json:"changed,omitempty"`
	Risk    *plan.Risk `json:"risk,omitempty"`
	Gone    bool       `json:"gone,omitempty"` // of drift: the object is not there
}

// ValueChange is a value before and after.
type ValueChange struct {
	Actions         []string   `json:"actions"`
	Before          any        `json:"before"`
	After           any        `json:"after"`
	AfterUnknown    any        `json:"after_unknown"`
	BeforeSensitive any        `json:"before_sensitive"`
	AfterSensitive  any        `json:"after_sensitive"`
	ReplacePaths    []any      `json:"replace_paths,omitempty"`
	Importing       *Importing `json:"importing,omitempty"`
}

// Importing names the live object that is taken over.
type Importing struct {
	ID string `json:"id"`
}
