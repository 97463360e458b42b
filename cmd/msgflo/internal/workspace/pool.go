package workspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/providers"
)

// pool opens each provider once and closes them together.
type pool struct {
	w       *Workspace
	lineage string
	state   string // where it is kept: see StateAt

	mu      sync.Mutex
	brokers map[addr.Provider]desired.Broker
	open    map[addr.Provider]providers.Provider
}

func newPool(w *Workspace, lineage string) *pool {
	return &pool{w: w, lineage: lineage, brokers: map[addr.Provider]desired.Broker{}, open: map[addr.Provider]providers.Provider{}}
}

// declare tells the pool the evaluated broker blocks.
func (p *pool) declare(brokers map[addr.Provider]desired.Broker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(p.brokers, brokers)
}

// Open returns the provider of a broker, opened at first use. Opening makes no
// connection yet.
func (p *pool) Open(a addr.Provider) (providers.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pr := p.open[a]; pr != nil {
		return pr, nil
	}
	b, ok := p.brokers[a]
	if !ok {
		b, ok = p.implied(a)
	}
	if !ok {
		return nil, fmt.Errorf("%s is recorded in state but not declared any more; its block is needed as long as objects on it are recorded: "+
			"bring it back, destroy them first, or forget them with `msgflo state rm`", a)
	}
	if b.Partial {
		return nil, fmt.Errorf("the block of %s needs a variable that has no value here; give it with -var or -var-file", a)
	}
	env := providers.Env{Config: b.Config, Lineage: p.lineage, State: p.state, Marks: p.w.module.Settings.OwnershipMarks, Dir: p.w.o.Dir, Log: p.w.o.Log}
	pr, err := b.Type.Open(context.Background(), env)
	if err != nil {
		return nil, err
	}
	p.open[a] = pr
	return pr, nil
}

// forget closes a provider, so that the next use opens it anew.
func (p *pool) forget(a addr.Provider) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pr := p.open[a]; pr != nil {
		_ = pr.Close() // it failed already
		delete(p.open, a)
	}
}

// implied is a launcher that no block declares: this machine's own never is,
// and one whose block is gone is still needed for destroying what runs there. It has
// the default settings; one that cannot do without a setting is not implied.
func (p *pool) implied(a addr.Provider) (desired.Broker, bool) {
	kind, isLauncher := strings.CutPrefix(a.Kind, launcherKind)
	t := p.w.Types()[kind]
	if !isLauncher || t == nil || !t.Launcher || slices.ContainsFunc(t.Config.Attrs, func(at providers.Attr) bool { return at.Required }) {
		return desired.Broker{}, false
	}
	return desired.Broker{Type: t, Config: t.Config.Complete(nil)}, true
}

// launcherKind is what the kinds of launchers begin with: launcher.local.
const launcherKind = "launcher."

// decl is where the broker is declared, for diagnostics.
func (p *pool) decl(a addr.Provider) hcl.Range {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.brokers[a].Decl
}

// types maps every provider to its kind: the declared ones, and the recorded
// ones by the kind that state names.
func (s *Session) types() map[addr.Provider]*providers.Type {
	known := s.w.Types()
	out := map[addr.Provider]*providers.Type{}
	for i := range s.snap.Objects {
		o := &s.snap.Objects[i]
		if t := known[o.ProviderType]; t != nil {
			out[o.Provider] = t
		}
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	for a, b := range s.pool.brokers {
		out[a] = b.Type
	}
	return out
}

// decls is where each broker is declared.
func (p *pool) decls() map[addr.Provider]hcl.Range {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := make(map[addr.Provider]hcl.Range, len(p.brokers))
	for a, b := range p.brokers {
		m[a] = b.Decl
	}
	return m
}

// Close closes every provider that was opened.
func (p *pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for a, pr := range p.open {
		errs = append(errs, pr.Close())
		delete(p.open, a)
	}
	return errors.Join(errs...)
}

func sortedProviders[V any](m map[addr.Provider]V) []addr.Provider {
	out := make([]addr.Provider, 0, len(m))
	for a := range m {
		out = append(out, a)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].String() < out[j].String() })
	return out
}
