package agent

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// stopped is what `msgflo stop` leaves: nothing runs until `msgflo start`,
// whoever restarts the agent.
func (ro *role) stopped(emit func(control.Event)) error {
	if err := ro.agent.book.note(control.Record{Op: control.OpHold, Key: ro.key, Held: true}); err != nil {
		return failure("Agent cannot remember", err)
	}
	ro.setHeld(true)
	return failureOf("Participant does not end", ro.halt(ro.all(), emit))
}

func (ro *role) setHeld(held bool) {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	e := *ro.entry
	e.Held = held
	ro.entry = &e
}

// started starts what does not run.
func (ro *role) started(ctx context.Context, emit func(control.Event)) error {
	e, _ := ro.now()
	p, err := ro.agent.program(*e, ro.agent.book.secret(e.Secret)) // it may have gone meanwhile
	if err != nil {
		return err
	}
	missing := ro.missing(p.spec.Replicas, launch.Failed, launch.Stopped)
	if err := ro.bring(ctx, p, missing, emit); err != nil {
		return err
	}
	if !e.Held {
		return nil
	}
	if err := ro.agent.book.note(control.Record{Op: control.OpHold, Key: ro.key}); err != nil {
		return failure("Agent cannot remember", err)
	}
	ro.setHeld(false)
	return nil
}

// restarted replaces all replicas by others of the same program.
func (ro *role) restarted(ctx context.Context, emit func(control.Event)) error {
	e, was := ro.now()
	p, err := ro.agent.program(*e, ro.agent.book.secret(e.Secret))
	if err != nil {
		return err
	}
	if e.Held {
		return &control.Error{Summary: "Participant is stopped", Detail: fmt.Sprintf("Participant %s was stopped by `msgflo stop`: `msgflo start` starts it.", quoted(p.spec.Role, 0, 1))}
	}
	if err := ro.replace(ctx, was, p, emit); err != nil {
		return err
	}
	return ro.hold(*e, p)
}

// scaled changes the number of replicas.
func (ro *role) scaled(ctx context.Context, n int, emit func(control.Event)) error {
	if n < 0 {
		return &control.Error{Summary: "Invalid number of replicas", Detail: fmt.Sprintf("%d is no number of replicas: it is 0 or more.", n)}
	}
	old, _ := ro.now()
	e := *old
	var spec map[string]json.RawMessage // what this version does not know stays
	if err := json.Unmarshal(e.Spec, &spec); err != nil {
		return failure("Agent's journal is damaged", err)
	}
	spec["replicas"] = json.RawMessage(fmt.Sprint(n))
	raw, err := json.Marshal(spec)
	if err != nil {
		return failure("Agent's journal is damaged", err)
	}
	e.Spec = raw
	return ro.put(ctx, e, ro.agent.book.secret(e.Secret), emit)
}
