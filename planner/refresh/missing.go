package refresh

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
)

// missing reports what wanted objects need, is not there and is not declared:
// a vhost that nobody makes. One diagnostic each, at the first declaration that
// needs it: all the others would say the same. What is only recorded is then
// simply absent.
func missing(r *Request, batches []*batch) hcl.Diagnostics {
	type lack struct {
		provider addr.Provider
		need     providers.Need
	}
	first := map[lack]slot{}
	var order []lack
	for _, b := range batches {
		for i, res := range b.results {
			l, s := lack{b.provider, res.Needs}, b.slots[i]
			if res.Needs == (providers.Need{}) || !s.wanted {
				continue
			}
			old, seen := first[l]
			if !seen {
				order = append(order, l)
			}
			if !seen || earlier(s.decl, old.decl) {
				first[l] = s
			}
		}
	}
	var diags hcl.Diagnostics
	for _, l := range order {
		known := declared(r, l.need.Type)
		if slices.Contains(known, l.need.Name) {
			continue
		}
		diags = append(diags, diag.Error(first[l].decl, "Missing "+l.need.Type, fmt.Sprintf(
			"%s is to be in the %s %q of %s, which does not exist, as far as this login can see, and which nothing here declares. "+
				"Declare it with a block `%[2]s %[3]q {}`, so that it is made first, or have it made; or correct the name, which is that of the broker's URL where a block has none.%[5]s",
			first[l].addr, l.need.Type, l.need.Name, l.provider, diag.DidYouMean(l.need.Name, known))))
	}
	return diags
}

func earlier(a, b hcl.Range) bool {
	if a.Filename != b.Filename {
		return a.Filename < b.Filename
	}
	return a.Start.Byte < b.Start.Byte || a.Start.Byte == b.Start.Byte && a.Start.Line < b.Start.Line
}

// declared are the names of a type's objects of all broker blocks: two may lead to
// one broker.
func declared(r *Request, typ string) []string {
	var names []string
	for i := range r.Want {
		o := &r.Want[i]
		if name := attr.Text(o.Value, "name"); o.Type == typ && name != "" {
			names = append(names, name)
		}
	}
	return names
}
