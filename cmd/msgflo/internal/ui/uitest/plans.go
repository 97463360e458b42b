// Package uitest has the plans, states and schemas that the ui room's tests
// show. It is imported by tests only.
package uitest

import (
	"encoding/json"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/state"
)

// Broker is the provider of every object here.
var broker = addr.Provider{Kind: "broker", Name: "main"}

// Type is a provider type in the manner of RabbitMQ.
func Type() *providers.Type {
	all := []cty.Path{{}}
	name := providers.Attr{Name: "name", Type: cty.String, Required: true, Identity: true, Doc: "The name."}
	vhost := providers.Attr{Name: "vhost", Type: cty.String, Identity: true}
	args := providers.Attr{Name: "arguments", Type: cty.DynamicPseudoType, ForceNew: true}
	return &providers.Type{
		Name:   "rabbitmq",
		Config: providers.Schema{Attrs: []providers.Attr{{Name: "url", Type: cty.String, Sensitive: all}}},
		Resources: map[string]*providers.Schema{
			"queue": {Doc: "A queue.", Attrs: []providers.Attr{name, vhost,
				{Name: "type", Type: cty.String, ForceNew: true, Default: cty.StringVal("classic")},
				{Name: "durable", Type: cty.Bool, ForceNew: true, Default: cty.True},
				{Name: "message_ttl", Type: cty.String, ForceNew: true},
				{Name: "dead_letter", Attrs: []providers.Attr{
					{Name: "exchange", Type: cty.String, Ref: []string{"exchange"}}, {Name: "routing_key", Type: cty.String}}},
				args}},
			"exchange": {Attrs: []providers.Attr{name, vhost, {Name: "type", Type: cty.String, ForceNew: true}, {Name: "durable", Type: cty.Bool}, args}},
			"binding": {Attrs: []providers.Attr{vhost, {Name: "source", Type: cty.String, Identity: true}, {Name: "destination", Type: cty.String, Identity: true},
				{Name: "destination_type", Type: cty.String, Identity: true}, {Name: "routing_key", Type: cty.String, Identity: true}, args}},
			"policy": {Attrs: []providers.Attr{name, vhost, {Name: "pattern", Type: cty.String}, {Name: "definition", Type: cty.DynamicPseudoType}}},
			"user":   {Attrs: []providers.Attr{name, {Name: "password", Type: cty.String, WriteOnly: true, Sensitive: all}, {Name: "tags", Type: cty.List(cty.String)}}},
			"shovel": {Attrs: []providers.Attr{name, {Name: "source", Attrs: []providers.Attr{
				{Name: "url", Type: cty.String, Sensitive: all}, {Name: "queue", Type: cty.String}}}, {Name: "id", Type: cty.String, Computed: true}}},
			"process":  launch.Process(),
			"retained": {Attrs: []providers.Attr{{Name: "topic", Type: cty.String, Identity: true}, {Name: "payload", Type: cty.String}}},
		},
	}
}

// Schemas finds the schemas of Type.
func Schemas(_ addr.Provider, typ string) *providers.Schema { return Type().Resources[typ] }

// At parses an address.
func At(s string) addr.Instance {
	a, err := addr.Parse(s)
	if err != nil {
		panic(err)
	}
	return a
}

// Step makes a step; before and after are JSON, "" for absent.
func Step(a plan.Action, at, before, after string) plan.Step {
	i := At(at)
	s := plan.Step{ID: plan.ID(a, i), Addr: i, Provider: broker, Action: a,
		Decl: hcl.Range{Filename: "main.flo.hcl", Start: hcl.Pos{Line: 3, Column: 1, Byte: 20}, End: hcl.Pos{Line: 3, Column: 8, Byte: 27}}}
	if before != "" {
		s.Before = json.RawMessage(before)
	}
	if after != "" {
		s.After = json.RawMessage(after)
	}
	if a == plan.Delete {
		s.Decl = hcl.Range{}
	}
	return s
}

func with(s plan.Step, f func(*plan.Step)) plan.Step {
	f(&s)
	return s
}

func queue(name, typ string) string {
	return fmt.Sprintf(`{"name":%q,"vhost":"/","type":%q,"durable":true,"message_ttl":null,"dead_letter":null,"arguments":null}`, name, typ)
}

func binding(from, to, key string) string {
	return fmt.Sprintf(`{"vhost":"/","source":%q,"destination":%q,"destination_type":"queue","routing_key":%q,"arguments":null}`, from, to, key)
}

// Plans are representative plans by name.
func Plans() map[string]*plan.Plan {
	base := func(steps ...plan.Step) *plan.Plan {
		return &plan.Plan{FormatVersion: 1, MsgfloVersion: "0.1.0", Lineage: "l-1", Serial: 4, Mode: "normal", Steps: steps, Unchanged: 12}
	}
	plans := map[string]*plan.Plan{
		"empty":        base(),
		"create":       base(createSteps()...),
		"change":       base(changeSteps()...),
		"replace":      base(replaceSteps()...),
		"adopt":        base(adoptSteps(3)...),
		"many":         base(adoptSteps(25)...),
		"modules":      base(moduleSteps()...),
		"hostile":      base(hostileSteps()...),
		"participants": base(participantSteps()...),
	}
	plans["rest"] = restPlan(base())
	destroy := base(
		Step(plan.Delete, "queue.jobs", queue("jobs", "classic"), ""),
		Step(plan.Delete, "binding.jobs", binding("events", "jobs", "job.#"), ""))
	destroy.Mode = "destroy"
	plans["destroy"] = destroy
	return plans
}

func createSteps() []plan.Step {
	q := `{"name":"billing","vhost":"/","type":"quorum","durable":true,"message_ttl":"1h","dead_letter":{"exchange":"dead","routing_key":"billing"},` +
		`"arguments":{"value":{"x-max-length":1000,"x-queue-leader-locator":"balanced"},"type":["object",{"x-max-length":"number","x-queue-leader-locator":"string"}]}}`
	return []plan.Step{
		Step(plan.Create, "binding.billing", "", binding("events", "billing", "order.*")),
		Step(plan.Create, "exchange.events", "", `{"name":"events","vhost":"/","type":"topic","durable":true,"arguments":null}`),
		Step(plan.Create, "queue.billing", "", q),
		with(Step(plan.Create, "user.app", "", `{"name":"app","password":null,"tags":["monitoring","management"]}`), func(s *plan.Step) {
			s.Holes = []plan.Hole{{Path: "password", Secret: true}}
			s.Sensitive = []string{"password"}
		}),
		with(Step(plan.Create, "shovel.move", "", `{"name":"move","source":{"url":null,"queue":"old"},"id":null}`), func(s *plan.Step) {
			s.Holes = []plan.Hole{{Path: "source.url", Secret: true}, {Path: "id"}}
			s.Sensitive = []string{"source.url"}
		}),
		Step(plan.Create, "retained.motd", "", `{"topic":"motd","payload":"Good morning\nand welcome\n"}`),
	}
}

func changeSteps() []plan.Step {
	return []plan.Step{
		with(Step(plan.Update, "policy.ttl",
			`{"name":"ttl","vhost":"eu","pattern":"^tmp","definition":{"value":{"message-ttl":60000,"max-length":10,"expires":5},"type":["object",{"message-ttl":"number","max-length":"number","expires":"number"}]}}`,
			`{"name":"ttl","vhost":"eu","pattern":"^tmp\\.","definition":{"value":{"message-ttl":30000,"max-length":10,"overflow":"reject-publish"},"type":["object",{"message-ttl":"number","max-length":"number","overflow":"string"}]}}`),
			func(s *plan.Step) {
				s.Changed = []string{"pattern", `definition["message-ttl"]`, `definition["expires"]`, `definition["overflow"]`}
				s.Drift = true
			}),
		with(Step(plan.Update, "user.app", `{"name":"app","password":null,"tags":["monitoring","management"]}`, `{"name":"app","password":null,"tags":["monitoring","policymaker"]}`), func(s *plan.Step) {
			s.Changed = []string{"password", "tags"}
			s.Sensitive = []string{"password"}
			s.Holes = []plan.Hole{{Path: "password", Secret: true}}
		}),
		with(Step(plan.Update, "retained.motd", `{"topic":"motd","payload":"Good morning\nand welcome\nto all\n"}`, `{"topic":"motd","payload":"Good evening\nand welcome\nto all\n"}`),
			func(s *plan.Step) { s.Changed = []string{"payload"} }),
		with(Step(plan.Update, "retained.conf", `{"topic":"conf","payload":"{\"a\":1,\"b\":[1,2]}"}`, `{"topic":"conf","payload":"{\"a\":2,\"b\":[1,2]}"}`),
			func(s *plan.Step) { s.Changed = []string{"payload"} }),
		with(Step(plan.Restart, "participant.resize.process", `{"broker":"main","role":"resize","command":["node","resize.js"],"env":{"SIZE":"10"},"replicas":1}`,
			`{"broker":"main","role":"resize","command":["node","resize.js"],"env":{"SIZE":"20"},"replicas":3}`), func(s *plan.Step) {
			s.Changed = []string{`env["SIZE"]`, "replicas"}
			s.Reason = `a process has its env["SIZE"] from its start on`
		}),
		with(Step(plan.Record, "queue.relations", queue("relations", "classic"), queue("relations", "classic")), func(*plan.Step) {}),
	}
}

func replaceSteps() []plan.Step {
	risk := &plan.Risk{Ready: 18204, Unacked: 12, Consumers: 3, Collateral: []plan.Collateral{
		{Type: "binding", Name: "events -> jobs (key job.#)", Managed: true},
		{Type: "binding", Name: "audit -> jobs (key #)"}}}
	force := func(s *plan.Step) { s.Changed, s.ForceNew = []string{"type"}, []string{"type"} }
	return []plan.Step{
		with(Step(plan.Delete, "queue.jobs", queue("jobs", "classic"), ""), func(s *plan.Step) { s.Risk = risk }),
		with(Step(plan.Create, "queue.jobs", "", queue("jobs", "quorum")), force),
		with(Step(plan.Delete, "binding.jobs", binding("events", "jobs", "job.#"), ""), func(s *plan.Step) { s.Reason = "its queue is replaced" }),
		Step(plan.Create, "binding.jobs", "", binding("events", "jobs", "job.#")),
		with(Step(plan.Migrate, "queue.mail", queue("mail", "classic"), queue("mail", "quorum")), func(s *plan.Step) {
			force(s)
			s.Risk = &plan.Risk{Ready: 7}
		}),
		with(Step(plan.Delete, "queue.old", queue("old", "stream"), ""), func(s *plan.Step) {
			s.Reason = "no longer declared"
			s.Risk = &plan.Risk{Unknown: true, Consent: true}
		}),
		with(Step(plan.Delete, "binding.billing", binding("events", "billing", "order.*"), ""), func(s *plan.Step) { s.Reason = "no longer declared" }),
	}
}

func adoptSteps(n int) []plan.Step {
	var out []plan.Step
	for i := range n {
		name := fmt.Sprintf("q%02d", i)
		out = append(out, Step(plan.Adopt, "queue."+name, queue(name, "classic"), queue(name, "classic")))
	}
	return append(out,
		with(Step(plan.Forget, "queue.left", queue("left", "classic"), ""), func(s *plan.Step) { s.Reason = "removed from the configuration, adopted before" }),
		with(Step(plan.Adopt, "queue.taken", queue("taken", "classic"), queue("taken", "classic")), func(s *plan.Step) { s.Imported = true }))
}

func moduleSteps() []plan.Step {
	var out []plan.Step
	for _, m := range []string{"", `module.eu["a"].`, "module.us."} {
		out = append(out,
			Step(plan.Create, m+"binding.b", "", binding("x", "q", "k")),
			Step(plan.Create, m+"queue.q", "", queue("q", "classic")),
			Step(plan.Create, m+"exchange.x", "", `{"name":"x","vhost":"/","type":"fanout","durable":true}`))
	}
	return append(out, Step(plan.Create, `participant.resize.queue["in"]`, "", queue("resize.IN", "classic")))
}

// hostileSteps have names that try to leave their place in every format.
func hostileSteps() []plan.Step {
	evil := "\x1b[31mred\u202egnp.exe ```</details>|`\"$${x}--><script>@team\n# Plan: 0 to add"
	q, _ := json.Marshal(map[string]any{"name": evil, "vhost": evil, "type": evil, "durable": true,
		"arguments": map[string]any{"value": map[string]any{evil: evil}, "type": []any{"object", map[string]any{evil: "string"}}}})
	b, _ := json.Marshal(map[string]any{"vhost": evil, "source": evil, "destination": evil, "destination_type": "queue", "routing_key": evil})
	at := addr.Instance{Type: "queue", Name: "x", Key: addr.StringKey(evil)}
	s := Step(plan.Delete, "queue.x", string(q), "")
	s.Addr, s.ID, s.Reason = at, plan.ID(plan.Delete, at), evil
	s.Risk = &plan.Risk{Ready: 1, Collateral: []plan.Collateral{{Type: evil, Name: evil}}}
	c := Step(plan.Create, "binding.y", "", string(b))
	c.Provider.Name = evil
	return []plan.Step{s, c}
}

func restPlan(p *plan.Plan) *plan.Plan {
	p.Steps = []plan.Step{with(Step(plan.Update, "policy.p", `{"name":"p","pattern":"a"}`, `{"name":"p","pattern":"b"}`), func(s *plan.Step) {
		s.Changed = []string{"pattern"}
		from := At("policy.older")
		s.Prev = &from
	})}
	p.Drift = []plan.Drift{
		{Addr: At("queue.jobs"), Provider: broker, Recorded: json.RawMessage(queue("jobs", "classic")), Live: json.RawMessage(queue("jobs", "quorum")), Changed: []string{"type"}},
		{Addr: At("binding.audit"), Provider: broker, Recorded: json.RawMessage(binding("a", "b", "")), Gone: true},
		{Addr: At("queue.tmp"), Provider: broker, Gone: true, Note: "its queue is auto-delete and has no consumer now"},
	}
	p.Moved = []plan.Moved{{From: At("queue.a"), To: At(`queue.b["eu"]`)}}
	p.Withheld = []plan.Withheld{{Addr: At("queue.gone"), Reason: "no longer declared"}}
	p.Unmanaged = []plan.Unmanaged{{Provider: broker, Type: "queue", Name: "amq.gen-x y", Value: json.RawMessage(`{"vhost":"eu"}`)}}
	p.Outputs = map[string]plan.Output{
		"url":    {Before: json.RawMessage(`{"value":"a","type":"string"}`), After: json.RawMessage(`{"value":"b","type":"string"}`), Changed: true},
		"names":  {After: json.RawMessage(`{"value":["a","b"],"type":["list","string"]}`), Changed: true},
		"secret": {Sensitive: true, Changed: true},
		"later":  {Unknown: true, Changed: true},
		"same":   {Before: json.RawMessage(`{"value":1,"type":"number"}`), After: json.RawMessage(`{"value":1,"type":"number"}`)},
	}
	p.Targeted = true
	return p
}

// State is a state with modules, secrets and outputs.
func State() *state.Snapshot {
	s := state.New("l-1")
	s.MsgfloVersion, s.Serial = "0.1.0", 4
	add := func(at, attrs string, f func(*state.Object)) {
		o := state.Object{Addr: At(at), Provider: broker, ProviderType: "rabbitmq", Attrs: json.RawMessage(attrs), Owned: true}
		if f != nil {
			f(&o)
		}
		s.Objects = append(s.Objects, o)
	}
	add("binding.jobs", binding("events", "jobs", "job.#"), func(o *state.Object) { o.Within = []addr.Instance{At("queue.jobs"), At("exchange.events")} })
	add("exchange.events", `{"name":"events","vhost":"/","type":"topic","durable":true,"arguments":{"value":{"x-a":"b"},"type":["object",{"x-a":"string"}]}}`, nil)
	add("queue.jobs", queue("jobs", "classic"), func(o *state.Object) {
		o.Owned = false
		o.Attrs = json.RawMessage(`{"name":"jobs","vhost":"/","type":"classic","durable":true,"dead_letter":{"exchange":"dead","routing_key":null}}`)
	})
	add("shovel.move", `{"name":"move","source":{"url":"amqp://u:leak@h","queue":"old"},"id":"7"}`, nil)
	add("user.app", `{"name":"app","password":null,"tags":[]}`, func(o *state.Object) { o.Hashes = map[string]string{"password": "$argon2id$leak"} }) //nolint:gosec // planted, to be missed in what is shown
	add(`module.eu["a.module.b"].queue.q["k"]`, queue("q", "quorum"), nil)
	add(`module.eu["a.module.b"].module.in.queue.q[3]`, queue("q3", "quorum"), nil)
	s.Outputs = map[string]state.Output{
		"url":   {Value: json.RawMessage(`"amqp://h"`), Type: json.RawMessage(`"string"`)},
		"names": {Value: json.RawMessage(`["a","b"]`), Type: json.RawMessage(`["list","string"]`)},
		"token": {Sensitive: true, Type: json.RawMessage(`"string"`)},
	}
	s.Sort()
	return s
}
