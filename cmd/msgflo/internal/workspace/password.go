package workspace

import (
	"context"
	"strings"
	"sync"

	"github.com/msgflo/msgflo/providers/access"
)

// passwords are what brokers' password commands print, for participants: each
// command is run once a workspace, however often the configuration is evaluated.
type passwords struct {
	mu        sync.Mutex
	byCommand map[string]*access.Password
}

// of runs a command in dir, unless it was run before.
func (p *passwords) of(command []string, dir string) (string, error) {
	p.mu.Lock()
	key := strings.Join(command, "\x00")
	known := p.byCommand[key]
	if known == nil {
		if p.byCommand == nil {
			p.byCommand = map[string]*access.Password{}
		}
		known = &access.Password{Command: command, Dir: dir}
		p.byCommand[key] = known
	}
	p.mu.Unlock()
	return known.Of(context.Background()) // it bounds itself
}
