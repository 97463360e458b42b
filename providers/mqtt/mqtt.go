// Package mqtt manages what an MQTT broker has: routes, which forward one
// topic to another, and retained messages. The live truth of routes is one
// retained document on the broker itself (router/routes); the agent's router
// (router) carries them.
//
// It imports providers, providers/transport/mqtt, its own router, and the
// ground floor; no config, no planner but its graphs (planner/dag), no state.
package mqtt

import (
	"time"

	"github.com/msgflo/msgflo/providers"
)

// The object types, as the language names their blocks.
const (
	typeRoute    = "route"
	typeRetained = "retained"

	dataRetained = "data." + typeRetained
)

// limits are how long an apply waits for a router.
type limits struct {
	absent time.Duration // for one to appear
	behind time.Duration // for one that is there to carry a change
}

// Type returns the provider for MQTT brokers.
func Type() *providers.Type {
	return newType(limits{absent: 15 * time.Second, behind: 60 * time.Second})
}

func newType(l limits) *providers.Type {
	c := &catalogue{
		limits:    l,
		resources: map[string]*providers.Schema{typeRoute: routeSchema(), typeRetained: retainedSchema()},
		data:      map[string]*providers.Schema{typeRetained: retainedData()},
	}
	return &providers.Type{
		Name:      "mqtt",
		Schemes:   []string{"mqtt", "mqtts", "ws", "wss"},
		Config:    configSchema(),
		Resources: c.resources,
		Data:      c.data,
		Open:      c.open,
		Lint:      lint,
	}
}

// catalogue holds the schemas of one Type, so that they are made once.
type catalogue struct {
	limits    limits
	resources map[string]*providers.Schema
	data      map[string]*providers.Schema
}
