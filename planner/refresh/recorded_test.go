package refresh_test

import (
	"context"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/refresh"
	"github.com/msgflo/msgflo/providers"
)

// asked is a provider that keeps the questions.
type asked struct {
	providers.Provider
	queries []providers.Query
}

func (a *asked) Read(ctx context.Context, qs []providers.Query) ([]providers.Result, error) {
	a.queries = append(a.queries, qs...)
	return a.Provider.Read(ctx, qs)
}

// A question tells what is recorded: of what is wanted, too, where state has
// facts that nobody can want (a widget's id), and of the object that had the address.
func TestQueryRecorded(t *testing.T) {
	b := newBench(t)
	b.want(provA, at("widget", "both"), attrs{"name": str("both")})
	b.record(provA, at("widget", "both"), attrs{"name": str("both"), "id": str("w-7")})
	b.want(provA, at("widget", "new"), attrs{"name": str("new")})
	b.record(provA, at("widget", "old"), attrs{"name": str("old"), "id": str("w-8")})
	b.want(provA, at("widget", "renamed"), attrs{"name": str("after")})
	b.record(provA, at("widget", "renamed"), attrs{"name": str("before"), "id": str("w-9")})
	var a *asked
	open := b.req.Open
	b.req.Open = func(p addr.Provider) (providers.Provider, error) {
		pr, err := open(p)
		a = &asked{Provider: pr}
		return a, err
	}
	if _, diags := refresh.Live(context.Background(), b.req); diags.HasErrors() {
		t.Fatal(diags)
	}
	want := map[string]string{"both": "w-7", "new": "", "old": "w-8", "before": "w-9", "after": ""}
	for _, q := range a.queries {
		name, id := q.Value.GetAttr("name").AsString(), ""
		if q.Recorded != cty.NilVal {
			id = q.Recorded.GetAttr("id").AsString()
		}
		if id != want[name] {
			t.Errorf("%s: recorded id %q, want %q", name, id, want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("not asked: %v", want)
	}
}

// A launcher may well be empty while state remembers what ran on it: `msgflo
// down` stops all of it, and apply starts it again.
func TestEmptyLauncher(t *testing.T) {
	for _, launcher := range []bool{false, true} {
		b := newBench(t)
		for _, n := range []string{"a", "b", "c", "d", "e", "f"} {
			b.want(provA, at("widget", n), attrs{"name": str(n)})
			b.record(provA, at("widget", n), attrs{"name": str(n)})
		}
		b.req.Types[provA].Launcher = launcher
		if _, diags := refresh.Live(context.Background(), b.req); diags.HasErrors() == launcher {
			t.Errorf("launcher %v: %v", launcher, diags)
		}
	}
}
