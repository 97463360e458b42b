package mqtt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
)

// lint finds routes that lead back to themselves by wanted routes alone.
// (One that does by itself is reported at its target.)
func lint(want, _ []providers.Object) hcl.Diagnostics {
	return lintLoops(want, nil, false, "")
}

// Lint implements providers.Linter: loops through routes of other lineages, as
// they were at the last Read.
func (p *provider) Lint(want []providers.Object) hcl.Diagnostics {
	others, dots := p.seen.others()
	return lintLoops(want, others, dots, p.lineage)
}

// lintLoops reports loops of wanted routes and others'. With others, or where
// dots are slashes, loops that are seen without them were reported before.
func lintLoops(want []providers.Object, others []routes.Hop, dots bool, lineage string) hcl.Diagnostics {
	hops, at := wantedHops(want, lineage)
	var known [][]routes.Hop
	if len(others) > 0 || dots {
		known = routes.Loops(hops, false)
		// One loop hides others of the same routes: those are told when it is gone.
		if len(known) > 0 {
			return nil
		}
	} else if lineage != "" {
		return nil
	}
	var diags hcl.Diagnostics
	for _, loop := range routes.Loops(append(hops, others...), dots) {
		i := slices.IndexFunc(loop, func(h routes.Hop) bool { _, ours := at[h]; return ours })
		if i < 0 || len(loop) == 1 && !dots && loop[0].Lineage == lineage {
			continue
		}
		loop = append(slices.Clone(loop[i:]), loop[:i]...)
		diags = append(diags, diag.Error(at[loop[0]], "Routes in a circle", diag.Sentence("These "+loopText(loop, lineage))))
	}
	return diags
}

func wantedHops(want []providers.Object, lineage string) ([]routes.Hop, map[routes.Hop]hcl.Range) {
	var hops []routes.Hop
	at := map[routes.Hop]hcl.Range{}
	for _, o := range want {
		if o.Type != typeRoute || !attr.Given(attr.Of(o.Value, "from")) || !attr.Given(attr.Of(o.Value, "to")) {
			continue
		}
		h := routes.Hop{Route: routeOf(o.Value), Lineage: lineage}
		hops = append(hops, h)
		at[h] = o.Decl
	}
	return hops, at
}

// loopText says which way a message would go.
func loopText(loop []routes.Hop, lineage string) string {
	var way []string
	for _, h := range loop {
		step := fmt.Sprintf("%q to %q", h.From, h.To)
		if h.Lineage != lineage {
			step += fmt.Sprintf(" (of another configuration, with the lineage %q)", h.Lineage)
		}
		way = append(way, step)
	}
	return "routes lead back to where they begin, so that a message would go round for ever: " + strings.Join(way, ", then ") + ". Give one of them another topic"
}
