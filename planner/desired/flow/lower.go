package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
)

// Lower lowers a system. The roles' ports are filled in: those that edges,
// initial packets and exports imply are added, and every one gets the name of its
// queue. With errors the answer is incomplete and must not be acted on.
func Lower(s *System) (*Lowered, hcl.Diagnostics) {
	l := newLowering(s)
	switch s.Broker.Kind {
	case kindRabbitMQ:
		l.resolve()
		l.rabbitmq()
	case kindMQTT:
		l.resolve()
		l.mqtt()
	default:
		l.unknownKind()
	}
	return l.answer(), l.sorted()
}

// The kinds of broker, by the names of their providers.
const (
	kindRabbitMQ = "rabbitmq"
	kindMQTT     = "mqtt"
)

// lowering is one call of Lower.
type lowering struct {
	*System
	parties  []*party // in the order of their owners' addresses
	byRole   map[*Role]*party
	links    []*link // resolved edges, in the order of their owners' addresses
	things   map[place]*thing
	bindings map[bind]*thing
	used     map[addr.Instance]bool
	objects  []*Object
	policies []*rule               // declared ones
	boxes    map[string]*letterbox // of dead letters, by queue
	declared declaredIndex
	keepers  map[ownerKey]*Keeper
	initial  map[*Role]map[string]string
	diags    hcl.Diagnostics
}

func newLowering(s *System) *lowering {
	l := &lowering{
		System: s, byRole: make(map[*Role]*party, len(s.Roles)), things: make(map[place]*thing, 2*len(s.Roles)),
		bindings: make(map[bind]*thing, len(s.Edges)), used: map[addr.Instance]bool{},
		keepers: map[ownerKey]*Keeper{}, boxes: map[string]*letterbox{}, initial: map[*Role]map[string]string{},
	}
	for _, r := range s.Roles {
		if r == nil || l.byRole[r] != nil {
			continue
		}
		p := &party{Role: r, label: strings.TrimPrefix(r.Name, s.Broker.Prefix)}
		l.parties = append(l.parties, p)
		l.byRole[r] = p
	}
	slices.SortStableFunc(l.parties, func(a, b *party) int {
		return cmp.Or(a.owner().compare(b.owner()), cmp.Compare(a.Name, b.Name))
	})
	for _, p := range l.parties {
		l.identify(p)
	}
	l.declared = indexDeclared(s)
	return l
}

// ownerKey is what an object stands under.
type ownerKey struct{ module, owner string }

func (o ownerKey) compare(p ownerKey) int {
	return cmp.Or(cmp.Compare(o.module, p.module), cmp.Compare(o.owner, p.owner))
}

// String is the owner's address.
func (o ownerKey) String() string {
	return addr.Instance{Module: o.module, Owner: o.owner}.String()
}

func (l *lowering) unknownKind() {
	var at hcl.Range
	switch {
	case len(l.parties) > 0:
		at = l.parties[0].Decl
	case len(l.Edges) > 0:
		at = l.Edges[0].Decl
	default:
		return
	}
	l.errorf(at, "No participants on this kind of broker", "%s is of the kind %q. Participants and graphs are known on %s and %s.%s",
		l.Broker.Addr, l.Broker.Kind, kindRabbitMQ, kindMQTT, diag.DidYouMean(l.Broker.Kind, []string{kindRabbitMQ, kindMQTT}))
}

func (l *lowering) errorf(at hcl.Range, summary, format string, args ...any) {
	l.diags = append(l.diags, diag.Error(at, summary, fmt.Sprintf(format, args...)))
}

func (l *lowering) warnf(at hcl.Range, summary, format string, args ...any) {
	l.diags = append(l.diags, diag.Warning(at, summary, fmt.Sprintf(format, args...)))
}

// sorted are the diagnostics in the order of the source, each once.
func (l *lowering) sorted() hcl.Diagnostics {
	slices.SortStableFunc(l.diags, func(a, b *hcl.Diagnostic) int {
		return cmp.Or(compareRanges(subject(a), subject(b)), cmp.Compare(a.Summary, b.Summary), cmp.Compare(a.Detail, b.Detail))
	})
	return slices.CompactFunc(l.diags, func(a, b *hcl.Diagnostic) bool {
		return subject(a) == subject(b) && a.Summary == b.Summary && a.Detail == b.Detail
	})
}

func subject(d *hcl.Diagnostic) hcl.Range {
	if d.Subject == nil {
		return hcl.Range{}
	}
	return *d.Subject
}

func compareRanges(a, b hcl.Range) int {
	return cmp.Or(cmp.Compare(a.Filename, b.Filename), cmp.Compare(a.Start.Byte, b.Start.Byte),
		cmp.Compare(a.Start.Line, b.Start.Line), cmp.Compare(a.Start.Column, b.Start.Column))
}

// answer gathers what was made: objects in address order, relations distinct.
func (l *lowering) answer() *Lowered {
	out := &Lowered{Objects: make([]Object, 0, len(l.objects)), Processes: make(map[*Role]Relations, len(l.parties)), Initial: l.initial}
	slices.SortFunc(l.objects, func(a, b *Object) int { return a.Addr.Compare(b.Addr) })
	for _, o := range l.objects {
		o.Within, o.After, o.Soft = distinct(o.Within, o.After, o.Soft)
		out.Objects = append(out.Objects, *o)
	}
	for _, p := range l.parties {
		r := &p.relations
		r.Within, r.After, r.Soft = distinct(r.Within, r.After, r.Soft)
		out.Processes[p.Role] = *r
	}
	for _, k := range l.keepers {
		addr.Sort(k.Bindings)
		out.Keepers = append(out.Keepers, *k)
	}
	slices.SortFunc(out.Keepers, func(a, b Keeper) int {
		return ownerKey{a.Module, a.Owner}.compare(ownerKey{b.Module, b.Owner})
	})
	return out
}

// distinct sorts relations; each address is in the strongest one only.
func distinct(within, after, soft []addr.Instance) (w, a, s []addr.Instance) {
	w = pick(within)
	a = pick(after, w)
	return w, a, pick(soft, w, a)
}

// pick are the addresses that are in none of the others, which pick made.
func pick(in []addr.Instance, without ...[]addr.Instance) []addr.Instance {
	if len(in) == 0 {
		return nil
	}
	addr.Sort(in)
	return slices.DeleteFunc(slices.Compact(in), func(x addr.Instance) bool {
		return slices.ContainsFunc(without, func(o []addr.Instance) bool {
			_, found := slices.BinarySearchFunc(o, x, addr.Instance.Compare)
			return found
		})
	})
}
