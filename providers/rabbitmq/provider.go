package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/rabbitmq/mgmt"
)

// provider is one broker. It connects at first use: the management API once,
// AMQP per vhost.
type provider struct {
	catalogue *catalogue
	types     map[string]cty.Type // implied types by query type, for nulls
	settings  *settingsOfBroker
	lineage   string
	marks     bool
	log       *slog.Logger

	api api

	mu    sync.Mutex
	pools map[string]*pool
	// seen is what reads noticed, for Warnings.
	seen seen
	// vhostDefaults are default queue types, asked once a vhost.
	vhostDefaults sync.Map
	dialled       dialled
	// watches are what is known of bindings while much is deleted, by vhost.
	watches sync.Map
	// tallies are what clients hold of queues, by vhost.
	tallies sync.Map
}

// open is Type.Open. It reads files that the block names, and makes no connection.
func (c *catalogue) open(_ context.Context, env providers.Env) (providers.Provider, error) {
	s, err := readSettings(env.Config, env.Dir)
	if err != nil {
		return nil, err
	}
	p := &provider{
		catalogue: c, types: map[string]cty.Type{}, settings: s,
		lineage: env.Lineage, marks: env.Marks && env.Lineage != "", pools: map[string]*pool{}, log: env.Logger(),
	}
	for name, schema := range c.resources {
		p.types[name] = schema.ImpliedType()
	}
	for name, schema := range c.data {
		p.types[dataPrefix+name] = schema.ImpliedType()
	}
	return p, nil
}

// api is the management client, made and tried at first use.
type api struct {
	mu       sync.Mutex
	client   *mgmt.Client
	overview *mgmt.Overview
	version  *version.Version // nil where it cannot be read
	err      error
}

// errNoManagement says that the broker block gives no management API.
var errNoManagement = errors.New("the broker block says management = \"none\"")

// client returns the management client once the API has answered as one; the
// first failure is the answer to all later calls.
func (p *provider) client(ctx context.Context) (*mgmt.Client, error) {
	a := &p.api
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client != nil || a.err != nil {
		return a.client, a.err
	}
	client, overview, err := p.connectAPI(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.err = err
		}
		return nil, err
	}
	a.client, a.overview = client, overview
	a.version, _ = version.NewVersion(overview.RabbitMQ)
	return client, nil
}

func (p *provider) connectAPI(ctx context.Context) (*mgmt.Client, *mgmt.Overview, error) {
	if p.settings.management == "" {
		return nil, nil, errNoManagement
	}
	password, err := p.settings.password.Of(ctx)
	if err != nil {
		return nil, nil, err
	}
	client, err := mgmt.New(mgmt.Options{URL: p.settings.management, Username: p.settings.username, Password: password, TLS: p.managementTLS(), Log: p.log, LogLevel: providers.LevelTrace})
	if err != nil {
		return nil, nil, at("management").NewError(err)
	}
	overview, err := client.Overview(ctx)
	if err != nil {
		client.Close()
		return nil, nil, p.managementError(err)
	}
	return client, overview, nil
}

// managementError adds the way out to what the client says when the API as a
// whole does not work.
func (p *provider) managementError(err error) error {
	var e *mgmt.Error
	if !errors.As(err, &e) || !e.EndsConnection() {
		return err
	}
	detail := e.Error()
	if e.Kind == mgmt.Unreachable || e.Kind == mgmt.NotManagement {
		const enable = "rabbitmq-plugins enable rabbitmq_management"
		detail += ". The live topology is read from RabbitMQ's management API"
		if !strings.Contains(detail, enable) {
			detail += ", which comes with a plugin (" + enable + ")"
		}
		detail += "; `management` of the broker block says where that is, or \"none\" to work without it"
	}
	return &providers.ConnectionError{Headline: e.Summary(), Detail: detail, Err: err}
}

// pool is the AMQP side of a vhost.
func (p *provider) pool(vhost string) *pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.pools[vhost]
	if q == nil {
		q = &pool{settings: p.settings, vhost: vhost}
		p.pools[vhost] = q
		p.log.Log(context.Background(), providers.LevelTrace, "AMQP", "address", p.settings.url.address(), "vhost", vhost)
	}
	return q
}

// forget closes a vhost's connections before the vhost goes.
func (p *provider) forget(vhost string) {
	p.mu.Lock()
	q := p.pools[vhost]
	delete(p.pools, vhost)
	p.mu.Unlock()
	if q != nil {
		q.close()
	}
	p.dialled.forget(vhost)
	p.vhostDefaults.Delete(vhost)
	p.watches.Delete(vhost)
	p.tallies.Delete(vhost)
}

// Close ends all connections.
func (p *provider) Close() error {
	p.mu.Lock()
	pools := p.pools
	p.pools = map[string]*pool{}
	p.mu.Unlock()
	for _, q := range pools {
		q.close()
	}
	p.dialled.close()
	p.api.mu.Lock()
	defer p.api.mu.Unlock()
	if p.api.client != nil {
		p.api.client.Close()
	}
	return nil
}

// Ping checks that both sides of the broker answer.
func (p *provider) Ping(ctx context.Context) (string, error) {
	where := p.settings.url.address()
	if err := p.pool(p.settings.url.vhost).do(ctx, noCall); err != nil {
		if _, refused := errors.AsType[*vhostError](err); !refused {
			return "", err
		}
	}
	client, err := p.client(ctx)
	if errors.Is(err, errNoManagement) {
		return "RabbitMQ at " + where + ", without a management API", nil
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("RabbitMQ %s at %s, management API at %s", diag.Escape(p.api.overview.RabbitMQ), where, client.Host()), nil
}

// brokerVersion is the broker's version, nil where it is not known.
func (p *provider) brokerVersion() *version.Version {
	p.api.mu.Lock()
	defer p.api.mu.Unlock()
	return p.api.version
}

// before says whether the broker is known to be older than a version.
func before(v *version.Version, than string) bool {
	t, err := version.NewVersion(than)
	return v != nil && err == nil && v.Core().LessThan(t)
}

var (
	_ providers.Lister     = (*provider)(nil)
	_ providers.Meter      = (*provider)(nil)
	_ providers.Normalizer = (*provider)(nil)
	_ providers.Pinger     = (*provider)(nil)
	_ providers.Warner     = (*provider)(nil)
)

// Warnings says how reads had to work, and what of the wanted objects newer
// brokers no longer take.
func (p *provider) Warnings() hcl.Diagnostics { return p.seen.warnings(p.settings) }
