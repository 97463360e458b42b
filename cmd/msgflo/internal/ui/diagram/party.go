package diagram

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/msgflo/msgflo/config/addr"
	lowering "github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/planner/plan"
)

// A Party is a participant: a role on a broker, with its ports.
type Party struct {
	Broker        string // the block's name
	Module, Owner string // of its block: `module.eu`, `participant.resize["a"]`
	Role          string
	Component     string
	Replicas      int
	Foreign       bool // nobody here starts it; so are all of Drawing.Foreign
	In, Out       []Port
}

// A Port and the name of what carries it: a queue, an exchange, on MQTT a topic.
type Port struct {
	ID      string
	Carrier string `json:"queue"`
}

// party is one as it is drawn.
type party struct {
	Party
	id     string
	broker addr.Provider
	action plan.Action
}

// partiesOf are those that foreign lists and those that objects tell of: by
// their processes, and by what carries their ports.
func partiesOf(foreign []Party, objects []attrs, actions map[addr.Instance]plan.Action) []*party {
	byOwner := map[string]*party{}
	var out []*party
	add := func(p Party) *party {
		owner := p.address()
		if byOwner[owner] == nil {
			byOwner[owner] = &party{Party: p, broker: addr.Provider{Kind: "broker", Name: p.Broker}}
			out = append(out, byOwner[owner])
		}
		return byOwner[owner]
	}
	for _, o := range objects {
		if o.Addr.Type == "process" {
			add(launched(o)).action = actions[o.Addr]
		}
	}
	for _, p := range foreign {
		p.Foreign = true
		add(p)
	}
	for _, o := range objects {
		if !strings.HasPrefix(o.Addr.Owner, "participant.") || o.Addr.Type == "process" {
			continue
		}
		p := add(Party{Broker: o.Provider.Name, Module: o.Addr.Module, Owner: o.Addr.Owner, Role: roleOf(o.Addr), Foreign: true})
		p.carrier(o)
		if p.Foreign {
			p.touch(actions[o.Addr])
		}
	}
	slices.SortFunc(out, func(a, b *party) int {
		return cmp.Or(strings.Compare(a.Broker, b.Broker), strings.Compare(a.Role, b.Role), strings.Compare(a.Module, b.Module), strings.Compare(a.Owner, b.Owner))
	})
	return out
}

// launched is what a process plays.
func launched(o attrs) Party {
	p := Party{Broker: o.text("broker"), Module: o.Addr.Module, Owner: o.Addr.Owner,
		Role: cmp.Or(o.text("role"), roleOf(o.Addr)), Component: o.text("component"), Replicas: 1}
	o.into("replicas", &p.Replicas)
	o.into("inports", &p.In)
	o.into("outports", &p.Out)
	return p
}

func roleOf(a addr.Instance) string { return strings.TrimPrefix(a.Owner, "participant.") }

// carrier makes a port of a queue or exchange that carries none so far: what a
// plan takes away was one. An inport may have an exchange of its queue's name.
func (p *party) carrier(o attrs) {
	q := Port{Carrier: o.text("name")}
	q.ID, _ = o.Addr.KeyText()
	same := func(x Port) bool { return x.Carrier == q.Carrier }
	switch {
	case slices.ContainsFunc(p.In, same):
	case o.Addr.Type == "queue":
		p.In = append(p.In, q)
		p.Out = slices.DeleteFunc(p.Out, same)
	case o.Addr.Type == "exchange" && !between(q.Carrier) && !slices.ContainsFunc(p.Out, same):
		p.Out = append(p.Out, q)
	}
}

// between reports whether an exchange is one that MsgFlo puts between ports.
func between(name string) bool {
	return strings.HasPrefix(name, lowering.OutPrefix) || strings.HasPrefix(name, lowering.DeadPrefix)
}

// touch takes note of what becomes of one of a foreign participant's objects.
func (p *party) touch(a plan.Action) {
	switch {
	case a == 0 || a == p.action:
	case p.action == 0:
		p.action = a
	default:
		p.action = plan.Update
	}
}

// address is its block's.
func (p *Party) address() string { return addr.Instance{Module: p.Module, Owner: p.Owner}.String() }

// label is the role, and how often it runs.
func (p *party) label() string {
	if p.Replicas == 1 || p.Foreign {
		return p.Role
	}
	return p.Role + " ×" + strconv.Itoa(p.Replicas)
}

// below says what plays the role.
func (p *party) below() string {
	if p.Foreign {
		return "foreign"
	}
	return p.Component
}
