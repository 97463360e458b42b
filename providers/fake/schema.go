package fake

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
)

func configSchema() providers.Schema {
	return providers.Schema{Doc: "A broker in memory.", Attrs: []providers.Attr{
		{Name: "url", Doc: "Which one: `fake://NAME`.", Type: cty.String, Required: true},
		{Name: "username", Doc: "Taken as it is.", Type: cty.String},
		{Name: "password", Doc: "Taken as it is.", Type: cty.String, Sensitive: []cty.Path{{}}},
	}}
}

func vhost() providers.Attr {
	return providers.Attr{Name: "vhost", Doc: "The vhost it is in.", Type: cty.String, Identity: true, ForceNew: true,
		Ref: []string{"vhost"}, Relation: providers.Within}
}

func name() providers.Attr {
	return providers.Attr{Name: "name", Doc: "Its name.", Type: cty.String, Identity: true, ForceNew: true, Required: true,
		Check: func(v cty.Value) error {
			if n := len(v.AsString()); n == 0 || n > 255 {
				return fmt.Errorf("a name has 1 to 255 bytes, this one has %d", n)
			}
			return nil
		}}
}

func optional(name, doc string, t cty.Type) providers.Attr {
	return providers.Attr{Name: name, Doc: doc, Type: t}
}

func fixed(name, doc string, t cty.Type, def cty.Value) providers.Attr {
	return providers.Attr{Name: name, Doc: doc, Type: t, ForceNew: true, Default: def}
}

func identity(name, doc string, ref []string, rel providers.Relation) providers.Attr {
	return providers.Attr{Name: name, Doc: doc, Type: cty.String, Required: true, Identity: true, ForceNew: true, Ref: ref, Relation: rel}
}

func resources() map[string]*providers.Schema {
	flag := func(b bool) cty.Value { return cty.BoolVal(b) }
	return map[string]*providers.Schema{
		"vhost": {Doc: "A namespace.", Meterable: true, Attrs: []providers.Attr{name(), optional("description", "For people.", cty.String)}},
		"queue": {Doc: "Holds messages.", Meterable: true, Attrs: []providers.Attr{
			vhost(), name(),
			fixed("type", "classic, quorum or stream.", cty.String, cty.StringVal("classic")),
			fixed("durable", "Survives a restart.", cty.Bool, flag(true)),
			fixed("auto_delete", "Goes with its last consumer.", cty.Bool, flag(false)),
			fixed("arguments", "Further arguments.", cty.Map(cty.String), cty.NilVal),
			{Name: "dead_letter", Doc: "The exchange for what expires or is rejected.", Type: cty.String, ForceNew: true,
				Ref: []string{"exchange"}, Relation: providers.After},
		}},
		"exchange": {Doc: "Routes messages.", Meterable: true, DiesWithout: heldBy, Attrs: []providers.Attr{
			vhost(), name(),
			fixed("type", "direct, fanout, topic or headers.", cty.String, cty.StringVal("direct")),
			fixed("durable", "Survives a restart.", cty.Bool, flag(true)),
			fixed("auto_delete", "Goes with its last binding.", cty.Bool, flag(false)),
			{Name: "alternate", Doc: "The exchange for what cannot be routed.", Type: cty.String, ForceNew: true,
				Ref: []string{"exchange"}, Relation: providers.After},
		}},
		"binding": {Doc: "Leads from an exchange on.", Swap: true, Attrs: []providers.Attr{
			vhost(),
			identity("source", "The exchange.", []string{"exchange"}, providers.Within),
			{Name: "destination", Doc: "A queue or an exchange.", Type: cty.String, Required: true, Identity: true, ForceNew: true,
				Ref: []string{"queue", "exchange"}, RefKind: "destination_type", Relation: providers.Within},
			{Name: "destination_type", Doc: "queue or exchange.", Type: cty.String, Identity: true, ForceNew: true,
				Default: cty.StringVal("queue")},
			{Name: "key", Doc: "The routing key.", Type: cty.String, Identity: true, ForceNew: true, Default: cty.StringVal("")},
		}},
		"policy": {Doc: "Settings for many queues.", Attrs: []providers.Attr{
			vhost(), name(),
			{Name: "pattern", Doc: "Which names.", Type: cty.String, Required: true},
			optional("definition", "What is set.", cty.Map(cty.String)),
			{Name: "priority", Doc: "The highest wins.", Type: cty.Number, Default: cty.NumberIntVal(0)},
		}},
		"user": {Doc: "Who may log in.", Attrs: []providers.Attr{
			name(),
			{Name: "password", Doc: "Never told again.", Type: cty.String, WriteOnly: true, Sensitive: []cty.Path{{}}},
			optional("tags", "Roles.", cty.Set(cty.String)),
		}},
		"permission": {Doc: "What a user may do in a vhost.", Attrs: []providers.Attr{
			vhost(),
			identity("user", "The user.", []string{"user"}, providers.Within),
			optional("configure", "Names to configure.", cty.String),
			optional("write", "Names to write to.", cty.String),
			optional("read", "Names to read from.", cty.String),
		}},
		"widget": {Doc: "Has what the others lack: a computed, an elastic and a restarting attribute.", Attrs: []providers.Attr{
			vhost(), name(),
			{Name: "id", Doc: "Given by the broker.", Type: cty.String, Computed: true, ReadOnly: true},
			optional("label", "For people.", cty.String),
			fixed("size", "Fixed at creation.", cty.Number, cty.NumberIntVal(1)),
			{Name: "replicas", Doc: "An autoscaler may move it.", Type: cty.Number, Elastic: true, Default: cty.NumberIntVal(1)},
			optional("peer", "The id of another widget.", cty.String),
			{Name: "env", Doc: "Read at its start only.", Type: cty.Map(cty.String), Restarts: true},
		}},
	}
}

// heldBy says that an auto_delete exchange lives as long as it is the source
// of a binding.
func heldBy(exchange cty.Value, typ string, within cty.Value) bool {
	return typ == "binding" && attr.Bool(exchange, "auto_delete", false) && source(within) == keyOf("exchange", exchange)
}

func dataSources() map[string]*providers.Schema {
	return map[string]*providers.Schema{
		"queue": {Doc: "A queue and what is in it.", Attrs: []providers.Attr{
			vhost(), name(),
			{Name: "exists", Doc: "Whether it is there.", Type: cty.Bool, ReadOnly: true},
			{Name: "messages", Doc: "Messages in it.", Type: cty.Number, ReadOnly: true},
		}},
	}
}

// keyOf names the live object that a value means.
func keyOf(typ string, v cty.Value) key {
	k := key{typ: typ, vhost: attr.Text(v, "vhost"), name: attr.Text(v, "name")}
	switch typ {
	case "binding":
		k.name = fmt.Sprintf("%q -> %s %q (key %q)", attr.Text(v, "source"), attr.Text(v, "destination_type"), attr.Text(v, "destination"), attr.Text(v, "key"))
	case "permission":
		k.name = attr.Text(v, "user")
	}
	return k
}

// ends are the objects that one dies with; all must be there to create it.
func ends(typ string, v cty.Value) []key {
	var out []key
	if vh := attr.Text(v, "vhost"); vh != "" {
		out = append(out, key{typ: "vhost", name: vh})
	}
	switch typ {
	case "binding":
		out = append(out, key{"exchange", attr.Text(v, "vhost"), attr.Text(v, "source")},
			key{attr.Text(v, "destination_type"), attr.Text(v, "vhost"), attr.Text(v, "destination")})
	case "permission":
		out = append(out, key{typ: "user", name: attr.Text(v, "user")})
	}
	return out
}
