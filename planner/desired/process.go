package desired

import (
	"maps"
	"math/big"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/providers/launch"
)

const processType = "process"

// processes makes the process of each participant that is launched here.
func (e *evaluator) processes(l *lowering) []*instance {
	packets := l.packets()
	var out []*instance
	for _, p := range l.players {
		if p.foreign {
			continue
		}
		if i := e.process(l, p, packets[p.role]); i != nil {
			out = append(out, i)
		}
	}
	return out
}

// packets are the initial packets of each role: a JSON object by port.
func (l *lowering) packets() map[*flow.Role]string {
	byPort := map[*flow.Role]map[string]string{}
	for _, g := range l.graphs {
		for _, in := range g.flow.initials {
			if byPort[in.To.Role] == nil {
				byPort[in.To.Role] = map[string]string{}
			}
			byPort[in.To.Role][in.To.Port] = in.Data
		}
	}
	out := make(map[*flow.Role]string, len(byPort))
	for r, ports := range byPort {
		var b strings.Builder
		for n, id := range sortedKeys(ports) {
			b.WriteString([]string{"{", ","}[min(n, 1)])
			b.WriteString(quoteJSON(id) + ":" + ports[id])
		}
		out[r] = b.String() + "}"
	}
	return out
}

// takesPackets reports whether a participant is started with its initial
// packets: then nobody sends them, or it would get them twice. The port is there
// as with a packet that is sent.
func (e *evaluator) takesPackets(p *player, in flow.Initial) bool {
	if p.foreign || p.comp == nil || !p.comp.uses("command", "iips") {
		return false
	}
	if findPort(p.role.Inports, in.To.Port) != nil {
		return true
	}
	if p.role.DeclaredIn {
		e.noPort(p, false, in.To.Port, in.To.Decl)
		return true
	}
	p.addPort(&p.role.Inports, in.To.Port, cty.NilVal).Decl = in.Decl
	return true
}

// process makes one process object; nil where something is reported, or it
// waits for data.
func (e *evaluator) process(l *lowering, p *player, packets string) *instance {
	i := p.inst
	on := e.launcherOf(i)
	if p.failed || p.comp == nil || i.player.unclear {
		return nil
	}
	if packets == "" {
		packets = "{}"
	}
	if l.waiting[p.role] {
		packets = ""
	}
	rest := []string{"directory", "env", "env_file"}
	if p.comp.uses("command", "iips") {
		rest = append(rest, "command")
	}
	e.decodeComponent(p, packets, rest...)
	attrs, ok := e.processAttrs(l, p)
	if on == nil || !ok || p.failed || p.held || i.failed || i.held {
		i.failed = i.failed || p.failed || on == nil || !ok && !p.held && !i.held
		return nil
	}
	schema := on.typ.Resources[processType]
	if schema == nil {
		e.errorf(i.decl(), "No processes there", "%s runs no processes, so %s cannot be launched on it.", on.addr, i.label())
		return nil
	}
	at := addr.Instance{Module: i.addr.Module, Owner: p.role.Owner, Type: processType}
	d := e.newDerived(i, at, &on.broker, e.info(schema), i.decl())
	d.life.IgnoreChanges, d.triggers = i.life.IgnoreChanges, i.triggers
	d.block.depends = i.block.depends
	d.deps = unique(append(slices.Clip(i.deps), p.deps...))
	r := l.low.Processes[p.role]
	d.lowered = &lowered{within: r.Within, after: r.After, soft: r.Soft, serves: l.broker}
	if !e.fill(d, attrs, i.body.ranges()) {
		return nil
	}
	return d
}

func (e *evaluator) processAttrs(l *lowering, p *player) (map[string]cty.Value, bool) {
	i, r := p.inst, p.role
	out := map[string]cty.Value{
		"broker": cty.StringVal(l.broker.addr.Name), "role": cty.StringVal(r.Name),
		"component": cty.StringVal(p.comp.name), "client": cty.StringVal(r.Client),
		"replicas": cty.NumberIntVal(int64(r.Replicas)), "version": i.val("version"),
	}
	command, ok := e.commandOf(p)
	if ok {
		out["command"] = cty.ListVal(command)
	}
	if text(i.val("client")) == "" && r.Client == "" {
		ok = false // reported, or waits for data
	}
	if v, fine := e.directoryOf(p); fine {
		out["directory"] = v
	} else {
		ok = false
	}
	ok = e.environment(l, p, out) && ok
	ok = e.watched(p, out) && ok
	ok = e.replicasFit(l, p) && ok
	for _, name := range []string{"restart", "stop", "update"} {
		out[name] = e.blockOrDefaults(i, name)
	}
	out["ready"], ok = e.readiness(l, p, ok)
	out["inports"], out["outports"] = portList(r.Inports), portList(r.Outports)
	if m := l.low.Initial[r]; len(m) > 0 {
		vals := make(map[string]cty.Value, len(m))
		for topic, data := range m {
			vals[topic] = cty.StringVal(data)
		}
		out["initial"] = cty.MapVal(vals)
	}
	return out, ok
}

func portList(ports []*flow.Port) cty.Value {
	if len(ports) == 0 {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	ports = slices.Clone(ports)
	slices.SortFunc(ports, func(a, b *flow.Port) int { return strings.Compare(a.ID, b.ID) })
	vals := make([]cty.Value, len(ports))
	for n, p := range ports {
		vals[n] = cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal(p.ID), "queue": cty.StringVal(p.Queue)})
	}
	return cty.ListVal(vals)
}

// replicas is the number as it is written; what is wrong with it is reported.
func (e *evaluator) replicas(p *player, v cty.Value) int {
	n, acc := plain(v).AsBigFloat().Int64()
	if acc != big.Exact || n < 0 || n > maxInstances {
		e.errorf(p.inst.at("replicas"), "Invalid value", "The replicas of %s must be a whole number from 0 to %d.", p.label(), maxInstances)
		p.failed = true
		return 1
	}
	return int(n)
}

// replicasFit refuses replicas where each would get every message.
func (e *evaluator) replicasFit(l *lowering, p *player) bool {
	if p.role.Replicas <= 1 || l.broker.typ.Name != "mqtt" || p.role.Client == "go" {
		return true
	}
	e.errorf(p.inst.at("replicas"), "Replicas not possible", "%s has %d replicas. On MQTT each of them would get every message: only the client library go shares "+
		"a subscription among the replicas of a role, and this one is written with %s. Write replicas = 1, or put the participant on RabbitMQ.",
		p.label(), p.role.Replicas, p.role.Client)
	return false
}

// directoryOf is where the process runs, relative to the configuration's
// directory, with slashes, so that it means the same on another machine.
func (e *evaluator) directoryOf(p *player) (cty.Value, bool) {
	v := p.val("directory")
	if !known(v) {
		return v, false
	}
	dir, ok := stringOf(v)
	switch {
	case !ok || p.comp.cfg == nil:
		return cty.StringVal("."), true
	case traitsOf(v).sensitive:
		e.errorf(p.comp.decl(), "Invalid directory", "The directory of component.%s cannot be a sensitive value: it is recorded in state.", p.comp.name)
		return v, false
	case dir == "" || strings.ContainsRune(dir, 0):
		e.errorf(p.comp.at("directory", false), "Invalid directory", "The directory of component.%s is empty, or has a NUL character. Leave it out for that of the configuration.", p.comp.name)
		return v, false
	}
	if root := e.root.cfg.Dir; filepath.IsAbs(dir) && filepath.IsAbs(root) {
		if rel, err := filepath.Rel(root, dir); err == nil && filepath.IsLocal(rel) {
			dir = rel
		}
	}
	return cty.StringVal(path.Clean(filepath.ToSlash(dir))), true
}

// blockOrDefaults is a nested block as it is written, or as it is when it is not.
func (e *evaluator) blockOrDefaults(i *instance, name string) cty.Value {
	v := i.val(name)
	if !isNull(v) {
		return v
	}
	if v, ok := e.absent[name]; ok {
		return v
	}
	a := &i.in.attrs[i.in.index[name]]
	vals := make(map[string]cty.Value, len(a.nested))
	for n := range a.nested {
		vals[a.nested[n].Name] = a.nested[n].unwritten()
	}
	if e.absent == nil {
		e.absent = map[string]cty.Value{}
	}
	e.absent[name] = cty.ObjectVal(vals)
	return e.absent[name]
}

// announces are the client libraries that speak discovery by themselves
// (msgflo-wire.md §1.3).
func announces(client string) bool {
	return slices.Contains([]string{"nodejs", "noflo", "python", "cpp", "rust", "go"}, client)
}

// readiness is the block ready with its default, checked.
func (e *evaluator) readiness(l *lowering, p *player, ok bool) (cty.Value, bool) {
	v := e.blockOrDefaults(p.inst, "ready")
	if !plainTop(v).IsKnown() {
		return v, false
	}
	vals := maps.Clone(plainTop(v).AsValueMap())
	if isNull(vals["when"]) {
		vals["when"] = cty.StringVal(launch.Started)
		if announces(p.role.Client) {
			vals["when"] = cty.StringVal(launch.Announced)
		}
	}
	if !known(vals["when"]) {
		return v, false
	}
	return cty.ObjectVal(vals), e.checkReady(l, p, text(vals["when"]), vals) && ok
}

func (e *evaluator) checkReady(l *lowering, p *player, when string, vals map[string]cty.Value) bool {
	const summary = "Readiness cannot be told"
	at := p.inst.at("ready")
	needs := map[string][2]string{
		launch.Exec: {"command", `command = ["redis-cli", "ping"]`},
		launch.HTTP: {"url", `url = "http://localhost:8080/health"`},
		launch.TCP:  {"address", `address = "localhost:8080"`},
	}
	for _, kind := range []string{launch.Exec, launch.HTTP, launch.TCP} {
		need := needs[kind]
		v := vals[need[0]]
		empty := isNull(v) || known(v) && v.Type() == cty.String && text(v) == "" || known(v) && v.Type().IsListType() && plainTop(v).LengthInt() == 0
		if kind == when && empty {
			e.errorf(at, summary, "%s is ready when = %q, and what to ask is not said: write %s in its block ready.", p.label(), when, need[1])
			return false
		}
		if kind != when && !isNull(v) {
			e.errorf(at, "Contradiction", "%s has %s in its block ready, which is for when = %q, but it is ready when = %q.", p.label(), need[0], kind, when)
			return false
		}
	}
	switch {
	case when != launch.Consuming:
		return true
	case l.broker.typ.Name != "rabbitmq":
		e.errorf(at, summary, "%s is ready when = \"consuming\": when its queues have more consumers. %s is of the kind %s, which does not tell. Use announced, started, exec, http or tcp.",
			p.label(), l.broker.addr, l.broker.typ.Name)
	case len(p.role.Inports) == 0 && l.waits:
		return true
	case len(p.role.Inports) == 0:
		e.errorf(at, summary, "%s is ready when = \"consuming\", but it has no inport, so it consumes from nothing. Use announced, started, exec, http or tcp.", p.label())
	default:
		return true
	}
	return false
}
