package rabbitmq

import (
	"fmt"
	"sync"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/access"
	"github.com/msgflo/msgflo/providers/attr"
)

// seen collects, over all reads, what a person should hear once.
type seen struct {
	mu          sync.Mutex
	withoutAPI  bool
	version     *version.Version
	deprecated  map[string][]string // what, and which objects
	unsupported map[string][]string
}

func (s *seen) passive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.withoutAPI = true
}

// note looks at what is wanted of queues for what this broker's version
// refuses, ignores or is about to give up.
func (s *seen) note(queries []providers.Query, v *version.Version) {
	if v == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = v
	for _, q := range queries {
		if q.Type == typeQueue {
			s.noteQueue(q.Value, v)
		}
	}
}

func (s *seen) noteQueue(q cty.Value, v *version.Version) {
	add := func(to *map[string][]string, what string) {
		if *to == nil {
			*to = map[string][]string{}
		}
		(*to)[what] = append((*to)[what], quote(attr.Text(q, "name")))
	}
	if !attr.Bool(q, "durable", true) && !before(v, "4.0") {
		add(&s.deprecated, "queues that are not durable and not exclusive, which RabbitMQ 4.3 refuses by default")
	}
	args := attr.Of(q, "arguments")
	if !attr.Given(args) {
		return
	}
	known := queueArguments()
	each(args, func(name string, val cty.Value) {
		a := find(known, name)
		switch {
		case a == nil:
		case a.since != "" && before(v, a.since):
			add(&s.unsupported, fmt.Sprintf("the argument %s, which RabbitMQ has from %s on and this one ignores", name, a.since))
		case a.until != "" && !before(v, a.until):
			add(&s.unsupported, fmt.Sprintf("the argument %s, which RabbitMQ refuses from %s on", name, a.until))
		case a.until != "" && !before(v, "4.0"):
			add(&s.deprecated, fmt.Sprintf("the argument %s, which RabbitMQ refuses from %s on", name, a.until))
		}
	})
}

func (s *seen) warnings(b *settingsOfBroker) hcl.Diagnostics {
	s.mu.Lock()
	defer s.mu.Unlock()
	where := b.url.address()
	diags := access.TLSWarnings(b.tls, where)
	if s.withoutAPI {
		diags = append(diags, diag.Warning(hcl.Range{}, "Without a management API",
			fmt.Sprintf("The broker block of %s says management = \"none\", so the live topology cannot be read. Over AMQP this run can see whether a queue or an exchange exists, and no more: "+
				"not its arguments, no binding, no policy, no user. A difference in those is found only when the broker refuses a declare, and drift in them not at all.", where)))
	}
	for _, what := range sortedKeys(s.unsupported) {
		diags = append(diags, diag.Warning(hcl.Range{}, "Not for this version of RabbitMQ",
			fmt.Sprintf("The broker at %s is RabbitMQ %s. Wanted is %s: queue %s.", where, s.version, what, listed(s.unsupported[what]))))
	}
	for _, what := range sortedKeys(s.deprecated) {
		diags = append(diags, diag.Warning(hcl.Range{}, "Deprecated in RabbitMQ",
			fmt.Sprintf("The broker at %s is RabbitMQ %s. Wanted is %s: queue %s.", where, s.version, what, listed(s.deprecated[what]))))
	}
	return diags
}
