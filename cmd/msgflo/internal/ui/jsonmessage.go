package ui

import (
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/tfjson"
	"github.com/msgflo/msgflo/planner/plan"
)

// message is one line.
type message struct {
	Level      string                        `json:"@level"`
	Message    string                        `json:"@message"`
	Module     string                        `json:"@module"`
	Timestamp  string                        `json:"@timestamp"`
	Type       string                        `json:"type"`
	Terraform  string                        `json:"terraform,omitempty"`
	Msgflo     string                        `json:"msgflo,omitempty"`
	UI         string                        `json:"ui,omitempty"`
	Change     *changeMessage                `json:"change,omitempty"`
	Changes    *summaryMessage               `json:"changes,omitempty"`
	Hook       *hook                         `json:"hook,omitempty"`
	Unmanaged  *tfjson.UnmanagedEntry        `json:"unmanaged,omitempty"`
	Diagnostic *tfjson.Diagnostic            `json:"diagnostic,omitempty"`
	Outputs    map[string]tfjson.OutputValue `json:"outputs,omitzero"` // an empty one is written too, as Terraform does
}

type resourceMessage struct {
	Addr            string `json:"addr"`
	Module          string `json:"module"`
	Resource        string `json:"resource"`
	ImpliedProvider string `json:"implied_provider"`
	ResourceType    string `json:"resource_type"`
	ResourceName    string `json:"resource_name"`
	ResourceKey     any    `json:"resource_key"`
}

type changeMessage struct {
	Resource         resourceMessage   `json:"resource"`
	PreviousResource *resourceMessage  `json:"previous_resource,omitempty"`
	Action           string            `json:"action"`
	Reason           string            `json:"reason,omitempty"`
	Importing        *tfjson.Importing `json:"importing,omitempty"`
	Msgflo           *changeExtra      `json:"msgflo,omitempty"`
}

// changeExtra is what Terraform's vocabulary has no words for.
type changeExtra struct {
	Action string     `json:"action,omitempty"` // migrate, adopt, restart, withheld, away
	Reason string     `json:"reason,omitempty"`
	Risk   *plan.Risk `json:"risk,omitempty"`
}

type summaryMessage struct {
	Add       int    `json:"add"`
	Change    int    `json:"change"`
	Import    int    `json:"import"`
	Remove    int    `json:"remove"`
	Operation string `json:"operation"`
	Migrate   int    `json:"migrate,omitempty"`
	Restart   int    `json:"restart,omitempty"`
	Adopt     int    `json:"adopt,omitempty"`
	Forget    int    `json:"forget,omitempty"`
	Failed    int    `json:"failed,omitempty"`
	Skipped   int    `json:"skipped,omitempty"`
	Messages  int64  `json:"messages_at_risk"`
}

type hook struct {
	Resource  resourceMessage `json:"resource"`
	Action    string          `json:"action"`
	IDKey     string          `json:"id_key,omitempty"`
	IDValue   string          `json:"id_value,omitempty"`
	ElapsedIn *float64        `json:"elapsed_seconds,omitempty"`
	Done      int64           `json:"done,omitempty"`
	Total     int64           `json:"total,omitempty"`
}
