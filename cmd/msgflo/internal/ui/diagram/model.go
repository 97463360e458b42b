package diagram

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/change"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/state"
)

// An Object is what is drawn: declared, recorded, or going away.
type Object struct {
	Addr      addr.Instance
	Provider  addr.Provider
	Value     json.RawMessage // go-cty/json of the schema's type; may be absent
	Sensitive []string        // paths never shown
	After     []addr.Instance // drawn as dotted lines where both ends are drawn
}

// A Drawing is objects and, by address, what a plan does to them.
type Drawing struct {
	Objects []Object
	Actions map[addr.Instance]plan.Action
}

// FromState draws what is recorded.
func FromState(s *state.Snapshot) Drawing {
	var d Drawing
	for i := range s.Objects {
		o := &s.Objects[i]
		d.Objects = append(d.Objects, Object{o.Addr, o.Provider, o.Attrs, o.Sensitive, slices.Concat(o.Within, o.After)})
	}
	return d
}

// WithPlan colours a drawing by a plan and adds what the plan creates or removes.
func (d Drawing) WithPlan(p *plan.Plan) Drawing {
	out := Drawing{Objects: slices.Clone(d.Objects), Actions: map[addr.Instance]plan.Action{}}
	at := make(map[addr.Instance]int, len(out.Objects))
	for i := range out.Objects {
		at[out.Objects[i].Addr] = i
	}
	cs := change.Merge(p)
	for i := range cs {
		c := &cs[i]
		out.Actions[c.Addr] = c.Action
		v := c.After()
		if len(v) == 0 || string(v) == "null" {
			v = c.Before()
		}
		o := Object{c.Addr, c.Step.Provider, v, c.Step.Sensitive, slices.Concat(c.Step.Record.Within, c.Step.Record.After)}
		if j, ok := at[c.Addr]; ok {
			if len(v) > 0 {
				out.Objects[j] = o
			}
			continue
		}
		at[c.Addr] = len(out.Objects)
		out.Objects = append(out.Objects, o)
	}
	return out
}

// The model both formats are written from.
type (
	vertex struct {
		id, label, kind string
		action          plan.Action // 0: none
		module          string
	}
	arrow struct {
		from, to string
		label    string
		action   plan.Action
		dotted   bool
	}
	model struct {
		vertices []vertex
		arrows   []arrow
	}
	end struct {
		provider    addr.Provider
		vhost, name string
		queue       bool
	}
)

type builder struct {
	model
	ends map[end]string           // vertex by what it is on the broker
	ids  map[addr.Instance]string // vertex by address
}

// build makes vertices of all but bindings, and arrows of those.
func build(d Drawing) model {
	b := builder{ends: map[end]string{}, ids: map[addr.Instance]string{}}
	objects := slices.Clone(d.Objects)
	slices.SortFunc(objects, func(x, y Object) int { return x.Addr.Compare(y.Addr) })
	facts := make([]change.Facts, len(objects))
	for i, o := range objects {
		facts[i] = change.FactsOf(o.Value, o.Sensitive)
		if o.Addr.Type != "binding" {
			b.object(o, facts[i], d.Actions[o.Addr])
		}
	}
	for i, o := range objects {
		if o.Addr.Type == "binding" {
			b.binding(o, facts[i], d.Actions[o.Addr])
			continue
		}
		b.relations(o)
	}
	return b.model
}

func (b *builder) object(o Object, f change.Facts, a plan.Action) {
	name := f.Name
	if name == "" {
		name = o.Addr.Name
	}
	e := end{o.Provider, f.Vhost, name, o.Addr.Type == "queue"}
	label := o.Addr.Type + " " + name
	if name == "" {
		label = o.Addr.String()
	}
	id := b.vertex(label, o.Addr.Type, o.Addr.Module, a)
	b.ids[o.Addr] = id
	if o.Addr.Type == "queue" || o.Addr.Type == "exchange" {
		b.ends[e] = id
	}
}

func (b *builder) vertex(label, kind, module string, a plan.Action) string {
	id := "n" + strconv.Itoa(len(b.vertices))
	b.vertices = append(b.vertices, vertex{id, label, kind, a, module})
	return id
}

func (b *builder) binding(o Object, f change.Facts, a plan.Action) {
	from := b.endOf(end{o.Provider, f.Vhost, f.Source, false})
	to := b.endOf(end{o.Provider, f.Vhost, f.Destination, f.DestinationType != "exchange"})
	b.arrows = append(b.arrows, arrow{from: from, to: to, label: f.RoutingKey, action: a})
}

// endOf finds an end, or draws one that is not managed here.
func (b *builder) endOf(e end) string {
	if id, ok := b.ends[e]; ok {
		return id
	}
	kind := "exchange"
	if e.queue {
		kind = "queue"
	}
	id := b.vertex(kind+" "+e.name, "other", "", 0)
	b.ends[e] = id
	return id
}

// relations draws what an object leans on. That every queue and exchange is in
// its vhost would only clutter the drawing.
func (b *builder) relations(o Object) {
	flow := o.Addr.Type == "queue" || o.Addr.Type == "exchange"
	for _, on := range o.After {
		to, ok := b.ids[on]
		if !ok || flow && on.Type == "vhost" {
			continue
		}
		b.arrows = append(b.arrows, arrow{from: b.ids[o.Addr], to: to, dotted: true, label: b.overflow(o, to)})
	}
}

// overflow names the way by which messages leave a queue or exchange without a
// binding: dead letters, and what no binding takes.
func (b *builder) overflow(o Object, to string) string {
	var v struct {
		Vhost      string `json:"vhost"`
		Alternate  string `json:"alternate"`
		DeadLetter struct {
			Exchange string `json:"exchange"`
		} `json:"dead_letter"`
	}
	if len(o.Sensitive) > 0 || len(o.Value) == 0 || json.Unmarshal(o.Value, &v) != nil {
		return ""
	}
	for label, name := range map[string]string{"dead letter": v.DeadLetter.Exchange, "alternate": v.Alternate} {
		if name != "" && b.ends[end{o.Provider, v.Vhost, name, false}] == to {
			return label
		}
	}
	return ""
}

// byModule hands out the vertices module by module, the root first.
func (m model) byModule(f func(module string, vs []vertex)) {
	vs := slices.Clone(m.vertices)
	slices.SortStableFunc(vs, func(a, b vertex) int { return strings.Compare(a.module, b.module) })
	for len(vs) > 0 {
		n := slices.IndexFunc(vs, func(v vertex) bool { return v.module != vs[0].module })
		if n < 0 {
			n = len(vs)
		}
		f(vs[0].module, vs[:n])
		vs = vs[n:]
	}
}
