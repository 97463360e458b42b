package flow

import (
	"github.com/zclconf/go-cty/cty"
)

const (
	fbp           = "fbp"        // the queue of announcements (§1.1)
	announcements = "msgflo.fbp" // the exchange where who listens gets each of them
)

// discovery makes the queue that participants announce themselves through,
// before any of them runs: on a broker without it the first announcement is lost.
// It must stay without arguments, so a policy moves what nobody consumes to an
// exchange, where it cannot pile up, and where there can be many listeners: a
// queue's messages go to one consumer each. All three belong to everybody on the
// broker, so they are the same for all: nothing of other policies is merged.
func (l *lowering) discovery() {
	if len(l.parties) == 0 {
		return
	}
	first := l.parties[0]
	for _, p := range l.parties[1:] {
		if compareRanges(p.Decl, first.Decl) < 0 {
			first = p
		}
	}
	c := func(key string) *claim {
		return &claim{owner: ownerKey{owner: l.Broker.Addr.String()}, key: key, by: "discovery", decl: first.Decl}
	}
	exchange := l.declare(place{typeExchange, announcements}, declaration{kind: fanout, durable: true}, c(announcements))
	own := c(fbp)
	own.client = "nodejs" // and with Rust: both declare it before every announcement
	queue := l.declare(place{typeQueue, fbp}, declaration{durable: true}, own)
	policy := l.discoveryPolicy(c(fbp))
	if policy != nil && policy.made != nil {
		policy.made.after(exchange)
		policy.made.Shared = true
	}
	if queue.made != nil {
		queue.made.after(exchange, policy)
		queue.made.Shared = true
	}
	if exchange.made != nil {
		exchange.made.Shared = true
	}
	for _, p := range l.parties {
		p.relations.after(exchange, policy, queue)
	}
}

func (l *lowering) discoveryPolicy(c *claim) *thing {
	priority := int64(ownPriority)
	if d := l.policyOf(announcements); d != nil {
		l.errorf(d.Decl, "Two policies of one name", "%s has the name of the policy that keeps announcements from piling up in the queue fbp. Give it another name.", d.Addr)
		return nil
	}
	if top := l.ruling(fbp); top != nil {
		priority = max(priority, top.priority+1)
	}
	return l.policy(announcements, "^"+fbp+"$", priority, map[string]cty.Value{
		"message-ttl": cty.Zero, deadLetterKey: cty.StringVal(announcements)}, c)
}
