package refresh_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/refresh"
	"github.com/msgflo/msgflo/providers"
)

// needy answers as a broker that has no vhost: every object in it is absent,
// and says what it needs. Its errors come instead where fail is set.
type needy struct {
	providers.Provider
	needs providers.Need
	fail  error
}

func (n needy) Read(ctx context.Context, queries []providers.Query) ([]providers.Result, error) {
	rs, err := n.Provider.Read(ctx, queries)
	for i := range rs {
		if queries[i].Type == "queue" {
			rs[i].Needs, rs[i].Err = n.needs, n.fail
		}
	}
	return rs, err
}

func (b *bench) needy(needs providers.Need, fail error) {
	open := b.req.Open
	b.req.Open = func(p addr.Provider) (providers.Provider, error) {
		x, err := open(p)
		return needy{x, needs, fail}, err
	}
}

func summaries(diags hcl.Diagnostics) (out []string) {
	for _, d := range diags {
		where := ""
		if d.Subject != nil {
			where = fmt.Sprintf(" at %s:%d", d.Subject.Filename, d.Subject.Start.Line)
		}
		out = append(out, d.Summary+where)
	}
	return out
}

func TestMissingVhost(t *testing.T) {
	eu := providers.Need{Type: "vhost", Name: "eu"}
	for _, c := range []struct {
		name    string
		prepare func(*bench)
		want    []string
	}{
		{"one for all", func(b *bench) {
			b.want(provA, at("exchange", "x"), attrs{"name": str("x")})
			b.want(provA, at("queue", "q"), attrs{"name": str("q")})
			b.want(provA, at("queue", "r"), attrs{"name": str("r")})
		}, []string{"Missing vhost at main.flo.hcl:2"}},
		{"one a broker", func(b *bench) {
			b.want(provA, at("queue", "q"), attrs{"name": str("q")})
			b.want(provB, at("queue", "r"), attrs{"name": str("r")})
		}, []string{"Missing vhost at main.flo.hcl:1", "Missing vhost at main.flo.hcl:2"}},
		{"declared in another block", func(b *bench) {
			b.want(provA, at("queue", "q"), attrs{"name": str("q")})
			b.want(provB, at("vhost", "eu"), attrs{"name": str("eu")})
		}, nil},
		{"nearly declared", func(b *bench) {
			b.want(provA, at("queue", "q"), attrs{"name": str("q")})
			b.want(provA, at("vhost", "ue"), attrs{"name": str("ue")})
		}, []string{"Missing vhost at main.flo.hcl:1"}},
		{"only recorded", func(b *bench) { b.record(provA, at("queue", "q"), attrs{"name": str("q")}) }, nil},
		{"taking note", func(b *bench) {
			b.req.NoteOnly, b.req.AcceptEmpty = true, true
			b.want(provA, at("queue", "q"), attrs{"name": str("q")})
			b.record(provA, at("queue", "q"), attrs{"name": str("q")})
		}, nil},
		{"not twice where all is gone with it", func(b *bench) {
			for i := range 9 {
				name := fmt.Sprint("q", i)
				b.want(provA, at("queue", name), attrs{"name": str(name)})
				b.record(provA, at("queue", name), attrs{"name": str(name)})
			}
		}, []string{"Missing vhost at main.flo.hcl:1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			c.prepare(b)
			b.needy(eu, nil)
			_, diags := refresh.Live(context.Background(), b.req)
			if got := summaries(diags); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			for _, d := range diags {
				if !strings.Contains(d.Detail, `vhost "eu"`) {
					t.Errorf("it does not name the vhost: %s", d.Detail)
				}
				if near := strings.Contains(d.Detail, `Did you mean "ue"?`); near != (c.name == "nearly declared") {
					t.Errorf("the nearest name: %s", d.Detail)
				}
			}
		})
	}
}

// TestFailuresAlike: what fails alike for many objects is said once.
func TestFailuresAlike(t *testing.T) {
	b := newBench(t)
	for i := range 20 {
		b.want(provA, at("queue", fmt.Sprint("q", i)), attrs{"name": str(fmt.Sprint("q", i))})
	}
	b.needy(providers.Need{}, errors.New("you may not look in there"))
	_, diags := refresh.Live(context.Background(), b.req)
	if len(diags) != 1 || !strings.Contains(diags[0].Detail, "queue.q0 and 19 more objects: you may not look in there") {
		t.Errorf("got %v", diags)
	}
}
