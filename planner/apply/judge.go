package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

// judge decides what a provider's answer means and records it. What a failed
// change left behind is recorded too, or the next run would not know it as ours.
func (s *stepper) judge(ctx context.Context, a *attempt, left cty.Value, err error) verdict {
	var lost *providers.ConnectionError
	broken := errors.As(err, &lost)
	var v verdict
	switch {
	case left != cty.NilVal:
		v = s.known(ctx, a, left, err)
	case broken || ctx.Err() != nil:
		v = s.unknown(ctx, a, err)
	default:
		// Nobody knows: look before anything is decided.
		if now, owner := a.read(ctx); s.seen(a, now, owner) {
			return s.known(ctx, a, now, nil)
		}
		v = s.unknown(ctx, a, err)
	}
	if broken && v.fatal == nil {
		v.ok, v.lost, v.diags = false, err, nil
	}
	return v
}

// read asks for the object anew. NilVal where there is no answer either.
func (a *attempt) read(ctx context.Context) (cty.Value, string) {
	q := providers.Query{Type: a.change.Type, Value: a.change.After}
	if a.st.Action == plan.Delete {
		q.Value = a.change.Before
	}
	res, err := a.provider.Read(ctx, []providers.Query{q})
	if err != nil || len(res) != 1 || res[0].Err != nil || res[0].Value == cty.NilVal {
		return cty.NilVal, ""
	}
	return res[0].Value, res[0].Owner
}

// seen reports whether what was read proves that the change has been made.
func (s *stepper) seen(a *attempt, now cty.Value, owner string) bool {
	switch {
	case now == cty.NilVal:
		return false
	case a.st.Action == plan.Delete:
		return now.IsNull()
	case a.st.Action == plan.Create && owner != "" && owner != s.p.Lineage:
		return false // another's, though equal
	}
	return a.like(now) && !a.setsSecret()
}

func (a *attempt) like(left cty.Value) bool {
	var normalize func(cty.Value) cty.Value
	if n, ok := a.provider.(providers.Normalizer); ok {
		normalize = func(v cty.Value) cty.Value { return n.Normalize(a.change.Type, v) }
	}
	return a.form.Like(left, a.change.After, nil, normalize)
}

// setsSecret reports whether the step sets what cannot be read back, so that
// reading proves nothing.
func (a *attempt) setsSecret() bool {
	for _, p := range a.form.WriteOnly {
		if v := recorded.At(a.change.After, p); v != cty.NilVal && !v.IsNull() {
			return true
		}
	}
	return false
}

// known records what the provider says it left behind, or what was found.
func (s *stepper) known(ctx context.Context, a *attempt, left cty.Value, err error) verdict {
	switch {
	case a.st.Action == plan.Delete && left.IsNull():
		return s.recordAfter(ctx, a, nil, err)
	case a.st.Action == plan.Delete:
		if err == nil {
			err = errors.New("the broker took the delete and still has the object")
		}
		return failed(a.st, a.secrets, err)
	case left.IsNull():
		if err == nil {
			err = errors.New("the broker took the change and then did not have the object")
		}
		if a.st.Action == plan.Create {
			return failed(a.st, a.secrets, err)
		}
		return s.recordAfter(ctx, a, nil, err)
	}
	full := observed(left, a.change.After)
	s.remember(a.st.Addr, full)
	var o *state.Object
	var e error
	if err == nil {
		o, e = s.object(a.form, a.st, full)
	} else {
		o, e = s.doubtful(a, full)
	}
	if e != nil {
		return failed(a.st, a.secrets, errors.Join(err, e))
	}
	return s.recordAfter(ctx, a, o, err)
}

// unknown is a step whose outcome nobody knows. Most deletes and updates need
// no record: the next run reads the object by what state has of it. What may have
// been created is recorded as pending, a secret that may have been set as unknown.
func (s *stepper) unknown(ctx context.Context, a *attempt, err error) verdict {
	v := failed(a.st, a.secrets, err)
	if ctx.Err() != nil {
		v.diags = nil // interrupted, which the run says once
	}
	out := state.Outcome{Addr: a.st.Addr}
	moves := a.st.Action.Updates() && a.form.Schema.Identity(a.change.Before) != a.form.Schema.Identity(a.change.After)
	var e error
	switch {
	case a.st.Action == plan.Create || moves:
		out.Pending = true
		out.Object, e = s.doubtful(a, a.change.After)
	case a.st.Action.Updates() && !a.change.Before.IsNull() && a.setsSecret():
		out.Object, e = s.doubtful(a, a.change.Before)
	default:
		return v
	}
	if e != nil {
		v.diags = append(v.diags, diag.At(e, a.st.Decl)...)
		return v
	}
	v.outcome, v.fatal = s.write(ctx, out)
	return v
}

// doubtful is the recorded form of an object of which nobody knows whether its
// secrets are the wanted ones: they will be set again.
func (s *stepper) doubtful(a *attempt, v cty.Value) (*state.Object, error) {
	o, err := s.plain(a.form, a.st, v)
	if err != nil {
		return nil, err
	}
	o.Hashes = map[string]string{}
	for _, p := range a.form.WriteOnly {
		path := diag.FormatPath(p)
		if at := recorded.At(a.change.After, p); at != cty.NilVal && !at.IsNull() {
			o.Hashes[path] = unknownHash
		} else if h := a.st.Record.Hashes[path]; h != "" {
			o.Hashes[path] = h
		}
	}
	return o, nil
}

// observed is what is known of an object: what the broker shows, and what was
// written where it does not show that.
func observed(left, written cty.Value) cty.Value {
	if written.IsNull() || left.IsWhollyKnown() {
		return left
	}
	if !left.IsKnown() {
		return written
	}
	if left.IsNull() || !left.Type().IsObjectType() || !written.IsKnown() {
		return left
	}
	m := left.AsValueMap()
	for name, v := range m {
		m[name] = observed(v, written.GetAttr(name))
	}
	return cty.ObjectVal(m)
}

func failed(st *plan.Step, secrets []cty.Value, err error) verdict {
	if err == nil {
		err = errors.New("nobody knows what became of it")
	}
	return verdict{diags: describe(st, secrets, fmt.Errorf("%s: %w", st.Addr, err))}
}
