package workspace

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

func at(t *testing.T, s string) addr.Instance {
	t.Helper()
	a, err := addr.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func obj(kv ...string) cty.Value {
	m := map[string]cty.Value{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = cty.StringVal(kv[i+1])
	}
	return cty.ObjectVal(m)
}

func processValue(role, machine string, replicas int64) cty.Value {
	m := obj("broker", "main", "role", role, "component", "C", "machine", machine).AsValueMap()
	m["replicas"] = cty.NumberIntVal(replicas)
	m["inports"] = cty.ListVal([]cty.Value{obj("id", "in", "queue", role+".IN")})
	m["secret_env"] = cty.UnknownVal(cty.Map(cty.String))
	return cty.ObjectVal(m)
}

var main_ = addr.Provider{Kind: "broker", Name: "main"}

// factsFor is a system of a launched participant, a foreign one and two edges.
func factsFor(t *testing.T, declared bool, machine string) []fact {
	here := addr.Provider{Kind: "launcher", Name: "local.here"}
	return []fact{
		{at(t, "participant.resize.process"), here, processValue("resize", machine, 3), declared},
		{at(t, `participant.resize.queue["in"]`), main_, obj("name", "resize.IN", "vhost", "eu"), declared},
		{at(t, `participant.sensor.exchange["out"]`), main_, obj("name", "sensor.OUT", "vhost", "eu"), declared},
		{at(t, `participant.sensor.queue["set"]`), main_, obj("name", "sensor.SET", "vhost", "eu"), declared},
		{at(t, `participant.sensor.announcement`), here, obj("role", "sensor"), declared},
		{at(t, `participant.each["a"].queue["in"]`), main_, obj("name", "a.IN", "vhost", "eu"), declared},
		{at(t, `graph.g.binding["sensor.out -> resize.in"]`), main_, obj("source", "sensor.OUT", "destination", "resize.IN", "destination_type", "queue"), declared},
		{at(t, `graph.g.policy["resize.in"]`), main_, obj("name", "p"), declared},
	}
}

func heldProcess(t *testing.T, name string, s *launch.Status) control.Held {
	t.Helper()
	_, role, _ := strings.Cut(name, "/")
	spec, err := json.Marshal(launch.Spec{Broker: "main", Role: role, Component: "C", Replicas: 3, Inports: []launch.Port{{ID: "in", Queue: role + ".IN"}}})
	if err != nil {
		t.Fatal(err)
	}
	return control.Held{Key: control.Key{Kind: control.Process, Name: name}, Spec: spec, Status: s}
}

func tabled(t *testing.T, declared, recorded []fact, here Here) *table {
	t.Helper()
	r := &Running{declared: declared}
	if declared != nil {
		r.played = map[addr.Provider][]*flow.Role{main_: {
			{Owner: "participant.resize", Name: "resize"},
			{Owner: "participant.sensor", Name: "sensor", Foreign: true, Inports: []*flow.Port{{ID: "set", Queue: "sensor.SET"}}, Outports: []*flow.Port{{ID: "out", Queue: "sensor.OUT"}}},
			{Owner: `participant.each["a"]`, Name: "a", Client: "cpp", Foreign: true},
		}}
	}
	return r.table(&Recorded{facts: recorded}, here)
}

func roleIn(t *testing.T, tb *table, name string) Role {
	t.Helper()
	r, err := FindRole(tb.sorted(), name)
	if err != nil {
		t.Fatal(err)
	}
	return *r
}

// TestStates: what declared, recorded and held say together of one role.
func TestStates(t *testing.T) {
	early, late := time.Unix(100, 0), time.Unix(200, 0)
	replicas := func(states ...launch.State) *launch.Status {
		s := &launch.Status{Broker: "main", Role: "resize", Wanted: 3}
		for i, st := range states {
			s.Replicas = append(s.Replicas, launch.Replica{Index: i, State: st, Restarts: 2, Started: []time.Time{late, early}[i%2]})
		}
		return s
	}
	for _, c := range []struct {
		name               string
		declared, recorded bool
		machine            string
		held               *launch.Status
		state              State
		ready, restarts    int
	}{
		{"declared only", true, false, "", nil, NotApplied, 0, 0},
		{"recorded here, no agent", true, true, "here", nil, Unknown, 0, 0},
		{"recorded elsewhere", true, true, "other", nil, Elsewhere, 0, 0},
		{"all run", true, true, "here", replicas(launch.Running, launch.Running), "running", 2, 4},
		{"one starts", true, true, "here", replicas(launch.Running, launch.Starting), "starting", 1, 4},
		{"one failed", true, true, "here", replicas(launch.Failed, launch.Running), "failed", 1, 4},
		{"one waits", true, true, "here", replicas(launch.Stopped, launch.Waiting), "waiting", 0, 4},
		{"none left", true, true, "here", replicas(), "stopped", 0, 0},
		{"held only", false, false, "", replicas(launch.Running), "running", 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var declared, recorded []fact
			if c.declared {
				declared = factsFor(t, true, "")
			}
			if c.recorded {
				recorded = factsFor(t, false, c.machine)
			}
			here := Here{Machine: "here"}
			if c.held != nil {
				here.Held = []control.Held{heldProcess(t, "main/resize", c.held)}
			}
			r := roleIn(t, tabled(t, declared, recorded, here), "resize")
			if r.State != c.state || r.Ready != c.ready || r.Restarts != c.restarts || r.Declared != c.declared || r.Wanted != 3 {
				t.Errorf("%+v", r)
			}
			if r.Ready == 2 && !r.Since.Equal(late) {
				t.Errorf("since %v: the youngest replica counts", r.Since)
			}
			if len(r.Inports) != 1 || r.Inports[0].Queue != "resize.IN" {
				t.Errorf("inports %+v", r.Inports)
			}
		})
	}
}

// A foreign participant has ports and no process; edges have the queue they
// lead to; traffic finds both.
func TestForeignAndEdges(t *testing.T) {
	tb := tabled(t, factsFor(t, true, ""), factsFor(t, false, "here"), Here{Machine: "here"})
	s := roleIn(t, tb, "participant.sensor")
	if s.State != Foreign || !s.Declared || len(s.Inports) != 1 || s.Inports[0].ID != "set" || len(s.Outports) != 1 {
		t.Errorf("%+v", s)
	}
	if e := roleIn(t, tb, "a"); e.Address != `participant.each["a"]` || e.State != Foreign || e.Client != "cpp" {
		t.Errorf("%+v", e)
	}
	if len(tb.roles) != 3 {
		t.Errorf("roles %v", tb.roles)
	}
	n := int64(5)
	tb.fill(main_, map[string]*Traffic{"resize.IN": {Ready: &n}})
	es := tb.edgeList()
	if len(es) != 1 || es[0].From != "sensor.out" || es[0].To != "resize.in" || es[0].Traffic == nil || *es[0].Traffic.Ready != 5 {
		t.Errorf("%+v", es)
	}
	if tb.vhosts[brokerQueue{main_, "resize.IN"}] != "eu" {
		t.Errorf("vhosts %v", tb.vhosts)
	}
}

// A participant whose process never came up and whose block is gone is no
// foreign one.
func TestLeftOver(t *testing.T) {
	recorded := factsFor(t, false, "here")[1:] // no process
	r := roleIn(t, tabled(t, nil, recorded, Here{Machine: "here"}), "resize")
	if r.State != LeftOver || r.Declared {
		t.Errorf("%+v", r)
	}
}

// What is unknown, null or of another type is empty, never a panic.
func TestOddFacts(t *testing.T) {
	odd := []fact{
		{at(t, "participant.a.process"), main_, cty.UnknownVal(cty.DynamicPseudoType), true},
		{at(t, "participant.b.process"), main_, cty.NullVal(cty.EmptyObject), true},
		{at(t, "participant.c.process"), main_, cty.ObjectVal(map[string]cty.Value{"role": cty.UnknownVal(cty.String), "replicas": cty.StringVal("x"), "inports": cty.True}), true},
		{at(t, "graph.g.binding"), main_, cty.EmptyObjectVal, true},
	}
	here := Here{Held: []control.Held{{Key: control.Key{Kind: control.Process, Name: "no slash"}, Spec: json.RawMessage("{")}, {Key: control.Key{Kind: control.Keeper, Name: "k"}}}}
	tb := (&Running{declared: odd}).table(&Recorded{}, here)
	var names []string
	for _, r := range tb.sorted() {
		names = append(names, r.Role)
	}
	if want := []string{"a", "b", "c", ""}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

func TestFindRole(t *testing.T) {
	roles := []Role{
		{Broker: "a", Role: "eu-resize", Address: "participant.resize"}, {Broker: "a", Role: "x", Address: `module.m.participant.x["k"]`}, {Broker: "b", Role: "x", Address: "participant.x"},
	}
	for name, want := range map[string]string{
		"eu-resize": "a/eu-resize", "a/eu-resize": "a/eu-resize", "resize": "a/eu-resize", "participant.resize": "a/eu-resize",
		"b/x": "b/x", `module.m.participant.x["k"]`: "a/x",
	} {
		r, err := FindRole(roles, name)
		if err != nil || r.Key().Name != want {
			t.Errorf("%s: %v %v", name, r, err)
		}
	}
	for name, want := range map[string]string{"x": "a/x, b/x", "eu-resise": `Did you mean "eu-resize"`, "\x1b[31m": `"\x1b[31m" here. There are eu-resize`} {
		if _, err := FindRole(roles, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := FindRole(nil, "x"); err == nil || !strings.Contains(err.Error(), "no participants") {
		t.Error(err)
	}
}

func TestKeys(t *testing.T) {
	for key, want := range map[string]string{
		`["a.out -> b.in"]`: "a.out -> b.in", `["$${x} \"y\""]`: `${x} "y"`, "[0]": "", "": "", `["`: "",
	} {
		if got := (&fact{addr: addr.Instance{Key: key}}).key(); got != want {
			t.Errorf("%s: %q", key, got)
		}
	}
}
