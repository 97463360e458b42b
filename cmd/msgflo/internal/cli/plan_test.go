package cli

import (
	"strings"
	"testing"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
)

// TestNeedConsent: one error for all that would lose something, however many.
func TestNeedConsent(t *testing.T) {
	p := &plan.Plan{}
	for n, want := range []string{
		"",
		"at queue.jobs[0]. Nothing was changed and no plan was saved. If that loss is meant, give -allow-message-loss='queue.jobs[0]'; -auto",
		"at queue.jobs[0], queue.jobs[1]. Nothing was changed and no plan was saved. If that loss is meant, give -allow-message-loss='queue.jobs[0]' for each of the 2; -auto",
	} {
		check(t, p, want)
		p.Steps = append(p.Steps, plan.Step{Addr: addr.Instance{Type: "queue", Name: "jobs", Key: addr.IntKey(n)}, Action: plan.Delete, Risk: &plan.Risk{Ready: 1}})
	}
	for range 20 {
		p.Steps = append(p.Steps, p.Steps[2])
	}
	check(t, p, "queue.jobs[2] and 13 more. Nothing")
}

func check(t *testing.T, p *plan.Plan, want string) {
	t.Helper()
	diags := needConsent(p)
	if want == "" && len(diags) == 0 {
		return
	}
	if len(diags) != 1 || !strings.Contains(diags[0].Detail, want) {
		t.Errorf("got %v, want %q", diags, want)
	}
}
