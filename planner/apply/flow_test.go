package apply_test

import (
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/fake"
	"github.com/msgflo/msgflo/state"
)

// A system is a configuration of participants and graphs, lowered to the fake
// broker's objects. Its processes are widgets.
type system struct {
	lowered []flow.Object
	blocks  []flow.Declared
	runs    map[addr.Instance]running
}

type running struct {
	role, version string
	relations     flow.Relations
}

var participants = []string{"participant.w[0]", "participant.w[1]", "participant.w[2]", "participant.x"}

// drawSystem makes a system in which addresses and names part easily: roles
// are a list that loses its first or gets another, edges are in one graph or
// in another, several share an exchange, a queue has a block of its own or not.
func drawSystem(t *rapid.T, label string) system {
	of := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label+what) }
	in := flow.System{Broker: flow.Broker{Addr: main_, Kind: "rabbitmq", VHost: "/"}}
	sys := system{runs: map[addr.Instance]running{}}
	names := []string{"a", "b", "c", "d", "e"}[rapid.IntRange(0, 1).Draw(t, label+"first"):]
	versions := map[*flow.Role]string{}
	for i, n := range names[:rapid.IntRange(1, 4).Draw(t, label+"roles")] {
		r := &flow.Role{Owner: participants[i], Name: n, Client: of("client", "go", "go", "plain", "cpp"), Replicas: 1}
		if of("ports", "own", "own", "shared") == "shared" {
			// Two outports of one exchange, and an inport of an outport's name.
			r.Outports = []*flow.Port{{ID: of("port", "out", "done"), Queue: n + ".OUT", Durable: true}, {ID: "done2", Queue: n + ".OUT", Durable: true}}
			r.Inports = []*flow.Port{{ID: of("port", "in", "out"), Durable: true}}
		}
		if r.Client == "plain" && of("block", "none", "one") == "one" {
			a := at("queue", of("block address", "in", "its"+n))
			sys.blocks = append(sys.blocks, flow.Declared{Addr: a, Value: cty.ObjectVal(map[string]cty.Value{"vhost": str("/"), "name": str(n + ".IN")})})
		}
		in.Roles = append(in.Roles, r)
		versions[r] = of("version", "1", "2")
	}
	sys.blocks = distinct(sys.blocks)
	in.Declared = sys.blocks
	for range rapid.IntRange(0, 5).Draw(t, label+"edges") {
		end := func(what string, ports ...string) flow.End {
			return flow.End{Role: rapid.SampledFrom(in.Roles).Draw(t, label+what), Port: of(what+" port", ports...)}
		}
		e := flow.Edge{Owner: "graph." + of("graph", "a", "b"), From: end("from", "out", "done"), To: end("to", "in", "other"), Delivery: of("delivery", "pubsub", "pubsub", "roundrobin")}
		if of("dead", "no", "no", "yes") == "yes" {
			d := end("dead", "in", "failed")
			e.DeadLetter = &d
		}
		in.Edges = append(in.Edges, e)
	}
	low, diags := flow.Lower(&in)
	for diags.HasErrors() { // not every system can be; the edges come first under suspicion
		if len(in.Edges) == 0 {
			t.Fatalf("%v", diags)
		}
		in.Edges = in.Edges[:len(in.Edges)-1]
		low, diags = flow.Lower(&in)
	}
	sys.lowered = low.Objects
	for r, rel := range low.Processes {
		sys.runs[addr.Instance{Owner: r.Owner, Type: "widget"}] = running{r.Name, versions[r], rel}
	}
	return sys
}

func distinct(blocks []flow.Declared) []flow.Declared {
	seen := map[addr.Instance]bool{}
	var out []flow.Declared
	for _, b := range blocks {
		if !seen[b.Addr] {
			seen[b.Addr] = true
			out = append(out, b)
		}
	}
	return out
}

func (s system) objects(_ *state.Snapshot, t *providers.Type) []desired.Object {
	var out []desired.Object
	add := func(a addr.Instance, attrs map[string]cty.Value, within, after []addr.Instance, shared bool) {
		out = append(out, desired.Object{Addr: a, Provider: main_, Type: a.Type, Value: fake.Complete(t.Resources[a.Type], attrs),
			Within: within, After: after, Lifecycle: desired.Lifecycle{Shared: shared}})
	}
	for _, o := range s.lowered {
		add(o.Addr, onFake(o), o.Within, o.After, o.Shared)
	}
	for _, b := range s.blocks {
		add(b.Addr, b.Value.AsValueMap(), nil, nil, false)
	}
	for a, r := range s.runs {
		add(a, map[string]cty.Value{"name": str(r.role), "env": cty.MapVal(map[string]cty.Value{"VERSION": str(r.version)})},
			r.relations.Within, r.relations.After, false)
	}
	return out
}

// onFake are an object's attributes as the fake broker has them.
func onFake(o flow.Object) map[string]cty.Value {
	attrs := map[string]cty.Value{}
	for name, v := range o.Attrs {
		switch name {
		case "routing_key":
			attrs["key"] = v
		case "dead_letter":
			attrs["dead_letter"] = v.GetAttr("exchange")
		case "definition":
			m := map[string]cty.Value{}
			for k, e := range v.AsValueMap() {
				m[k] = str(fmt.Sprintf("%#v", e))
			}
			attrs[name] = cty.MapVal(m)
		case "apply_to":
		default:
			attrs[name] = v
		}
	}
	return attrs
}

// TestSystems: any sequence of systems is reached, one by one, and no step
// deletes what is wanted under another address (see noneLost).
func TestSystems(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := foreign(t)
		before := inventory(w)
		e := newEngine(t, w, 4)
		for i := range rapid.IntRange(2, 4).Draw(t, "systems") {
			sys := drawSystem(t, fmt.Sprintf("%d: ", i))
			e.ok(e.run(sys, options{consent: true}))
			converged(e, sys, before)
		}
		e.destroyed(before)
	})
}

// The same with a fault at any call.
func TestFaultsInSystems(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trial{
			from: drawSystem(t, "from "), to: drawSystem(t, "to "),
			fault: rapid.SampledFrom(fake.Faults()).Draw(t, "fault"), k: rapid.IntRange(2, 40).Draw(t, "call"),
			then:        rapid.SampledFrom([]string{"again", "back", "destroy"}).Draw(t, "then"),
			parallelism: rapid.SampledFrom([]int{1, 8}).Draw(t, "parallelism"),
		}.run(t)
	})
}
