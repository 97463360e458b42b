package desired

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers/attr"
)

const (
	serverType = "server"
	routerType = "router"
	routeType  = "route"
)

// A host is what the agent runs for a broker, not for any of its participants.
type host struct {
	server *instance // the broker itself; nil where it is elsewhere
	router *instance // carries its routes; nil where it has none
}

// hosts makes what the agent runs for brokers, and relates what is on them to
// it. Everything on an embedded broker is absent while that is, so it is within
// it; what only connects to it comes after it. Routes are done when a router says that it
// carries them, so they come after it.
func (e *evaluator) hosts(all []*instance) []*instance {
	on := e.hostsOf(all)
	if len(on) == 0 {
		return nil
	}
	for _, i := range all {
		b := i.clients()
		h := on[b]
		if h == nil || i.object == nil {
			continue
		}
		if i.lowered == nil {
			i.lowered = &lowered{}
		}
		l := i.lowered
		switch {
		case h.server != nil && i.broker == b:
			l.within = append(slices.Clip(l.within), h.server.addr)
		case h.server != nil:
			l.after = append(slices.Clip(l.after), h.server.addr)
		}
		if h.router != nil && i.broker == b && i.addr.Type == routeType {
			l.after = append(slices.Clip(l.after), h.router.addr)
		}
	}
	var out []*instance
	for _, name := range sortedKeys(e.brokers) {
		if h := on[e.brokers[name]]; h != nil {
			if h.server != nil && h.router != nil {
				h.router.lowered.after = []addr.Instance{h.server.addr}
			}
			for _, i := range []*instance{h.server, h.router} {
				if i != nil {
					out = append(out, i)
				}
			}
		}
	}
	return out
}

// clients is the broker that an instance is on or, held by a launcher, is for.
func (i *instance) clients() *broker {
	if i.lowered != nil && i.lowered.serves != nil {
		return i.lowered.serves
	}
	return i.broker
}

func (e *evaluator) hostsOf(all []*instance) map[*broker]*host {
	routed := map[*broker]bool{}
	for _, i := range all {
		if i.addr.Type == routeType && i.object != nil {
			routed[i.broker] = true
		}
	}
	out := map[*broker]*host{}
	for _, name := range sortedKeys(e.brokers) {
		b := e.brokers[name]
		if b.failed || b.passed {
			continue
		}
		h := &host{}
		if v := b.setting(embeddedBlock); v != cty.NilVal && !isNull(v) {
			h.server = e.serverOf(b)
		}
		if routed[b] {
			h.router = e.routerOf(b)
		}
		if h.server != nil || h.router != nil {
			out[b] = h
		}
	}
	e.sameAddress(out)
	return out
}

// sameAddress reports two servers that would listen at one address: both are
// this machine's.
func (e *evaluator) sameAddress(on map[*broker]*host) {
	taken := map[string]*broker{}
	for _, name := range sortedKeys(e.brokers) {
		b := e.brokers[name]
		h := on[b]
		if h == nil || h.server == nil {
			continue
		}
		for _, setting := range []string{"listen", "websocket"} {
			addr := attr.Text(h.server.object.Value, setting)
			if addr == "" {
				continue
			}
			if o := taken[addr]; o != nil && o != b {
				e.errorf(b.decl(), "Address taken twice", "The servers of %s and %s would both listen at %s. Write another %s in the block embedded of one of them.",
					o.addr, b.addr, diag.Escape(addr), setting)
			}
			taken[addr] = b
		}
	}
}

// serverOf makes the broker that the agent hosts.
func (e *evaluator) serverOf(b *broker) *instance {
	return e.hostedBy(b, serverType, b.setting(embeddedBlock).AsValueMap())
}

// routerOf makes the router of a broker's routes.
func (e *evaluator) routerOf(b *broker) *instance {
	link, ok := e.agentURL(b)
	if !ok {
		return nil
	}
	return e.hostedBy(b, routerType, map[string]cty.Value{"url": cty.StringVal(link)})
}

// hostedBy makes an object that the agent of this machine holds for a broker.
func (e *evaluator) hostedBy(b *broker, typ string, attrs map[string]cty.Value) *instance {
	on := e.hostLauncher(b, typ)
	if on == nil {
		return nil
	}
	schema := on.typ.Resources[typ]
	if schema == nil {
		e.errorf(b.decl(), "Not available there", "%s needs a %s, which %s has not.", b.addr, typ, on.addr)
		return nil
	}
	attrs["broker"] = cty.StringVal(b.addr.Name)
	i := e.newDerived(nil, addr.Instance{Owner: b.addr.String(), Type: typ}, &on.broker, e.info(schema), b.decl())
	i.lowered.serves = b
	if !e.fill(i, attrs, nil) {
		return nil
	}
	return i
}

// hostLauncher is where what a broker needs runs: this machine. A broker block
// says nothing of launchers, so where several are written it is the one called here, else the first.
func (e *evaluator) hostLauncher(b *broker, what string) *launcher {
	name := "local.here"
	if e.launchers[name] == nil {
		name = ""
		for _, n := range sortedKeys(e.launchers) {
			if e.launchers[n].typ.Resources[what] != nil {
				name = n
				break
			}
		}
	}
	l := e.launchers[name]
	if l == nil {
		e.errorf(b.decl(), "No launcher", "%s needs a %s that the agent of this machine runs, and this msgflo has no launcher for this machine.", b.addr, what)
		return nil
	}
	if !e.evalLauncher(l) || l.failed {
		return nil
	}
	l.used = true
	return l
}
