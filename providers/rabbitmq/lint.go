package rabbitmq

import (
	"fmt"
	"time"

	"github.com/dlclark/regexp2"
	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
)

// matchTimeout bounds one match: Perl-compatible patterns can take for ever.
const matchTimeout = 100 * time.Millisecond

// lint finds what only several objects together can get wrong: two policies of
// one priority that match one object, of which RabbitMQ silently applies one.
func lint(want, live []providers.Object) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, typ := range []string{typePolicy, typeOpPolicy} {
		diags = append(diags, lintPolicies(typ, want, live)...)
	}
	return diags
}

type rival struct {
	name, vhost, applyTo, pattern string
	priority                      int64
	re                            *regexp2.Regexp
	object                        providers.Object
	wanted                        bool
}

type rank struct {
	vhost    string
	priority int64
}

func lintPolicies(typ string, want, live []providers.Object) hcl.Diagnostics {
	ranks := rivals(typ, want, live)
	if len(ranks) == 0 {
		return nil
	}
	var diags hcl.Diagnostics
	type pair struct{ a, b *rival }
	reported := map[pair]bool{}
	for _, o := range want {
		if o.Type != typeQueue && o.Type != typeExchange {
			continue
		}
		for r, policies := range ranks {
			if r.vhost != attr.Text(o.Value, "vhost") {
				continue
			}
			var first *rival
			for _, p := range policies {
				if !p.applies(o) {
					continue
				}
				if first == nil {
					first = p
					continue
				}
				if k := (pair{first, p}); !reported[k] {
					reported[k] = true
					diags = append(diags, clash(typ, first, p, o))
				}
			}
		}
	}
	return diags
}

// rivals groups policies that have a rival: same vhost, same priority.
func rivals(typ string, want, live []providers.Object) map[rank][]*rival {
	all := map[rank][]*rival{}
	names := map[[2]string]bool{}
	add := func(o providers.Object, wanted bool) {
		if o.Type != typ || !attr.Given(o.Value) {
			return
		}
		n, _ := intAttr(o.Value, "priority")
		p := &rival{name: attr.Text(o.Value, "name"), vhost: attr.Text(o.Value, "vhost"), applyTo: attr.Text(o.Value, "apply_to"),
			pattern: attr.Text(o.Value, "pattern"), priority: n, object: o, wanted: wanted}
		if names[[2]string{p.vhost, p.name}] {
			return // the live form of one that is wanted
		}
		names[[2]string{p.vhost, p.name}] = true
		re, err := compile(p.pattern)
		if err != nil {
			return // reported at the attribute
		}
		p.re = re
		all[rank{p.vhost, n}] = append(all[rank{p.vhost, n}], p)
	}
	for _, o := range want {
		add(o, true)
	}
	for _, o := range live {
		add(o, false)
	}
	for r, ps := range all {
		wanted := 0
		for _, p := range ps {
			if p.wanted {
				wanted++
			}
		}
		if len(ps) < 2 || wanted == 0 {
			delete(all, r)
		}
	}
	return all
}

// applies says whether a policy is for the object. A pattern too slow to tell
// does not count.
func (p *rival) applies(o providers.Object) bool {
	switch p.applyTo {
	case "exchanges":
		if o.Type != typeExchange {
			return false
		}
	case "queues":
		if o.Type != typeQueue {
			return false
		}
	case "classic_queues", "quorum_queues", "streams":
		of := map[string]string{"classic_queues": classic, "quorum_queues": quorum, "streams": stream}[p.applyTo]
		if o.Type != typeQueue || queueType(o.Value) != of {
			return false
		}
	}
	ok, err := p.re.MatchString(attr.Text(o.Value, "name"))
	return ok && err == nil
}

func clash(typ string, a, b *rival, o providers.Object) *hcl.Diagnostic {
	at, other := b, a
	if !at.wanted {
		at, other = a, b
	}
	kind := "policy"
	if typ == typeOpPolicy {
		kind = "operator policy"
	}
	where := ""
	if !other.wanted {
		where = " (which is on the broker and not managed here)"
	}
	return diag.Error(at.object.Decl, "Two policies of one priority", fmt.Sprintf(
		"%s %s and %s%s both have priority %d and match %s. RabbitMQ applies one policy to an object, and of two with the same priority it takes either. "+
			"Give one of them a higher priority, and repeat in it what it should keep of the other.",
		kind, quote(at.name), quote(other.name), where, at.priority, describe(o.Type, o.Value)))
}
