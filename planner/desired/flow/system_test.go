package flow_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired/flow"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq"
)

// system reads a System as these tests write it, a line each:
//
//	broker KIND [prefix=P]
//	role NAME CLIENT [owner=O] [foreign] [module=M] [in=PORT[:QUEUE][!]] [out=…]    ! is durable = false; any port written declares that side
//	edge OWNER FROM -> TO [roundrobin] [dead=TO]
//	initial OWNER PORT DATA
//	export OWNER in|out NAME PORT
//	declared TYPE.NAME {json of its attributes}
//
// PORT is role.port, split at the last dot. A line's number is where it is declared.
func system(t testing.TB, src string) *flow.System {
	s := &flow.System{Broker: flow.Broker{Addr: addr.Provider{Kind: "broker", Name: "main"}, Kind: "rabbitmq", VHost: "/"}}
	r := reader{TB: t, s: s, roles: map[string]*flow.Role{}}
	for n, line := range strings.Split(src, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			r.at = hcl.Range{Filename: "flow", Start: hcl.Pos{Line: n + 1, Column: 1, Byte: n + 1}, End: hcl.Pos{Line: n + 1, Column: 2, Byte: n + 1}}
			r.line(strings.Fields(line), line)
		}
	}
	return s
}

type reader struct {
	testing.TB
	s     *flow.System
	roles map[string]*flow.Role
	at    hcl.Range
}

func (r *reader) line(f []string, line string) {
	switch f[0] {
	case "broker":
		r.s.Broker.Kind = f[1]
		for _, o := range f[2:] {
			r.s.Broker.Prefix = strings.TrimPrefix(o, "prefix=")
		}
	case "role":
		r.role(f[1], strings.Trim(f[2], `"`), f[3:])
	case "edge":
		e := flow.Edge{From: r.end(f[2]), To: r.end(f[4]), Delivery: "pubsub", Decl: r.at}
		e.Module, e.Owner = owner(f[1])
		for _, o := range f[5:] {
			if d, ok := strings.CutPrefix(o, "dead="); ok {
				end := r.end(d)
				e.DeadLetter = &end
			} else {
				e.Delivery = o
			}
		}
		r.s.Edges = append(r.s.Edges, e)
	case "initial":
		i := flow.Initial{To: r.end(f[2]), Data: f[3], Decl: r.at}
		i.Module, i.Owner = owner(f[1])
		r.s.Initials = append(r.s.Initials, i)
	case "export":
		x := flow.Export{Out: f[2] == "out", Name: f[3], Of: r.end(f[4]), Decl: r.at}
		x.Module, x.Owner = owner(f[1])
		r.s.Exports = append(r.s.Exports, x)
	case "declared":
		r.declared(f[1], line)
	default:
		r.Fatalf("line %d: %s", r.at.Start.Line, line)
	}
}

// owner splits module.m.graph.g.
func owner(s string) (module, own string) {
	if i := strings.LastIndex(s, ".graph."); i >= 0 {
		return s[:i], s[i+1:]
	}
	return "", s
}

func (r *reader) role(name, client string, options []string) {
	o := &flow.Role{Name: name, Client: client, Replicas: 1, Decl: r.at}
	o.Owner = "participant." + strings.TrimPrefix(strings.NewReplacer(".", "_", "/", "_").Replace(name), r.s.Broker.Prefix)
	for _, opt := range options {
		k, v, _ := strings.Cut(opt, "=")
		switch k {
		case "owner":
			o.Owner = v
		case "module":
			o.Module = v
		case "foreign":
			o.Foreign = true
		case "in":
			o.DeclaredIn = true
			o.Inports = append(o.Inports, r.ports(v))
		case "out":
			o.DeclaredOut = true
			o.Outports = append(o.Outports, r.ports(v))
		default:
			r.Fatalf("option %q", opt)
		}
	}
	r.s.Roles = append(r.s.Roles, o)
	r.roles[name] = o
}

func (r *reader) ports(v string) *flow.Port {
	v, transient := strings.CutSuffix(v, "!")
	id, queue, _ := strings.Cut(v, ":")
	return &flow.Port{ID: id, Queue: queue, Durable: !transient, Decl: r.at}
}

func (r *reader) end(s string) flow.End {
	i := strings.LastIndexByte(s, '.')
	role := r.roles[r.s.Broker.Prefix+s[:i]]
	if role == nil && s[:i] != "elsewhere" {
		r.Fatalf("line %d: no role %q", r.at.Start.Line, s[:i])
	}
	if s[:i] == "elsewhere" {
		role = &flow.Role{Name: "elsewhere", Owner: "participant.elsewhere"}
	}
	return flow.End{Role: role, Port: s[i+1:], Decl: r.at}
}

func (r *reader) declared(at, line string) {
	a, err := addr.Parse(at)
	if err != nil {
		r.Fatal(err)
	}
	body := line[strings.Index(line, "{"):]
	x, diags := hclsyntax.ParseExpression([]byte(body), "flow", hcl.InitialPos)
	if diags.HasErrors() {
		r.Fatal(diags)
	}
	v, diags := x.Value(nil)
	if diags.HasErrors() {
		r.Fatal(diags)
	}
	m := map[string]cty.Value{"vhost": cty.StringVal("/"), "name": cty.StringVal(a.Name)}
	maps.Copy(m, v.AsValueMap())
	if s := rabbitmq.Type().Resources[a.Type]; s != nil {
		v = declaredValue(s, m)
	} else {
		v = cty.ObjectVal(m)
	}
	r.s.Declared = append(r.s.Declared, flow.Declared{Addr: a, Value: v, Decl: r.at})
}

// declaredValue is as evaluation makes it: nested blocks whole, no vhost where
// the type has none.
func declaredValue(s *providers.Schema, m map[string]cty.Value) cty.Value {
	all := map[string]cty.Value{}
	for i := range s.Attrs {
		a := &s.Attrs[i]
		v, ok := m[a.Name]
		if !ok {
			continue
		}
		if a.IsBlock() {
			nested := providers.Schema{Attrs: a.Attrs}
			v = nested.Complete(v.AsValueMap())
		}
		all[a.Name] = v
	}
	return s.Complete(all)
}

// dump is what was lowered, for people.
func dump(s *flow.System, low *flow.Lowered, diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		sev := "error"
		if d.Severity == hcl.DiagWarning {
			sev = "warning"
		}
		fmt.Fprintf(&b, "%s at %d: %s\n  %s\n", sev, d.Subject.Start.Line, d.Summary, d.Detail)
	}
	if diags.HasErrors() {
		return b.String()
	}
	for _, o := range low.Objects {
		fmt.Fprintf(&b, "%s%s\n", o.Addr, map[bool]string{true: " (shared)"}[o.Shared])
		var attrs []string
		for k, v := range o.Attrs {
			if k == "vhost" && v.AsString() == s.Broker.VHost {
				continue
			}
			j, err := ctyjson.SimpleJSONValue{Value: v}.MarshalJSON()
			if err != nil {
				j = []byte(err.Error())
			}
			attrs = append(attrs, fmt.Sprintf("%s=%s", k, j))
		}
		slices.Sort(attrs)
		fmt.Fprintf(&b, "  %s\n", strings.Join(attrs, " "))
		relations(&b, o.Within, o.After, o.Soft)
	}
	for _, r := range s.Roles {
		rel := low.Processes[r]
		fmt.Fprintf(&b, "process of %s\n", r.Name)
		relations(&b, rel.Within, rel.After, rel.Soft)
	}
	for _, k := range low.Keepers {
		fmt.Fprintf(&b, "keeper of %s\n", addr.Instance{Module: k.Module, Owner: k.Owner})
		for _, a := range k.Bindings {
			fmt.Fprintf(&b, "  %s\n", a)
		}
	}
	for _, r := range s.Roles {
		for _, topic := range slices.Sorted(maps.Keys(low.Initial[r])) {
			fmt.Fprintf(&b, "initial of %s: %s = %s\n", r.Name, topic, low.Initial[r][topic])
		}
	}
	return b.String()
}

func relations(b *strings.Builder, within, after, soft []addr.Instance) {
	for _, r := range []struct {
		word string
		as   []addr.Instance
	}{{"within", within}, {"after", after}, {"soft", soft}} {
		for _, a := range r.as {
			fmt.Fprintf(b, "  %s %s\n", r.word, a)
		}
	}
}
