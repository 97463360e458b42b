package workspace

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// unmanaged lists what is on the brokers and neither declared nor recorded.
func (s *Session) unmanaged(ctx context.Context, p *Planned) ([]providers.Object, hcl.Diagnostics) {
	ours := s.identities(p)
	var out []providers.Object
	var diags hcl.Diagnostics
	for _, a := range sortedProviders(p.Desired.Providers) {
		pr, err := s.pool.Open(a)
		if err != nil {
			diags = append(diags, diag.At(err, s.pool.decl(a))...)
			continue
		}
		l, ok := pr.(providers.Lister)
		if !ok {
			diags = append(diags, diag.Warning(s.pool.decl(a), "Unmanaged objects unknown",
				fmt.Sprintf("%s cannot list what is on it, so -unmanaged shows nothing of it.", a)))
			continue
		}
		objs, err := l.List(ctx, "", "")
		if err != nil {
			diags = append(diags, diag.At(err, s.pool.decl(a))...)
			continue
		}
		for _, o := range objs {
			sch := p.Types[a].Resources[o.Type]
			if sch == nil || ours[identity{a, o.Type, sch.Identity(o.Value)}] {
				continue
			}
			o.Provider = a
			out = append(out, o)
		}
	}
	return out, diags
}

type identity struct {
	provider addr.Provider
	typ, id  string
}

// identities names every live object that is wanted or recorded.
func (s *Session) identities(p *Planned) map[identity]bool {
	m := map[identity]bool{}
	for i := range p.Desired.Objects {
		o := &p.Desired.Objects[i]
		if sch := p.Types[o.Provider].Resources[o.Type]; sch != nil {
			m[identity{o.Provider, o.Type, sch.Identity(o.Value)}] = true
		}
	}
	read := newReader(s.snap, s.w.Types())
	for i := range s.snap.Objects {
		o := &s.snap.Objects[i]
		if v, sch := read.decode(o); v != cty.NilVal {
			m[identity{o.Provider, o.Addr.Type, sch.Identity(v)}] = true
		}
	}
	return m
}
