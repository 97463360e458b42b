package uitest

import (
	"encoding/json"
	"fmt"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
)

// here is the launcher of processes.
var here = addr.Provider{Kind: "launcher", Name: "local.here"}

func process(role, when string, env map[string]string) string {
	e, _ := json.Marshal(env)
	return fmt.Sprintf(`{"broker":"main","role":%q,"component":"C","client":"nodejs","command":["node","%[1]s.js"],"directory":".","env":%s,"secret_env":null,`+
		`"replicas":1,"version":null,"watched":null,"inports":[{"id":"in","queue":"%[1]s.IN"}],"outports":null,"initial":null,"machine":null,`+
		`"restart":{"policy":"on-failure","max":5,"within":"10m","backoff":"1s","backoff_max":"1m"},"stop":{"signal":"SIGINT","timeout":"30s"},`+
		`"ready":{"when":%[3]q,"timeout":"30s","command":null,"url":null,"address":null},"update":{"strategy":"rolling","max_parallel":1}}`, role, e, when)
}

// Starting is the step that starts a process, ready when it says so.
func Starting(role, when string) plan.Step {
	return with(Step(plan.Create, "participant."+role+".process", "", process(role, when, map[string]string{"A": "1"})), func(s *plan.Step) {
		s.Provider = here
		s.Holes = []plan.Hole{{Path: "secret_env", Secret: true}}
		s.Sensitive = []string{"secret_env"}
	})
}

// participantSteps are a system whose flow runs against the alphabet: web,
// resize, archive. One process restarts, one goes, an edge is led elsewhere.
func participantSteps() []plan.Step {
	x := func(name string) string {
		return fmt.Sprintf(`{"name":%q,"vhost":"/","type":"fanout","durable":true,"arguments":null}`, name)
	}
	edge := func(a plan.Action, key, from, to string) plan.Step {
		b, c := "", binding(from, to, "")
		if a == plan.Delete {
			b, c = c, b
		}
		return Step(a, "graph.thumbs.binding"+addr.StringKey(key), b, c)
	}
	return []plan.Step{
		Starting("archive", "announced"),
		Step(plan.Create, `participant.archive.queue["in"]`, "", queue("archive.IN", "classic")),
		Step(plan.Create, `participant.archive.binding["in"]`, "", binding("archive.IN", "archive.IN", "")),
		edge(plan.Create, "resize.out -> archive.in", "resize.OUT", "archive.IN"),
		edge(plan.Create, "web.out -> resize.in", "web.OUT", "resize.IN"),
		edge(plan.Delete, "web.out -> old.in", "web.OUT", "old.IN"),
		with(Step(plan.Delete, "participant.old.process", process("old", "started", nil), ""), func(s *plan.Step) {
			s.Provider, s.Reason = here, "it is no longer declared"
		}),
		Starting("resize", "consuming"),
		Step(plan.Create, `participant.resize.queue["in"]`, "", queue("resize.IN", "classic")),
		Step(plan.Create, `participant.resize.exchange["out"]`, "", x("resize.OUT")),
		Step(plan.Create, `participant.web.exchange["out"]`, "", x("web.OUT")),
		with(Step(plan.Restart, "participant.web.process", process("web", "started", map[string]string{"A": "1", "B": "2"}), process("web", "started", map[string]string{"A": "2", "B": "2"})), func(s *plan.Step) {
			s.Provider, s.Sensitive, s.Holes = here, []string{"secret_env"}, []plan.Hole{{Path: "secret_env", Secret: true}}
			s.Changed, s.Reason = []string{`env["A"]`, "secret_env"}, `a process has its env["A"] from its start on`
		}),
		Step(plan.Create, `broker.main.queue["fbp"]`, "", queue("fbp", "classic")),
	}
}
