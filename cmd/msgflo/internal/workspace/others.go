package workspace

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/local/control"
	"github.com/msgflo/msgflo/state"
	"github.com/msgflo/msgflo/state/local"
)

// stateAt is where a store keeps its state, as agents write it down: see control.Agent.
func stateAt(s state.Store) string {
	at := s.Describe()
	if _, isFile := s.(*local.Store); !isFile {
		return at
	}
	if abs, err := filepath.Abs(at); err == nil {
		return abs
	}
	return "" // not known
}

// StateAt is where the directory's state is kept; "" where that cannot be told.
func (w *Workspace) StateAt() string {
	s, diags := w.Store()
	if diags.HasErrors() {
		return ""
	}
	return stateAt(s)
}

// Orphans warns of what runs on this machine for a state that this directory once
// had, and that is not there any more: nothing else finds it, and what is declared here would
// run a second time. That a directory has several states may be meant (a backend whose
// path depends on a variable), so one that is still in its place is none of our business.
func (w *Workspace) Orphans(ctx context.Context, lineage string) hcl.Diagnostics {
	others, err := control.Others(w.o.Dir, lineage)
	if err != nil {
		w.debug("what else runs for this directory is not known", "error", err)
		return nil
	}
	var diags hcl.Diagnostics
	for i := range others {
		if o := &others[i]; w.lost(ctx, o) {
			diags = append(diags, diag.Warning(hcl.Range{}, "What a lost state had started still runs", orphaned(o)))
		}
	}
	return diags
}

// lost tells whether the state of what runs is known not to be where it was. Only
// a file is looked into: of an address it is enough that this directory's state is there now.
func (w *Workspace) lost(ctx context.Context, o *control.Other) bool {
	if !filepath.IsAbs(o.State) {
		return o.State != "" && o.State == w.StateAt()
	}
	s := &Session{w: w, store: local.Open("", o.State)}
	return s.load(ctx) == nil && s.snap.Lineage != o.Lineage
}

// orphaned says what runs, whose it is, and how to end it or to have it back.
func orphaned(o *control.Other) string {
	var what []string
	if o.Agent {
		what = append(what, fmt.Sprintf("the agent (pid %d)", o.PID))
	}
	for i := range o.Held {
		if name := ranBy(&o.Held[i], o.Agent); name != "" {
			what = append(what, name)
		}
	}
	return fmt.Sprintf("Started for this directory by a state that is no longer at %[2]s (lineage %[1]s), there run: %[3]s. "+
		"No plan made with the present state sees them, so what is declared here would run beside them, a second time. "+
		"Where there is a copy of that state, `msgflo state push -force FILE` brings it back. "+
		"Otherwise `msgflo down -lineage %[1]s` ends them; queues and messages stay.", diag.Escape(o.Lineage), diag.Escape(o.State), listed(what))
}

// ranBy names one object of those that run.
func ranBy(h *control.Held, agent bool) string {
	name := diag.Escape(h.Name)
	switch {
	case h.Kind != control.Process && agent:
		return h.Kind + " " + name
	case !h.Runs():
		return ""
	}
	var pids []string
	for _, r := range h.Status.Replicas {
		if r.PID != 0 {
			pids = append(pids, fmt.Sprint(r.PID))
		}
	}
	return fmt.Sprintf("role %s (pid %s)", name, strings.Join(pids, ", "))
}

func listed(what []string) string {
	if more := len(what) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(what[:maxNamed], ", "), more)
	}
	return strings.Join(what, ", ")
}
