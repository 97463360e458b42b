package mqtt

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/access"
	"github.com/msgflo/msgflo/providers/attr"
	"github.com/msgflo/msgflo/providers/mqtt/router/routes"
)

// seen is what the last read found, for Warnings and Lint.
type seen struct {
	mu     sync.Mutex
	view   *view
	asked  bool     // about routes
	coming []string // routes that are asked about and not there: wanted ones, as a rule
}

func (s *seen) note(v *view, queries []providers.Query, results []providers.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view, s.asked, s.coming = v, false, nil
	for i, q := range queries {
		if q.Type != typeRoute {
			continue
		}
		s.asked = true
		if results[i].Value.IsNull() {
			s.coming = append(s.coming, fmt.Sprintf("%q", attr.Text(q.Value, "from")+arrow+attr.Text(q.Value, "to")))
		}
	}
	slices.Sort(s.coming)
}

func (s *seen) others() ([]routes.Hop, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view == nil {
		return nil, false
	}
	return s.view.others, s.view.dots
}

// Warnings says what of the promises of routes cannot be kept or checked here.
// What is true of all routes is said in the plan that makes some, not for ever after.
func (p *provider) Warnings() hcl.Diagnostics {
	s := &p.seen
	s.mu.Lock()
	defer s.mu.Unlock()
	where := p.settings.where()
	diags := access.TLSWarnings(p.settings.tls, where)
	warn := func(summary, format string, args ...any) {
		diags = append(diags, diag.Warning(hcl.Range{}, summary, fmt.Sprintf(format, args...)))
	}
	if s.view == nil || !s.asked {
		return diags
	}
	for _, err := range s.view.broken {
		warn("Routes of another configuration cannot be read", "On the broker at %s, %s. Loops through those routes are not found.", where, err)
	}
	if s.view.dots {
		warn("Routes of other configurations cannot be seen", "The broker at %s is RabbitMQ's MQTT plugin, which hands out retained messages by their exact topic only: "+
			"loops through routes of other configurations, and routes that they carry already, are not found. A . in a topic is a / to it.", where)
	}
	// An embedded broker is in one process with the router: neither is away alone.
	if len(s.coming) > 0 && !p.settings.embedded {
		warn("What routes promise", "%s on the broker at %s: no message is lost that the broker has queued for the router. It queues none that was published with QoS 0, "+
			"and while the router is away it queues only so many: no client can read that limit (Mosquitto: max_queued_messages, 1000 unless it is set). "+
			"To lose nothing, let participants publish with QoS 1, and set the limit above what comes while the agent is down.", listed(s.coming), where)
	}
	if v := s.view; v.own != nil && len(v.own.Routes) > 0 && !v.there {
		warn("No router", "%d routes are written down on the broker at %s, and no router of this configuration announces itself there: nothing is forwarded. "+
			"The agent is the router: it is started by apply, or by hand with `msgflo agent`.", len(v.own.Routes), where)
	}
	return diags
}

func listed(names []string) string {
	const most = 3
	if len(names) == 1 {
		return "The route " + names[0]
	}
	if len(names) <= most {
		return "The routes " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("The routes %s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
