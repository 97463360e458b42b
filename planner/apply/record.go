package apply

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/state"
)

// unknownHash is no secret's hash: whatever is wanted differs from it, so that
// the secret is set again.
const unknownHash = "unknown"

// hashSlots bounds how many hashes are made at once: each takes a processor
// and 19 MiB, and there are more workers than that.
func hashSlots() chan struct{} { return make(chan struct{}, runtime.GOMAXPROCS(0)) }

// record writes down what a step that succeeded left: nil for nothing.
func (s *stepper) record(ctx context.Context, st *plan.Step, o *state.Object) verdict {
	var v verdict
	v.outcome, v.fatal = s.write(ctx, state.Outcome{Addr: st.Addr, Object: o})
	v.ok = v.fatal == nil
	return v
}

// recordAfter is record for a step that may have failed half-way.
func (s *stepper) recordAfter(ctx context.Context, a *attempt, o *state.Object, err error) verdict {
	v := s.record(ctx, a.st, o)
	if err != nil {
		v.ok, v.diags = false, failed(a.st, a.secrets, err).diags
	}
	return v
}

// write hands an outcome to the journal. It is returned also where that fails:
// the caller may yet save it with the state.
func (s *stepper) write(ctx context.Context, o state.Outcome) (*state.Outcome, error) {
	o.Run = s.d.RunID
	// What has happened must be remembered, also when the run is cancelled.
	if err := s.d.Recorder.Record(context.WithoutCancel(ctx), o); err != nil {
		return &o, &recordError{o.Addr, err}
	}
	return &o, nil
}

type recordError struct {
	addr addr.Instance
	err  error
}

func (e *recordError) Error() string {
	return fmt.Sprintf("what became of %s could not be written to the journal: %v; no further step was started. "+
		"Make room or give access, then run the command again", e.addr, e.err)
}
func (e *recordError) Unwrap() error   { return e.err }
func (e *recordError) Summary() string { return "Outcome cannot be recorded" }

// plain is the recorded form of an object, without hashes.
func (s *stepper) plain(f *recorded.Form, st *plan.Step, v cty.Value) (*state.Object, error) {
	attrs, err := f.Encode(v, st.Sensitive)
	if err != nil {
		// The error may quote the value.
		return nil, errors.New("what the broker said of it does not have the attributes of its type; this is a fault in msgflo")
	}
	return &state.Object{
		Addr: st.Addr, Provider: st.Provider, ProviderType: s.d.Types[st.Provider].Name,
		SchemaVersion: f.Schema.Version, Attrs: attrs, Sensitive: f.Further(st.Sensitive),
		Within: st.Record.Within, After: st.Record.After, Owned: st.Record.Owned, Keep: st.Record.Keep,
	}, nil
}

// object is plain with the hashes of what the broker never tells: made anew
// where the step has the secret, else those that were recorded.
func (s *stepper) object(f *recorded.Form, st *plan.Step, full cty.Value) (*state.Object, error) {
	o, err := s.plain(f, st, full)
	if err != nil {
		return nil, err
	}
	for _, p := range f.WriteOnly {
		path := diag.FormatPath(p)
		secret := recorded.Secret(recorded.At(full, p))
		hash := ""
		switch {
		case secret != nil:
			if hash, err = s.hashOf(secret); err != nil {
				return nil, err
			}
		case !st.Action.Changes() || !slices.Contains(st.Changed, path) && st.Action.Updates():
			hash = st.Record.Hashes[path]
		}
		if hash == "" {
			continue
		}
		if o.Hashes == nil {
			o.Hashes = map[string]string{}
		}
		o.Hashes[path] = hash
	}
	return o, nil
}

func (s *stepper) hashOf(secret []byte) (string, error) {
	s.hash <- struct{}{}
	defer func() { <-s.hash }()
	return state.HashSecret(secret)
}
