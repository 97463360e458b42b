package cli

import (
	"encoding/json"

	"github.com/msgflo/msgflo/providers/local/agent"
	"github.com/msgflo/msgflo/providers/mqtt/embedded"
	"github.com/msgflo/msgflo/providers/mqtt/router"
)

// mqttServer makes an embedded MQTT broker.
func mqttServer(spec, _ json.RawMessage, env agent.ServiceEnv) (agent.Service, error) {
	s, err := embedded.ParseSpec(spec)
	if err != nil {
		return nil, err
	}
	return orNone(embedded.New(s, embedded.Options{Folder: env.Folder, Lineage: env.Lineage, Log: env.Log, Ready: func(embedded.Addresses) { env.Ready() }}))
}

// mqttRouter makes what carries the routes of a broker.
func mqttRouter(spec, secret json.RawMessage, env agent.ServiceEnv) (agent.Service, error) {
	return orNone(router.Make(spec, secret, router.Options{Lineage: env.Lineage, Log: env.Log, Ready: env.Ready, Note: env.Note}))
}
