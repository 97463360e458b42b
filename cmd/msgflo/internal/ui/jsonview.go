package ui

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/tfjson"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/state"
)

// uiVersion is the version of Terraform's "Machine-Readable UI" followed here.
const uiVersion = "1.2"

// JSONView writes one JSON object a line, in the vocabulary of Terraform's
// machine-readable UI.
type JSONView struct {
	mu      sync.Mutex
	w       *bufio.Writer
	opt     Options
	running map[plan.StepID]*running
	tally   tally
	err     error
}

// NewJSON returns the view for machines; it writes to Out only.
func NewJSON(t Terminal, o Options) *JSONView {
	return &JSONView{w: bufio.NewWriterSize(t.Out, 64<<10), opt: o, running: map[plan.StepID]*running{}}
}

var _ View = (*JSONView)(nil)

func (v *JSONView) write(m message) {
	m.Module = "msgflo.ui"
	m.Timestamp = v.opt.now().Format("2006-01-02T15:04:05.000000Z07:00")
	if m.Level == "" {
		m.Level = "info"
	}
	b, err := tfjson.Encode(m)
	if err == nil {
		_, err = v.w.Write(b)
	}
	if err != nil && v.err == nil {
		v.err = err
	}
}

// locked runs f and hands what it wrote on at once.
func (v *JSONView) locked(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
	if err := v.w.Flush(); err != nil && v.err == nil {
		v.err = err
	}
}

// Version is the first line.
func (v *JSONView) Version(version string) {
	v.locked(func() {
		v.write(message{Type: "version", Message: "msgflo " + version, Terraform: version, Msgflo: version, UI: uiVersion})
	})
}

// Plan writes what drifted, every planned change and their counts.
func (v *JSONView) Plan(p *plan.Plan) {
	v.locked(func() {
		cs := change.Merge(p)
		for i := range p.Drift {
			v.drift(&p.Drift[i])
		}
		for _, m := range p.Moved {
			v.moved(m)
		}
		for i := range cs {
			if cs[i].Shown() {
				v.planned(&cs[i])
			}
		}
		v.besides(p)
		n := change.Count(cs)
		v.summary(n, "plan", n.Line(), tally{})
		if outs := plannedOutputs(p); len(outs) > 0 {
			v.write(message{Type: "outputs", Message: fmt.Sprintf("Outputs: %d", len(outs)), Outputs: outs})
		}
	})
}

// besides writes what the plan leaves alone: deletes that -no-destroy withholds,
// and what -unmanaged lists. Terraform has no lines for either.
func (v *JSONView) besides(p *plan.Plan) {
	for _, w := range p.Withheld {
		v.write(message{Level: "warn", Type: "log", Message: w.Addr.String() + ": Not destroyed, because of -no-destroy",
			Change: &changeMessage{Resource: resourceOf(w.Addr), Action: "noop", Msgflo: &changeExtra{Action: "withheld", Reason: w.Reason}}})
	}
	for _, u := range p.Unmanaged {
		e := tfjson.UnmanagedEntry{Provider: u.Provider.String(), Type: u.Type, Name: u.Name}
		v.write(message{Type: "log", Message: e.Provider + ": Not managed here: " + e.Type + " " + e.Name, Unmanaged: &e})
	}
}

func plannedOutputs(p *plan.Plan) map[string]tfjson.OutputValue {
	out := make(map[string]tfjson.OutputValue, len(p.Outputs))
	for n, o := range p.Outputs {
		v := tfjson.OutputValue{Sensitive: o.Sensitive, Action: strings.ReplaceAll(tfjson.OutputAction(o), "no-op", "noop")}
		if !o.Sensitive && !o.Unknown && len(o.After) > 0 {
			v.Value = jsonOf(value.DecodeWrapped(o.After))
		}
		out[n] = v
	}
	return out
}

func jsonOf(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

// drift is a line of Terraform's; what is away for a reason is none there, for
// whoever counts drift takes it for something that was changed.
func (v *JSONView) drift(d *plan.Drift) {
	if d.Note != "" {
		v.write(message{Type: "log", Message: d.Addr.String() + ": Not there now, which is no drift",
			Change: &changeMessage{Resource: resourceOf(d.Addr), Action: "noop", Msgflo: &changeExtra{Action: "away", Reason: d.Note}}})
		return
	}
	action := "update"
	if d.Gone {
		action = "delete"
	}
	v.write(message{Type: "resource_drift", Message: d.Addr.String() + ": Drift detected (" + action + ")",
		Change: &changeMessage{Resource: resourceOf(d.Addr), Action: action}})
}

func (v *JSONView) moved(m plan.Moved) {
	from := resourceOf(m.From)
	v.write(message{Type: "planned_change", Message: m.To.String() + ": Plan to move",
		Change: &changeMessage{Resource: resourceOf(m.To), PreviousResource: &from, Action: "move"}})
}

func (v *JSONView) planned(c *change.Change) {
	m := &changeMessage{Resource: resourceOf(c.Addr), Action: word(c.Action)}
	if c.Step.Prev != nil {
		from := resourceOf(*c.Step.Prev)
		m.PreviousResource = &from
	}
	if c.Action == plan.Adopt || c.Step.Imported {
		m.Importing = &tfjson.Importing{ID: c.LiveID(v.opt.Schemas.For(c.Step.Provider, c.Addr.Type))}
		if c.Action == plan.Adopt {
			m.Action = "import" // documents say no-op, lines say this
		}
	}
	if c.Action == plan.Replace || c.Action == plan.Migrate {
		m.Reason = "requested"
		if len(c.ForceNew()) > 0 {
			m.Reason = "cannot_update"
		}
	}
	extra := changeExtra{Reason: c.Reason(), Risk: tfjson.PublicRisk(c.Risk())}
	if w := c.Action.String(); w != m.Action {
		extra.Action = w
	}
	if extra != (changeExtra{}) {
		m.Msgflo = &extra
	}
	does := c.Action.String()
	if c.Action == plan.Adopt && c.Step.Imported {
		does = "import"
	}
	v.write(message{Type: "planned_change", Message: c.Addr.String() + ": Plan to " + does, Change: m})
}

// word is Terraform's for an action; migrate and the like have none of their
// own and stand under msgflo.
func word(a plan.Action) string {
	switch a {
	case plan.Create, plan.Update, plan.Delete, plan.Replace:
		return a.String()
	case plan.Migrate:
		return "replace"
	case plan.Restart:
		return "update"
	case plan.Forget:
		return "remove"
	}
	return "noop"
}

func resourceOf(a addr.Instance) resourceMessage {
	r := resourceMessage{Addr: a.String(), Module: a.Module, ImpliedProvider: "msgflo", ResourceType: a.Type,
		ResourceName: tfjson.Name(a), ResourceKey: tfjson.Index(a)}
	a.Module = ""
	r.Resource = a.String()
	return r
}

// Begin needs no line: apply_start says it for each step.
func (v *JSONView) Begin(*plan.Plan) {}

// Event writes apply_start, apply_progress, apply_complete or apply_errored.
func (v *JSONView) Event(e plan.Event) {
	if e.Step == nil {
		return
	}
	v.locked(func() {
		now := v.opt.now()
		if e.Kind == plan.Started {
			v.running[e.Step.ID] = &running{step: e.Step, since: now, told: now}
		} else if e.Kind != plan.Progress {
			delete(v.running, e.Step.ID)
		}
		switch e.Kind {
		case plan.Completed:
			v.tally.completed(e.Step)
		case plan.Failed:
			v.tally.failed++
		case plan.Skipped:
			v.tally.skipped++
		}
		if e.Step.Action != plan.Record {
			v.event(e)
		}
	})
}

func (v *JSONView) event(e plan.Event) {
	at := e.Step.Addr.String()
	h := &hook{Resource: resourceOf(e.Step.Addr), Action: word(e.Step.Action), Done: e.Done, Total: e.Total}
	seconds := e.Elapsed.Seconds()
	switch e.Kind {
	case plan.Started:
		v.write(message{Type: "apply_start", Message: at + ": " + verbsTo(e.Step).Doing + "…", Hook: h})
	case plan.Progress:
		h.ElapsedIn = &seconds
		says := "still " + verbsTo(e.Step).Doing + "…"
		if e.Text != "" {
			says = e.Text
		}
		v.write(message{Type: "apply_progress", Message: at + ": " + says, Hook: h})
	case plan.Completed:
		h.ElapsedIn = &seconds
		v.write(message{Type: "apply_complete", Message: at + ": " + verbsTo(e.Step).Did + " (" + duration(e.Elapsed) + ")", Hook: h})
	case plan.Failed:
		h.ElapsedIn = &seconds
		v.write(message{Level: "error", Type: "apply_errored", Message: at + ": " + verbsTo(e.Step).Doing + " failed", Hook: h})
	case plan.Skipped:
		v.write(message{Level: "warn", Type: "log", Message: at + ": not " + verbsTo(e.Step).Did, Hook: h})
	}
}

// Tick writes apply_progress for steps that have run for another ten seconds.
func (v *JSONView) Tick(now time.Time) {
	v.locked(func() {
		for _, s := range v.running {
			if now.Sub(s.told) < stillAfter || s.step.Action == plan.Record {
				continue
			}
			s.told = now
			v.event(plan.Event{Kind: plan.Progress, Step: s.step, Elapsed: now.Sub(s.since)})
		}
	})
}

// Diagnostics writes a line each.
func (v *JSONView) Diagnostics(ds hcl.Diagnostics, files map[string]*hcl.File) {
	v.locked(func() {
		for _, d := range ds {
			j := tfjson.NewDiagnostic(d, files)
			level, head := "error", "Error: "
			if d.Severity == hcl.DiagWarning {
				level, head = "warn", "Warning: "
			}
			v.write(message{Level: level, Type: "diagnostic", Message: head + d.Summary, Diagnostic: &j})
		}
	})
}

// Outputs writes output values; sensitive ones have none.
func (v *JSONView) Outputs(outs map[string]state.Output) {
	v.locked(func() {
		v.write(message{Type: "outputs", Message: fmt.Sprintf("Outputs: %d", len(outs)), Outputs: tfjson.Outputs(outs)})
	})
}

// Summary writes what was done, counted from the events.
func (v *JSONView) Summary(end Ending) {
	v.locked(func() {
		op := "apply"
		if end.Destroy {
			op = "destroy"
		}
		v.summary(v.tally.counts, op, v.tally.sentence(end, newPalette(false)), v.tally)
	})
}

func (v *JSONView) summary(n change.Counts, op, text string, t tally) {
	v.write(message{Type: "change_summary", Message: text, Changes: &summaryMessage{
		Add: n.Add, Change: n.Change, Import: n.Import, Remove: n.Destroy, Operation: op,
		Migrate: n.Migrate, Restart: n.Restart, Adopt: n.Adopt, Forget: n.Forget,
		Failed: t.failed, Skipped: t.skipped, Messages: n.Messages,
	}})
}

// Err is the first error of writing.
func (v *JSONView) Err() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}
