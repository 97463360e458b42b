package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/local/control"
)

// A provider is the launcher of one state on this machine. Reading asks the
// agent, or, where none runs, looks into its folder; only changes start one.
type provider struct {
	kinds   map[string]*kind
	agent   control.Agent
	machine string

	starting sync.Mutex // held while the agent is started: one attempt at a time

	mu     sync.Mutex
	client *control.Client              // of an agent of this very program, once there was a change
	read   map[control.Key]control.Held // what the last Read found; it is not changed any more
	alive  bool                         // the last Read found an agent
}

var (
	_ providers.Provider   = (*provider)(nil)
	_ providers.Normalizer = (*provider)(nil)
	_ providers.Linter     = (*provider)(nil)
	_ providers.Pinger     = (*provider)(nil)
	_ providers.Checker    = (*provider)(nil)
	_ providers.Waker      = (*provider)(nil)
	_ providers.Warner     = (*provider)(nil)
)

// held is what the agent holds, and whether one runs.
func (p *provider) held(ctx context.Context) ([]control.Held, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	c, err := control.Dial(ctx, p.agent.Lineage)
	if err == nil {
		defer func() { _ = c.Close() }() // its errors are those of what was asked
		var h control.Hello
		if h, err = c.Hello(ctx); err == nil && h.Protocol == control.Protocol {
			var held []control.Held
			if held, err = c.List(ctx); err == nil {
				return held, true, nil
			}
		}
	}
	// An agent that speaks otherwise is replaced by the next change; until then
	// its folder tells the same.
	if err != nil && !errors.Is(err, control.ErrNoAgent) {
		return nil, false, unreachable(err)
	}
	held, err := control.ReadFolder(p.agent.Lineage)
	if err != nil {
		return nil, false, unreachable(cmp.Or(p.usable(), err))
	}
	return held, c != nil, nil
}

// usable says why no agent can have its folders here.
func (p *provider) usable() error {
	place, err := control.Locate(p.agent.Lineage)
	if err != nil {
		return err
	}
	return place.Usable()
}

// Check implements providers.Checker: an agent that runs has its folders, and one that
// is to be started must be able to.
func (p *provider) Check(ctx context.Context) error {
	c, err := control.Dial(ctx, p.agent.Lineage)
	if err == nil {
		return c.Close()
	}
	if errors.Is(err, control.ErrNoAgent) {
		err = p.usable()
	}
	if err != nil {
		return unreachable(err)
	}
	return nil
}

// ensure is a client of an agent of this program, started where none runs.
func (p *provider) ensure(ctx context.Context) (*control.Client, error) {
	p.starting.Lock()
	defer p.starting.Unlock()
	if c := p.opened(); c != nil {
		return c, nil
	}
	c, err := control.Ensure(ctx, p.agent)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, unreachable(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.client = c
	return c, nil
}

func (p *provider) opened() *control.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.client
}

// Wake implements providers.Waker: where the agent held anything on this
// machine one runs afterwards, of this program, and brings back what died with the machine.
// What it hosts is up then, so that steps on an embedded broker find it.
func (p *provider) Wake(ctx context.Context) error {
	held, _, err := p.held(ctx)
	if err != nil || len(held) == 0 {
		return err
	}
	c, err := p.ensure(ctx)
	if err != nil {
		return err
	}
	if err := c.Settled(ctx); err != nil {
		return lost(ctx, err)
	}
	return nil
}

// Warnings implements providers.Warner.
func (p *provider) Warnings() hcl.Diagnostics {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alive || len(p.read) == 0 {
		return nil
	}
	held := slices.Collect(maps.Values(p.read))
	text := "Nothing of what was applied runs on this machine: it was restarted, or the agent and the participants were killed. `msgflo apply` or `msgflo agent` brings it back."
	switch {
	case slices.ContainsFunc(held, downed):
		text = "Nothing of what was applied runs on this machine: `msgflo down` stopped it. `msgflo apply` or `msgflo agent` brings it back."
	case slices.ContainsFunc(held, control.Held.Runs):
		text = "The agent that looks after what runs here does not run. Processes go on without it, and nothing is restarted; `msgflo apply` or `msgflo agent` starts it again."
	}
	return hcl.Diagnostics{diag.Warning(hcl.Range{}, "Agent not running", text)}
}

// Lint implements providers.Linter: a participant that announced itself otherwise
// than it is declared is told at its block.
func (p *provider) Lint(want []providers.Object) hcl.Diagnostics {
	p.mu.Lock()
	defer p.mu.Unlock()
	var diags hcl.Diagnostics
	for i := range want {
		if want[i].Type != control.Process {
			continue
		}
		key, err := p.kinds[control.Process].key(want[i].Value)
		if is := p.read[key].Status; err == nil && is != nil && is.Mismatch != "" {
			summary, detail := otherwise(want[i].Addr, is.Mismatch)
			diags = append(diags, diag.Warning(want[i].Decl, summary, detail))
		}
	}
	return diags
}

// Ping implements providers.Pinger. It starts nothing.
func (p *provider) Ping(ctx context.Context) (string, error) {
	held, alive, err := p.held(ctx)
	switch {
	case err != nil:
		return "", err
	case alive:
		return fmt.Sprintf("this machine, %s: its agent holds %d objects", host(p.machine), len(held)), nil
	}
	return fmt.Sprintf("this machine, %s: no agent runs; apply starts one where needed", host(p.machine)), nil
}

// Close lets the connection go; the agent and all it holds go on.
func (p *provider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == nil {
		return nil
	}
	c := p.client
	p.client = nil
	return c.Close()
}
