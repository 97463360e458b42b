package workspace

import (
	"context"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner"
	"github.com/msgflo/msgflo/planner/refresh"
	"github.com/msgflo/msgflo/state"
)

const (
	quietPause  = 200 * time.Millisecond
	quietRounds = 50
)

// read reads the live objects. A run that was killed may have left requests on
// their way that its broker still works off; so after such a run the brokers
// are read until two answers in a row are the same, and only then for good.
func (s *Session) read(ctx context.Context, r refresh.Request) (map[addr.Instance]planner.Live, hcl.Diagnostics) {
	if s.Interrupted() {
		if diags := awaitQuiet(ctx, r); diags.HasErrors() {
			return nil, diags
		}
	}
	return refresh.Live(ctx, r)
}

func awaitQuiet(ctx context.Context, r refresh.Request) hcl.Diagnostics {
	recorded := *r.Prior
	var before map[addr.Instance]planner.Live
	for range quietRounds {
		// Refresh settles what is pending; that is for the last look alone.
		trial := recorded
		trial.Objects = append([]state.Object(nil), recorded.Objects...)
		trial.Pending = append([]state.Object(nil), recorded.Pending...)
		r.Prior = &trial
		now, diags := refresh.Live(ctx, r)
		if diags.HasErrors() || before != nil && sameLive(before, now) {
			return diags
		}
		before = now
		select {
		case <-ctx.Done():
			return nil // the read that follows says so
		case <-time.After(quietPause):
		}
	}
	return nil
}

func sameLive(a, b map[addr.Instance]planner.Live) bool {
	if len(a) != len(b) {
		return false
	}
	for at, x := range a {
		y, ok := b[at]
		if !ok || !sameValue(x.Value, y.Value) || (x.Next == nil) != (y.Next == nil) {
			return false
		}
		if x.Next != nil && !sameValue(x.Next.Value, y.Next.Value) {
			return false
		}
	}
	return true
}

func sameValue(a, b cty.Value) bool {
	if a == cty.NilVal || b == cty.NilVal {
		return a == b
	}
	return a.RawEquals(b)
}
