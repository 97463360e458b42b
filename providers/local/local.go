// Package local is the launcher "local": processes of this machine, and what
// else the agent of a state holds for it. It talks to the agent (package control
// below it), which it starts where there is something to hold; reading starts none.
//
// It imports providers, providers/launch, providers/local/control and the
// ground floor. It knows neither state nor config, and supervises nothing.
package local

import (
	"context"
	"path/filepath"

	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/launch"
	"github.com/msgflo/msgflo/providers/local/control"
)

// Type is the launcher for participants, keepers of transient bindings,
// announcements of foreign participants, embedded brokers and routers on this machine.
func Type() *providers.Type { return NewType(control.Agent{}) }

// NewType is Type with an agent started otherwise: of a, Program and Env are
// used (see control.Agent).
func NewType(a control.Agent) *providers.Type {
	kinds := kinds()
	return &providers.Type{
		Name:      "local",
		Launcher:  true,
		Config:    providers.Schema{Doc: "This machine. The agent of the state keeps running what is launched here."},
		Resources: resources(kinds),
		Open: func(_ context.Context, env providers.Env) (providers.Provider, error) {
			dir, err := absolute(env.Dir)
			if err != nil {
				return nil, err
			}
			agent := a
			agent.Lineage, agent.Dir, agent.State = env.Lineage, dir, env.State
			return &provider{kinds: kinds, agent: agent, machine: control.Machine()}, nil
		},
	}
}

// absolute is the directory's one name: where a link leads to, so that two
// ways to it are no difference.
func absolute(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real, nil
	}
	return dir, nil
}

func resources(kinds map[string]*kind) map[string]*providers.Schema {
	m := map[string]*providers.Schema{}
	for name, k := range kinds {
		m[name] = k.schema
	}
	return m
}

func kinds() map[string]*kind {
	return map[string]*kind{
		control.Process:      processKind(launch.Process()),
		control.Keeper:       serviceKind(control.Keeper, keeper()),
		control.Announcement: serviceKind(control.Announcement, announcement()),
		control.Server:       serviceKind(control.Server, server()),
		control.Router:       serviceKind(control.Router, router()),
	}
}
