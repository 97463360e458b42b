// Package rabbitmq manages the topology of a RabbitMQ broker: vhosts, users,
// exchanges, queues, bindings, policies and the rest. It reads by the
// management API, in one sweep a vhost, and writes over AMQP where AMQP has
// the verb, else by the management API, reading back what it wrote.
//
// It imports providers, the ground floor and its own mgmt; no config, no
// planner, no state.
package rabbitmq

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/attr"
)

// The object types, as the language names their blocks.
const (
	typeVhost       = "vhost"
	typeVhostLimit  = "vhost_limit"
	typeUser        = "user"
	typeUserLimit   = "user_limit"
	typePermission  = "permission"
	typeTopicPerm   = "topic_permission"
	typeExchange    = "exchange"
	typeQueue       = "queue"
	typeBinding     = "binding"
	typePolicy      = "policy"
	typeOpPolicy    = "operator_policy"
	typeParameter   = "parameter"
	typeGlobalParam = "global_parameter"
	typeShovel      = "shovel"
	typeUpstream    = "federation_upstream"
	typeInitial     = "initial"

	dataPrefix = "data."
)

// ownerArgument marks queues and exchanges that msgflo made with its lineage.
// RabbitMQ stores arguments that it does not know, and does not compare them
// when a client declares the object again.
const ownerArgument = "x-msgflo-owner"

// Type returns the provider for RabbitMQ brokers.
func Type() *providers.Type {
	t := &catalogue{resources: resourceSchemas(), data: dataSchemas()}
	return &providers.Type{
		Name:      "rabbitmq",
		Schemes:   []string{"amqp", "amqps"},
		Config:    configSchema(),
		Resources: t.resources,
		Data:      t.data,
		Open:      t.open,
		Lint:      lint,
		Defaults:  defaults,
	}
}

// catalogue holds the schemas of one Type, so that they are made once.
type catalogue struct {
	resources map[string]*providers.Schema
	data      map[string]*providers.Schema
}

// schema finds the schema that a query's or change's type names, or nil.
func (c *catalogue) schema(typ string) *providers.Schema {
	if len(typ) > len(dataPrefix) && typ[:len(dataPrefix)] == dataPrefix {
		return c.data[typ[len(dataPrefix):]]
	}
	return c.resources[typ]
}

// defaults fills the vhost that the broker's URL implies. A limit on a vhost
// is of the vhost that its label names: `vhost_limit "eu"`.
func defaults(config cty.Value, typ string, attrs map[string]cty.Value) {
	v, has := attrs["vhost"]
	if !has && !takesVhost(typ) || has && v != cty.NilVal && !v.IsNull() {
		return
	}
	if typ == typeVhostLimit {
		if n, ok := attrs["name"]; ok && n != cty.NilVal && !n.IsNull() {
			attrs["vhost"] = n
		}
		return
	}
	attrs["vhost"] = cty.StringVal(defaultVhost(config))
}

func takesVhost(typ string) bool {
	switch typ {
	case typeVhostLimit, typePermission, typeTopicPerm, typeExchange, typeQueue, typeBinding, typePolicy, typeOpPolicy,
		typeParameter, typeShovel, typeUpstream, typeInitial, dataPrefix + typeQueue, dataPrefix + typeExchange:
		return true
	}
	return false
}

func defaultVhost(config cty.Value) string {
	raw := attr.Text(config, "url")
	u, err := parseURL(raw)
	if err != nil {
		return "/"
	}
	return u.vhost
}
