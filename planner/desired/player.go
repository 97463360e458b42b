package desired

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/planner/desired/flow"
)

// The blocks that make no object of their own: what they give rise to is
// known once all of them are.
const (
	participantType = "participant"
	graphType       = "graph"
)

// lowers reports whether a block is a participant or graph.
func (b *block) lowers() bool {
	return !b.cfg.Data && (b.cfg.Type == participantType || b.cfg.Type == graphType)
}

// objects appends the instances that make objects: a block's own, or what its
// participants or graphs give rise to.
func (b *block) objects(ports bool, to []*instance) []*instance {
	if !b.lowers() {
		return append(to, b.instances...)
	}
	for _, i := range b.instances {
		to = i.objects(ports, to)
	}
	return to
}

func (i *instance) objects(ports bool, to []*instance) []*instance {
	if !i.block.lowers() {
		return append(to, i)
	}
	for _, d := range i.derived {
		if !ports || d.lowered.carries {
			to = append(to, d)
		}
	}
	return to
}

// owner is what a participant or graph is called in the addresses of what it
// gives rise to.
func (i *instance) owner() string {
	a := i.addr
	a.Module = ""
	return a.String()
}

func made(is []*instance) []*instance {
	out := is[:0:0]
	for _, i := range is {
		if i.object != nil {
			out = append(out, i)
		}
	}
	return out
}

// flowSchema is the schema of a participant or graph, nil for all other
// blocks. It is not the broker's: they are on brokers of every kind.
func (e *evaluator) flowSchema(b *block) *schemaInfo {
	switch {
	case !b.lowers():
		return nil
	case b.cfg.Type == graphType:
		if e.graphs == nil {
			e.graphs = e.info(config.GraphSchema())
		}
		return e.graphs
	}
	if e.players == nil {
		e.players = e.info(config.ParticipantSchema())
		for n := range e.players.attrs {
			switch a := &e.players.attrs[n]; a.Name {
			case "role", "component", "client", "foreign", "inport", "outport":
				a.early = true // what others refer to by name follows from these
			}
		}
	}
	return e.players
}

// A player is a participant in the making: what it is called and, once it is
// cast, what its component says.
type player struct {
	inst  *instance
	short string // the role as it is written: edges name it so
	role  *flow.Role
	comp  *component // nil: a foreign one without, or reported
	// unclear: the role is not known, since it waits for data or was reported.
	unclear bool
	state   state // of being cast
	held    bool  // its component waits for data
	vague   bool  // what decides its ports waits for data, or was reported
	failed  bool
	vals    []cty.Value // of the component, by attribute
	deps    []dep       // of the component's expressions
	foreign bool
	docs    map[*flow.Port]cty.Value // the port blocks, for announcements
}

func (p *player) label() string   { return p.inst.label() }
func (p *player) decl() hcl.Range { return p.inst.decl() }

// val is an attribute of the instance by its name.
func (i *instance) val(name string) cty.Value {
	n, ok := i.in.index[name]
	if !ok {
		return cty.NilVal
	}
	return i.vals[n]
}

// at is where an attribute is written, else the block.
func (i *instance) at(name string) hcl.Range {
	if n, ok := i.in.index[name]; ok {
		return i.body.fields[n].at()
	}
	return i.decl()
}

// playerOf finds out what role a participant has. It is nil where the
// participant cannot be opened at all.
func (e *evaluator) playerOf(i *instance) *player {
	if !e.name(i) || i.in == nil || i.block.cfg.Type != participantType {
		return nil
	}
	if i.player != nil {
		return i.player
	}
	p := &player{inst: i, docs: map[*flow.Port]cty.Value{}}
	i.player = p
	p.role = &flow.Role{Module: i.addr.Module, Owner: i.owner(), Replicas: 1, Decl: i.decl()}
	if i.failed || i.held && !known(i.val("role")) {
		p.unclear = true
		return p
	}
	p.foreign = isTrue(i.val("foreign"))
	p.vague = !known(i.val("foreign"))
	p.role.Foreign = p.foreign
	p.short = i.block.cfg.Name
	at := i.decl()
	if v := i.val("role"); !isNull(v) {
		p.short, at = plain(v).AsString(), i.at("role")
	}
	if !e.checkPrefix(i.broker) || !e.checkRole(p, at) {
		i.failed, p.unclear = true, true
		return p
	}
	p.role.Name = text(i.broker.setting("prefix")) + p.short
	return p
}

// checkPrefix refuses a secret in what begins all names.
func (e *evaluator) checkPrefix(b *broker) bool {
	if b.passed {
		return true
	}
	n, ok := b.in.index["prefix"]
	if !ok || !traitsOf(b.vals[n]).sensitive {
		return true
	}
	e.errorf(b.decl(), "Sensitive value in a name", "The prefix of %s is a sensitive value, or follows from one. It is part of the names of all that participants have there, so it cannot be secret.", b.addr)
	return false
}

func (e *evaluator) checkRole(p *player, at hcl.Range) bool {
	const summary = "Invalid role"
	switch {
	case traitsOf(p.inst.val("role")).sensitive:
		e.errorf(at, summary, "The role of %s is a sensitive value, or follows from one. It names queues and is shown in plans, so it cannot be secret.", p.label())
	case p.short == "":
		e.errorf(at, summary, "The role of %s is empty. It is what the participant is called on the broker.", p.label())
	case strings.ContainsFunc(p.short, unicode.IsControl):
		e.errorf(at, summary, "The role of %s, %q, has a control character. It becomes part of names on the broker, which have none.", p.label(), p.short)
	case len(p.short) > 255:
		e.errorf(at, summary, "The role of %s is %d bytes long; names on a broker have 255 at most.", p.label(), len(p.short))
	default:
		return true
	}
	return false
}

// known reports whether a value is there to look at.
func known(v cty.Value) bool { return v != cty.NilVal && plain(v).IsKnown() }

func isTrue(v cty.Value) bool {
	if v == cty.NilVal {
		return false
	}
	v = plain(v)
	return v.IsKnown() && !v.IsNull() && v.True()
}

// text is a string, "" where it is null or unknown.
func text(v cty.Value) string {
	s, _ := stringOf(v)
	return s
}

// setting is an attribute of the broker block, cty.NilVal where its kind of
// broker has none of that name.
func (b *broker) setting(name string) cty.Value {
	if b.failed || b.passed || !b.config.Type().HasAttribute(name) {
		return cty.NilVal
	}
	return b.config.GetAttr(name)
}

// everyPlayer lists the participants of all modules, in address order.
func (e *evaluator) everyPlayer() []*player {
	var out []*player
	e.everyInstance(participantType, func(i *instance) {
		if p := e.playerOf(i); p != nil {
			out = append(out, p)
		}
	})
	return out
}

// everyInstance visits the instances of all blocks of one type.
func (e *evaluator) everyInstance(typ string, visit func(*instance)) {
	for n := 0; n < len(e.modules); n++ { //nolint:intrange // the list grows as calls are expanded
		m := e.modules[n]
		for _, name := range sortedKeys(m.calls) {
			e.expandCall(m.calls[name])
		}
		for _, key := range sortedKeys(m.resources) {
			if b := m.resources[key]; !b.cfg.Data && b.cfg.Type == typ && e.expandBlock(b) {
				for _, i := range b.instances {
					visit(i)
				}
			}
		}
	}
}

// unexpanded reports whether some participants are not known yet, or will not
// be: then a name that leads nowhere may be one of theirs.
func (e *evaluator) unexpanded() (waits, failed bool) {
	for _, m := range e.modules {
		for _, c := range m.calls {
			waits, failed = waits || c.exp.held, failed || c.exp.broken
		}
		for _, b := range m.resources {
			if b.cfg.Type != participantType || b.cfg.Data {
				continue
			}
			waits, failed = waits || b.exp.held, failed || b.exp.broken
			for _, i := range b.instances {
				if i.player == nil {
					failed = true
				} else if i.player.unclear {
					waits, failed = waits || i.held, failed || !i.held
				}
			}
		}
	}
	return waits, failed
}

// cast finds the component of a participant and with it the client library and
// the ports.
func (e *evaluator) cast(p *player) bool {
	return e.once(p, &p.state, func() {
		i := p.inst
		if p.unclear {
			p.failed = i.failed
			return
		}
		var ok bool
		if p.comp, ok = e.componentOf(p); !ok {
			p.failed, i.failed = true, true
		}
		if p.comp != nil {
			e.decodeComponent(p, "{}", "client", "shell", "command", "inport", "outport")
		}
		e.portsDeclared(p)
		p.role.Client = e.clientOf(p)
		if p.failed && p.role.Client == "" {
			p.role.Client = "plain" // so that nothing is said of names that follow from what was reported
		}
		i.failed = i.failed || p.failed
	})
}

// componentOf finds what plays the role; nil with true where a foreign one
// says nothing.
func (e *evaluator) componentOf(p *player) (*component, bool) {
	i := p.inst
	v := i.val("component")
	if !known(v) {
		p.vague = true
		return nil, i.held
	}
	name := text(v)
	switch {
	case name == "" && !known(i.val("foreign")):
		return nil, true
	case name == "" && p.foreign:
		return nil, true
	case name == "":
		e.errorf(i.decl(), "Participant without component", "%s has no component, so it is not known what to run. Write component = component.NAME, or a built-in one "+
			"as in component = \"msgflo/Repeat\", or foreign = true where it runs elsewhere.", i.label())
		return nil, false
	case traitsOf(v).sensitive:
		e.errorf(i.decl(), "Invalid component", "The component of %s cannot be a sensitive value.", i.label())
		return nil, false
	}
	return e.findComponent(i, name)
}

// String is the participant as people know it, with its role where that is another name.
func (p *player) String() string {
	if p.short == p.inst.block.cfg.Name && p.inst.key.text == "" {
		return p.label()
	}
	return fmt.Sprintf("%s (role %q)", p.label(), p.short)
}
