package apply_test

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/fake"
	"github.com/msgflo/msgflo/state"
)

// password is in every secret of these tests.
const password = "hunter2"

func str(s string) cty.Value { return cty.StringVal(s) }

// A config is a configuration as desired.Build would see it: blocks with
// attributes, some of which name other blocks' objects.
type config []block

type block struct {
	addr  addr.Instance
	attrs map[string]cty.Value
	peer  *addr.Instance // a widget that it holds the id of
	adopt string
	// shared: it belongs to all who use the broker
	shared bool
}

func at(typ, name string) addr.Instance { return addr.Instance{Type: typ, Name: name} }

func (b *block) text(name string) string {
	if v, ok := b.attrs[name]; ok && !v.IsNull() {
		return v.AsString()
	}
	return map[string]string{"vhost": "/", "destination_type": "queue"}[name]
}

// objects lowers the configuration. Computed values are known where they are
// recorded, as desired does it.
func (c config) objects(prior *state.Snapshot, t *providers.Type) []desired.Object {
	called := map[string]addr.Instance{}
	for i := range c {
		b := &c[i]
		vhost := ""
		if b.addr.Type == "queue" || b.addr.Type == "exchange" {
			vhost = b.text("vhost")
		}
		called[b.addr.Type+" "+vhost+" "+b.text("name")] = b.addr
	}
	ids := prior.Index()
	var out []desired.Object
	for i := range c {
		b := &c[i]
		o := desired.Object{Addr: b.addr, Provider: main_, Type: b.addr.Type, Lifecycle: desired.Lifecycle{Adopt: b.adopt, Shared: b.shared},
			Decl: hcl.Range{Filename: "main.flo.hcl", Start: hcl.Pos{Line: i + 1, Column: 1}, End: hcl.Pos{Line: i + 1, Column: 2}}}
		attrs := map[string]cty.Value{}
		maps.Copy(attrs, b.attrs)
		refer := func(into *[]addr.Instance, key string) {
			if a, ok := called[key]; ok && a != b.addr {
				*into = append(*into, a)
			}
		}
		s := t.Resources[b.addr.Type]
		if s.Attr("vhost") != nil {
			refer(&o.Within, "vhost  "+b.text("vhost"))
		}
		switch b.addr.Type {
		case "binding":
			refer(&o.Within, "exchange "+b.text("vhost")+" "+b.text("source"))
			refer(&o.Within, b.text("destination_type")+" "+b.text("vhost")+" "+b.text("destination"))
		case "permission":
			refer(&o.Within, "user  "+b.text("user"))
		case "queue":
			refer(&o.After, "exchange "+b.text("vhost")+" "+b.text("dead_letter"))
		case "exchange":
			refer(&o.After, "exchange "+b.text("vhost")+" "+b.text("alternate"))
		case "widget":
			if b.peer != nil {
				o.Holes = []plan.Hole{{Path: "peer", Addr: b.peer, Attr: "id"}}
				o.After = append(o.After, *b.peer)
				attrs["peer"] = cty.UnknownVal(cty.String)
				if at, ok := ids[*b.peer]; ok {
					if v, err := recorded.Decode(s, 0, prior.Objects[at].Attrs); err == nil && !v.GetAttr("id").IsNull() {
						attrs["peer"] = v.GetAttr("id")
					}
				}
			}
		}
		o.Value = fake.Complete(s, attrs)
		out = append(out, o)
	}
	return out
}

// drawConfig makes a configuration whose parts fit together: bindings have
// ends, permissions users; everything may be in a declared vhost or in "/".
func drawConfig(t *rapid.T, label string) config {
	d := &drawer{t: t, label: label}
	if d.flag("vhost") {
		d.add(at("vhost", "v"), map[string]cty.Value{"name": str("v"), "description": d.choice("about", "", "a", "b")})
	}
	d.exchanges()
	d.queues()
	d.bindings()
	d.rest()
	return d.c
}

type drawer struct {
	t     *rapid.T
	label string
	c     config
	ends  []block // exchanges and queues
}

func (d *drawer) flag(what string) bool { return rapid.Bool().Draw(d.t, d.label+what) }

func (d *drawer) of(what string, from ...string) string {
	return rapid.SampledFrom(from).Draw(d.t, d.label+what)
}

// choice is one of some strings, "" being null.
func (d *drawer) choice(what string, from ...string) cty.Value {
	s := d.of(what, from...)
	if s == "" {
		return cty.NullVal(cty.String)
	}
	return str(s)
}

func (d *drawer) add(a addr.Instance, attrs map[string]cty.Value) *block {
	d.c = append(d.c, block{addr: a, attrs: attrs})
	return &d.c[len(d.c)-1]
}

func (d *drawer) vhost() cty.Value {
	if len(d.c) > 0 && d.c[0].addr.Type == "vhost" && d.flag("in v") {
		return str("v")
	}
	return str("/")
}

// names gives each of some addresses a name of its own: permuted, so that
// addresses swap names now and then.
func (d *drawer) names(what string, addresses, names []string) map[string]string {
	perm := names
	if d.of(what+" permuted", "no", "no", "yes") == "yes" {
		perm = rapid.Permutation(names).Draw(d.t, d.label+what+" names")
	}
	out := map[string]string{}
	for i, a := range addresses {
		if d.flag(what + " " + a) {
			out[a] = perm[i]
		}
	}
	return out
}

func (d *drawer) exchanges() {
	addresses := []string{"a", "b", "c"}
	names := d.names("exchange", addresses, []string{"ea", "eb", "ec", "ed"})
	for _, a := range addresses {
		if names[a] == "" {
			continue
		}
		attrs := map[string]cty.Value{"name": str(names[a]), "vhost": d.vhost(), "type": d.choice("kind", "direct", "fanout")}
		if len(d.ends) > 0 && d.ends[0].attrs["vhost"].RawEquals(attrs["vhost"]) && d.flag("alternate") {
			attrs["alternate"] = d.ends[0].attrs["name"]
		}
		d.ends = append(d.ends, *d.add(at("exchange", a), attrs))
	}
}

func (d *drawer) queues() {
	addresses := []string{"a", "b", "c"}
	names := d.names("queue", addresses, []string{"qa", "qb", "qc", "qd"})
	for _, a := range addresses {
		if names[a] == "" {
			continue
		}
		attrs := map[string]cty.Value{"name": str(names[a]), "vhost": d.vhost(), "type": d.choice("type", "classic", "quorum"),
			"dead_letter": d.choice("dead letter", "", "ea", "eb")}
		if d.flag("arguments") {
			attrs["arguments"] = cty.MapVal(map[string]cty.Value{"x-max-length": d.choice("max", "1", "2")})
		}
		d.ends = append(d.ends, *d.add(at("queue", a), attrs))
	}
}

func (d *drawer) bindings() {
	seen := map[string]bool{}
	for n := range rapid.IntRange(0, 4).Draw(d.t, d.label+"bindings") {
		if len(d.ends) == 0 || d.ends[0].addr.Type != "exchange" {
			return
		}
		src := rapid.SampledFrom(d.ends).Draw(d.t, d.label+"source")
		dst := rapid.SampledFrom(d.ends).Draw(d.t, d.label+"destination")
		if src.addr.Type != "exchange" || !src.attrs["vhost"].RawEquals(dst.attrs["vhost"]) {
			continue
		}
		attrs := map[string]cty.Value{"vhost": src.attrs["vhost"], "source": src.attrs["name"], "destination": dst.attrs["name"],
			"destination_type": str(dst.addr.Type), "key": str(d.of("key", "k1", "k2"))}
		id := fmt.Sprint(attrs)
		if seen[id] {
			continue
		}
		seen[id] = true
		d.add(at("binding", fmt.Sprint("b", n)), attrs)
	}
	// An exchange may be auto_delete where it is the source of something, else it would
	// be gone with nobody asking.
	for i := range d.c {
		b := &d.c[i]
		holds := func(o block) bool {
			return o.addr.Type == "binding" && o.attrs["source"].RawEquals(b.attrs["name"]) && o.attrs["vhost"].RawEquals(b.attrs["vhost"])
		}
		if b.addr.Type == "exchange" && slices.ContainsFunc(d.c, holds) && d.flag("auto delete") {
			b.attrs["auto_delete"] = cty.True
		}
	}
}

func (d *drawer) rest() {
	if d.flag("policy") {
		d.add(at("policy", "p"), map[string]cty.Value{"name": str("p"), "vhost": d.vhost(), "pattern": str(d.of("pattern", "^a", "^b"))})
	}
	// Hashing a password takes 30 ms, on purpose.
	if rapid.IntRange(0, 5).Draw(d.t, d.label+"user") == 5 {
		name := str(d.of("user name", "ann", "bob"))
		d.add(at("user", "u"), map[string]cty.Value{"name": name, "password": d.choice("password", password+"-1", password+"-2")})
		if d.flag("permission") {
			d.add(at("permission", "u"), map[string]cty.Value{"user": name, "vhost": d.vhost(), "write": d.choice("write", "", ".*")})
		}
	}
	if d.flag("shared") {
		d.add(at("policy", d.of("shared at", "common", "everybodys")), map[string]cty.Value{"name": str("common"), "pattern": str(d.of("common pattern", "^a", "^fbp$"))}).shared = true
		d.add(at("queue", d.of("fbp at", "fbp", "discovery")), map[string]cty.Value{"name": str("fbp"), "type": str("classic")}).shared = true
	}
	if d.flag("widget") {
		d.add(at("widget", "a"), map[string]cty.Value{"name": str("wa"), "size": cty.NumberIntVal(rapid.Int64Range(1, 2).Draw(d.t, d.label+"size")),
			"label": d.choice("label", "", "x", "y"), "env": cty.MapVal(map[string]cty.Value{"LEVEL": d.choice("env", "1", "2")})})
		if d.flag("second widget") {
			peer := at("widget", "a")
			d.add(at("widget", "b"), map[string]cty.Value{"name": str("wb"), "label": d.choice("label b", "", "x")}).peer = &peer
		}
	}
}
