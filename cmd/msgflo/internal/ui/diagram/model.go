package diagram

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"

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

// A Drawing is objects and, by address, what a plan does to them. Where there
// are participants it shows the flow between them, else objects and bindings.
type Drawing struct {
	Objects []Object
	// Foreign are the participants that no process of Objects tells of.
	Foreign []Party
	Actions map[addr.Instance]plan.Action
	// Topology shows objects and bindings in any case.
	Topology bool
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
	out := d
	out.Objects, out.Actions = slices.Clone(d.Objects), map[addr.Instance]plan.Action{}
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
		below           string      // a second line
		in, out         []string    // ports of a participant
		foreign         bool        // a participant that nobody here starts
		action          plan.Action // 0: none
		path            []string    // the boxes it is in, the outermost first
	}
	arrow struct {
		from, to string
		label    string
		action   plan.Action
		dotted   bool
		dashed   bool
		loose    bool // it does not place what it joins
		// The ports at its ends, counted from 1, and their names; 0 and "" where there is none.
		outport, inport int
		out, in         string
	}
	model struct {
		vertices []vertex
		arrows   []arrow
	}
	// An end is what has a name on a broker.
	end struct {
		provider    addr.Provider
		vhost, name string
		kind        string // queue, exchange, topic
	}
)

func (m *model) vertex(v vertex) string {
	v.id = "n" + strconv.Itoa(len(m.vertices))
	m.vertices = append(m.vertices, v)
	return v.id
}

// boxes walks the vertices box by box, those in none first.
func (m *model) boxes(open func(name string), draw func(vertex), done func()) {
	vs := slices.Clone(m.vertices)
	slices.SortStableFunc(vs, func(a, b vertex) int { return slices.Compare(a.path, b.path) })
	var at []string
	var last vertex // in no box
	for _, v := range append(vs, last) {
		same := 0
		for same < min(len(at), len(v.path)) && at[same] == v.path[same] {
			same++
		}
		for range at[same:] {
			done()
		}
		for _, name := range v.path[same:] {
			open(name)
		}
		if at = v.path; v.id != "" {
			draw(v)
		}
	}
}

type builder struct {
	model
	ends map[end]string           // vertex by what it is on the broker
	ids  map[addr.Instance]string // vertex by address
}

// build makes the model of a drawing: the flow if there are participants.
func build(d Drawing) model {
	objects := slices.Clone(d.Objects)
	slices.SortFunc(objects, func(x, y Object) int { return x.Addr.Compare(y.Addr) })
	if d.Topology || len(d.Foreign) == 0 && !slices.ContainsFunc(objects, func(o Object) bool { return o.Addr.Type == "process" }) {
		return buildTopology(d.Actions, objects)
	}
	return buildFlow(d, objects)
}

// buildTopology makes vertices of all but bindings, and arrows of those.
func buildTopology(actions map[addr.Instance]plan.Action, objects []Object) model {
	b := builder{ends: map[end]string{}, ids: map[addr.Instance]string{}}
	facts := make([]change.Facts, len(objects))
	for i, o := range objects {
		facts[i] = change.FactsOf(o.Value, o.Sensitive)
		if o.Addr.Type != "binding" {
			b.object(o, facts[i], actions[o.Addr])
		}
	}
	for i, o := range objects {
		if o.Addr.Type == "binding" {
			b.binding(o, facts[i], actions[o.Addr])
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
	e := end{o.Provider, f.Vhost, name, o.Addr.Type}
	label := o.Addr.Type + " " + name
	if name == "" {
		label = o.Addr.String()
	}
	v := vertex{label: label, kind: o.Addr.Type, action: a}
	if o.Addr.Module != "" {
		v.path = []string{o.Addr.Module}
	}
	id := b.vertex(v)
	b.ids[o.Addr] = id
	if o.Addr.Type == "queue" || o.Addr.Type == "exchange" {
		b.ends[e] = id
	}
}

func (b *builder) binding(o Object, f change.Facts, a plan.Action) {
	from := b.endOf(end{o.Provider, f.Vhost, f.Source, "exchange"})
	to := b.endOf(end{o.Provider, f.Vhost, f.Destination, cmp.Or(f.DestinationType, "queue")})
	b.arrows = append(b.arrows, arrow{from: from, to: to, label: f.RoutingKey, action: a})
}

// endOf finds an end, or draws one that is not managed here.
func (b *builder) endOf(e end) string {
	if id, ok := b.ends[e]; ok {
		return id
	}
	id := b.vertex(vertex{label: e.kind + " " + e.name, kind: "other"})
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
		b.arrows = append(b.arrows, arrow{from: b.ids[o.Addr], to: to, dotted: true, loose: true, label: b.overflow(o, to)})
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
		if name != "" && b.ends[end{o.Provider, v.Vhost, name, "exchange"}] == to {
			return label
		}
	}
	return ""
}
