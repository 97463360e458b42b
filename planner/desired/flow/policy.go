package flow

import (
	"cmp"
	"regexp"

	"github.com/dlclark/regexp2"
	"github.com/zclconf/go-cty/cty"
)

// ownPriority is that of our policies where nothing declared asks for more: RabbitMQ
// applies only the policy of highest priority, and most are left at 0.
const ownPriority = 1000

const deadLetterKey = "dead-letter-exchange"

// matchTimeout bounds one match, in nanoseconds: Perl-compatible patterns can
// take for ever.
const matchTimeout = 100_000_000

// A rule is a declared policy.
type rule struct {
	*Declared
	thing    *thing
	re       *regexp2.Regexp
	applyTo  string
	priority int64
}

// indexPolicies compiles the patterns of declared policies. One that does not
// compile is reported at its attribute, not here.
func (l *lowering) indexPolicies() {
	for _, d := range l.declared.policies {
		re, err := regexp2.Compile(text(d.Value, "pattern"), regexp2.None)
		if err != nil {
			continue
		}
		re.MatchTimeout = matchTimeout
		r := &rule{Declared: d, thing: &thing{at: d.Addr}, re: re, applyTo: text(d.Value, "apply_to")}
		if n := attr(d.Value, "priority"); written(n) && n.IsKnown() && n.Type() == cty.Number {
			r.priority, _ = n.AsBigFloat().Int64()
		}
		l.policies = append(l.policies, r)
	}
}

// applies reports whether a policy is for the queue of a name and type.
func (r *rule) applies(name, queueType string) bool {
	switch r.applyTo {
	case "", "all", "queues":
	case "classic_queues", "quorum_queues":
		if r.applyTo != queueType+"_queues" {
			return false
		}
	default:
		return false
	}
	ok, err := r.re.MatchString(name)
	return ok && err == nil
}

// ruling is the declared policy that RabbitMQ would apply to a queue, nil for
// none: the one of highest priority.
func (l *lowering) ruling(queue string) *rule {
	typ := classic
	if d := l.declared.things[place{typeQueue, queue}]; d != nil {
		typ = d.queueType
	}
	var top *rule
	for _, r := range l.policies {
		if (top == nil || r.priority > top.priority) && r.applies(queue, typ) {
			top = r
		}
	}
	return top
}

// deadLetterPolicy has a policy send a queue's dead letters to an exchange. The
// declared policy that holds for the queue would not hold any more beside it, so
// that ours repeats what it says.
func (l *lowering) deadLetterPolicy(b *letterbox, box *thing, c *claim) *thing {
	name := DeadPrefix + b.queue
	definition, priority := map[string]cty.Value{}, int64(ownPriority)
	top := l.ruling(b.queue)
	if top != nil {
		switch says := attr(top.Value, "definition"); {
		case !written(says) || !says.IsWhollyKnown() || !says.Type().IsObjectType() && !says.Type().IsMapType():
			l.unknownPolicy(b, top)
			return nil
		case text(says, deadLetterKey) == name:
			return top.thing // it does so already
		case written(attr(says, deadLetterKey)):
			l.policyClash(b, top, text(says, deadLetterKey), name)
			return nil
		default:
			for it := says.ElementIterator(); it.Next(); {
				k, v := it.Element()
				definition[k.AsString()] = v
			}
		}
		priority = max(priority, top.priority+1)
	}
	definition[deadLetterKey] = cty.StringVal(name)
	if d := l.policyOf(name); d != nil {
		l.errorf(d.Decl, "Two policies of one name", "%s has the name %q, which is that of the policy for the dead letters of %s. Give it another name.", d.Addr, name, b.first.to)
		return nil
	}
	t := l.policy(name, "^"+regexp.QuoteMeta(b.queue)+"$", priority, definition, c)
	t.made.after(box)
	if top != nil {
		t.made.after(top.thing)
	}
	return t
}

// policy makes a policy for queues.
func (l *lowering) policy(name, pattern string, priority int64, definition map[string]cty.Value, c *claim) *thing {
	o := l.add(typePolicy, c, map[string]cty.Value{
		"name": cty.StringVal(name), "pattern": cty.StringVal(pattern), "apply_to": cty.StringVal("queues"),
		"priority": cty.NumberIntVal(priority), "definition": cty.ObjectVal(definition)})
	return &thing{at: o.Addr, made: o, by: c.by}
}

func (l *lowering) policyOf(name string) *Declared {
	for _, d := range l.declared.policies {
		if text(d.Value, "name") == name {
			return d
		}
	}
	return nil
}

func (l *lowering) policyClash(b *letterbox, top *rule, says, name string) {
	l.errorf(cmp.Or(b.first.DeadLetter.Decl, b.first.Decl), "Dead letters go elsewhere", "%s sends the dead letters of the queue %q to the exchange %q, and this edge wants them in %s, by the exchange %q. "+
		"RabbitMQ has one place for them. Make the pattern of %s not match %q, or leave dead_letter out of the edge.", top.Addr, b.queue, says, b.first.dead, name, top.Addr, b.queue)
}

func (l *lowering) unknownPolicy(b *letterbox, top *rule) {
	l.errorf(cmp.Or(b.first.DeadLetter.Decl, b.first.Decl), "Policy not known yet", "%s holds for the queue %q, and its definition is not known before apply. The policy that sends the dead letters of %s on takes its place and "+
		"repeats it, so that it must be known: write its values out.", top.Addr, b.queue, b.first.to)
}
